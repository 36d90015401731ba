"""Whatever is sent by HTTP gets its documented status and code, and changes nothing (HT, ED, ER)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.bad_ops import cases
from tests.commands import OPERATOR, Command, treesync
from tests.postgres_servers import PostgresServers
from tests.writers import ROOT, made

PROBLEM = "application/problem+json"
EDIT_BYTES = 8 * 1024 * 1024  # limits.edit_bytes
Node = dict[str, Any]


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


@pytest.fixture
async def client(instance: Command) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"Authorization": f"Bearer {instance.token()}"}
    async with httpx2.AsyncClient(base_url=f"{instance.url}/api/v1", headers=headers, timeout=30) as one:
        yield one


async def view_of(client: httpx2.AsyncClient, tree: int) -> dict[str, Any]:
    view: dict[str, Any] = (await client.get(f"/trees/{tree}")).json()
    return view


def good(n: int) -> Node:
    named = {"op": "insert", "node": f"good-{n}", "parent": ROOT, "type": "metric", "title": f"Good {n}"}
    return {"n": n, "base": 0, **named}


def refused(answer: httpx2.Response, what: str = "") -> tuple[int, str]:
    """Status and code of a problem that is written as [HT5] says."""
    assert answer.headers["content-type"] == PROBLEM, (what, answer.text)
    told = answer.json()
    assert told["status"] == answer.status_code
    assert told["detail"]
    return told["status"], told["code"]


async def test_bad_ops_are_refused_by_their_numbers(instance: Command, client: httpx2.AsyncClient) -> None:
    """[HT1] [HT2] [ED12] [ED13] As on a socket: what stands beside them lands."""
    tree = await made(instance)
    before = await view_of(client, tree)
    place = 0
    for place, (what, written, code) in enumerate(cases()["json"]):
        n = 2 * place + 1
        ops = json.dumps(good(n)).encode(), written(n + 1)
        body = b'{"client_id":"script","ops":[%b]}' % b",".join(ops)
        answer = await client.post(f"/trees/{tree}/edits", content=body)
        assert answer.status_code == 200, (what, answer.text)
        landed, bad = answer.json()["results"]
        assert landed["status"] == "applied", (what, landed)
        assert (bad["n"], bad["status"], bad["code"]) == (n + 1, "rejected", code), (what, bad)
    after = await view_of(client, tree)
    assert after["position"]["seq"] == before["position"]["seq"] + place + 1
    [root] = [node for node in after["state"]["nodes"] if node["id"] == ROOT]
    assert (root["title"], root["metadata"], root["parent"]) == ("Grow", {}, None)
    assert {node["id"][:4] for node in after["state"]["nodes"]} == {"root", "good"}


def not_edits() -> dict[str, tuple[bytes, int, str]]:
    """(body, status, code)"""
    op = json.dumps(good(1)).encode()
    named = b'{"client_id":"script","ops":[%b]' % op
    deep = b"[" * 200_000 + b"]" * 200_000
    return {
        "nothing": (b"", 400, "bad_message"),
        "no JSON": (b"ops=1", 400, "bad_message"),
        "half of it": (named, 400, "bad_message"),
        "two of it": (named + b"}" + named + b"}", 400, "bad_message"),
        "broken UTF-8": (named + b',"ref":"\xff"}', 400, "bad_message"),
        "a surrogate in UTF-8": (named + b',"ref":"\xed\xa0\x80"}', 400, "bad_message"),
        "UTF-16": ((named + b"}").decode().encode("utf-16"), 400, "bad_message"),
        "a list": (b"[" + named + b"}]", 400, "bad_message"),
        "null": (b"null", 400, "bad_message"),
        "lists 200,000 deep": (deep, 400, "bad_message"),
        "lists without an end": (b"[" * 200_000, 400, "bad_message"),
        "a key that stands twice": (named + b',"client_id":"other"}', 400, "bad_message"),
        "another message": (b'{"type":"open","tree":1}', 400, "bad_message"),
        "no ops": (b'{"client_id":"script"}', 400, "bad_message"),
        "ops that are a map": (b'{"client_id":"script","ops":{}}', 400, "bad_message"),
        "an op without n": (b'{"client_id":"script","ops":[{"op":"delete","node":"root"}]}', 400, "bad_message"),
        "an n that is negative": (b'{"client_id":"script","ops":[{"n":-1,"op":"delete"}]}', 400, "bad_message"),
        "an n of NaN": (b'{"client_id":"script","ops":[{"n":NaN,"op":"delete"}]}', 400, "bad_message"),
        "an n of 5,000 digits": (b'{"client_id":"s","ops":[{"n":%s}]}' % (b"9" * 5_000), 400, "bad_message"),
        "an unknown mode": (named + b',"mode":"wild"}', 400, "bad_message"),
        "no client_id": (b'{"ops":[%b]}' % op, 422, "invalid"),
        "a client_id with a colon": (b'{"client_id":"respace:1","ops":[%b]}' % op, 422, "invalid"),
        "a client_id with NUL": (b'{"client_id":"a\\u0000","ops":[%b]}' % op, 400, "bad_message"),
        "a client_id that is a number": (b'{"client_id":5,"ops":[%b]}' % op, 400, "bad_message"),
        "another tree than the path's": (named + b',"tree":1048576}', 422, "invalid"),
        "another epoch": (named + b',"epoch":"another"}', 409, "epoch"),
        "an epoch with NUL": (named + b',"epoch":"a\\u0000"}', 400, "bad_message"),
        "too many ops": (b'{"client_id":"script","ops":[%b]}' % b",".join([op] * 10_001), 413, "too_large"),
        "too many bytes": (named + b"}" + b" " * EDIT_BYTES, 413, "too_large"),
    }


async def test_what_is_no_edit_is_a_problem_and_changes_nothing(instance: Command, client: httpx2.AsyncClient) -> None:
    """[HT3] [HT4] [HT5] [ED14] The next edit lands."""
    tree = await made(instance)
    before = await view_of(client, tree)
    for what, (body, status, code) in not_edits().items():
        answer = await client.post(f"/trees/{tree}/edits", content=body)
        assert refused(answer, what) == (status, code), (what, answer.text)
    assert await view_of(client, tree) == before
    answer = await client.post(f"/trees/{tree}/edits", json={"client_id": "script", "ops": [good(1)]})
    assert [one["status"] for one in answer.json()["results"]] == ["applied"]


async def test_a_body_without_a_length_is_bounded_too(instance: Command, client: httpx2.AsyncClient) -> None:
    """[HT3] It is not believed to be short because it does not say how long it is."""
    tree = await made(instance)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(EDIT_BYTES // 65_536 + 1):
            yield b" " * 65_536

    assert refused(await client.post(f"/trees/{tree}/edits", content=chunks())) == (413, "too_large")


def node(name: str = "a", **fields: Any) -> Node:
    return {"id": name, "type": "metric", "title": "A"} | fields


def deep(levels: int) -> list[Node]:
    below = [node(f"n{level}", parent=f"n{level - 1}") for level in range(1, levels)]
    return [node("n0"), *below]


NOT_TREES: dict[str, tuple[Any, int]] = {
    "a list": ([], 422),
    "no name": ({}, 422),
    "an empty name": ({"name": ""}, 422),
    "a name of 501 characters": ({"name": "x" * 501}, 422),
    "a name that is a number": ({"name": 5}, 422),
    "NUL in a name": ({"name": "a\0b"}, 400),
    "an unknown field": ({"name": "T", "owner": "eve"}, 422),
    "an unknown visibility": ({"name": "T", "visibility": "public"}, 422),
    "an integer of 2^53": ({"name": "T", "canvas_state": {"zoom": 2**53}}, 400),
    "a node that is a number": ({"name": "T", "nodes": [5]}, 422),
    "a node of no type": ({"name": "T", "nodes": [{"id": "a", "title": "A"}]}, 422),
    "a node of an unknown type": ({"name": "T", "nodes": [node(type="goal")]}, 422),
    "a node with an unknown field": ({"name": "T", "nodes": [node(order="a0")]}, 422),
    "a node without a title": ({"name": "T", "nodes": [node(title="")]}, 422),
    "two nodes of one id": ({"name": "T", "nodes": [node(), node()]}, 422),
    "a node under itself": ({"name": "T", "nodes": [node(parent="a")]}, 422),
    "a cycle": ({"name": "T", "nodes": [node("a", parent="b"), node("b", parent="a")]}, 422),
    "a parent that is not there": ({"name": "T", "nodes": [node(parent="elsewhere")]}, 422),
    "a value that is too large": ({"name": "T", "nodes": [node(metadata={"k": "x" * 262_145})]}, 422),
    "a value 40 deep": ({"name": "T", "nodes": [node(metadata={"k": json.loads("[" * 40 + "]" * 40)})]}, 400),
    "a tree that is too deep": ({"name": "T", "nodes": deep(1001)}, 422),
    "an end that is not there": ({"name": "T", "connections": [{"id": "c", "from": "a", "to": "b"}]}, 422),
    "a node connected with itself": (
        {"name": "T", "nodes": [node()], "connections": [{"id": "c", "from": "a", "to": "a"}]},
        422,
    ),
}
NOT_TREES_IN_BYTES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"name=T",
    "broken UTF-8": b'{"name":"\xff"}',
    "a lone surrogate": b'{"name":"\\ud800"}',
    "NaN": b'{"name":"T","canvas_state":{"zoom":NaN}}',
    "a number beyond all doubles": b'{"name":"T","canvas_state":{"zoom":1e999}}',
    "an integer of 5,000 digits": b'{"name":"T","canvas_state":{"zoom":' + b"9" * 5_000 + b"}}",
    "a name that stands twice": b'{"name":"T","name":"U"}',
    "a key that stands twice within": b'{"name":"T","canvas_state":{"a":1,"a":2}}',
    "lists 200,000 deep": b'{"name":"T","nodes":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
}


async def test_what_is_no_tree_is_not_made(client: httpx2.AsyncClient) -> None:
    """[ER1] [TR1] [TR2] [TR26]"""
    before = (await client.get("/trees")).json()
    for what, (body, status) in NOT_TREES.items():
        answer = await client.post("/trees", json=body)
        assert refused(answer, what)[0] == status, (what, answer.text)
        assert answer.json()["code"] not in ("internal", "unavailable"), (what, answer.text)
    for what, content in NOT_TREES_IN_BYTES.items():
        assert refused(await client.post("/trees", content=content), what) == (400, "bad_message"), what
    assert (await client.get("/trees")).json() == before


async def test_other_routes_refuse_what_they_do_not_know(instance: Command, client: httpx2.AsyncClient) -> None:
    """[HT5] [HT6] [ER1]"""
    tree = await made(instance)
    before = await view_of(client, tree)
    one = f"/trees/{tree}"
    asked: list[tuple[str, str, Any, int]] = [
        ("PATCH", one, [], 422),
        ("PATCH", one, {"name": ""}, 422),
        ("PATCH", one, {"name": None}, 422),
        ("PATCH", one, {"visibility": "public"}, 422),
        ("PATCH", one, {"owner": "eve"}, 422),
        ("PATCH", one, {"canvas_state": {"a.b": 1}}, 422),
        ("PATCH", one, {"canvas_state": {"": 1}}, 422),
        ("PATCH", one, {"description": "a\0b"}, 400),
        ("PUT", f"{one}/members/bo", {"role": "king"}, 422),
        ("PUT", f"{one}/members/bo", {}, 422),
        ("PUT", f"{one}/members/ada", {"role": "viewer"}, 422),
        ("PUT", f"{one}/members/{'x' * 65}", {"role": "viewer"}, 422),
        ("PUT", f"{one}/members/%00", {"role": "viewer"}, 422),
        ("DELETE", f"{one}/members/nobody", None, 404),
        ("GET", f"{one}?seq=-1", None, 422),
        ("GET", f"{one}?seq=1e3", None, 422),
        ("GET", f"{one}?seq={2**53}", None, 422),
        ("GET", f"{one}?seq=1000000", None, 404),
        ("GET", f"{one}/conflicts?before=x", None, 422),
        ("GET", "/trees?limit=0", None, 422),
        ("GET", "/trees?limit=501", None, 422),
        ("GET", "/trees?limit=x", None, 422),
        ("GET", "/trees?before=x", None, 422),
        ("GET", "/trees?before=2026-01-01|x", None, 422),
        ("GET", "/trees?before=2026-01-01T00:00:00Z|99999999999999999999", None, 422),
        ("GET", "/trees?before=%00|1", None, 422),
        ("POST", one, {}, 405),
        ("DELETE", "/trees", None, 405),
        ("GET", "/nothing", None, 404),
    ]
    for method, path, body, status in asked:
        answer = await client.request(method, path, json=body)
        assert refused(answer, f"{method} {path}")[0] == status, (method, path, body, answer.text)
    assert await view_of(client, tree) == before


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Basic YTpi", "Bearer not.a.token", "Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer a b"],
)
async def test_no_good_token_is_unauthorised(instance: Command, header: str) -> None:
    """[ER1] [HT5]"""
    headers = {"Authorization": header} if header else {}
    async with httpx2.AsyncClient(base_url=instance.url, headers=headers) as stranger:
        for path in ("/api/v1/trees", "/api/v1/trees/1", "/admin/rooms"):
            answer = await stranger.get(path)
            assert refused(answer, path) == (401, "unauthorised")
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_bytes_that_are_no_http_end_their_own_connection(instance: Command) -> None:
    """[CL4] The process serves on."""
    for sent in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n", b"\x00" * 1000, b"A" * 200_000):
        reader, writer = await asyncio.open_connection("127.0.0.1", instance.port)
        try:
            writer.write(sent)
            writer.write_eof()
            async with asyncio.timeout(10):
                answer = await reader.read()
        except OSError:  # it was closed before all was sent
            answer = b""
        finally:
            writer.close()
        assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505")), (sent[:20], answer)
    health = (await instance.ask("GET", "/health", bearer=OPERATOR)).json()
    assert health["status"] == "ok"
