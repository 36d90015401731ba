"""Trees in and out over HTTP as files, and copies of trees."""

from __future__ import annotations

from typing import Any

import pytest

from sync.formats import FORMATS
from tests.applications import Running, running

OUTLINE = b"# Plan\n> what for\n- objective: Grow {#goal}\n  - metric: Churn {#churn}\n"
NODES: list[dict[str, Any]] = [
    {"id": "goal", "type": "objective", "title": "Grow", "template_data": {"core_why": "…"}},
    {"id": "churn", "parent": "goal", "type": "metric", "title": "=Churn", "position": {"x": 1.5, "y": -2}},
]
JOINED = [{"id": "c", "from": "goal", "to": "churn", "label": "by"}]


async def state(app: Running, tree: int, **asker: Any) -> dict[str, Any]:
    """A tree without what tells two equal trees apart."""
    found: dict[str, Any] = (await app.ask("GET", f"/api/v1/trees/{tree}", **asker)).json()["state"]
    for node in found["nodes"]:
        del node["seq"]
    return found


async def count(app: Running) -> int:
    return len((await app.ask("GET", "/api/v1/trees")).json()["trees"])


@pytest.mark.parametrize("name", ["json", "opml"])
async def test_what_goes_out_comes_in_again(name: str) -> None:
    """[HT7]"""
    async with running() as app:
        tree = await app.tree(name='Größe / "1"', description="d", nodes=NODES, connections=JOINED)
        given = await app.ask("GET", f"/api/v1/trees/{tree}/export?format={name}")
        assert given.headers["content-type"].startswith(FORMATS[name].media_type)  # type: ignore[index]
        assert given.headers["treesync-seq"] == "2"
        assert "filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%2F%20%221%22." in given.headers["content-disposition"]
        taken = await app.ask("POST", f"/api/v1/trees/import?format={name}", content=given.content)
        assert taken.status_code == 201, taken.text
        assert taken.headers["location"] == f"/api/v1/trees/{taken.json()['id']}"
        assert await state(app, taken.json()["id"]) == await state(app, tree)


async def test_an_outline_becomes_a_tree_of_the_name_that_is_asked_for() -> None:
    async with running() as app:
        made = await app.ask("POST", "/api/v1/trees/import?format=markdown&name=Mine", content=OUTLINE)
        assert (made.json()["name"], made.json()["node_count"], made.json()["role"]) == ("Mine", 2, "owner")
        found = await state(app, made.json()["id"])
        assert [(node["id"], node["parent"]) for node in found["nodes"]] == [("goal", None), ("churn", "goal")]
        rows = (await app.ask("GET", f"/api/v1/trees/{made.json()['id']}/export?format=csv")).text.splitlines()
        assert rows[1].startswith("goal,,objective,Grow,")


@pytest.mark.parametrize(
    ("query", "content", "why"),
    [
        ("format=csv", b"id,type,title\na,metric,T\na,metric,T\n", "line 3: the id a stands at line 2 already"),
        ("format=opml", b"<opml><body><outline", "line 1"),
        ("format=markdown", OUTLINE + b"- \xff\n", "line 5: byte 0xff is no UTF-8"),
        ("format=markdown&name=", OUTLINE, "name must have 1 to 500 characters"),
        ("format=docx", OUTLINE, "`format` is one of json, opml, csv, markdown"),
        ("", b'{"nodes":[]}', "name must have 1 to 500 characters"),
    ],
)
async def test_a_bad_file_makes_nothing(query: str, content: bytes, why: str) -> None:
    """[HT8]"""
    async with running() as app:
        answer = await app.ask("POST", f"/api/v1/trees/import?{query}", content=content)
        assert answer.status_code == 422, answer.text
        assert why in answer.json()["detail"]
        assert await count(app) == 0


async def test_what_a_file_would_become_is_told_and_nothing_is_made() -> None:
    """[HT10]"""
    async with running() as app:
        told = await app.ask("POST", "/api/v1/trees/import/preview?format=markdown", content=OUTLINE)
        assert told.status_code == 200, told.text
        assert told.json() == {
            "name": "Plan",
            "description": "what for",
            "nodes": 2,
            "connections": 0,
            "levels": 2,
            "types": {"objective": 1, "metric": 1},
        }
        # children before their parents, which JSON may have
        backwards = {"name": "Plan", "nodes": NODES[::-1], "connections": JOINED}
        told = await app.ask("POST", "/api/v1/trees/import/preview?name=Mine", backwards)
        assert (told.json()["name"], told.json()["levels"], told.json()["connections"]) == ("Mine", 2, 1), told.text
        assert (await app.ask("POST", "/api/v1/trees/import/preview", {"name": "None"})).json()["levels"] == 0
        assert await count(app) == 0


@pytest.mark.parametrize(
    ("query", "content", "why"),
    [
        ("format=opml", b"<opml><body><outline", "line 1"),
        ("format=markdown", OUTLINE + b"- \xff\n", "line 5: byte 0xff is no UTF-8"),
        ("", b'{"nodes":[]}', "name must have 1 to 500 characters"),
    ],
)
async def test_a_bad_file_is_refused_before_it_is_made(query: str, content: bytes, why: str) -> None:
    """[HT10]"""
    async with running() as app:
        answer = await app.ask("POST", f"/api/v1/trees/import/preview?{query}", content=content)
        assert (answer.status_code, why in answer.json()["detail"]) == (422, True), answer.text


async def test_a_file_is_no_larger_than_any_body() -> None:
    async with running(edit_bytes=100_000) as app:
        answer = await app.ask("POST", "/api/v1/trees/import?format=markdown", content=OUTLINE * 2_000)
        assert answer.status_code == 413
        assert await count(app) == 0


async def test_a_past_seq_goes_out_as_it_was() -> None:
    async with running() as app:
        tree = await app.tree()
        ops = [{"n": 1, "base": 2, "op": "update", "node": "root", "set": {"title": "Newer"}}]
        await app.ask("POST", f"/api/v1/trees/{tree}/edits", {"client_id": "c", "ops": ops})
        then, now = [
            (await app.ask("GET", f"/api/v1/trees/{tree}/export?format=markdown&seq={seq}")).text for seq in (2, 3)
        ]
        assert ("Newer" in then, "Newer" in now) == (False, True)


async def test_a_copy_is_ones_own_whatever_the_other_tree_is() -> None:
    """[HT9]"""
    async with running() as app:
        tree = await app.tree(nodes=NODES, connections=JOINED, is_template=True, visibility="tenant_view")
        made = await app.ask("POST", f"/api/v1/trees/{tree}/copies", {"name": "Ours"}, user="bo")
        assert made.status_code == 201, made.text
        assert (made.json()["name"], made.json()["role"], made.json()["is_template"]) == ("Ours", "owner", False)
        copied, there = await state(app, made.json()["id"], user="bo"), await state(app, tree)
        assert copied | {"name": "Strategy", "is_template": True} == there
        assert (await app.ask("GET", f"/api/v1/trees/{made.json()['id']}")).status_code == 404, "it is private"


async def test_a_duplicate_keeps_its_name_and_may_be_a_template_itself() -> None:
    async with running() as app:
        tree = await app.tree()
        made = (await app.ask("POST", f"/api/v1/trees/{tree}/copies", {"is_template": True})).json()
        assert (made["name"], made["is_template"]) == ("Strategy", True)


@pytest.mark.parametrize("user", ["bo", "eve"])
async def test_what_one_may_not_see_can_neither_be_copied_nor_taken_out(user: str) -> None:
    async with running() as app:
        tree = await app.tree()
        tenant = "acme" if user == "bo" else "globex"
        for number in (tree, 999):
            copied = await app.ask("POST", f"/api/v1/trees/{number}/copies", {}, user=user, tenant=tenant)
            taken = await app.ask("GET", f"/api/v1/trees/{number}/export", user=user, tenant=tenant)
            assert (copied.status_code, taken.status_code) == (404, 404)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("template=true", ["Pattern"]),
        ("template=false&min_nodes=1", ["Strategy"]),
        ("name=PAT&phase=strategy", ["Pattern"]),
        ("updated_since=2020-01-01T00:00:00Z", ["Pattern", "Strategy"]),
        ("updated_since=9998-01-01T00:00:00%2B02:00", []),
        ("min_nodes=2", []),
    ],
)
async def test_a_list_is_filtered(query: str, expected: list[str]) -> None:
    async with running() as app:
        await app.tree()
        await app.tree(name="Pattern", is_template=True)
        found = (await app.ask("GET", f"/api/v1/trees?{query}")).json()["trees"]
        assert sorted(line["name"] for line in found) == expected


@pytest.mark.parametrize(
    "query", ["template=yes", "updated_since=now", "updated_since=2026-01-01", "min_nodes=-1", "name=%00"]
)
async def test_a_filter_that_is_none_is_refused(query: str) -> None:
    async with running() as app:
        assert (await app.ask("GET", f"/api/v1/trees?{query}")).status_code == 422
