"""A tree's first commit."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sync.creation import first_batch
from sync.errors import Invalid
from sync.identity import Author, TreeKey
from sync.limits import Limits
from sync.nodes import Details
from sync.ops import ImportedConnection, ImportedNode
from sync.ports import Batch, ClientCounter

ADA = Author(user="ada", client="create:1")
ROOT = ImportedNode(id="root", type="objective", title="Root")
LEAF = ImportedNode(id="leaf", parent="root", type="metric", title="Leaf")


def made(
    *nodes: ImportedNode,
    connections: tuple[ImportedConnection, ...] = (),
    limits: Limits | None = None,
    **details: Any,
) -> Batch:
    fields = {"name": "Strategy"} | details
    key = TreeKey("acme", 0)
    return first_batch(key, "e1", "m0", ADA, Details(**fields), list(nodes), list(connections), limits)


def test_the_whole_tree_is_in_its_log() -> None:
    """[HT1] From seq 1 on, so that any seq can be read."""
    link = ImportedConnection(id="c", source="root", target="leaf", label="l")
    batch = made(ROOT, LEAF, connections=(link,), description="d", is_template=True, canvas_state={"zoom": 2})
    assert [op.seq for op in batch.ops] == [1, 2]
    assert msgspec.to_builtins(batch.ops[0].effect)["op"] == "configure"
    assert [row.node.id for row in batch.nodes] == ["root", "leaf"]
    assert {row.node.seq for row in batch.nodes} == {2}
    assert [row.connection.label for row in batch.connections] == ["l"]
    assert batch.counters == [ClientCounter(user="ada", client="create:1", last_n=2)]
    assert batch.node_count == 2
    assert batch.details is not None
    assert (batch.details.name, batch.details.description, batch.details.is_template) == ("Strategy", "d", True)
    assert batch.details.canvas_state["zoom"] == 2
    assert batch.detail_marks is not None
    assert {(mark.user, mark.seq) for mark in batch.detail_marks.values()} <= {("ada", 0), ("ada", 1)}


def test_an_empty_tree() -> None:
    batch = made()
    assert [op.seq for op in batch.ops] == [1]
    assert batch.nodes == []


@pytest.mark.parametrize(
    ("nodes", "fields", "code"),
    [
        ((), {"name": ""}, "invalid"),
        ((), {"name": "x" * 501}, "invalid"),
        ((), {"description": "x" * 10_001}, "too_large"),
        ((), {"canvas_state": {"a.b": 1}}, "invalid"),
        ((LEAF,), {}, "parent_missing"),
        ((ROOT, ROOT), {}, "invalid"),
        ((ROOT, LEAF), {"limits": Limits(nodes_per_tree=1)}, "too_many_nodes"),
        ((ROOT, LEAF), {"limits": Limits(depth=1)}, "too_deep"),
        ((), {"connections": (ImportedConnection(id="c", source="a", target="b"),)}, "invalid"),
    ],
)
def test_what_cannot_be_a_tree_is_refused(nodes: tuple[ImportedNode, ...], fields: dict[str, Any], code: str) -> None:
    """[HT5]"""
    with pytest.raises(Invalid) as raised:
        made(*nodes, **fields)
    assert raised.value.code == code
    assert raised.value.why
