"""`sync.feeds.FeedReader` in memory, over a MemoryDatabase: see `storage.feeds`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from storage.commits import fields_of
from storage.memory import ActivityRow, MemoryDatabase
from storage.memory_rows import TreeRows, rfc3339
from sync import effects
from sync.access import role_in
from sync.activities import OF_TREES
from sync.feed_rows import Names, NodeName, Place, Row
from sync.feeds import Looked, Wanted
from sync.identity import Identity, TreeKey
from sync.ports import LoggedOp

_map: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


class MemoryFeeds:
    """See the module. A row's number is its place in the list."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def rows(self, wanted: Wanted, *, before: Place | None, limit: int) -> Looked:
        since = "" if wanted.since is None else rfc3339(wanted.since.timestamp())
        numbered = [
            (Place(row.at, number), row)
            for number, row in enumerate(self._database.activities, 1)
            if row.key.tenant == wanted.tenant
            and (row.author.user == wanted.user if wanted.tree is None else row.key.tree == wanted.tree)
            and row.at >= since
            and (before is None or (row.at, number) < before)
        ]
        looked = sorted(numbered, key=lambda one: one[0], reverse=True)[:limit]
        rows = [self._row(place, row) for place, row in looked if _is_wanted(row, wanted)]
        return Looked(rows, looked[-1][0] if len(looked) == limit else None)

    async def names(
        self, reader: Identity, *, trees: Collection[int], nodes: Collection[tuple[int, str]], users: Collection[str]
    ) -> Names:
        named = {user: self._database.users.get((reader.tenant, user)) for user in users}
        visible = {
            tree: rows.details.name
            for tree in trees
            if (rows := self._visible(reader, tree)) is not None and role_in(rows.rights, reader) is not None
        }
        loaded = {tree: self._database.trees[TreeKey(reader.tenant, tree)].loaded() for tree in visible}
        return Names(
            users={user: one[0] for user, one in named.items() if one is not None},
            trees=visible,
            nodes={
                (tree, row.node.id): NodeName(row.node.title, row.node.type)
                for tree, one in loaded.items()
                for row in one.nodes
                if (tree, row.node.id) in nodes
            },
        )

    def _visible(self, reader: Identity, tree: int) -> TreeRows | None:
        rows = self._database.trees.get(TreeKey(reader.tenant, tree))
        return rows if rows is not None and rows.deleted_at is None else None

    def _row(self, place: Place, row: ActivityRow) -> Row:
        op = None
        told = _map.decode(row.data) if row.kind in OF_TREES else {}
        if row.seq:
            [op] = self._database.trees[row.key].ops(row.seq - 1, row.seq)
            told = self._told(row.key, op)
        return Row(
            id=place.id,
            at=place.at,
            kind=row.kind,
            user=row.author.user,
            tree=row.key.tree,
            node=row.node,
            session=row.author.visit,
            duration_ms=row.duration_ms,
            seq=row.seq,
            fields=(fields_of(op.effect) or []) if op is not None else [],
            client=op.author.client if op is not None else "",
            via=op.author.via if op is not None else "",
            reported=not row.seq and row.kind not in OF_TREES,
            told={name: value for name, value in told.items() if value is not None},
        )

    def _told(self, key: TreeKey, op: LoggedOp) -> dict[str, Any]:
        match op.effect:
            case effects.Insert(parent=parent):
                return {"parent": parent}
            case effects.Move(parent=parent):
                return {"parent": parent, "before": op.inverse.get("parent")}
            case effects.Import(nodes=nodes) | effects.Restore(nodes=nodes):
                return {"nodes": len(nodes)}
            case effects.Delete():
                return {"nodes": len(op.inverse["nodes"])}
            case effects.Configure(set=changed):
                return {"name": (changed or {}).get("name")}
            case effects.Connect() | effects.Disconnect() | effects.Update():
                return self._ends(key, op.effect.connection)
        return {}

    def _ends(self, key: TreeKey, connection: object) -> dict[str, Any]:
        for row in self._database.trees[key].loaded().connections:
            if row.connection.id == connection:
                return {"connection": connection, "from": row.connection.source, "to": row.connection.target}
        return {}


def _is_wanted(row: ActivityRow, wanted: Wanted) -> bool:
    return (
        wanted.node in ("", row.node)
        and wanted.user in ("", row.author.user)
        and (not wanted.stored_kinds or row.kind in wanted.stored_kinds)
        and (wanted.tree is None or bool(row.seq) or row.kind in OF_TREES)
    )
