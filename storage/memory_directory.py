"""The in-memory implementation of `sync.ports.Directory`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

import msgspec

from storage.memory import ActivityRow, MemoryDatabase
from storage.memory_listing import is_wanted
from storage.memory_rows import TreeRows, encoded, rfc3339
from storage.memory_trash import overdue, trashed
from sync.access import role_in
from sync.activities import made_by, of_member
from sync.conflict_records import ConflictRecord, OwnConflict
from sync.errors import Invalid, NotFound
from sync.identity import Author, Identity, TreeKey
from sync.listing import EVERY_TREE, TreeFilter
from sync.ports import Batch, Head, Rights, TreeSummary, Visibility
from sync.protocol import Role
from sync.trash import Overdue, Trashed


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
        counts = {"node_count": len(batch.nodes), "connection_count": len(batch.connections)}
        self._log(key, author, "tree_created", how=made_by(author), **counts)
        self._database.apply([batch])
        return key

    async def trees(
        self, identity: Identity, *, limit: int, before: str | None = None, only: TreeFilter = EVERY_TREE
    ) -> list[TreeSummary]:
        rows = self._database.trees
        found = [one for one in self._visible(identity) if is_wanted(rows[TreeKey(identity.tenant, one.id)], one, only)]
        lines = sorted(found, key=_newest_first, reverse=True)
        if before is not None:
            last = _cursor(before)
            lines = [line for line in lines if _newest_first(line) < last]
        return lines[:limit]

    async def summary(self, identity: Identity, tree: int) -> TreeSummary:
        summary = _summary(self._database.living(TreeKey(identity.tenant, tree)), identity)
        if summary.role is None:
            raise NotFound("no such tree")
        return summary

    async def set_visibility(self, key: TreeKey, visibility: Visibility, by: Author | None = None) -> Rights:
        rights = self._database.living(key).set_rights(visibility=visibility)
        self._log(key, by, "visibility_changed", visibility=visibility)
        return rights

    async def set_member(self, key: TreeKey, user: str, role: Role | None, by: Author | None = None) -> Rights:
        rows = self._database.living(key)
        known = user in rows.rights.members
        members = {other: held for other, held in rows.rights.members.items() if other != user}
        if role is not None:
            members[user] = role
            self._database.users.setdefault((key.tenant, user), ("", ""))
        if known or role is not None:
            self._log(key, by, of_member(known, role), member=user, role=role)
        return rows.set_rights(members=members)

    async def set_frozen(self, key: TreeKey, frozen: bool) -> Rights:
        return self._database.living(key).set_rights(frozen=frozen)

    async def trash_tree(self, key: TreeKey, by: Author | None = None) -> Rights:
        rows = self._database.living(key)
        self._log(key, by, "tree_deleted")
        rows.deleted_at = self._database.clock.now()
        return rows.set_rights(deleted=True)

    async def conflicts(
        self, key: TreeKey, *, user: str | None, limit: int, before: int | None = None
    ) -> list[ConflictRecord]:
        records = sorted(self._database.living(key).conflict_records(), key=lambda record: record.id, reverse=True)
        return [
            record
            for record in records
            if record.closed is None
            and (before is None or record.id < before)
            and (user is None or user in record.parties)
        ][:limit]

    async def own_conflicts(self, identity: Identity, *, limit: int, before: str | None = None) -> list[OwnConflict]:
        own = [
            OwnConflict(tree=summary.id, record=record)
            for summary in self._visible(identity)
            for record in self._database.living(TreeKey(identity.tenant, summary.id)).conflict_records()
            if record.closed is None and identity.user in record.parties
        ]
        own.sort(key=_newest_conflict, reverse=True)
        if before is not None:
            last = _conflict_cursor(before)
            own = [one for one in own if _newest_conflict(one) < last]
        return own[:limit]

    async def trash(self, key: TreeKey, *, limit: int, before: tuple[int, str] | None = None) -> list[Trashed]:
        lines = trashed(self._database.living(key))
        return [line for line in lines if before is None or (line.seq, line.node) < before][:limit]

    async def overdue_trash(self, moment: datetime, *, limit: int, but: Collection[TreeKey] = ()) -> list[Overdue]:
        found: list[Overdue] = []
        for key, rows in self._database.trees.items():
            if rows.deleted_at is None and not rows.rights.frozen and key not in but:
                nodes = overdue(rows, rfc3339(moment.timestamp()))[:limit]
                limit -= len(nodes)
                found += [Overdue(key=key, nodes=nodes)] if nodes else []
        return found

    def _log(self, key: TreeKey, by: Author | None, kind: str, **told: Any) -> None:
        if by is not None:
            at = rfc3339(self._database.clock.now())
            self._database.activities.append(ActivityRow(key=key, author=by, kind=kind, data=encoded(told), at=at))

    def _visible(self, identity: Identity) -> Iterator[TreeSummary]:
        for key, rows in self._database.trees.items():
            if key.tenant == identity.tenant and rows.deleted_at is None:
                summary = _summary(rows, identity)
                if summary.role is not None:
                    yield summary


def _newest_conflict(one: OwnConflict) -> tuple[str, int, int]:
    return one.record.at, one.tree, one.record.id


def _conflict_cursor(before: str) -> tuple[str, int, int]:
    """Raises Invalid."""
    at, _, rest = before.partition("|")
    tree, _, number = rest.partition("|")
    if not at or not tree.isdecimal() or not number.isdecimal():
        raise Invalid("`before` is `at|tree|id` of the last line of a page")
    return at, int(tree), int(number)


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
