"""A state in parts."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import joining, room, snapshots
from sync.codec import JSON, MSGPACK, Codec
from sync.identity import Position
from sync.limits import FRAME_BYTES
from sync.nodes import Connection, Node, State
from sync.snapshots import EncodedState, encode_state
from tests.clocks import settle
from tests.hubs import Deployment, root

HERE = Position("e", 1, "m")


def state(sizes: list[int], connections: int) -> State:
    return State(
        name="S",
        description="",
        discovery_phase="strategy",
        is_template=False,
        canvas_state={},
        nodes=[
            Node(id=f"n{place}", parent=None, order="a0", type="metric", title="t", description="x" * size)
            for place, size in enumerate(sizes)
        ],
        connections=[Connection(id=f"c{place}", source="n0", target="n1") for place in range(connections)],
    )


def joined(encoded: EncodedState, codec: Codec) -> State:
    decode = msgspec.json.decode if codec is JSON else msgspec.msgpack.decode
    parts = [decode(bytes(part), type=State) for part in encoded.parts]
    return msgspec.structs.replace(
        parts[0],
        nodes=[node for part in parts for node in part.nodes],
        connections=[connection for part in parts for connection in part.connections],
    )


@given(sizes=st.lists(st.sampled_from([0, 10, 100_000, 300_000]), max_size=8), connections=st.integers(0, 5))
def test_parts_are_bounded_in_bytes_and_hold_everything(sizes: list[int], connections: int) -> None:
    """[OP6, BR9] Except where a single node is larger."""
    whole = state(sizes, connections)
    for codec in (JSON, MSGPACK):
        encoded = encode_state(whole, HERE, codec)
        assert joined(encoded, codec) == whole
        for part in encoded.parts:
            assert len(bytes(part)) <= FRAME_BYTES or part_nodes(part, codec) == 1


def part_nodes(part: msgspec.Raw, codec: Codec) -> int:
    decode = msgspec.json.decode if codec is JSON else msgspec.msgpack.decode
    return len(decode(bytes(part), type=State).nodes)


@pytest.mark.parametrize(
    ("nodes", "connections", "parts"), [(0, 0, 1), (1, 0, 1), (3, 2, 2), (2, 2, 1), (9, 0, 3), (0, 9, 3), (5, 5, 4)]
)
def test_parts_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch, nodes: int, connections: int, parts: int) -> None:
    """[OP6]"""
    monkeypatch.setattr(snapshots, "PART_NODES", 4)
    whole = state([0] * nodes, connections)
    encoded = encode_state(whole, HERE, JSON)
    assert len(encoded.parts) == parts
    assert joined(encoded, JSON) == whole
    assert encoded.position == HERE


async def test_a_large_state_is_encoded_once_for_all_who_come_and_others_go_on(
    one: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PART_NODES", 2)
    monkeypatch.setattr(snapshots, "PART_NODES", 2)
    key = await one.tree(root(), *(root(f"n{number}") for number in range(9)))
    encoded: list[str] = []
    parts = snapshots.encoded_parts

    def counted(state: State, codec: Codec) -> Iterator[msgspec.Raw]:
        for part in parts(state, codec):
            encoded.append("part")
            yield part

    monkeypatch.setattr(joining, "encoded_parts", counted)
    monkeypatch.setattr(room, "encode_state", None)  # nobody is made to wait for all of it at once
    sockets = [one.socket(user) for user in ("ada", "bo", "eve")]
    for socket in sockets:
        socket.send({"type": "open", "ref": 1, "tree": key.tree})
    await settle()
    assert encoded == ["part"]
    await one.clock.advance(0.1)
    assert [socket.outbox.take("snapshot")[-1]["parts"] for socket in sockets] == [5, 5, 5]
    assert encoded == ["part"] * 5
