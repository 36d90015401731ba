"""Bytes to messages, in JSON and msgpack: one bad op is refused by its number, the good ones beside it keep their
places."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from sync import ops
from sync.codec import JSON, MSGPACK, Codec, Malformed, decode_edit, decode_state, read_json
from sync.errors import BadMessage, Unreadable
from sync.identity import Position
from sync.nodes import Point, State
from sync.protocol import Activity, Close, Edit, Hello, Open, Ping, PresenceUpdate

CODECS = [pytest.param(JSON, id="json"), pytest.param(MSGPACK, id="msgpack")]
GOOD = {"n": 1, "base": 0, "op": "delete", "node": "a"}


def written(codec: Codec, message: Any) -> bytes:
    """A message as a client that is not ours would write it: any field order, any escapes."""
    if codec is JSON:
        return json.dumps(message).encode()
    packed: bytes = msgpack.packb(message, strict_types=False)
    return packed


def edit(*made: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "edit", "tree": 7, "ops": list(made), **fields}


def nested(depth: int, inner: Any = 1) -> Any:
    for _ in range(depth):
        inner = [inner]
    return inner


# ---- what goes well


@pytest.mark.parametrize("codec", CODECS)
def test_every_message_of_a_client_is_read(codec: Codec) -> None:
    """[WS4] Fields that are not known are passed over."""
    position = {"epoch": "e", "seq": 3, "mark": "m"}
    messages: list[tuple[dict[str, Any], Any]] = [
        ({"type": "hello", "protocol": 1, "client_id": "c", "extra": 1}, Hello(protocol=1, client_id="c")),
        ({"type": "open", "tree": 7, "position": position}, Open(tree=7, position=Position("e", 3, "m"))),
        ({"type": "close", "tree": 7, "later": {"a": [1]}}, Close(tree=7)),
        ({"type": "ping", "ref": "r"}, Ping(ref="r")),
        ({"ref": 4, "type": "ping"}, Ping(ref=4)),
        ({"type": "presence", "tree": 7, "state": {"x": 1.5}}, PresenceUpdate(tree=7, state={"x": 1.5})),
        ({"type": "activity", "tree": 7, "events": []}, Activity(tree=7, events=[])),
        (edit(GOOD), Edit(tree=7, ops=[ops.Delete(n=1, base=0, node="a")])),
    ]
    for sent, meant in messages:
        assert codec.decode(written(codec, sent)).message == meant
        assert codec.decode(codec.encode(meant)).message == meant


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('abc"\\ é', min_size=1), inner, max_size=3),
    max_leaves=10,
)
IDS = st.text("abcXYZ019-_", min_size=1, max_size=64)
MAPS = st.dictionaries(st.text("abck._", min_size=1, max_size=20), VALUES, max_size=3)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.just(UNSET) | strategy


NUMBERS = {"n": st.integers(1, 2**53 - 1), "base": st.integers(0, 2**53 - 1)}
POINTS = st.builds(Point, st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
OPS = st.one_of(
    st.builds(
        ops.Insert,
        **NUMBERS,
        node=IDS,
        parent=st.none() | IDS,
        after=optional(st.none() | IDS),
        type=st.just("metric"),
        title=st.text('ab é🌳"', min_size=1, max_size=20),
        position=optional(POINTS),
        template_data=optional(MAPS),
    ),
    st.builds(ops.Update, **NUMBERS, node=IDS, set=optional(MAPS), unset=optional(st.lists(IDS)), was=optional(MAPS)),
    st.builds(ops.Move, **NUMBERS, node=IDS, parent=optional(st.none() | IDS), position=optional(POINTS)),
    st.builds(ops.Connect, **NUMBERS, connection=IDS, source=IDS, target=IDS, label=optional(st.text("ab"))),
    st.builds(ops.Configure, **NUMBERS, set=optional(MAPS)),
    st.builds(
        ops.Import,
        **NUMBERS,
        nodes=st.lists(st.builds(ops.ImportedNode, id=IDS, type=st.just("metric"), title=st.just("t")), max_size=2),
    ),
)


@pytest.mark.parametrize("codec", CODECS)
@given(made=st.lists(OPS, max_size=3))
def test_what_is_encoded_is_decoded_the_same(codec: Codec, made: list[ops.Op]) -> None:
    message = Edit(tree=7, mode="replay", ops=made)
    decoded = codec.decode(codec.encode(message))
    assert decoded.message == message
    assert decoded.malformed == ()


@given(made=st.lists(OPS, max_size=3))
def test_a_foreign_writer_is_read_like_our_own(made: list[ops.Op]) -> None:
    message = Edit(tree=7, ops=made)
    for codec in (JSON, MSGPACK):
        assert codec.decode(written(codec, msgspec.to_builtins(message))).message == message


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_message_or_bad(data: bytes) -> None:
    for codec in (JSON, MSGPACK):
        try:
            codec.decode(data)
        except BadMessage as error:
            assert error.code == "bad_message"  # noqa: PT017 - one or the other is right


# ---- a bad message


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "n", [None, 0, -1, 2**53, "1", 1.0, True, [1]], ids=["absent", "0", "-1", "2^53", "text", "1.0", "true", "list"]
)
def test_an_op_whose_n_cannot_be_read_spoils_the_message(codec: Codec, n: Any) -> None:
    """[ED14] The ref is told nevertheless."""
    bad = {key: value for key, value in {**GOOD, "n": n}.items() if value is not None}
    with pytest.raises(BadMessage, match="no readable n") as raised:
        codec.decode(written(codec, edit(GOOD, bad, ref=9)))
    assert raised.value.ref == 9
    assert not isinstance(raised.value, Unreadable)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "message",
    [
        [],
        None,
        7,
        "edit",
        {},
        {"type": "dance"},
        {"type": 5},
        {"type": "open"},
        {"type": "open", "tree": "7"},
        {"type": "open", "tree": 0},
        {"type": "open", "tree": 2**53},
        {"type": "open", "tree": 7, "position": {"epoch": "e", "seq": 1}},
        {"type": "edit", "tree": 7},
        {"type": "edit", "tree": 7, "ops": {}},
        {"type": "edit", "tree": 7, "ops": [], "mode": "fast"},
        {"type": "edit", "tree": 7, "ops": [5]},
        {"type": "presence", "tree": 7, "state": []},
        {"type": "hello", "protocol": "1", "client_id": "c"},
        {"type": "snapshot", "tree": 7},
    ],
)
def test_a_message_that_is_none_is_bad_and_not_unreadable(codec: Codec, message: Any) -> None:
    """[WS4] It is answered and the socket stays open."""
    with pytest.raises(BadMessage) as raised:
        codec.decode(written(codec, message))
    assert not isinstance(raised.value, Unreadable)


@pytest.mark.parametrize(
    ("ref", "echoed"),
    [(5, 5), ("r", "r"), (0, 0), (-1, None), (2**53, None), ("x" * 65, None), ([1], None), (True, None)],
)
def test_the_ref_of_a_bad_message_is_kept_where_it_is_one(ref: Any, echoed: Any) -> None:
    """[WS7]"""
    with pytest.raises(BadMessage) as raised:
        JSON.decode(json.dumps({"type": "open", "tree": "7", "ref": ref}).encode())
    assert raised.value.ref == echoed


@pytest.mark.parametrize("data", [b"", b"{", b"nul", b"{}x", b"\xff\xfe", b"{'a':1}", b'{"type":"ping",}'])
def test_what_is_no_json_is_unreadable(data: bytes) -> None:
    """[WS5]"""
    with pytest.raises(Unreadable):
        JSON.decode(data)
    with pytest.raises(Unreadable):
        read_json(data)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x81", b"\xd9\xff", b"\x80\x80", b"\x81\x01\x01"])
def test_what_is_no_msgpack_is_unreadable(data: bytes) -> None:
    """[WS5]"""
    with pytest.raises(Unreadable):
        MSGPACK.decode(data)


@pytest.mark.parametrize("codec", CODECS)
def test_presence_and_activity_hold_what_can_be_stored(codec: Codec) -> None:
    """[WS4] Also where the typed decoder is content."""
    deep = nested(60)
    with pytest.raises(BadMessage, match="nested"):
        codec.decode(codec.encode(PresenceUpdate(tree=7, state={"a": deep})))
    event = {"id": "e", "kind": "seen", "data": {"a": deep}}
    with pytest.raises(BadMessage, match="nested") as raised:
        codec.decode(written(codec, {"type": "activity", "ref": 3, "tree": 7, "events": [event]}))
    assert raised.value.ref == 3
    shallow = {**event, "data": {"a": nested(20)}}
    codec.decode(written(codec, {"type": "activity", "tree": 7, "events": [shallow, {"id": "f", "kind": "seen"}]}))


def test_a_typed_message_with_a_ref_keeps_it_when_refused() -> None:
    """[WS7]"""
    event = {"id": "e", "kind": "seen", "data": {"a": nested(60)}}
    typed = msgspec.convert({"type": "activity", "ref": 3, "tree": 7, "events": [event]}, Activity)
    for codec in (JSON, MSGPACK):
        with pytest.raises(BadMessage) as raised:
            codec.decode(codec.encode(typed))
        assert raised.value.ref == 3


# ---- by HTTP, and for clients


def test_an_edit_by_http_needs_no_type() -> None:
    """[HT1]"""
    body = {"client_id": "c", "ops": [GOOD, {"n": 2, "base": 0, "op": "dance"}]}
    decoded = decode_edit(json.dumps(body).encode())
    assert isinstance(decoded.message, Edit)
    assert decoded.message.client_id == "c"
    assert decoded.malformed == (Malformed(1, 2, decoded.malformed[0].why),)
    typed = decode_edit(json.dumps({**body, "type": "edit"}).encode())
    assert typed.message == decoded.message


@pytest.mark.parametrize("body", ['{"type":"ping"}', "[]", "5", '{"type":"dance"}', '{"ops":5}', '{"ops":[],"ops":[]}'])
def test_what_is_no_edit_is_bad(body: str) -> None:
    """[HT5]"""
    with pytest.raises(BadMessage):
        decode_edit(body.encode())


def test_untyped_bodies_hold_only_what_can_be_stored() -> None:
    assert read_json(b'{"a":[1,2.5,null,true,"x"]}') == {"a": [1, 2.5, None, True, "x"]}
    with pytest.raises(BadMessage, match="U\\+0000"):
        read_json(b'{"a":"\\u0000"}')
    with pytest.raises(BadMessage, match="stands twice"):
        read_json(b'{"a":1,"a":2}')


@pytest.mark.parametrize("codec", CODECS)
def test_clients_read_what_the_server_writes_and_nothing_else(codec: Codec) -> None:
    message = codec.decode_server(codec.encode_value({"type": "pong", "ref": 4, "later": 1}))
    assert codec.decode_server(codec.encode(message)) == message
    with pytest.raises(BadMessage):
        codec.decode_server(codec.encode_value({"type": "open", "tree": 7}))


def test_a_kept_state_is_read_back() -> None:
    state = State(
        name="x",
        description="",
        discovery_phase="strategy",
        is_template=False,
        canvas_state={},
        nodes=[],
        connections=[],
    )
    assert decode_state(JSON.encode_value(state)) == state
