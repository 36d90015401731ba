from __future__ import annotations

import msgspec
import pytest

from storage.commits import COLUMN_TYPES, columns, in_order, receipts
from sync.errors import Unstorable
from sync.identity import TreeKey
from sync.nodes import Connection
from sync.ports import Batch, Head
from tests.batches import Writer, author, node


def batch_of(tenant: str, tree: int, edits: int = 1) -> Batch:
    writer = Writer(TreeKey(tenant, tree), Head(epoch="e1", commit=3, seq=7), author())
    for place in range(edits):
        writer.insert(node(f"n{place}", None))
    return writer.cut()


def test_batches_go_by_tenant_and_tree() -> None:
    asked = [batch_of("b", 1), batch_of("a", 10), batch_of("a", 9)]
    assert [batch.key for batch in in_order(asked)] == [TreeKey("a", 9), TreeKey("a", 10), TreeKey("b", 1)]


def test_a_tree_stands_in_a_commit_once_and_its_ops_follow_the_log() -> None:
    with pytest.raises(Unstorable, match="twice"):
        in_order([batch_of("a", 1), batch_of("a", 1)])
    with pytest.raises(Unstorable, match="follow"):
        in_order([msgspec.structs.replace(batch_of("a", 1), seq=9)])


def test_every_row_knows_its_batch() -> None:
    few, many = batch_of("a", 1, 1), batch_of("a", 2, 3)
    few.connections = []
    writer = Writer(TreeKey("b", 1), Head(epoch="e1", commit=1, seq=1), author("bo"))
    writer.connect(Connection(id="c", source="x", target="y"))
    writer.answer("unchanged")
    given = columns(in_order([few, many, writer.cut()]))
    assert len(given) == len(COLUMN_TYPES)
    assert given[8] == "{1, 1, 1, 0, 4, 4, 2, 0, 5, 4, 3, 1}"  # ends: ops, nodes, counters, rest
    assert given[9] == "{1, 2, 2, 2, 3}"  # the batch of each op
    assert given[10] == "{1, 2, 2, 2, 3}"  # its author: two equal ones are two, as their messages are
    assert given[24] == "{1, 2, 2, 2}"  # the batch of each node
    assert given[43] == "{3}"  # the one batch with a document
    assert '\\"connections\\":' in given[44]
    assert '\\"results\\":' in given[44]


def test_a_batch_without_a_time_is_lost() -> None:
    asked = [batch_of("b", 1), batch_of("a", 1)]
    answer = {"times": [None, None], "versions": [None, None]}
    assert [receipt.committed for receipt in receipts(in_order(asked), answer, asked)] == [False, False]  # type: ignore[arg-type]
