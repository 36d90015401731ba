"""Reading the trash of the in-memory database: see `sync.trash`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from storage.memory_rows import TreeRows
from sync.ports import LoggedOp, NodeRow
from sync.trash import Trashed


def trashed(rows: TreeRows) -> list[Trashed]:
    """The tops of all deletions, newest first."""
    nodes = {row.node.id: row for row in rows.loaded().nodes}
    children = _children(nodes)
    return sorted(
        (_line(row, _below(row, children), rows) for row in nodes.values() if _is_top(row, nodes)),
        key=lambda line: (line.seq, line.node),
        reverse=True,
    )


def overdue(rows: TreeRows, moment: str) -> list[str]:
    """The highest of what was deleted before a moment."""
    nodes = {row.node.id: row for row in rows.loaded().nodes}

    def is_old(row: NodeRow) -> bool:
        return row.deleted is not None and _delete(rows, row.deleted).at < moment

    return sorted(
        row.node.id
        for row in nodes.values()
        if is_old(row) and (row.node.parent is None or not is_old(nodes[row.node.parent]))
    )


def _is_top(row: NodeRow, nodes: dict[str, NodeRow]) -> bool:
    above = nodes[row.node.parent].deleted if row.node.parent is not None else None
    return row.deleted is not None and row.deleted != above


def _children(nodes: dict[str, NodeRow]) -> dict[str | None, list[NodeRow]]:
    children: dict[str | None, list[NodeRow]] = defaultdict(list)
    for row in nodes.values():
        children[row.node.parent].append(row)
    return children


def _below(top: NodeRow, children: dict[str | None, list[NodeRow]]) -> Iterator[NodeRow]:
    """A node and what the same deletion took under it."""
    waiting = [top]
    while waiting:
        row = waiting.pop()
        yield row
        waiting += [one for one in children[row.node.id] if one.deleted == top.deleted]


def _line(top: NodeRow, taken: Iterator[NodeRow], rows: TreeRows) -> Trashed:
    assert top.deleted is not None, "a line of the trash is of a deletion"
    delete = _delete(rows, top.deleted)
    return Trashed(
        node=top.node.id,
        title=top.node.title,
        type=top.node.type,
        nodes=sum(1 for _ in taken),
        seq=delete.seq,
        by=delete.author.user,
        at=delete.at,
    )


def _delete(rows: TreeRows, seq: int) -> LoggedOp:
    (delete,) = rows.ops(seq - 1, seq)
    return delete
