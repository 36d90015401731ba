"""Reading the trash of the in-memory database: see `sync.trash`."""

from __future__ import annotations

from collections import Counter

from storage.memory_rows import TreeRows
from sync.ports import LoggedOp, NodeRow
from sync.trash import Trashed


def trashed(rows: TreeRows) -> list[Trashed]:
    """The tops of all deletions, newest first."""
    nodes = {row.node.id: row for row in rows.loaded().nodes}
    taken = Counter(row.deleted for row in nodes.values())
    return sorted(
        (_line(row, taken[row.deleted], rows) for row in nodes.values() if _is_top(row, nodes)),
        key=lambda line: (line.seq, line.node),
        reverse=True,
    )


def overdue(rows: TreeRows, moment: str) -> list[str]:
    """The highest of what was deleted before a moment."""
    nodes = {row.node.id: row for row in rows.loaded().nodes}

    def is_old(row: NodeRow) -> bool:
        return row.deleted is not None and _delete(rows, row.deleted).at < moment

    found = [
        row for row in nodes.values() if is_old(row) and (row.node.parent is None or not is_old(nodes[row.node.parent]))
    ]
    return [row.node.id for row in sorted(found, key=lambda row: (row.deleted or 0, row.node.id))]


def _is_top(row: NodeRow, nodes: dict[str, NodeRow]) -> bool:
    above = nodes[row.node.parent].deleted if row.node.parent is not None else None
    return row.deleted is not None and row.deleted != above


def _line(top: NodeRow, nodes: int, rows: TreeRows) -> Trashed:
    assert top.deleted is not None, "a line of the trash is of a deletion"
    delete = _delete(rows, top.deleted)
    return Trashed(
        node=top.node.id,
        title=top.node.title,
        type=top.node.type,
        nodes=nodes,
        seq=delete.seq,
        by=delete.author.user,
        at=delete.at,
    )


def _delete(rows: TreeRows, seq: int) -> LoggedOp:
    (delete,) = rows.ops(seq - 1, seq)
    return delete
