"""Whatever a client sends on a socket gets its documented code, disturbs nobody, and changes nothing (WS, ED, ER)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import msgpack
import pytest

from tests.bad_ops import cases, packed_map
from tests.commands import Command, treesync
from tests.postgres_servers import PostgresServers
from tests.speakers import CodecName, Message, Speaker, pack, speaking
from tests.writers import ROOT, made

CODECS: tuple[CodecName, ...] = ("json", "msgpack")
OVERSIZE = 65_536 + 1  # limits.message_bytes and one


@pytest.fixture(scope="module")
async def instance(
    postgres_servers: PostgresServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Command]:
    dsn = await (await postgres_servers.get("18")).fresh()
    async with treesync("serve", directory=tmp_path_factory.mktemp("serve"), DATABASE_URL=dsn) as command:
        await command.until_ready()
        yield command
        assert await command.stop() == 0, command.said()
        assert "Traceback" not in command.said(), command.said()


async def state_of(instance: Command, tree: int) -> dict[str, Any]:
    view: dict[str, Any] = (await instance.ask("GET", f"/api/v1/trees/{tree}")).json()
    return view


def good(n: int, node: str | None = None) -> dict[str, Any]:
    """An op that always lands."""
    named = {"op": "insert", "node": node or f"good-{n}", "parent": ROOT, "type": "metric", "title": f"Good {n}"}
    return {"n": n, "base": 0, **named}


def edit_of(tree: int, codec: CodecName, *ops: bytes) -> bytes:
    """An edit of ops that are bytes already."""
    if codec == "json":
        return b'{"type":"edit","tree":%d,"ops":[%b]}' % (tree, b",".join(ops))
    listed = bytes([0x90 | len(ops)]) + b"".join(ops)
    return packed_map(("type", msgpack.packb("edit")), ("tree", msgpack.packb(tree)), ("ops", listed))


@pytest.mark.parametrize("codec", CODECS)
async def test_bad_ops_are_refused_by_their_numbers_and_those_beside_them_land(
    instance: Command, codec: CodecName
) -> None:
    """[ED7] [ED12] [ED13] [ED18] [RS6] [TR2] [TR3] [TR4]"""
    tree = await made(instance)
    expected = {ROOT: "Grow"}
    async with speaking(instance, instance.token(), codec=codec) as speaker:
        seq = (await speaker.open(tree))["position"]["seq"]
        for place, (what, written, code) in enumerate(cases()[codec]):
            n = 3 * place + 1
            beside = [pack(good(n), codec), written(n + 1), pack(good(n + 2), codec)]
            await speaker.raw(edit_of(tree, codec, *beside))
            answer = await speaker.hear("outcome", "error")
            assert answer["type"] == "outcome", (what, answer)
            first, bad, last = answer["results"]
            assert (first["n"], first["status"], first["seq"]) == (n, "applied", seq + 1), what
            assert (bad["n"], bad["status"], bad.get("code")) == (n + 1, "rejected", code), (what, bad)
            assert bad["why"], what
            assert (last["n"], last["status"], last["seq"]) == (n + 2, "applied", seq + 2), what
            seq += 2
            expected |= {f"good-{one}": f"Good {one}" for one in (n, n + 2)}
        assert await speaker.direct() == []
    view = await state_of(instance, tree)
    assert {node["id"]: node["title"] for node in view["state"]["nodes"]} == expected
    assert (view["position"]["seq"], view["state"]["connections"]) == (seq, [])
    [root] = [node for node in view["state"]["nodes"] if node["id"] == ROOT]
    assert (root["metadata"], root["parent"]) == ({}, None)


def not_messages(tree: int) -> dict[str, Any]:
    """What is no message, though it is JSON and msgpack."""
    edit = {"type": "edit", "tree": tree}
    op = {"n": 1, "base": 0, "op": "update", "node": ROOT, "set": {"title": "Bad"}}
    return {
        "null": None,
        "a number": 5,
        "text": "hello",
        "a list": [{"type": "ping"}],
        "an empty map": {},
        "an unknown type": {"type": "explode", "tree": tree},
        "a type that is a number": {"type": 5},
        "a type that is null": {"type": None},
        "a message of the server": {"type": "outcome", "tree": tree, "seq": 1, "results": []},
        "an edit without ops": edit,
        "ops that are a map": edit | {"ops": {"0": op}},
        "an op that is a number": edit | {"ops": [op, 5]},
        "an op that is null": edit | {"ops": [None]},
        "an op without n": edit | {"ops": [op, {"op": "delete", "node": ROOT}]},
        "an n of 0": edit | {"ops": [op | {"n": 0}]},
        "an n that is negative": edit | {"ops": [op | {"n": -1}]},
        "an n that is no integer": edit | {"ops": [op | {"n": 1.5}]},
        "an n that is text": edit | {"ops": [op | {"n": "1"}]},
        "an n that is true": edit | {"ops": [op | {"n": True}]},
        "an n of 2^53": edit | {"ops": [op | {"n": 2**53}]},
        "an unknown mode": edit | {"mode": "wild", "ops": [op]},
        "an unknown policy": edit | {"mode": "replay", "policy": "some", "ops": [op]},
        "a tree that is text": {"type": "edit", "tree": str(tree), "ops": [op]},
        "a tree that is negative": {"type": "open", "tree": -tree},
        "a tree that is no integer": {"type": "open", "tree": tree + 0.5},
        "a tree of 2^53": {"type": "open", "tree": 2**53},
        "no tree": {"type": "open"},
        "a position that is a number": {"type": "open", "tree": tree, "position": 3},
        "a position with a negative seq": {
            "type": "open",
            "tree": tree,
            "position": {"epoch": "e", "seq": -1, "mark": "m"},
        },
        "a position with a seq of 2^53": {
            "type": "open",
            "tree": tree,
            "position": {"epoch": "e", "seq": 2**53, "mark": "m"},
        },
        "a ref that is a list": {"type": "ping", "ref": [1]},
        "a ref of 65 characters": {"type": "ping", "ref": "x" * 65},
        "a state that is a list": {"type": "presence", "tree": tree, "state": []},
        "an epoch with NUL": {"type": "open", "tree": tree, "position": {"epoch": "a\0b", "seq": 1, "mark": "m"}},
        "an event with NUL in its id": {"type": "activity", "tree": tree, "events": [{"id": "e\0", "kind": "k"}]},
        "an event with NUL in its kind": {"type": "activity", "tree": tree, "events": [{"id": "e", "kind": "k\0"}]},
        "an event with NUL in its data": {
            "type": "activity",
            "tree": tree,
            "events": [{"id": "e", "kind": "k", "data": {"k": ["a\0b"]}}],
        },
        "a state with NUL": {"type": "presence", "tree": tree, "state": {"k": "a\0b"}},
        "a state 40 deep": {"type": "presence", "tree": tree, "state": _deep(40)},
        "events that are text": {"type": "activity", "tree": tree, "events": "all"},
        "an event without a kind": {"type": "activity", "tree": tree, "events": [{"id": "e1"}]},
        "501 events": {"type": "activity", "tree": tree, "events": [{"id": f"e{n}", "kind": "k"} for n in range(501)]},
        "a second hello": {"type": "hello", "protocol": 1, "token": "x", "client_id": "speaker"},
    }


def _deep(levels: int) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for _ in range(levels):
        state = {"k": state}
    return state


def not_json_messages(tree: int) -> dict[str, bytes]:
    """The same, in bytes that only JSON can say."""
    return {
        "a type that stands twice": b'{"type":"ping","type":"ping"}',
        "a ref that stands twice": b'{"type":"ping","ref":1,"ref":1}',
        "a tree that stands twice": b'{"type":"open","tree":%d,"tree":%d}' % (tree, tree),
        "NaN in a state": b'{"type":"presence","tree":%d,"state":{"x":NaN}}' % tree,
        "a lone surrogate in a state": b'{"type":"presence","tree":%d,"state":{"x":"\\ud800"}}' % tree,
        "an n of 400 digits": b'{"type":"edit","tree":%d,"ops":[{"n":%s,"op":"delete"}]}' % (tree, b"9" * 400),
        "an n of 5,000 digits": b'{"type":"edit","tree":%d,"ops":[{"n":%s,"op":"delete"}]}' % (tree, b"9" * 5000),
        "an n of NaN": b'{"type":"edit","tree":%d,"ops":[{"n":NaN,"base":0,"op":"delete","node":"root"}]}' % tree,
        "lists 30,000 deep": b"[" * 30_000 + b"]" * 30_000,
        "a map 10,000 deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    }


@pytest.mark.parametrize("codec", CODECS)
async def test_what_is_no_message_is_an_error_and_the_socket_lives(instance: Command, codec: CodecName) -> None:
    """[WS4] [ED14] [ER1] One `bad_message` for each, nothing changes, and the next op lands."""
    tree = await made(instance)
    async with speaking(instance, instance.token(), codec=codec) as speaker:
        await speaker.open(tree)
        before = await state_of(instance, tree)
        bad = {what: pack(message, codec) for what, message in not_messages(tree).items()}
        if codec == "json":
            bad |= not_json_messages(tree)
        for what, payload in bad.items():
            await speaker.raw(payload)
            answers = await speaker.direct()
            assert [(one["type"], one.get("code")) for one in answers] == [("error", "bad_message")], (what, answers)
            assert answers[0]["why"], what
        assert await state_of(instance, tree) == before
        assert [result["status"] for result in await speaker.results(tree, good(1))] == ["applied"]


@pytest.mark.parametrize("codec", CODECS)
async def test_fields_nobody_knows_are_passed_over(instance: Command, codec: CodecName) -> None:
    """[WS4] Later versions may add some; inside an op they are refused, since they might change what it means."""
    tree = await made(instance)
    async with speaking(instance, instance.token(), codec=codec) as speaker:
        assert (await speaker.open(tree, depth=3, future={"a": [1]}))["type"] == "snapshot"
        assert [result["status"] for result in await speaker.results(tree, good(1), future=1)] == ["applied"]


async def closers(codec: CodecName) -> dict[str, tuple[bytes, bool, int]]:
    """(bytes, whether in a text frame, close code)."""
    text = codec == "json"
    ping = pack({"type": "ping"}, codec)
    large = pack({"type": "ping", "padding": "x" * OVERSIZE}, codec)
    both = {
        "a frame of the wrong kind": (pack({"type": "ping"}, "json"), not text, 4400),
        "nothing at all": (b"", text, 4400),
        "half a message": (ping[:-1], text, 4400),
        "two messages": (ping + ping, text, 4400),
        "a message that is too large": (large, text, 1009),
    }
    if codec == "json":
        return both | {
            "no JSON": (b"hello", True, 4400),
            "UTF-16": ('{"type":"ping"}'.encode("utf-16-le"), True, 4400),
            "broken UTF-8": (b'{"type":"ping\xff"}', True, 1007),
            "a surrogate in UTF-8": (b'{"type":"ping","ref":"\xed\xa0\x80"}', True, 1007),
            "lists without an end": (b"[" * 60_000, True, 4400),
        }
    return both | {
        "no msgpack": (b"\xc1", False, 4400),
        "a map that says it has four billion keys": (b"\xdf\xff\xff\xff\xff", False, 4400),
        "text that says it has four billion bytes": (b"\xdb\xff\xff\xff\xffabc", False, 4400),
        "lists without an end": (b"\x91" * 60_000, False, 4400),
    }


@pytest.mark.parametrize("codec", CODECS)
async def test_what_cannot_be_read_closes_its_own_socket_and_no_other(instance: Command, codec: CodecName) -> None:
    """[WS5] [WS6] [CL4]"""
    tree = await made(instance)
    async with speaking(instance, instance.token("witness"), client="witness", codec=codec) as witness:
        await witness.open(tree)
        for place, (what, (payload, text, code)) in enumerate((await closers(codec)).items()):
            async with speaking(instance, instance.token(), client=f"c{place}", codec=codec) as speaker:
                await speaker.open(tree)
                await speaker.say({"type": "edit", "tree": tree, "ops": [good(1, f"before-{place}")]})
                await speaker.hear("outcome")
                await speaker.raw(payload, text=text)
                assert (await speaker.closed())[1] == code, what
            [result] = await witness.results(tree, good(place + 1))
            assert result["status"] == "applied", what
        heard = {op["node"] for op in await ops_heard(witness) if op["op"] == "insert"}
    view = await state_of(instance, tree)
    expected = {f"before-{place}" for place in range(len(await closers(codec)))}
    expected |= {f"good-{place + 1}" for place in range(len(await closers(codec)))}
    assert {node["id"] for node in view["state"]["nodes"]} == expected | {ROOT}
    assert heard <= expected


async def ops_heard(speaker: Speaker) -> list[Message]:
    return [op for message in await speaker.answers() if message["type"] == "ops" for op in message["ops"]]


GREETINGS: dict[str, tuple[Message, int]] = {
    "no hello": ({"type": "ping"}, 4400),
    "an open before hello": ({"type": "open", "tree": 1}, 4400),
    "no client_id": ({"type": "hello", "protocol": 1, "token": "TOKEN"}, 4400),
    "a client_id with a colon": ({"type": "hello", "protocol": 1, "token": "TOKEN", "client_id": "a:b"}, 4400),
    "a client_id that is too long": ({"type": "hello", "protocol": 1, "token": "TOKEN", "client_id": "x" * 65}, 4400),
    "a client_id with NUL": ({"type": "hello", "protocol": 1, "token": "TOKEN", "client_id": "a\0b"}, 4400),
    "a protocol that is text": ({"type": "hello", "protocol": "1", "token": "TOKEN", "client_id": "c"}, 4400),
    "another protocol": ({"type": "hello", "protocol": 2, "token": "TOKEN", "client_id": "c"}, 4409),
    "no token": ({"type": "hello", "protocol": 1, "client_id": "c"}, 4401),
    "no good token": ({"type": "hello", "protocol": 1, "token": "eyJhbGciOiJub25lIn0.e30.", "client_id": "c"}, 4401),
}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("what", GREETINGS)
async def test_who_does_not_greet_is_told_why_and_closed(instance: Command, codec: CodecName, what: str) -> None:
    """[HS1] [HS3] [HS4] [HS6] [HS11]"""
    greeting, code = GREETINGS[what]
    if greeting.get("token") == "TOKEN":
        greeting = greeting | {"token": instance.token()}
    async with speaking(instance, None, codec=codec) as speaker:
        await speaker.say(greeting)
        told, closed = await speaker.closed()
        assert [message["type"] for message in told] == ["error"]
        assert closed == code


@pytest.mark.parametrize("codec", CODECS)
async def test_numbers_that_are_skipped_or_used_again(instance: Command, codec: CodecName) -> None:
    """[ED2] [ED3] [ED5] [ED6]"""
    tree = await made(instance)
    async with speaking(instance, instance.token(), codec=codec) as speaker:
        await speaker.open(tree)
        results = await speaker.results(tree, good(1), good(3), good(4))
        assert [(one["n"], one["status"], one.get("code"), one.get("expected")) for one in results] == [
            (1, "applied", None, None),
            (3, "rejected", "gap", 2),
            (4, "rejected", "gap", 2),
        ]
        assert [one["status"] for one in await speaker.results(tree, good(2), good(3))] == ["applied", "applied"]
        again, other = await speaker.results(tree, good(2), good(3, "another"))
        assert (again["status"], again["first"]["status"]) == ("duplicate", "applied")
        assert (other["status"], other["code"]) == ("rejected", "reused")
        backwards = await speaker.results(tree, good(5), good(4))
        assert sorted(one["n"] for one in backwards) == [4, 5]
        far = (await speaker.results(tree, good(2**53 - 1)))[0]
        assert (far["status"], far["code"]) == ("rejected", "gap")
    nodes = (await state_of(instance, tree))["state"]["nodes"]
    assert {node["id"] for node in nodes} >= {ROOT, "good-1", "good-2", "good-3", "good-4"}


@pytest.mark.parametrize("codec", CODECS)
async def test_ids_of_another_tree_are_not_there(instance: Command, codec: CodecName) -> None:
    """[TR8] [TR23] [TR24] [OP9] A node's id means something in its own tree alone."""
    body: dict[str, Any] = {"name": "Other", "visibility": "tenant_edit"}
    body |= {"nodes": [{"id": name, "type": "metric", "title": name} for name in ("theirs", "other")]}
    body |= {"connections": [{"id": "link", "from": "theirs", "to": "other"}]}
    other = (await instance.ask("POST", "/api/v1/trees", body)).json()["id"]
    tree = await made(instance)
    before = await state_of(instance, other)
    place = {"position": {"x": 0, "y": 0}}
    asked: list[tuple[dict[str, Any], str]] = [
        ({"op": "update", "node": "theirs", "set": {"title": "Bad"}}, "node_missing"),
        ({"op": "delete", "node": "theirs"}, "node_missing"),
        ({"op": "restore", "node": "theirs"}, "node_missing"),
        ({"op": "move", "node": "theirs", "parent": ROOT, **place}, "node_missing"),
        ({"op": "move", "node": ROOT, "parent": "theirs", **place}, "parent_missing"),
        ({"op": "insert", "node": "x", "parent": "theirs", "type": "metric", "title": "Bad"}, "parent_missing"),
        ({"op": "connect", "connection": "c", "from": ROOT, "to": "theirs"}, "node_missing"),
        ({"op": "disconnect", "connection": "link"}, "connection_missing"),
        ({"op": "update", "connection": "link", "set": {"label": "Bad"}}, "connection_missing"),
    ]
    async with speaking(instance, instance.token(), codec=codec) as speaker:
        await speaker.open(tree)
        ops = [{"n": n, "base": 0, **op} for n, (op, _) in enumerate(asked, start=1)]
        results = await speaker.results(tree, *ops, good(len(ops) + 1))
        assert [one.get("code") for one in results] == [*(code for _, code in asked), None]
        assert results[-1]["status"] == "applied"
        await speaker.say({"type": "edit", "tree": other, "ops": [good(1)]})
        [refused] = await speaker.direct()
        assert (refused["type"], refused["code"], refused["tree"]) == ("error", "not_open", other)
    assert await state_of(instance, other) == before


@pytest.mark.parametrize("codec", CODECS)
async def test_too_much_at_once_is_refused_whole(instance: Command, codec: CodecName) -> None:
    """[ED10] [PR4]"""
    tree = await made(instance)
    async with speaking(instance, instance.token(), codec=codec) as speaker:
        await speaker.open(tree)
        before = await state_of(instance, tree)
        many = [{"n": n, "base": 0, "op": "delete", "node": ROOT} for n in range(1, 502)]
        for message in (
            {"type": "edit", "tree": tree, "ops": many},
            {"type": "presence", "tree": tree, "state": {"text": "x" * 4097}},
        ):
            await speaker.say(message)
            [answer] = await speaker.direct()
            assert (answer["type"], answer["code"]) == ("error", "too_large")
        assert await state_of(instance, tree) == before
        [landed] = await speaker.results(tree, good(1))
        assert landed["status"] == "applied"


def test_the_bytes_are_what_they_claim() -> None:
    """The table is read by an independent reader where one can read it."""
    for _, written, _ in cases()["msgpack"][:10]:
        assert msgpack.unpackb(written(5))["n"] == 5
    for _, written, _ in cases()["json"][:10]:
        assert json.loads(written(5))["n"] == 5
