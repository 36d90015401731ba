"""Versions, differences, a node's history and going back over HTTP, through a real hub and the in-memory database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from server.http import Call
from server.limits import Allowance, Rate
from storage import memory_past
from sync.moments import Moments
from sync.nodes import State
from sync.room import Room
from tests.applications import Running, running
from tests.unit.server.test_trash import NODES, edit
from tests.unit.server.test_trees import problem


@pytest.fixture
async def app() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


def title(node: str, text: str) -> dict[str, Any]:
    return {"op": "update", "node": node, "set": {"title": text}}


async def a_tree(app: Running) -> int:
    """Seq 1 and 2 made it, 3 is ada's, 4 and 5 are bo's."""
    tree = await app.tree(nodes=NODES, visibility="tenant_edit")
    await edit(app, tree, "one", title("a", "Ada's"))
    await edit(app, tree, "two", title("b", "Bo's"), {"op": "delete", "node": "c"}, user="bo")
    return tree


def path(tree: int, what: str) -> str:
    return f"/api/v1/trees/{tree}/{what}"


async def titles(app: Running, tree: int, when: str = "") -> dict[str, str]:
    answer = await app.ask("GET", f"/api/v1/trees/{tree}{when}")
    assert answer.status_code == 200, answer.text
    return {node["id"]: node["title"] for node in answer.json()["state"]["nodes"]}


# ---- versions


async def test_a_version_is_kept_listed_read_and_named_anew(app: Running) -> None:
    """[HI2] [HI4] [HI5]"""
    tree = await a_tree(app)
    made = await app.ask("POST", path(tree, "versions"), {"name": "Start", "description": "as we began"})
    assert (made.status_code, made.headers["location"]) == (201, path(tree, "versions/1"))
    line = made.json()
    assert (line["number"], line["seq"], line["kind"], line["nodes"], line["user"]) == (1, 5, "named", 3, "ada")
    past = await app.ask("POST", path(tree, "versions"), {"name": "Before", "of": {"seq": 3}}, user="bo")
    assert (past.json()["number"], past.json()["seq"], past.json()["nodes"]) == (2, 3, 4)
    page = (await app.ask("GET", path(tree, "versions") + "?limit=1")).json()
    assert ([one["name"] for one in page["versions"]], page["next"]) == (["Before"], 2)
    page = (await app.ask("GET", path(tree, "versions") + "?limit=1&before=2")).json()
    assert [one["name"] for one in page["versions"]] == ["Start"]
    read = (await app.ask("GET", path(tree, "versions/2"))).json()
    assert {node["id"] for node in read["state"]["nodes"]} == {"root", "a", "b", "c"}
    renamed = (await app.ask("PATCH", path(tree, "versions/2"), {"name": "First"})).json()
    assert (renamed["name"], renamed["user"]) == ("First", "bo")
    assert (await app.ask("GET", path(tree, "versions/2"))).json()["version"] == renamed


async def test_a_moment_has_one_named_version(app: Running) -> None:
    """[HI2]"""
    tree = await a_tree(app)
    await app.ask("POST", path(tree, "versions"), {"name": "Start"})
    answer = await app.ask("POST", path(tree, "versions"), {"name": "Again"})
    assert problem(answer) == (409, "exists")
    assert "version 1" in answer.json()["detail"]


async def test_a_name_is_taken_away(app: Running) -> None:
    """[HI23] By who may give one; the version stays, and its moment can be named again."""
    tree = await a_tree(app)
    await app.ask("POST", path(tree, "versions"), {"name": "Start", "description": "as we began"})
    taken = await app.ask("DELETE", path(tree, "versions/1"), user="bo")
    line = taken.json()
    assert (taken.status_code, line["kind"], line["name"], line["user"]) == (200, "automatic", "", "")
    assert line["authors"] == ["ada", "bo"]
    again = (await app.ask("POST", path(tree, "versions"), {"name": "Again"})).json()
    assert (again["number"], again["name"]) == (1, "Again")
    assert problem(await app.ask("DELETE", path(tree, "versions/2"))) == (404, "not_found")


async def test_a_tree_has_so_many_names(app: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """[HI23]"""
    monkeypatch.setattr(memory_past, "MOST_NAMED", 1)
    tree = await a_tree(app)
    assert (await app.ask("POST", path(tree, "versions"), {"name": "One", "of": {"seq": 3}})).status_code == 201
    assert problem(await app.ask("POST", path(tree, "versions"), {"name": "Two"})) == (409, "too_many")


async def test_what_a_restore_makes_counts_against_its_authors_rate(app: Running) -> None:
    """[HI26] What comes next waits; a dry run made nothing."""
    tree = await a_tree(app)
    allowed = Allowance(Rate(1_000, 1_000), Rate(1, 3), Rate(1e9, 1e9))
    admission = app.app.endpoint.admission
    admission.bounds = admission.bounds._replace(user=allowed)
    admission._meters.clear()
    wanted = {"request": "r1", "to": {"seq": 2}}
    assert (await app.ask("POST", path(tree, "restore"), {**wanted, "dry_run": True})).status_code == 200
    assert (await app.ask("POST", path(tree, "restore"), wanted)).json()["count"] == 3
    assert problem(await app.ask("POST", path(tree, "restore"), {**wanted, "request": "r2"})) == (429, "rate")


@pytest.mark.parametrize("number", ["2", "0", "-1", "x", "01", "99999999999"])
async def test_a_version_that_is_not_there(app: Running, number: str) -> None:
    """[HI15]"""
    tree = await a_tree(app)
    assert problem(await app.ask("GET", path(tree, f"versions/{number}"))) == (404, "not_found")
    assert problem(await app.ask("PATCH", path(tree, f"versions/{number}"), {"name": "x"})) == (404, "not_found")


@pytest.mark.parametrize(("method", "what"), [("POST", "versions"), ("PATCH", "versions/1")])
async def test_a_right_counts_once_the_body_was_read(
    app: Running, monkeypatch: pytest.MonkeyPatch, method: str, what: str
) -> None:
    """[HI22] It may come slowly, and the right may go meanwhile."""
    tree = await a_tree(app)
    await app.ask("POST", path(tree, "versions"), {"name": "Start", "of": {"seq": 3}})
    content = Call.content

    async def slow(call: Call) -> bytes:
        body = await content(call)
        for place in app.app.hub.places():
            place.room.rights = msgspec.structs.replace(place.room.rights, visibility="tenant_view")
        return body

    monkeypatch.setattr(Call, "content", slow)
    assert problem(await app.ask(method, path(tree, what), {"name": "Mine"}, user="bo")) == (403, "forbidden")


# ---- reading the past


async def test_a_tree_is_read_at_a_seq_or_a_time(app: Running) -> None:
    """[HI6]"""
    tree = await a_tree(app)
    at = app.app.clock.now()
    assert (await titles(app, tree, "?seq=2"))["a"] == "A"
    now = datetime.fromtimestamp(at, UTC).isoformat()
    assert await titles(app, tree, f"?at={quote(now)}") == await titles(app, tree)
    read = (await app.ask("GET", f"/api/v1/trees/{tree}?seq=2")).json()["change"]
    assert (read["user"], read["via"], datetime.fromisoformat(read["at"]).tzinfo) == ("ada", "", UTC)
    assert "change" not in (await app.ask("GET", f"/api/v1/trees/{tree}")).json()
    assert "change" not in (await app.ask("GET", f"/api/v1/trees/{tree}?seq=0")).json()
    for when, status in (("?at=soon", 422), ("?at=2001-01-01T00:00:00Z", 404), ("?seq=1&at=2001-01-01T00:00:00Z", 422)):
        assert (await app.ask("GET", f"/api/v1/trees/{tree}{when}")).status_code == status


async def test_two_moments_are_compared(app: Running) -> None:
    """[HI7] [HI9]"""
    tree = await a_tree(app)
    found = (await app.ask("GET", path(tree, "diff?from=seq:2"))).json()
    assert (found["from_seq"], found["to_seq"]) == (2, 5)
    assert found["sentences"] == [
        "The metric “C” was removed from “Grow”.",
        "The title of “Ada's” was changed from “A” to “Ada's”.",
        "The title of “Bo's” was changed from “B” to “Bo's”.",
    ]
    assert [line["node"] for line in found["difference"]["removed"]] == ["c"]
    await app.ask("POST", path(tree, "versions"), {"name": "Now"})
    same = (await app.ask("GET", path(tree, "diff?from=version:1&to=seq:5"))).json()
    assert same["sentences"] == []
    for query in ("", "?from=5", "?from=seq:-1", "?from=seq:x", "?from=at:soon", "?from=seq:1&to=version"):
        assert problem(await app.ask("GET", path(tree, f"diff{query}"))) == (422, "invalid")
    for query in ("?from=seq:99", "?from=version:9", "?from=at:2001-01-01T00:00:00Z"):
        assert problem(await app.ask("GET", path(tree, f"diff{query}"))) == (404, "not_found")


async def test_what_happened_to_a_node(app: Running) -> None:
    """[HI10] [HI11] What is typed in one go is one line."""
    tree = await app.tree(nodes=NODES, visibility="tenant_edit")
    for place, letter in enumerate("abc"):
        op = {"op": "text", "node": "b", "path": "description", "delta": [place, letter] if place else [letter]}
        await edit(app, tree, f"typing{place}", {**op, "base": 2 + place})
    await edit(app, tree, "two", {"op": "move", "node": "b", "parent": "c", "position": {"x": 0, "y": 0}}, user="bo")
    await edit(app, tree, "three", {"op": "delete", "node": "c"}, user="bo")
    await edit(app, tree, "four", {"op": "restore", "node": "c"})
    page = (await app.ask("GET", path(tree, "nodes/b/history"))).json()
    assert page["next"] is None
    told = [(one["what"], one["user"], one["first"], one["seq"]) for one in page["events"]]
    assert told == [
        ("restored", "ada", 8, 8),
        ("deleted", "bo", 7, 7),
        ("moved", "bo", 6, 6),
        ("typed", "ada", 3, 5),
        ("made", "ada", 2, 2),
    ]
    assert page["events"][3]["delta"] == ["abc"]
    assert (page["events"][1]["along_with"], page["events"][2]["before"], page["events"][2]["parent"]) == (
        "c",
        "a",
        "c",
    )
    first = (await app.ask("GET", path(tree, "nodes/b/history?limit=2"))).json()
    assert ([one["seq"] for one in first["events"]], first["next"]) == ([8, 7], 7)
    second = (await app.ask("GET", path(tree, f"nodes/b/history?before={first['next']}"))).json()
    assert [one["seq"] for one in second["events"]] == [6, 5, 2]
    assert problem(await app.ask("GET", path(tree, "nodes/nowhere/history"))) == (404, "not_found")


async def test_two_comparisons_of_trees_run_at_once(app: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """And others wait, diffs and restores alike: each holds two trees."""
    tree = await a_tree(app)
    state_at, running_now, most = Moments.state_at, 0, 0

    async def watched(moments: Moments, room: Room, seq: int) -> State:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        for _ in range(20):
            await asyncio.sleep(0)
        running_now -= 1
        return await state_at(moments, room, seq)

    monkeypatch.setattr(Moments, "state_at", watched)
    asked = [app.ask("GET", path(tree, "diff?from=seq:2")) for _ in range(4)]
    bodies = ({"request": f"r{number}", "to": {"seq": 2}, "dry_run": True} for number in range(4))
    asked += [app.ask("POST", path(tree, "restore"), body) for body in bodies]
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
    assert most == 2


# ---- going back


async def test_a_restore_is_rehearsed_done_once_and_undone(app: Running) -> None:
    """[HI12] [HI14] [HI16] [HI21]"""
    tree = await a_tree(app)
    before = await titles(app, tree)
    wanted: dict[str, Any] = {"request": "r1", "to": {"seq": 2}}
    rehearsed = (await app.ask("POST", path(tree, "restore"), {**wanted, "dry_run": True})).json()
    assert (rehearsed["count"], rehearsed["seq"], [op["op"] for op in rehearsed["ops"]]) == (
        3,
        5,
        ["restore", "update", "update"],
    )
    assert [(met["node"], met["by"]) for met in rehearsed["collisions"]] == [("c", "bo"), ("b", "bo")]
    assert await titles(app, tree) == before
    done = (await app.ask("POST", path(tree, "restore"), {**wanted, "seq": rehearsed["seq"]})).json()
    assert (done["count"], done["seq"], done["undo"]) == (3, 8, {"undo": "restore:r1", "user": "ada"})
    again = (await app.ask("POST", path(tree, "restore"), wanted)).json()
    assert (again["repeated"], again["seq"]) == (True, 8)
    assert await titles(app, tree) == await titles(app, tree, "?seq=2")
    undone = await app.ask("POST", path(tree, "revert"), {"request": "u1", **done["undo"]})
    assert undone.status_code == 200, undone.text
    assert await titles(app, tree) == before


async def test_one_person_is_taken_back(app: Running) -> None:
    """[HI17]"""
    tree = await a_tree(app)
    done = (await app.ask("POST", path(tree, "revert"), {"request": "v1", "user": "bo"})).json()
    assert done["count"] == 2
    assert await titles(app, tree) == {"root": "Grow", "a": "Ada's", "b": "B", "c": "C"}


BAD: list[tuple[str, dict[str, Any], tuple[int, str]]] = [
    ("restore", {"to": {"seq": 99}}, (404, "not_found")),
    ("restore", {"to": {"version": 1}}, (404, "not_found")),
    ("restore", {"to": {"at": "2001-01-01T00:00:00Z"}}, (404, "not_found")),
    ("restore", {"to": {"at": "yesterday"}}, (422, "invalid")),
    ("restore", {"to": {}}, (422, "invalid")),
    ("restore", {"to": {"seq": 2}, "request": "a:b"}, (422, "invalid")),
    ("restore", {"to": {"seq": 2}, "request": ""}, (422, "invalid")),
    ("restore", {}, (422, "invalid")),
    ("restore", {"to": {"seq": 2}, "node": "nowhere"}, (404, "node_missing")),
    ("restore", {"to": {"seq": 2}, "seq": 4}, (409, "stale")),
    ("revert", {"user": "nobody"}, (404, "not_found")),
    ("revert", {"op": 99}, (404, "not_found")),
    ("revert", {"undo": "restore:never"}, (404, "not_found")),
    ("revert", {"undo": "configure:1"}, (422, "invalid")),
    ("revert", {}, (422, "invalid")),
]


@pytest.mark.parametrize(("what", "wanted", "expected"), BAD, ids=str)
async def test_what_cannot_be_done_is_said_and_nothing_is_done(
    app: Running, what: str, wanted: dict[str, Any], expected: tuple[int, str]
) -> None:
    """[HI15] [HI19]"""
    tree = await a_tree(app)
    before = (await app.ask("GET", f"/api/v1/trees/{tree}")).json()
    assert problem(await app.ask("POST", path(tree, what), {"request": "r1", **wanted})) == expected
    assert (await app.ask("GET", f"/api/v1/trees/{tree}")).json() == before


async def test_who_may_only_read_goes_nowhere_back(app: Running) -> None:
    """[HI22]"""
    tree = await app.tree(nodes=NODES, visibility="tenant_view")
    for what, body in (
        ("restore", {"request": "r1", "to": {"seq": 1}}),
        ("revert", {"request": "r1", "user": "ada"}),
        ("versions", {"name": "Mine"}),
    ):
        assert problem(await app.ask("POST", path(tree, what), body, user="viewer")) == (403, "forbidden")
    assert (await app.ask("GET", path(tree, "versions"), user="viewer")).status_code == 200
