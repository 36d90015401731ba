"""The recorded histories, followed by two replicas that share no code; a third, in JavaScript, is in tests/browser."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sync.apply import Stamp, apply
from sync.codec import JSON
from sync.history import tree_of_state
from sync.protocol import Ops, Snapshot
from sync.tree import Tree
from tests.simulation.histories import FILE, KINDS, history, kinds_of
from tests.simulation.replica import Replica, canonical

HISTORIES: list[dict[str, Any]] = msgspec.json.decode(FILE.read_bytes())


def test_the_histories_show_everything() -> None:
    assert set().union(*map(kinds_of, HISTORIES)) >= KINDS
    assert FILE.stat().st_size < 300_000


@pytest.mark.parametrize("recorded", HISTORIES, ids=[one["name"] for one in HISTORIES])
def test_a_replica_of_the_protocol_follows(recorded: dict[str, Any]) -> None:
    """[RP1, RP2, RP5]"""
    replica = Replica.empty()
    for frame in recorded["frames"]:
        message = frame["message"]
        if message["type"] == "snapshot":
            replica = Replica(message["state"], message["position"]["seq"])
        else:
            assert message["after"] == replica.seq
            for place, op in enumerate(message["ops"], 1):
                replica.apply(op, message["after"] + place)
        assert replica.digest() == frame["digest"] == message.get("digest", frame["digest"])
        if "state" in frame:
            assert replica.canonical() == canonical(frame["state"])


@pytest.mark.parametrize("recorded", HISTORIES, ids=[one["name"] for one in HISTORIES])
def test_the_servers_own_code_follows(recorded: dict[str, Any]) -> None:
    """[RP1, RP2, RP5]"""
    tree: Tree | None = None
    for frame in recorded["frames"]:
        message = JSON.decode_server(msgspec.json.encode(frame["message"]))
        if isinstance(message, Snapshot):
            tree = tree_of_state(message.state)  # type: ignore[arg-type]  # decoded, it is no Raw
        else:
            assert isinstance(message, Ops)
            assert tree is not None, "a history begins with a snapshot"
            for place, op in enumerate(message.ops, 1):
                apply(tree, op, Stamp(message.after + place, "somebody", ""))
        assert tree.digest == frame["digest"]
        if "state" in frame:
            assert canonical(msgspec.to_builtins(tree.state())) == canonical(frame["state"])


def test_a_history_is_recorded_anew() -> None:
    """So that the recorder still works: the file itself stays as it is until somebody wants another."""
    recorded = history(0, ops=30)
    assert recorded["frames"][0]["message"]["type"] == "snapshot"
    assert kinds_of(recorded) & KINDS
