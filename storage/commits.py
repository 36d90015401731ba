"""Batches as the columns `commit_batches` takes, and its answer as receipts.

An array per column and one encoding per value: 4 µs of Python per edit. One JSON document per batch took 2 µs here but
twice the time in PostgreSQL, which has to find every field in it again (migration 0002 says what each array holds).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any

import asyncpg

from storage.json_values import encoded, rfc3339
from sync.effects import Configure, Effect, Text, Update
from sync.errors import Unstorable
from sync.identity import Author
from sync.ports import Batch, LoggedOp, NodeRow, Receipt

COLUMNS = 45
COMMIT = f"SELECT times, versions FROM commit_batches({', '.join(f'${place}' for place in range(1, COLUMNS + 1))})"  # noqa: S608  numbers only

_LOST = Receipt(committed=False)


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


def columns(ordered: Sequence[Batch]) -> list[list[Any]]:
    """The arguments of COMMIT."""
    rest = [_rest(batch) for batch in ordered]
    return [
        *_batch_columns(ordered, rest),
        *_op_columns(ordered),
        *_node_columns(ordered),
        *_counter_columns(ordered),
        [place for place, document in enumerate(rest, 1) if document],
        [encoded(document) for document in rest if document],
    ]


def receipts(ordered: Sequence[Batch], answer: asyncpg.Record, asked: Sequence[Batch]) -> list[Receipt]:
    """One receipt per batch, in the order in which they were asked for."""
    settled = {
        batch.key: _LOST if at is None else Receipt(committed=True, at=rfc3339(at), rights=rights)
        for batch, at, rights in zip(ordered, answer["times"], answer["versions"], strict=True)
    }
    return [settled[batch.key] for batch in asked]


def _batch_columns(ordered: Sequence[Batch], rest: Sequence[dict[str, Any]]) -> list[list[Any]]:
    ends: list[int] = []
    ops = nodes = counters = documents = 0
    for batch, document in zip(ordered, rest, strict=True):
        ops += len(batch.ops)
        nodes += len(batch.nodes)
        counters += len(batch.counters)
        documents += bool(document)
        ends += (ops, nodes, counters, documents)
    return [
        [batch.key.tenant for batch in ordered],
        [batch.key.tree for batch in ordered],
        [batch.epoch for batch in ordered],
        [batch.commit for batch in ordered],
        [batch.seq for batch in ordered],
        [batch.mark for batch in ordered],
        [batch.node_count for batch in ordered],
        [max((record.id for record in batch.conflicts), default=0) for batch in ordered],
        ends,
    ]


def _op_columns(ordered: Sequence[Batch]) -> list[list[Any]]:
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
        [place for place, batch in enumerate(ordered, 1) for _ in batch.ops],
        by,
        [op.n for op in ops],
        [encoded(effect) for effect in effects],
        [encoded(op.inverse) if op.inverse else "{}" for op in ops],
        [op.mode for op in ops],
        [op.activity for op in ops],
        [_node_of(effect) for effect in effects],
        [_fields_of(effect) for effect in effects],
        [author.user for author in authors],
        [author.client for author in authors],
        [author.via for author in authors],
        [author.visit for author in authors],
        [author.address for author in authors],
        [author.user_agent for author in authors],
    ]


def _node_columns(ordered: Sequence[Batch]) -> list[list[Any]]:
    rows: list[NodeRow] = list(chain.from_iterable(batch.nodes for batch in ordered))
    nodes = [row.node for row in rows]
    return [
        [place for place, batch in enumerate(ordered, 1) for _ in batch.nodes],
        [node.id for node in nodes],
        [node.parent for node in nodes],
        [node.order for node in nodes],
        [node.type for node in nodes],
        [node.title for node in nodes],
        [node.description for node in nodes],
        [encoded(node.position) for node in nodes],
        [node.is_collapsed for node in nodes],
        [encoded(node.template_data) if node.template_data else "{}" for node in nodes],
        [encoded(node.metadata) if node.metadata else "{}" for node in nodes],
        [node.seq for node in nodes],
        [encoded(row.marks) for row in rows],
        [row.deleted for row in rows],
        [row.by for row in rows],
    ]


def _counter_columns(ordered: Sequence[Batch]) -> list[list[Any]]:
    counters = list(chain.from_iterable(batch.counters for batch in ordered))
    return [
        [place for place, batch in enumerate(ordered, 1) for _ in batch.counters],
        [counter.user for counter in counters],
        [counter.client for counter in counters],
        [counter.last_n for counter in counters],
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


def _fields_of(effect: Effect) -> str | None:
    """The paths that an op changed, as a JSON list: what the activity row tells of its content."""
    if isinstance(effect, Text):
        return encoded([effect.path])
    if not isinstance(effect, Update | Configure):
        return None
    changed = list(effect.set) if isinstance(effect.set, dict) else []
    removed = effect.unset if isinstance(effect.unset, list) else []
    return encoded(changed + removed)
