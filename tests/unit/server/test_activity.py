"""Feeds over HTTP, what clients report, and who may see whose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.applications import Running, running
from tests.unit.server.test_progress import edit
from tests.unit.server.test_trees import problem


@pytest.fixture
async def app() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


async def feed(app: Running, path: str, **asked: Any) -> list[dict[str, Any]]:
    answer = await app.ask("GET", path, **asked)
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json()["entries"]
    return entries


async def test_a_tree_tells_what_was_done_to_it(app: Running) -> None:
    """[AC6]"""
    tree = await app.tree()
    await edit(
        app,
        tree,
        {"op": "insert", "node": "a", "parent": "root", "type": "metric", "title": "Visits"},
        {"op": "update", "node": "a", "set": {"template_data.unit": "a week"}},
        {"op": "move", "node": "a", "parent": None, "position": {"x": 1, "y": 2}},
        {"op": "configure", "set": {"name": "Plan B"}},
        {"op": "delete", "node": "a"},
    )
    assert (await app.ask("PUT", f"/api/v1/trees/{tree}/members/bo", {"role": "editor"})).status_code == 200
    entries = await feed(app, f"/api/v1/trees/{tree}/activity")
    assert [(one["kind"], one["sentence"]) for one in entries] == [
        ("member_added", "ada made bo an editor of the tree."),
        ("node_deleted", "ada deleted the metric “Visits”."),
        ("tree_renamed", "ada named the tree “Plan B”."),
        ("node_moved", "ada moved “Visits” from “Grow” to the top."),
        ("template_filled", "ada filled in the unit of “Visits”."),
        ("node_created", "ada added the metric “Visits” under “Grow”."),
        ("tree_created", "ada made the tree, with 1 node."),
    ]
    assert entries[4]["fields"] == ["template_data.unit"]
    assert {one["session"] for one in entries} == {entries[0]["session"]} != {""}
    of_node = await feed(app, f"/api/v1/trees/{tree}/nodes/a/activity")
    assert [one["kind"] for one in of_node] == ["node_deleted", "node_moved", "template_filled", "node_created"]
    only = await feed(app, f"/api/v1/trees/{tree}/activity?kinds=node_moved,tree_renamed&user=ada")
    assert [one["kind"] for one in only] == ["tree_renamed", "node_moved"]
    assert await feed(app, f"/api/v1/trees/{tree}/activity?user=bo") == []


async def test_a_feed_is_for_who_may_see_its_tree(app: Running) -> None:
    """[AC9]"""
    tree = await app.tree()
    for path in (f"/api/v1/trees/{tree}/activity", f"/api/v1/trees/{tree}/nodes/root/activity"):
        strange = await app.ask("GET", path, user="eve")
        nobody = await app.ask("GET", path.replace(f"/{tree}/", "/999/"), user="eve")
        assert problem(strange) == (404, "not_found")
        assert strange.json() == nobody.json()
    assert problem(await app.ask("POST", f"/api/v1/trees/{tree}/activity", {"events": []}, user="eve")) == (
        404,
        "not_found",
    )
    assert problem(await app.ask("GET", "/api/v1/users/ada/activity", user="bo")) == (404, "not_found")
    assert not [one for one in app.logged if one[0] == "personal data read"]
    assert [one["kind"] for one in await feed(app, "/api/v1/users/ada/activity", user="chef", role="admin")] == [
        "tree_created"
    ]
    assert [one for one in app.logged if one[0] == "personal data read"] != []


@pytest.mark.parametrize(
    "asked",
    [
        "limit=0", "limit=201", "limit=x", "before=x", "before=2026-01-01T00:00:00Z|1", "since=yesterday",
        "since=2026-01-01", "since=0001-01-01T00:00:00%2B14:00", "kinds=a%20b", "kinds=a,,b", "user=" + "x" * 300,
        "user=a%00b", "kinds=" + ",".join(f"k{n}" for n in range(51)),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_said(app: Running, asked: str) -> None:
    """[AC8]"""
    tree = await app.tree()
    for path in (f"/api/v1/trees/{tree}/activity", f"/api/v1/trees/{tree}/nodes/root/activity"):
        assert problem(await app.ask("GET", f"{path}?{asked}")) == (422, "invalid"), path


async def test_what_is_reported_by_http_counts_once(app: Running) -> None:
    """[AC1, AC2, AC11, AC12]"""
    tree = await app.tree()
    path = f"/api/v1/trees/{tree}/activity"
    viewed = {"id": "e1", "kind": "node_viewed", "node": "root", "duration_ms": 1500, "at": "2026-01-05T10:00:00Z"}
    for _ in range(3):
        assert (await app.ask("POST", path, {"events": [viewed]})).status_code == 204
    [one] = await feed(app, "/api/v1/users/ada/activity?kinds=node_viewed")
    assert (one["count"], one["duration_ms"], one["at"]) == (1, 1500, "2026-01-05T10:00:00.000000Z")
    assert one["session"]
    assert [one["kind"] for one in await feed(app, path)] == ["tree_created"]
    refused = await app.ask(
        "POST", path, {"events": [viewed | {"id": "e2"}, viewed | {"id": "e3", "kind": "node_moved"}]}
    )
    assert problem(refused) == (422, "invalid")
    assert "event 1 (e3)" in refused.json()["detail"]
    assert len(await feed(app, "/api/v1/users/ada/activity?kinds=node_viewed")) == 1
    many = {"events": [viewed | {"id": f"m{n}"} for n in range(501)]}
    assert problem(await app.ask("POST", path, many)) == (422, "invalid")
    assert problem(await app.ask("POST", path, {"events": [viewed | {"duration_ms": -1}]})) == (422, "invalid")
    assert problem(await app.ask("POST", path, {"events": [viewed], "more": 1})) == (422, "invalid")
