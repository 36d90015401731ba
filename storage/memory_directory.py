"""The in-memory implementation of `sync.ports.Directory`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from storage.memory import ActivityRow, MemoryDatabase
from storage.memory_rows import TreeRows, encoded, rfc3339
from sync.access import role_in
from sync.errors import Invalid, NotFound
from sync.identity import Author, Identity, TreeKey
from sync.ports import Batch, ConflictRecord, Head, Rights, TreeSummary, Visibility
from sync.protocol import Role


class MemoryDirectory:
    """`sync.ports.Directory` over a MemoryDatabase."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def admit(self, identity: Identity) -> None:
        encoded([identity.tenant, identity.user, identity.name, identity.email])
        self._database.users[identity.tenant, identity.user] = (identity.name, identity.email)

    async def create(self, identity: Identity, first: Batch, visibility: Visibility, author: Author) -> TreeKey:
        now = self._database.clock.now()
        key = TreeKey(identity.tenant, self._database.next_tree())
        rights = Rights(version=1, owner=identity.user, visibility=visibility)
        head = Head(epoch=first.epoch, commit=0, seq=0, rights=1)
        rows = TreeRows(key, head, rights, now)
        batch = msgspec.structs.replace(first, key=key, commit=0, seq=0)
        rows.prepare(batch, now)
        self._database.trees[key] = rows
        self._database.activities.append(_created(key, author, batch, rfc3339(now)))
        self._database.apply([batch])
        return key

    async def trees(self, identity: Identity, *, limit: int, before: str | None = None) -> list[TreeSummary]:
        lines = sorted(self._visible(identity), key=_newest_first, reverse=True)
        if before is not None:
            last = _cursor(before)
            lines = [line for line in lines if _newest_first(line) < last]
        return lines[:limit]

    async def summary(self, identity: Identity, tree: int) -> TreeSummary:
        summary = _summary(self._database.living(TreeKey(identity.tenant, tree)), identity)
        if summary.role is None:
            raise NotFound("no such tree")
        return summary

    async def set_visibility(self, key: TreeKey, visibility: Visibility) -> Rights:
        return self._database.living(key).set_rights(visibility=visibility)

    async def set_member(self, key: TreeKey, user: str, role: Role | None) -> Rights:
        rows = self._database.living(key)
        members = {other: held for other, held in rows.rights.members.items() if other != user}
        if role is not None:
            members[user] = role
            self._database.users.setdefault((key.tenant, user), ("", ""))
        return rows.set_rights(members=members)

    async def set_frozen(self, key: TreeKey, frozen: bool) -> Rights:
        return self._database.living(key).set_rights(frozen=frozen)

    async def trash_tree(self, key: TreeKey) -> Rights:
        rows = self._database.living(key)
        rows.deleted_at = self._database.clock.now()
        return rows.set_rights(deleted=True)

    async def conflicts(
        self, key: TreeKey, *, user: str | None, limit: int, before: int | None = None
    ) -> list[ConflictRecord]:
        records = sorted(self._database.living(key).conflict_records(), key=lambda record: record.id, reverse=True)
        return [
            record
            for record in records
            if (before is None or record.id < before) and (user is None or _concerns(record, user))
        ][:limit]

    def _visible(self, identity: Identity) -> Iterator[TreeSummary]:
        for key, rows in self._database.trees.items():
            if key.tenant == identity.tenant and rows.deleted_at is None:
                summary = _summary(rows, identity)
                if summary.role is not None:
                    yield summary


def _concerns(record: ConflictRecord, user: str) -> bool:
    """Whether a user is one of a record's two authors (SEMANTICS 26)."""
    return record.user == user or any(path.get("by") == user for path in record.paths.values())


def _created(key: TreeKey, author: Author, batch: Batch, at: str) -> ActivityRow:
    counts = {"node_count": len(batch.nodes), "connection_count": len(batch.connections)}
    return ActivityRow(key=key, author=author, kind="tree_created", data=encoded(counts), at=at)


def _summary(rows: TreeRows, identity: Identity) -> TreeSummary:
    details, rights = rows.details, rows.rights
    return TreeSummary(
        id=rows.key.tree,
        name=details.name,
        description=details.description,
        discovery_phase=details.discovery_phase,
        is_template=details.is_template,
        visibility=rights.visibility,
        owner=rights.owner,
        role=role_in(rights, identity),
        node_count=rows.node_count,
        created_at=rfc3339(rows.created),
        updated_at=rfc3339(rows.updated),
    )


def _newest_first(line: TreeSummary) -> tuple[str, int]:
    return line.updated_at, line.id


def _cursor(before: str) -> tuple[str, int]:
    """Raises Invalid."""
    updated_at, _, number = before.rpartition("|")
    if not updated_at or not number.isdecimal():
        raise Invalid("`before` is `updated_at|id` of the last line of a page")
    return updated_at, int(number)
