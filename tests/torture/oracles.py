"""What must be true of a history once it is over (reliability B, O1-O7), told by the log of the database, by what every
instance answers, and by what every peer holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tests.torture.history import History, Invocation, typed_in
from tests.torture.peer import SHARED, Peer
from tests.torture.replica import Replica


class LogRow(msgspec.Struct, frozen=True):
    """A row of tree_ops."""

    seq: int
    user: str
    client: str
    n: int
    op: dict[str, Any]


def violations(
    history: History, log: Sequence[LogRow], states: Sequence[dict[str, Any]], peers: Sequence[Peer]
) -> list[str]:
    """Every oracle's complaints; none, if all is well. `states` are what the instances answer to GET."""
    return [
        *history.wrong,
        *_acknowledged_once(history, log),
        *_answered_alike(history),
        *_all_agree(states, peers),
        *_is_a_tree(states[0]),
        *_gapless(log),
        *_in_order(log),
        *_nothing_lost(history, log, states[0]),
    ]


def _acknowledged_once(history: History, log: Sequence[LogRow]) -> Iterator[str]:
    """O1: an acknowledged op is in the log exactly once, at the seq its author was told."""
    found = Counter((row.client, row.n) for row in log)
    places = {(row.client, row.n): row.seq for row in log}
    yield from (f"O1: {key} stands {times} times in the log" for key, times in found.items() if times != 1)
    for key, invocation in history.invocations.items():
        for answer in invocation.answers:
            landed = answer["status"] in ("applied", "merged")
            if landed and places.get(key) != answer["seq"]:
                yield f"O1: {key} was acknowledged at {answer['seq']} and stands at {places.get(key)}"
            if not landed and answer["status"] != "unknown" and key in places:
                yield f"O1: {key} was answered {answer['status']} and stands in the log"


def _answered_alike(history: History) -> Iterator[str]:
    """O2: no op is answered twice with different results."""
    for key, invocation in history.invocations.items():
        told = {_essence(answer) for answer in invocation.answers if answer["status"] != "unknown"}
        if len(told) > 1:
            yield f"O2: {key} was answered {sorted(told)}"


def _essence(answer: dict[str, Any]) -> tuple[str, ...]:
    conflict = answer.get("conflict") or {}
    return (answer["status"], str(answer.get("seq")), str(answer.get("code")), str(conflict.get("id")))


def _all_agree(states: Sequence[dict[str, Any]], peers: Sequence[Peer]) -> Iterator[str]:
    """O3: every instance and every peer holds the same tree, and each peer made it from the ops it was given."""
    first = states[0]
    for place, state in enumerate(states[1:], start=1):
        if state != first:
            yield f"O3: instance {place} answers another state than instance 0"
    digest = Replica(first["state"]).digest
    nodes = {node["id"]: node for node in first["state"]["nodes"]}
    for peer in peers:
        assert peer.replica is not None
        assert peer.position is not None
        if peer.position["seq"] != first["position"]["seq"] or peer.replica.digest != digest:
            yield f"O3: {peer.client} holds {peer.position} {peer.replica.digest}, not {first['position']} {digest}"
        elif {one: (node["title"], node["parent"]) for one, node in peer.replica.nodes.items()} != {
            one: (node["title"], node["parent"]) for one, node in nodes.items()
        }:
            yield f"O3: {peer.client} holds other nodes"


def _is_a_tree(state: dict[str, Any]) -> Iterator[str]:
    """O4: one parent each, no cycle, no orphan, no order key twice under one parent."""
    nodes = {node["id"]: node for node in state["state"]["nodes"]}
    for one, node in nodes.items():
        passed: set[str] = set()
        above: str | None = one
        while above is not None and above not in passed:
            passed.add(above)
            above = nodes[above]["parent"] if above in nodes else "nowhere"
        if above is not None:
            yield f"O4: {one} hangs from {above} ({node['parent']})"
    keys = Counter((node["parent"], node["order"]) for node in nodes.values())
    yield from (f"O4: {key} is given {times} times" for key, times in keys.items() if times != 1)
    for connection in state["state"]["connections"]:
        if not {connection["from"], connection["to"]} <= nodes.keys():
            yield f"O4: {connection} ends nowhere"


def _gapless(log: Sequence[LogRow]) -> Iterator[str]:
    """O5."""
    if [row.seq for row in log] != list(range(1, len(log) + 1)):
        yield "O5: the log has a gap"


def _in_order(log: Sequence[LogRow]) -> Iterator[str]:
    """O6: a client's ops stand in the order in which it numbered them."""
    last: dict[str, int] = {}
    for row in log:
        if row.n <= last.get(row.client, 0):
            yield f"O6: n {row.n} of {row.client} stands behind {last[row.client]}"
        last[row.client] = row.n


def _nothing_lost(history: History, log: Sequence[LogRow], state: dict[str, Any]) -> Iterator[str]:
    """O7: every op has its answer, and every character that was typed stands once, unless its author took it away."""
    for key, invocation in history.invocations.items():
        if not invocation.answers:
            yield f"O7: {key} has no answer"
    text = next(node["description"] for node in state["state"]["nodes"] if node["id"] == SHARED)
    times = Counter(text)
    refused = {one for op in _refused(history) for one in typed_in(op)}
    for character in history.typed:
        wanted = 0 if character in history.erased | refused else 1
        if times[character] > 1 or (times[character] < wanted):
            yield f"O7: {ord(character):#x} of {history.typed[character]} stands {times[character]} times"


def _refused(history: History) -> Iterator[dict[str, Any]]:
    """What was answered, and not by landing: its author knows."""
    for invocation in history.invocations.values():
        if not _landed(invocation):
            yield invocation.op


def _landed(invocation: Invocation) -> bool:
    return any(answer["status"] in ("applied", "merged") for answer in invocation.answers)
