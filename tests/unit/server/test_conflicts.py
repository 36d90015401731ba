"""Conflict records over HTTP, through a real hub and the in-memory database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from server import conflicts
from tests.applications import Running, running
from tests.unit.server.test_trees import TREES, problem


@pytest.fixture
async def app() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


def titled(client: str, title: str, mode: str, n: int = 1) -> dict[str, Any]:
    op = {"n": n, "base": 2, "op": "update", "node": "root", "set": {"title": title}}
    return {"client_id": client, "mode": mode, "ops": [op]}


async def contested(app: Running, visibility: str = "tenant_edit") -> int:
    """A tree of ada's in which bo's title waits as record 1, for she has set another."""
    tree = await app.tree(visibility="tenant_edit")
    await app.ask("POST", f"{TREES}/{tree}/edits", titled("c1", "Ada's", "live"))
    aside = (await app.ask("POST", f"{TREES}/{tree}/edits", titled("c2", "Bo's", "replay"), user="bo")).json()
    assert aside["results"][0]["status"] == "conflict"
    if visibility != "tenant_edit":
        assert (await app.ask("PATCH", f"{TREES}/{tree}", {"visibility": visibility})).status_code == 200
    return tree


async def decide(app: Running, tree: int, body: Any, user: str = "bo", number: str = "1") -> httpx2.Response:
    return await app.ask("POST", f"{TREES}/{tree}/conflicts/{number}/resolve", body, user=user)


async def title_of(app: Running, tree: int) -> str:
    (node,) = (await app.ask("GET", f"{TREES}/{tree}")).json()["state"]["nodes"]
    return str(node["title"])


async def test_conflicts_are_listed_to_those_they_concern(app: Running) -> None:
    """[CR9, CR18]"""
    tree = await contested(app)
    for user, count in (("ada", 1), ("bo", 1), ("cy", 0)):
        page = (await app.ask("GET", f"{TREES}/{tree}/conflicts", user=user)).json()
        assert len(page["conflicts"]) == count, user
        assert page["next"] is None
    [record] = (await app.ask("GET", f"{TREES}/{tree}/conflicts")).json()["conflicts"]
    assert (record["kind"], record["user"], record["parties"]) == ("aside", "bo", ["ada", "bo"])
    assert (record["paths"]["title"]["mine"], record["ops"][0]["set"]) == ("Bo's", {"title": "Bo's"})


async def test_ones_own_conflicts_are_listed_over_all_trees_in_pages(app: Running) -> None:
    """[CR18]"""
    trees = [await contested(app) for _ in range(3)]
    page = (await app.ask("GET", "/api/v1/conflicts?limit=2", user="bo")).json()
    assert [(one["tree"], one["id"]) for one in page["conflicts"]] == [(trees[2], 1), (trees[1], 1)]
    following = page["next"].replace("|", "%7C")
    rest = (await app.ask("GET", f"/api/v1/conflicts?limit=2&before={following}", user="bo")).json()
    assert ([one["tree"] for one in rest["conflicts"]], rest["next"]) == ([trees[0]], None)
    assert (await app.ask("GET", "/api/v1/conflicts", user="cy")).json() == {"conflicts": [], "next": None}
    for query in ("before=x", "limit=0", "limit=501"):
        assert problem(await app.ask("GET", f"/api/v1/conflicts?{query}")) == (422, "invalid")


async def test_a_page_ends_where_it_is_large(app: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """[CR18] With the record that makes it so; the next page goes on behind it."""
    monkeypatch.setattr(conflicts, "_PAGE_BYTES", 700)
    monkeypatch.setattr(conflicts, "_READ", 2)
    tree = await contested(app)
    for number in range(3, 7):
        await app.ask("POST", f"{TREES}/{tree}/edits", titled(f"c{number}", "Bo's", "replay"), user="bo")
    for address in (f"{TREES}/{tree}/conflicts", "/api/v1/conflicts"):
        found: list[int] = []
        sizes: list[int] = []
        following = ""
        while following is not None:
            page = (await app.ask("GET", f"{address}?limit=4{following}", user="bo")).json()
            found += [one["id"] for one in page["conflicts"]]
            sizes.append(len(page["conflicts"]))
            following = page["next"] and "&before=" + str(page["next"]).replace("|", "%7C")
        assert found == [5, 4, 3, 2, 1], address
        assert max(sizes) < 4, sizes


async def test_a_conflict_is_decided_by_http_once(app: Running) -> None:
    """[CR10, CR11, CR14, CR18]"""
    tree = await contested(app)
    answer = await decide(app, tree, {"base": 3, "choice": "mine"})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "type": "resolved",
        "tree": tree,
        "conflict": 1,
        "closed": {"choice": "mine", "by": "bo", "seq": 4},
    }
    assert await title_of(app, tree) == "Bo's"
    again = await decide(app, tree, {"base": 4, "choice": "value", "value": "Other"}, user="ada")
    assert again.json() == answer.json()
    assert await title_of(app, tree) == "Bo's"
    assert (await app.ask("GET", f"{TREES}/{tree}/conflicts")).json()["conflicts"] == []


async def test_whom_it_does_not_concern_finds_no_conflict(app: Running) -> None:
    """[CR9]"""
    tree = await contested(app)
    stranger = await decide(app, tree, {"base": 3, "choice": "theirs"}, user="cy")
    nobody = await decide(app, tree, {"base": 3, "choice": "theirs"}, user="cy", number="99")
    assert problem(stranger) == (404, "not_found")
    assert stranger.json() == nobody.json()
    for number in ("0", "x", "01", "9007199254740993"):
        assert problem(await decide(app, tree, {"base": 3, "choice": "theirs"}, number=number)) == (404, "not_found")
    assert problem(await decide(app, 99_999, {"base": 3, "choice": "theirs"})) == (404, "not_found")
    assert len((await app.ask("GET", f"{TREES}/{tree}/conflicts")).json()["conflicts"]) == 1


async def test_deciding_needs_the_right_to_edit(app: Running) -> None:
    """[CR15]"""
    tree = await contested(app, "tenant_view")
    assert problem(await decide(app, tree, {"base": 3, "choice": "theirs"})) == (403, "forbidden")
    assert problem(await decide(app, tree, {"base": 3, "choice": "theirs"}, user="cy")) == (404, "not_found")
    assert (await decide(app, tree, {"base": 3, "choice": "theirs"}, user="ada")).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"base": 3}, 422),
        ({"base": -1, "choice": "mine"}, 422),
        ({"base": 3, "choice": "ours"}, 422),
        ({"base": 3, "choice": "mine", "more": 1}, 422),
        ({"base": 99, "choice": "mine"}, 422),
        ({"base": 3, "choice": "value"}, 422),
        ({"base": 3, "choice": "value", "value": 7}, 422),
        ({"base": 3, "choice": "value", "value": ""}, 422),
        ({"base": 3, "choice": "value", "value": "a\x00b"}, 400),
        ([], 422),
    ],
)
async def test_a_decision_that_makes_no_sense_changes_nothing(app: Running, body: Any, status: int) -> None:
    """[CR13]"""
    tree = await contested(app)
    answer = await decide(app, tree, body)
    assert problem(answer)[0] == status
    assert await title_of(app, tree) == "Ada's"
    assert len((await app.ask("GET", f"{TREES}/{tree}/conflicts")).json()["conflicts"]) == 1


async def test_what_cannot_be_applied_says_why(app: Running) -> None:
    """[CR11]"""
    tree = await app.tree(visibility="tenant_edit")
    op = {"n": 1, "base": 2, "op": "insert", "node": "a", "parent": "gone", "type": "metric", "title": "A"}
    await app.ask("POST", f"{TREES}/{tree}/edits", {"client_id": "c", "mode": "replay", "ops": [op]}, user="bo")
    assert problem(await decide(app, tree, {"base": 2, "choice": "mine"})) == (409, "parent_missing")
    assert (await decide(app, tree, {"base": 2, "choice": "theirs"})).status_code == 200


async def test_a_decision_counts_as_an_op() -> None:
    async with running(tenant_ops_per_second=2.0) as app:  # a burst is four
        tree = await contested(app)
        bodies = [{"base": 3, "choice": "theirs"}] * 3
        assert [(await decide(app, tree, body)).status_code for body in bodies] == [200, 200, 429]
