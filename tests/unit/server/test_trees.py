"""Trees over HTTP, through a real hub and the in-memory database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.applications import Running, running

TREES = "/api/v1/trees"


@pytest.fixture
async def app() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


def problem(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of an error, which must have RFC 9457's shape."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "code"}
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]


async def test_a_tree_is_made_with_its_nodes_in_the_order_given(app: Running) -> None:
    body = {
        "name": "Strategy",
        "description": "what we are about",
        "discovery_phase": "discovery",
        "is_template": True,
        "visibility": "tenant_view",
        "canvas_state": {"zoom": 2},
        "nodes": [
            {"id": "r", "type": "objective", "title": "Grow"},
            {"id": "b", "parent": "r", "type": "metric", "title": "B"},
            {"id": "a", "parent": "r", "type": "metric", "title": "A", "template_data": {"core_why": "x"}},
        ],
        "connections": [{"id": "c", "from": "a", "to": "b"}],
    }
    answer = await app.ask("POST", TREES, body)
    assert answer.status_code == 201
    summary = answer.json()
    assert answer.headers["location"] == f"{TREES}/{summary['id']}"
    assert (summary["name"], summary["node_count"], summary["role"], summary["owner"]) == (
        "Strategy",
        3,
        "owner",
        "ada",
    )
    tree = (await app.ask("GET", f"{TREES}/{summary['id']}")).json()
    state = tree["state"]
    assert (tree["role"], state["discovery_phase"], state["is_template"]) == ("owner", "discovery", True)
    assert state["canvas_state"]["zoom"] == 2
    ordered = sorted(state["nodes"], key=lambda node: (node["parent"] or "", node["order"]))
    assert [node["id"] for node in ordered] == ["r", "b", "a"]
    assert state["connections"] == [{"id": "c", "from": "a", "to": "b", "label": ""}]
    assert set(tree["position"]) == {"epoch", "seq", "mark"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid"),
        ({"name": ""}, 422, "invalid"),
        ({"name": "x" * 501}, 422, "invalid"),
        ({"name": 7}, 422, "invalid"),
        ({"name": "a\x00b"}, 400, "bad_message"),
        ({"name": "x", "visibility": "world"}, 422, "invalid"),
        ({"name": "x", "colour": "red"}, 422, "invalid"),
        ({"name": "x", "canvas_state": {"a.b": 1}}, 422, "invalid"),
        ({"name": "x", "nodes": [{"id": "a", "type": "dream", "title": "A"}]}, 422, "invalid"),
        ({"name": "x", "nodes": [{"id": "a", "type": "metric", "title": ""}]}, 422, "invalid"),
        ({"name": "x", "nodes": [{"id": "a", "type": "metric", "title": "A", "parent": "b"}]}, 422, "parent_missing"),
        ({"name": "x", "nodes": [{"id": "a", "type": "metric", "title": "A"}] * 2}, 422, "invalid"),
        ({"name": "x", "connections": [{"id": "c", "from": "a", "to": "b"}]}, 422, "invalid"),
        ([], 422, "invalid"),
        (None, 400, "bad_message"),
    ],
)
async def test_what_is_no_tree_is_not_made(app: Running, body: Any, status: int, code: str) -> None:
    assert problem(await app.ask("POST", TREES, body)) == (status, code)
    assert app.database.trees == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"name": "x", "name": "y"}',
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b'{"name": "\\u0000"}',
        b'{"name": "x", "canvas_state": {"a": 1e999}}',
        b'{"name": "x", "canvas_state": {"a": 99999999999999999999}}',
        b'{"name": "x", "canvas_state": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
    ],
)
async def test_a_body_that_cannot_be_stored_is_refused(app: Running, content: bytes) -> None:
    assert problem(await app.ask("POST", TREES, content=content)) == (400, "bad_message")
    assert app.database.trees == {}


async def test_a_body_has_a_limit() -> None:
    async with running(edit_bytes=1024) as app:
        assert problem(await app.ask("POST", TREES, {"name": "x" * 1024})) == (413, "too_large")

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b" " * 512

        headers = {"Authorization": f"Bearer {app.token()}"}
        answer = await app.client.post(TREES, content=endless(), headers=headers)
        assert problem(answer) == (413, "too_large")


async def test_the_list_is_paged_from_the_last_updated(app: Running) -> None:
    made = []
    for number in range(5):
        made.append(await app.tree(name=f"tree {number}"))
        await app.app.clock.advance(1.0)  # type: ignore[attr-defined]
    await app.tree(user="bo", name="private to bo")
    seen, before = [], ""
    while True:
        page = (await app.ask("GET", f"{TREES}?limit=2{before}")).json()
        seen += [line["id"] for line in page["trees"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert seen == made[::-1]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "limit=-1", "before=x", "before=|", "limit=1e3"])
async def test_a_bad_page_is_refused(app: Running, query: str) -> None:
    assert problem(await app.ask("GET", f"{TREES}?{query}")) == (422, "invalid")


async def test_a_past_seq_can_be_read(app: Running) -> None:
    tree = await app.tree()
    now = (await app.ask("GET", f"{TREES}/{tree}")).json()["position"]["seq"]
    await app.ask("PATCH", f"{TREES}/{tree}", {"name": "Renamed"})
    then = (await app.ask("GET", f"{TREES}/{tree}?seq={now}")).json()
    assert (then["position"]["seq"], then["state"]["name"]) == (now, "Strategy")
    assert (await app.ask("GET", f"{TREES}/{tree}")).json()["state"]["name"] == "Renamed"
    assert problem(await app.ask("GET", f"{TREES}/{tree}?seq=99")) == (404, "not_found")
    assert problem(await app.ask("GET", f"{TREES}/{tree}?seq=-1")) == (422, "invalid")


async def test_a_change_goes_through_the_log(app: Running) -> None:
    tree = await app.tree()
    before = (await app.ask("GET", f"{TREES}/{tree}")).json()["position"]["seq"]
    answer = await app.ask("PATCH", f"{TREES}/{tree}", {"name": "New", "canvas_state": {"zoom": 3}})
    assert (answer.status_code, answer.json()["name"]) == (200, "New")
    after = (await app.ask("GET", f"{TREES}/{tree}")).json()
    assert after["position"]["seq"] == before + 1
    assert after["state"]["canvas_state"]["zoom"] == 3
    assert after["state"]["canvas_state"]["orientation"] == "vertical"


@pytest.mark.parametrize("body", [{"name": ""}, {"nodes": []}, {"visibility": "x"}, {"canvas_state": {"a.b": 1}}])
async def test_a_bad_change_changes_nothing(app: Running, body: dict[str, Any]) -> None:
    tree = await app.tree()
    before = (await app.ask("GET", f"{TREES}/{tree}")).json()
    assert problem(await app.ask("PATCH", f"{TREES}/{tree}", body)) == (422, "invalid")
    assert (await app.ask("GET", f"{TREES}/{tree}")).json() == before


async def test_visibility_opens_and_shuts_a_tree_for_the_tenant(app: Running) -> None:
    tree = await app.tree()
    assert (await app.ask("GET", f"{TREES}/{tree}", user="bo")).status_code == 404
    for visibility, role in (("tenant_view", "viewer"), ("tenant_edit", "editor")):
        answer = await app.ask("PATCH", f"{TREES}/{tree}", {"visibility": visibility})
        assert answer.json()["visibility"] == visibility
        assert await until_role(app, tree, "bo") == role
    assert problem(await app.ask("PATCH", f"{TREES}/{tree}", {"visibility": "private"}, user="bo")) == (
        403,
        "forbidden",
    )
    await app.ask("PATCH", f"{TREES}/{tree}", {"visibility": "private"})
    assert await until_role(app, tree, "bo") is None


async def until_role(app: Running, tree: int, user: str) -> str | None:
    await app.app.clock.advance(0.0)  # type: ignore[attr-defined]  # the hub re-reads rights in a task
    answer = await app.ask("GET", f"{TREES}/{tree}", user=user)
    return answer.json()["role"] if answer.status_code == 200 else None


async def test_a_deleted_tree_is_gone_for_everyone(app: Running) -> None:
    tree = await app.tree(visibility="tenant_edit")
    assert problem(await app.ask("DELETE", f"{TREES}/{tree}", user="bo")) == (403, "forbidden")
    answer = await app.ask("DELETE", f"{TREES}/{tree}")
    assert (answer.status_code, answer.content) == (204, b"")
    await app.app.clock.advance(0.0)  # type: ignore[attr-defined]
    for method, path, body in every_route(tree):
        assert problem(await app.ask(method, path, body)) == (404, "not_found"), (method, path)
    assert (await app.ask("GET", TREES)).json()["trees"] == []


def every_route(tree: int | str) -> list[tuple[str, str, Any]]:
    one = f"{TREES}/{tree}"
    edit = {"client_id": "c1", "ops": [{"n": 1, "base": 0, "op": "delete", "node": "root"}]}
    return [
        ("GET", one, None),
        ("GET", f"{one}?seq=1", None),
        ("PATCH", one, {"name": "x"}),
        ("PATCH", one, {"visibility": "private"}),
        ("DELETE", one, None),
        ("POST", f"{one}/edits", edit),
        ("GET", f"{one}/conflicts", None),
        ("GET", f"{one}/members", None),
        ("GET", f"{one}/members/ada", None),
        ("PUT", f"{one}/members/eve", {"role": "owner"}),
        ("DELETE", f"{one}/members/ada", None),
    ]


async def test_not_yours_and_not_there_are_the_same_bytes(app: Running) -> None:
    """[OP7]"""
    theirs = await app.tree(tenant="other", visibility="tenant_edit")
    private = await app.tree(user="bo")
    absent = 4_000_000
    for tree in (theirs, private, absent, 0, -1, "x", "1e3", "01", "٣", 2**53, "9" * 400):
        for (method, path, body), (_, absent_path, _) in zip(every_route(tree), every_route(absent), strict=True):
            answer = await app.ask(method, path, body)
            expected = await app.ask(method, absent_path, body)
            assert answer.status_code == 404
            assert answer.content == expected.content, (method, path)
            assert answer.headers.multi_items() == expected.headers.multi_items()


async def test_an_edit_is_answered_once_it_is_durable(app: Running) -> None:
    """[HT1, HT2]"""
    tree = await app.tree()
    edit = {
        "type": "edit",
        "tree": tree,
        "client_id": "c1",
        "ref": 5,
        "ops": [{"n": 1, "base": 1, "op": "insert", "node": "a", "parent": "root", "type": "metric", "title": "A"}],
    }
    outcome = (await app.ask("POST", f"{TREES}/{tree}/edits", edit)).json()
    assert (outcome["type"], outcome["tree"], outcome["ref"]) == ("outcome", tree, 5)
    assert [result["status"] for result in outcome["results"]] == ["applied"]
    again = (await app.ask("POST", f"{TREES}/{tree}/edits", edit)).json()
    assert again["results"][0]["status"] == "duplicate"
    assert again["results"][0]["first"]["status"] == "applied"
    nodes = (await app.ask("GET", f"{TREES}/{tree}")).json()["state"]["nodes"]
    assert sorted(node["id"] for node in nodes) == ["a", "root"]


async def test_a_bad_op_is_rejected_beside_good_ones(app: Running) -> None:
    tree = await app.tree()
    ops = [
        {"n": 1, "base": 1, "op": "update", "node": "root", "set": {"title": "One"}},
        {"n": 2, "base": 1, "op": "explode", "node": "root"},
        {"n": 3, "base": 1, "op": "update", "node": "root", "set": {"description": "Three"}},
    ]
    outcome = (await app.ask("POST", f"{TREES}/{tree}/edits", {"client_id": "c1", "ops": ops})).json()
    assert [result["status"] for result in outcome["results"]] == ["applied", "rejected", "applied"]
    assert outcome["results"][1]["code"] == "invalid"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"client_id": None}, 400, "bad_message"),
        ({"client_id": ""}, 400, "bad_message"),
        ({"client_id": "create:1"}, 422, "invalid"),
        ({"tree": 99}, 422, "invalid"),
        ({"epoch": "another"}, 409, "epoch"),
        ({"ops": "none"}, 400, "bad_message"),
        ({"ops": [{"op": "delete"}]}, 400, "bad_message"),
        ({"ops": [{"n": -1, "base": 0, "op": "delete", "node": "root"}]}, 400, "bad_message"),
        ({"mode": "gently"}, 400, "bad_message"),
        ({"type": "hello"}, 400, "bad_message"),
    ],
)
async def test_an_edit_that_is_none_is_refused(app: Running, changes: dict[str, Any], status: int, code: str) -> None:
    """[HT4, HT5]"""
    tree = await app.tree()
    edit = {"client_id": "c1", "ops": [{"n": 1, "base": 1, "op": "delete", "node": "root"}]} | changes
    assert problem(await app.ask("POST", f"{TREES}/{tree}/edits", edit)) == (status, code)
    assert (await app.ask("GET", f"{TREES}/{tree}")).json()["state"]["nodes"]


async def test_an_edit_by_http_names_its_client(app: Running) -> None:
    tree = await app.tree()
    assert problem(await app.ask("POST", f"{TREES}/{tree}/edits", {"ops": []})) == (422, "invalid")


async def test_ten_thousand_ops_come_in_one_request_and_one_more_does_not(app: Running) -> None:
    """[HT3]"""
    tree = await app.tree()
    ops = [{"n": n, "base": 1, "op": "update", "node": "root", "set": {"title": f"t{n}"}} for n in range(1, 10_002)]
    path = f"{TREES}/{tree}/edits"
    assert problem(await app.ask("POST", path, {"client_id": "c1", "ops": ops})) == (413, "too_large")
    outcome = (await app.ask("POST", path, {"client_id": "c1", "ops": ops[:-1]})).json()
    assert {result["status"] for result in outcome["results"]} == {"applied"}
    assert len(outcome["results"]) == 10_000


async def test_a_viewer_reads_and_does_not_write(app: Running) -> None:
    tree = await app.tree(visibility="tenant_view")
    edit = {"client_id": "c1", "ops": [{"n": 1, "base": 1, "op": "delete", "node": "root"}]}
    outcome = (await app.ask("POST", f"{TREES}/{tree}/edits", edit, user="bo")).json()
    assert [(result["status"], result["code"]) for result in outcome["results"]] == [("rejected", "forbidden")]
    assert problem(await app.ask("PATCH", f"{TREES}/{tree}", {"name": "x"}, user="bo")) == (403, "forbidden")


async def test_ops_by_http_count_like_those_on_a_socket() -> None:
    async with running(tenant_ops_per_second=5.0) as app:  # a burst is ten
        tree = await app.tree()
        ops = [{"n": n, "base": 1, "op": "update", "node": "root", "set": {"title": f"t{n}"}} for n in range(1, 12)]
        path = f"{TREES}/{tree}/edits"
        answer = await app.ask("POST", path, {"client_id": "c1", "ops": ops})
        assert problem(answer) == (429, "rate")
        assert answer.headers["retry-after"] == "1"
        assert (await app.ask("POST", path, {"client_id": "c1", "ops": ops[:10]})).status_code == 200
        assert problem(await app.ask("POST", path, {"client_id": "c1", "ops": ops[10:]})) == (429, "rate")
        await app.app.clock.advance(1.0)  # type: ignore[attr-defined]
        assert (await app.ask("POST", path, {"client_id": "c1", "ops": ops[10:]})).status_code == 200
