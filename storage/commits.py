"""Batches as the columns `commit_batches` takes, and its answer as receipts.

An array per column and one encoding per column: 4 µs of Python per edit. One JSON document per batch took 2 µs here but
twice the time in PostgreSQL, which has to find every field in it again (migration 0002 says what each array holds).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any

import asyncpg

from storage.array_literals import documents, numbers, optional_texts, texts
from storage.json_values import rfc3339
from sync.effects import Configure, Effect, Text, Update
from sync.errors import Unstorable
from sync.identity import Author
from sync.ports import Batch, LoggedOp, NodeRow, Receipt

# of the columns, in order: those of the batches, the ops, their authors, the nodes, the counters, the rest
COLUMN_TYPES = (
    "text", "bigint", "text", "bigint", "bigint", "text", "integer", "bigint", "integer",
    "integer", "integer", "bigint", "text", "text", "text", "text", "text", "text",
    "text", "text", "text", "text", "text", "text",
    "integer", "text", "text", "text", "text", "text", "text", "text", "boolean", "text", "text", "bigint",
    "text", "bigint", "text",
    "integer", "text", "text", "bigint",
    "integer", "text",
)  # fmt: skip
_COLUMNS = ", ".join(f"${place}::text::{kind}[]" for place, kind in enumerate(COLUMN_TYPES, 1))
COMMIT = f"SELECT times, versions FROM commit_batches({_COLUMNS})"  # noqa: S608  of the names above only

_LOST = Receipt(committed=False)
_OF_FIELDS = (Update, Configure)  # a tuple: a union would be made anew for every op


def in_order(batches: Sequence[Batch]) -> list[Batch]:
    """Sorted by tenant and tree, the order in which every instance takes heads. Raises Unstorable."""
    ordered = sorted(batches, key=lambda batch: batch.key)
    for batch, following in pairwise(ordered):
        if batch.key == following.key:
            raise Unstorable("a tree stands twice in one commit")
    for batch in ordered:
        if batch.ops and batch.ops[0].seq != batch.seq + 1:
            raise Unstorable("the ops of a batch do not follow the log")
    return ordered


def columns(ordered: Sequence[Batch]) -> list[str]:
    """The arguments of COMMIT, an array literal each. Raises Unstorable."""
    rest = [_rest(batch) for batch in ordered]
    return [
        *_batch_columns(ordered, rest),
        *_op_columns(ordered),
        *_node_columns(ordered),
        *_counter_columns(ordered),
        numbers([place for place, document in enumerate(rest, 1) if document]),
        documents([document for document in rest if document]),
    ]


def receipts(ordered: Sequence[Batch], answer: asyncpg.Record, asked: Sequence[Batch]) -> list[Receipt]:
    """One receipt per batch, in the order in which they were asked for."""
    settled = {
        batch.key: _LOST if at is None else Receipt(committed=True, at=rfc3339(at), rights=rights)
        for batch, at, rights in zip(ordered, answer["times"], answer["versions"], strict=True)
    }
    return [settled[batch.key] for batch in asked]


def _batch_columns(ordered: Sequence[Batch], rest: Sequence[dict[str, Any]]) -> list[str]:
    ends: list[int] = []
    ops = nodes = counters = documents = 0
    for batch, document in zip(ordered, rest, strict=True):
        ops += len(batch.ops)
        nodes += len(batch.nodes)
        counters += len(batch.counters)
        documents += bool(document)
        ends += (ops, nodes, counters, documents)
    return [
        texts([batch.key.tenant for batch in ordered]),
        numbers([batch.key.tree for batch in ordered]),
        texts([batch.epoch for batch in ordered]),
        numbers([batch.commit for batch in ordered]),
        numbers([batch.seq for batch in ordered]),
        texts([batch.mark for batch in ordered]),
        numbers([batch.node_count for batch in ordered]),
        numbers([max((record.id for record in batch.conflicts), default=0) for batch in ordered]),
        numbers(ends),
    ]


def _op_columns(ordered: Sequence[Batch]) -> list[str]:
    ops: list[LoggedOp] = list(chain.from_iterable(batch.ops for batch in ordered))
    authors: list[Author] = []
    places: dict[int, int] = {}  # by identity: the ops of one message share their author
    by: list[int] = []
    for op in ops:
        place = places.get(id(op.author))
        if place is None:
            authors.append(op.author)
            place = places[id(op.author)] = len(authors)
        by.append(place)
    effects = [op.effect for op in ops]
    return [
        numbers([place for place, batch in enumerate(ordered, 1) for _ in batch.ops]),
        numbers(by),
        numbers([op.n for op in ops]),
        documents(effects),
        documents([op.inverse for op in ops]),
        texts([op.mode for op in ops]),
        texts([op.activity for op in ops]),
        optional_texts([_node_of(effect) for effect in effects]),
        documents([fields_of(effect) for effect in effects]),
        texts([author.user for author in authors]),
        texts([author.client for author in authors]),
        texts([author.via for author in authors]),
        texts([author.visit for author in authors]),
        texts([author.address for author in authors]),
        texts([author.user_agent for author in authors]),
    ]


def _node_columns(ordered: Sequence[Batch]) -> list[str]:
    rows: list[NodeRow] = list(chain.from_iterable(batch.nodes for batch in ordered))
    nodes = [row.node for row in rows]
    return [
        numbers([place for place, batch in enumerate(ordered, 1) for _ in batch.nodes]),
        texts([node.id for node in nodes]),
        optional_texts([node.parent for node in nodes]),
        texts([node.order for node in nodes]),
        texts([node.type for node in nodes]),
        texts([node.title for node in nodes]),
        texts([node.description for node in nodes]),
        documents([node.position for node in nodes]),
        numbers([node.is_collapsed for node in nodes]),
        documents([node.template_data for node in nodes]),
        documents([node.metadata for node in nodes]),
        numbers([node.seq for node in nodes]),
        documents([row.marks for row in rows]),
        numbers([row.deleted for row in rows]),
        texts([row.by for row in rows]),
    ]


def _counter_columns(ordered: Sequence[Batch]) -> list[str]:
    counters = list(chain.from_iterable(batch.counters for batch in ordered))
    return [
        numbers([place for place, batch in enumerate(ordered, 1) for _ in batch.counters]),
        texts([counter.user for counter in counters]),
        texts([counter.client for counter in counters]),
        numbers([counter.last_n for counter in counters]),
    ]


def _rest(batch: Batch) -> dict[str, Any]:
    """What few batches have."""
    document: dict[str, Any] = {}
    if batch.connections:
        document["connections"] = batch.connections
    if batch.purged_connections:
        document["purged_connections"] = batch.purged_connections
    if batch.purged_nodes:
        document["purged_nodes"] = batch.purged_nodes
    if batch.results:
        document["results"] = batch.results
    if batch.conflicts:
        document["conflicts"] = batch.conflicts
        document["commit"] = batch.commit + 1
    if batch.details is not None:
        document["details"] = batch.details
    if batch.detail_marks is not None:
        document["detail_marks"] = batch.detail_marks
    return document


def _node_of(effect: Effect) -> str | None:
    node = getattr(effect, "node", None)
    return node if isinstance(node, str) else None


def fields_of(effect: Effect) -> list[str] | None:
    """The paths that an op changed: what the activity row tells of its content."""
    if isinstance(effect, Text):
        return [effect.path]
    if not isinstance(effect, _OF_FIELDS):
        return None
    return [*(effect.set or ()), *(effect.unset or ())]
