"""Making a loaded tree in slices."""

from __future__ import annotations

import pytest

from sync import growing
from sync.marks import CREATED, Mark
from sync.nodes import Connection, Node
from sync.ports import ConnectionRow, LoadedTree, NodeRow
from tests.rooms import loaded

MARKS = {CREATED: Mark(1, "ada", "c")}


def large() -> LoadedTree:
    tree = loaded()
    tree.nodes = [
        NodeRow(node=Node(id=f"n{one}", parent=None, order=f"a{one}", type="metric", title="t"), marks=MARKS)
        for one in range(5)
    ]
    tree.connections = [
        ConnectionRow(connection=Connection(id=f"c{one}", source="n0", target="n1"), marks=MARKS) for one in range(2)
    ]
    return tree


def test_a_large_tree_gives_way_after_every_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "SLICE", 2)
    read = large()
    tree = growing.bare_tree(read)
    grown = [(len(tree.nodes), len(tree.connections)) for _ in growing.growing(tree, read)]
    assert grown == [(2, 0), (4, 0), (5, 2)]
    assert tree.digest == growing.tree_of(read).digest
    tree.check()
