"""One op that cannot be read or stored is refused by its number; the good ones beside it keep their places."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest

from sync import ops
from sync.codec import JSON, MSGPACK, Codec
from sync.errors import BadMessage, Unreadable
from sync.limits import VALUE_DEPTH
from sync.protocol import Edit
from tests.unit.sync.test_codec import CODECS, GOOD, edit, nested, written

BAD_OPS: dict[str, Any] = {
    "unknown op": {"n": 2, "base": 0, "op": "explode"},
    "no op": {"n": 2, "base": 0},
    "unknown field": {"n": 2, "base": 0, "op": "delete", "node": "a", "why": 1},
    "missing field": {"n": 2, "base": 0, "op": "delete"},
    "wrong type": {"n": 2, "base": 0, "op": "delete", "node": 5},
    "no base": {"n": 2, "op": "delete", "node": "a"},
    "negative base": {"n": 2, "base": -1, "op": "delete", "node": "a"},
    "huge base": {"n": 2, "base": 2**53, "op": "delete", "node": "a"},
    "empty id": {"n": 2, "base": 0, "op": "delete", "node": ""},
    "long id": {"n": 2, "base": 0, "op": "delete", "node": "x" * 65},
    "unknown type": {"n": 2, "base": 0, "op": "insert", "node": "b", "type": "wish", "title": "t"},
    "empty title": {"n": 2, "base": 0, "op": "insert", "node": "b", "type": "metric", "title": ""},
    "long title": {"n": 2, "base": 0, "op": "insert", "node": "b", "type": "metric", "title": "x" * 501},
    "half a position": {"n": 2, "base": 0, "op": "move", "node": "a", "position": {"x": 1}},
    "position of text": {"n": 2, "base": 0, "op": "move", "node": "a", "position": {"x": "1", "y": 2}},
    "set is a list": {"n": 2, "base": 0, "op": "update", "node": "a", "set": ["title"]},
    "unset is a map": {"n": 2, "base": 0, "op": "update", "node": "a", "unset": {"title": 1}},
    "order of its own": {"n": 2, "base": 0, "op": "move", "node": "a", "order": "a0", "parent": None},
}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("bad", BAD_OPS.values(), ids=BAD_OPS.keys())
def test_one_op_that_cannot_be_understood_keeps_its_place(codec: Codec, bad: dict[str, Any]) -> None:
    """[ED12] Only that op is at fault, by its n and at its place."""
    decoded = codec.decode(written(codec, edit(GOOD, bad, {**GOOD, "n": 3}, mode="live")))
    assert isinstance(decoded.message, Edit)
    assert [op.n for op in decoded.message.ops] == [1, 3]
    assert [(one.place, one.n) for one in decoded.malformed] == [(1, 2)]
    assert decoded.malformed[0].why


def update(value: Any) -> dict[str, Any]:
    return {"n": 2, "base": 0, "op": "update", "node": "a", "set": {"template_data.k": value}}


STRANGE_JSON: dict[str, str] = {
    "NaN": "NaN",
    "infinity": "Infinity",
    "minus infinity": "-Infinity",
    "a float beyond range": "1e999",
    "huge int": "123456789012345678901234567890",
    "negative huge int": "-9007199254740992",
    "NUL": r'"a\u0000b"',
    "lone surrogate": r'"\ud800"',
    "lone low surrogate": r'"\udc00x"',
    "a key twice": '{"a":1,"a":2}',
    "a key twice beside escaped quotes": r'{"a":1,"a":1,"b":"\u0022\u0022"}',
    "NUL in a key": r'{"a\u0000":1}',
    "surrogate in a key": r'{"\ud800":1}',
    "depth bomb": "[" * 20_000 + "]" * 20_000,
    "depth bomb of maps": '{"a":' * 9_000 + "1" + "}" * 9_000,
}


@pytest.mark.parametrize("strange", STRANGE_JSON.values(), ids=STRANGE_JSON.keys())
def test_json_that_cannot_be_stored_is_refused_by_its_number(strange: str) -> None:
    """[ED13] In `set`, where it would be stored, and in `was`, where it would be recorded."""
    for around in ('"set":{"template_data.k":%s}', '"was":{"title":%s},"set":{"title":"t"}'):
        bad = '{"n":2,"base":0,"op":"update","node":"a",' + around % strange + "}"
        good = json.dumps(GOOD)
        data = f'{{"type":"edit","tree":7,"ops":[{good},{bad},{good.replace("1", "3")}]}}'.encode()
        decoded = JSON.decode(data)
        assert isinstance(decoded.message, Edit)
        numbers = [op.n for op in decoded.message.ops]
        if numbers == [1, 2, 3]:  # an integer of any size is well-formed: the judge refuses it
            assert "huge" in _name_of(strange)
            continue
        assert numbers == [1, 3]
        assert [(one.place, one.n) for one in decoded.malformed] == [(1, 2)]


def _name_of(strange: str) -> str:
    return next(name for name, value in STRANGE_JSON.items() if value == strange)


@pytest.mark.parametrize(
    "bad",
    [
        '{"n":2,"base":0,"op":"delete","node":"a","node":"b"}',
        '{"n":2,"n":2,"base":0,"op":"insert","node":"b","type":"metric","title":"t"}',
        '{"n":2,"base":0,"op":"move","node":"a","position":{"x":1,"x":2,"y":3}}',
        '{"n":2,"base":0,"op":"import","nodes":[{"id":"m","id":"m","type":"metric","title":"t"}]}',
    ],
)
def test_an_op_in_which_a_key_stands_twice_is_refused(bad: str) -> None:
    """[ED13] Also where an absent optional field would make up for it in a count."""
    decoded = JSON.decode(f'{{"type":"edit","tree":7,"ops":[{bad}]}}'.encode())
    assert [one.n for one in decoded.malformed] == [2]


def packed_pairs(*pairs: tuple[str, bytes]) -> bytes:
    data = bytes([0x80 | len(pairs)])
    for key, value in pairs:
        data += msgpack.packb(key) + value
    return data


def test_msgpack_in_which_a_key_stands_twice_is_refused() -> None:
    """[ED13]"""
    two = msgpack.packb(2)
    value = packed_pairs(("a", msgpack.packb(1)), ("a", two))
    bad = packed_pairs(
        ("n", two),
        ("base", msgpack.packb(0)),
        ("op", msgpack.packb("update")),
        ("node", msgpack.packb("a")),
        ("set", packed_pairs(("template_data.k", value))),
    )
    listed = b"\x92" + msgpack.packb(GOOD) + bad
    data = packed_pairs(("type", msgpack.packb("edit")), ("tree", msgpack.packb(7)), ("ops", listed))
    decoded = MSGPACK.decode(data)
    assert [(one.place, one.n) for one in decoded.malformed] == [(1, 2)]
    whole = packed_pairs(("type", msgpack.packb("ping")), ("ref", two), ("ref", two))
    with pytest.raises(BadMessage, match="no key stands twice"):
        MSGPACK.decode(whole)


@pytest.mark.parametrize(
    "value",
    [b"bytes", float("nan"), float("inf"), 2**63, -(2**63), msgpack.Timestamp(1), msgpack.ExtType(5, b"x"), "a\x00b"],
)
def test_msgpack_values_that_json_cannot_hold_are_refused_or_left_to_the_judge(value: Any) -> None:
    """[ED13] What a foreign writer packs is read strictly; what is byte for byte ours is checked by the judge."""
    data = written(MSGPACK, edit({**update(value), "was": {"title": value}}))
    decoded = MSGPACK.decode(data)
    assert [one.n for one in decoded.malformed] == [2]


@pytest.mark.parametrize("codec", CODECS)
def test_a_value_is_nested_32_deep_at_most(codec: Codec) -> None:
    """[ED13] Where the op is read without types; the judge holds typed ones to the same."""
    for depth, bad in ((VALUE_DEPTH, False), (VALUE_DEPTH + 5, True)):
        sent = edit({**update(nested(depth)), "extra": 1}, update(nested(depth)))
        decoded = codec.decode(written(codec, sent))
        assert decoded.malformed[0].n == 2
        assert ("nested" in decoded.malformed[0].why) == bad


def test_a_bomb_beside_good_ops_and_tricky_strings() -> None:
    """[ED13] What stands beside a bomb is read, whatever brackets and quotes its strings hold."""
    text = r'"[[[{{{ \" \\"'
    good = f'{{"n":1,"base":0,"op":"update","node":"a","set":{{"title":{text}}}}}'
    bomb = '{"n":2,"base":0,"op":"update","node":"a","set":{"title":' + "[" * 5_000 + "]" * 5_000 + "}}"
    decoded = JSON.decode(f'{{"type":"edit","tree":7,"ops":[{good},{bomb},{good.replace("1", "3", 1)}]}}'.encode())
    assert isinstance(decoded.message, Edit)
    assert [op.n for op in decoded.message.ops] == [1, 3]
    assert [op.set for op in decoded.message.ops if isinstance(op, ops.Update)] == [{"title": r'[[[{{{ " ' + "\\"}] * 2
    assert [one.n for one in decoded.malformed] == [2]


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 20_000,
        b'{"type":"edit","ops":[' + b"[" * 20_000,
        b'"' + b'\\"' * 20_000,
        b"[" * 5_000 + b'"\\',
    ],
)
def test_a_bomb_that_is_no_json_is_unreadable(data: bytes) -> None:
    """[WS5]"""
    with pytest.raises(Unreadable):
        JSON.decode(data)


def test_a_bomb_in_a_large_body_is_not_read_around() -> None:
    """[WS5] Nor does it take the process with it."""
    with pytest.raises(Unreadable, match="too deep"):
        JSON.decode(b"[" * 100_000 + b"]" * 100_000)


def test_a_msgpack_bomb_is_unreadable() -> None:
    """[WS5]"""
    with pytest.raises(Unreadable):
        MSGPACK.decode(b"\x91" * 50_000 + b"\xc0")
