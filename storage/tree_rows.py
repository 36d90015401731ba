"""Reading a tree: its own fields, its rights, its nodes and connections."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import msgspec

from storage.conflicts import read_open
from storage.database import Connection
from storage.json_values import decoded_map
from storage.op_log import read_head
from sync.errors import NotFound
from sync.identity import TreeKey
from sync.marks import Mark, Marks
from sync.nodes import Connection as TreeConnection
from sync.nodes import Details, Node, Point
from sync.ports import ConnectionRow, LoadedTree, NodeRow, Rights

TREE = """
SELECT name, description, discovery_phase, is_template, canvas_state, marks
FROM impact_trees WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL
"""
RIGHTS = """
SELECT h.rights, t.user_id, t.visibility, t.frozen_at IS NOT NULL AS frozen, t.deleted_at IS NOT NULL AS deleted
FROM impact_trees AS t JOIN tree_heads AS h ON h.tenant_id = t.tenant_id AND h.tree_id = t.id
WHERE t.tenant_id = $1 AND t.id = $2
"""
MEMBERS = "SELECT user_id, role FROM tree_members WHERE tenant_id = $1 AND tree_id = $2"
NODES = """
SELECT id, parent_id, order_key, node_type, title, description, position, is_collapsed, template_data, metadata, seq,
    marks, deleted_seq, updated_by
FROM tree_nodes WHERE tenant_id = $1 AND tree_id = $2
"""
CONNECTIONS = """
SELECT id, from_node, to_node, label, marks, deleted_seq, updated_by
FROM tree_connections WHERE tenant_id = $1 AND tree_id = $2
"""

# rows made into values before others get their turn: 1,000 take about 5 ms, the loop may be held for 20 (B4)
CHUNK = 1_000

_marks: msgspec.json.Decoder[Marks] = msgspec.json.Decoder(Marks)
_point = msgspec.json.Decoder(Point)


async def read_tree(connection: Connection, key: TreeKey) -> LoadedTree:
    """A whole tree; the caller's transaction makes it one moment. Raises NotFound."""
    head = await read_head(connection, key)
    tree = await connection.fetchrow(TREE, key.tenant, key.tree)
    if tree is None:
        raise NotFound("no such tree")
    return LoadedTree(
        key=key,
        head=head,
        rights=await read_rights(connection, key),
        details=_details(tree),
        detail_marks=_marks.decode(tree["marks"]),
        nodes=await _nodes(connection, key),
        connections=[_connection(row) for row in await connection.fetch(CONNECTIONS, key.tenant, key.tree)],
        conflicts=await read_open(connection, key),
    )


async def read_rights(connection: Connection, key: TreeKey) -> Rights:
    """Raises NotFound where there is no such tree; a deleted one says so."""
    row = await connection.fetchrow(RIGHTS, key.tenant, key.tree)
    if row is None:
        raise NotFound("no such tree")
    members: list[asyncpg.Record] = await connection.fetch(MEMBERS, key.tenant, key.tree)
    return Rights(
        version=row["rights"],
        owner=row["user_id"],
        visibility=row["visibility"],
        members={member["user_id"]: member["role"] for member in members},
        frozen=row["frozen"],
        deleted=row["deleted"],
    )


async def _nodes(connection: Connection, key: TreeKey) -> list[NodeRow]:
    found: list[NodeRow] = []
    once = _Once()
    cursor = await connection.cursor(NODES, key.tenant, key.tree)
    while rows := await cursor.fetch(CHUNK):
        found += [_node(row, once) for row in rows]
        await asyncio.sleep(0)
    return found


class _Once:
    """What the rows of a tree say again and again, made once: with 10,000 nodes of one import that halves the memory.
    All of it are values that nobody changes in place."""

    def __init__(self) -> None:
        texts: dict[str, str] = {}
        self.text = texts.setdefault  # given twice: what is kept, and what is looked for
        self._maps: dict[str, dict[str, Any]] = {"{}": {}}
        self._marks: dict[str, Marks] = {}
        self._points: dict[str, Point] = {}

    def map(self, text: str) -> dict[str, Any]:
        found = self._maps.get(text)
        return decoded_map(text) if found is None else found

    def point(self, text: str) -> Point:
        found = self._points.get(text)
        if found is None:
            found = self._points[text] = _point.decode(text)
        return found

    def marks(self, text: str) -> Marks:
        found = self._marks.get(text)  # what one import made has one mark
        if found is None:
            found = self._marks[text] = _marks.decode(text)
            for path, mark in found.items():
                found[path] = self._mark(mark)
        return found

    def _mark(self, mark: Mark) -> Mark:
        text, user, client, other, known = self.text, mark.user, mark.client, mark.other_user, mark.other_client
        user, client = text(user, user), text(client, client)
        if not mark.other_seq:
            return Mark(mark.seq, user, client)
        return Mark(mark.seq, user, client, mark.other_seq, text(other, other), text(known, known))


def _node(row: asyncpg.Record, once: _Once) -> NodeRow:
    text, node_id, parent, kind, by = once.text, row["id"], row["parent_id"], row["node_type"], row["updated_by"]
    return NodeRow(
        node=Node(
            id=text(node_id, node_id),
            parent=None if parent is None else text(parent, parent),
            order=row["order_key"],
            type=text(kind, kind),  # type: ignore[arg-type]  # the column's check knows the types
            title=row["title"],
            description=row["description"],
            position=once.point(row["position"]),
            is_collapsed=row["is_collapsed"],
            template_data=once.map(row["template_data"]),
            metadata=once.map(row["metadata"]),
            seq=row["seq"],
        ),
        marks=once.marks(row["marks"]),
        deleted=row["deleted_seq"],
        by=text(by, by),
    )


def _connection(row: asyncpg.Record) -> ConnectionRow:
    return ConnectionRow(
        connection=TreeConnection(id=row["id"], source=row["from_node"], target=row["to_node"], label=row["label"]),
        marks=_marks.decode(row["marks"]),
        deleted=row["deleted_seq"],
        by=row["updated_by"],
    )


def _details(row: asyncpg.Record) -> Details:
    return Details(
        name=row["name"],
        description=row["description"],
        discovery_phase=row["discovery_phase"],
        is_template=row["is_template"],
        canvas_state=_map(row["canvas_state"]),
    )


def _map(text: str) -> dict[str, Any]:
    return {} if text == "{}" else decoded_map(text)
