"""Progress over HTTP: of trees, of people, and the templates it is measured by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from server import progress
from tests.applications import Running, running
from tests.unit.server.test_trees import problem

BUDGET = {"fields": [{"name": "budget", "label": "Budget", "kind": "number", "help": "In euros."}]}


@pytest.fixture
async def app() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


async def edit(app: Running, tree: int, *ops: dict[str, Any], user: str = "ada") -> None:
    numbered = [{"n": n, "base": 0, **op} for n, op in enumerate(ops, 1)]
    answer = await app.ask(
        "POST", f"/api/v1/trees/{tree}/edits", {"client_id": f"c-{user}", "ops": numbered}, user=user
    )
    assert [result["status"] for result in answer.json()["results"]] == ["applied"] * len(ops), answer.text


async def test_pg6_a_trees_progress_is_that_of_its_newest_edit(app: Running) -> None:
    """[PG6, PG7]"""
    tree = await app.tree()
    before = (await app.ask("GET", f"/api/v1/trees/{tree}/progress")).json()
    assert (before["summary"]["completion_rate"], before["nodes"]) == (0.0, None)
    done = {"op": "update", "node": "root", "set": {"template_data.completion_status": "done"}}
    await edit(app, tree, done, {"op": "insert", "node": "a", "parent": "root", "type": "metric", "title": "A"})
    now = (await app.ask("GET", f"/api/v1/trees/{tree}/progress?nodes=1")).json()
    assert (now["seq"], now["summary"]["completion_rate"]) == (before["seq"] + 2, 0.5)
    assert [domain["node"] for domain in now["domains"]] == ["a"]
    assert set(now["nodes"]) == {"root"}
    assert problem(await app.ask("GET", f"/api/v1/trees/{tree}/progress", user="eve")) == (404, "not_found")
    assert problem(await app.ask("GET", f"/api/v1/trees/{tree}/progress?nodes=2")) == (422, "invalid")


async def test_answers_are_kept_until_they_change(app: Running) -> None:
    tree = await app.tree()
    for _ in range(9):
        await app.ask("GET", f"/api/v1/trees/{tree}/progress")
        await app.ask("GET", "/api/v1/users/ada/progress")
    health = (await app.operator("GET", "/health")).json()
    for name in ("tree_progress", "user_progress"):
        told = health["caches"][name]
        assert (told["asked"], told["hits"], told["hit_rate"], told["kept"]) == (9, 8, 0.8889, 1)
    await edit(app, tree, {"op": "update", "node": "root", "set": {"title": "Other"}})
    assert (await app.ask("GET", "/api/v1/users/ada/progress")).json()["edits"] == 3
    await app.app.clock.advance(61.0)  # type: ignore[attr-defined]
    await app.ask("GET", "/api/v1/users/ada/progress")
    health = (await app.operator("GET", "/health")).json()
    assert health["caches"]["user_progress"]["hits"] == 8


async def test_what_changes_no_progress_makes_no_other_answer(app: Running) -> None:
    """[PG6, PG7] Though its seq is another; names of domains, their order and their going do."""
    nodes = [{"id": "root", "type": "objective", "title": "G"}]
    nodes += [{"id": one, "parent": "root", "type": "metric", "title": one.upper()} for one in ("a", "b")]
    tree = await app.tree(nodes=[*nodes, {"id": "deep", "parent": "a", "type": "metric", "title": "D"}])
    told = (await app.ask("GET", f"/api/v1/trees/{tree}/progress")).json()
    changes: list[tuple[dict[str, Any], bool]] = [
        ({"op": "update", "node": "deep", "set": {"title": "Other"}}, True),
        ({"op": "update", "node": "a", "set": {"title": "First"}}, False),
        ({"op": "move", "node": "a", "parent": "root", "after": "b"}, False),
        ({"op": "update", "node": "deep", "set": {"template_data.unit": "%"}}, False),
        ({"op": "move", "node": "deep", "position": {"x": 1, "y": 2}}, True),
        ({"op": "delete", "node": "b"}, False),
        ({"op": "insert", "node": "second", "parent": None, "type": "metric", "title": "S"}, False),
    ]
    for number, (op, at_hand) in enumerate(changes):
        before = (await app.operator("GET", "/health")).json()["caches"]["tree_progress"]["hits"]
        body = {"client_id": f"c{number}", "ops": [{"n": 1, "base": 0, **op}]}
        await app.ask("POST", f"/api/v1/trees/{tree}/edits", body)
        now = (await app.ask("GET", f"/api/v1/trees/{tree}/progress")).json()
        assert now["seq"] == told["seq"] + 1
        assert ({**now, "seq": 0} == {**told, "seq": 0}) == at_hand, op
        told = now
        hits = (await app.operator("GET", "/health")).json()["caches"]["tree_progress"]["hits"]
        assert hits - before == at_hand, op
    assert [domain["node"] for domain in told["domains"]] == ["root", "second"]


async def test_every_node_is_told_a_share_at_a_time_and_not_kept(app: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """[PG10] All as of one seq, though the tree goes on meanwhile."""
    monkeypatch.setattr(progress, "SHARE_NODES", 2)
    done = {"completion_status": "complete"}
    below = [{"id": f"n{n}", "parent": "root", "type": "metric", "title": "N", "template_data": done} for n in range(5)]
    tree = await app.tree(nodes=[{"id": "root", "type": "objective", "title": "G"}, *below])
    ways: list[object] = []

    async def given_way() -> None:
        ways.append(None)
        if len(ways) == 2:
            await edit(app, tree, {"op": "delete", "node": "n4"})

    monkeypatch.setattr(progress, "give_way", given_way)
    told = (await app.ask("GET", f"/api/v1/trees/{tree}/progress?nodes=1")).json()
    assert (len(ways), len(told["nodes"]), told["nodes"]["root"]["branch_nodes"]) == (3, 6, 6)
    assert told["summary"]["total_nodes"] == 6
    health = (await app.operator("GET", "/health")).json()
    assert health["caches"]["tree_progress"]["asked"] == 0


async def test_a_persons_progress_counts_what_he_did(app: Running) -> None:
    """[PG10]"""
    child = {"id": "b", "parent": "root", "type": "metric", "title": "B"}
    tree = await app.tree(nodes=[{"id": "root", "type": "objective", "title": "G"}, child])
    imported = [{"id": f"m{one}", "type": "metric", "title": "M"} for one in range(3)]
    made = {"op": "insert", "node": "a", "parent": "root", "type": "metric", "title": "A"}
    await edit(app, tree, made, {"op": "import", "parent": "root", "nodes": imported})
    told = (await app.ask("GET", "/api/v1/users/ada/progress?days=7")).json()
    assert (told["nodes_created"], told["edits"], told["trees"], told["days"]) == (6, 4, 1, 7)
    [day] = told["series"]
    assert (day["nodes_created"], day["edits"], day["events"]) == (6, 4, 0)
    numbers = (await app.ask("GET", "/api/v1/users/ada/analytics")).json()
    assert numbers["node_type_distribution"] == {"metric": 5, "objective": 1}
    assert (numbers["total_trees"], numbers["average_nodes_per_tree"]) == (1, 6.0)
    assert numbers["last_activity"]


async def test_a_persons_completion_is_that_of_his_newest_edit(app: Running) -> None:
    """[PG10] Of all his trees, whoever edits them."""
    trees = [await app.tree(visibility="tenant_edit") for _ in range(2)]
    rates = []
    for tree, user in zip(trees, ("ada", "bo"), strict=True):
        done = {"op": "update", "node": "root", "set": {"template_data.completion_status": "done"}}
        await edit(app, tree, done, user=user)
        rates += [(await app.ask("GET", "/api/v1/users/ada/progress")).json()["completion_rate"]]
    assert rates == [0.5, 1.0]


@pytest.mark.parametrize("what", ["progress", "analytics"])
async def test_pg10_nobody_but_oneself_and_an_admin_is_told(app: Running, what: str) -> None:
    """[PG10]"""
    await app.tree()
    await app.tree(user="bo")
    other = await app.ask("GET", f"/api/v1/users/ada/{what}", user="bo")
    nobody = await app.ask("GET", f"/api/v1/users/nobody/{what}", user="bo")
    assert problem(other) == (404, "not_found")
    assert other.json() == nobody.json()
    assert problem(await app.ask("GET", f"/api/v1/users/nobody/{what}", role="admin")) == (404, "not_found")
    assert problem(await app.ask("GET", f"/api/v1/users/a%00b/{what}", role="admin")) == (404, "not_found")
    elsewhere = await app.ask("GET", f"/api/v1/users/ada/{what}", user="chef", tenant="other", role="admin")
    assert problem(elsewhere) == (404, "not_found")
    assert not [one for one in app.logged if one[0] == "personal data read"]
    assert (await app.ask("GET", f"/api/v1/users/ada/{what}", user="chef", role="admin")).status_code == 200
    assert [one for one in app.logged if one[0] == "personal data read"] == [
        ("personal data read", {"tenant": "acme", "user": "ada", "by": "chef"})
    ]


async def test_pg2_an_admin_sets_the_tenants_templates(app: Running) -> None:
    """[PG1, PG2]"""
    tree = await app.tree(nodes=[{"id": "root", "type": "objective", "title": "G", "template_data": {"budget": 5}}])
    first = (await app.ask("GET", "/api/v1/node-templates")).json()
    assert (first["version"], len(first["templates"])) == (0, 7)
    assert (await app.ask("GET", f"/api/v1/trees/{tree}/progress")).json()["summary"]["fill_rate"] == 0.0
    body = {"templates": {"objective": BUDGET}}
    assert problem(await app.ask("PUT", "/api/v1/node-templates", body)) == (403, "forbidden")
    answer = await app.ask("PUT", "/api/v1/node-templates", body, role="admin")
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert (await app.ask("GET", "/api/v1/node-templates")).json()["templates"]["objective"]["fields"] == BUDGET[
        "fields"
    ]
    assert (await app.ask("GET", f"/api/v1/trees/{tree}/progress")).json()["summary"]["fill_rate"] == 1.0
    other = (await app.ask("GET", "/api/v1/node-templates", tenant="other")).json()
    assert other["version"] == 0


@pytest.mark.parametrize(
    "templates",
    [
        {"objective": {"fields": [{"name": "a", "label": "A", "kind": "essay"}]}},
        {"objective": {"fields": [{"name": "a.b", "label": "A"}]}},
        {"objective": {"fields": [{"name": "", "label": "A"}]}},
        {"objective": {"fields": [{"name": "a", "label": ""}]}},
        {"objective": {"fields": [{"name": f"f{n}", "label": "F"} for n in range(41)]}},
        {"objective": {"fields": [{"name": "a", "label": "A", "colour": "red"}]}},
        {"epic": {"fields": []}},
        {"objective": {"fields": [{"name": "a", "label": "A"}, {"name": "a", "label": "B"}]}},
        {"objective": {"fields": [{"name": "completion_status", "label": "A"}]}},
    ],
)
async def test_pg2_templates_are_checked(app: Running, templates: dict[str, Any]) -> None:
    """[PG2]"""
    answer = await app.ask("PUT", "/api/v1/node-templates", {"templates": templates}, role="admin")
    assert problem(answer) == (422, "invalid")
    assert (await app.ask("GET", "/api/v1/node-templates")).json()["version"] == 0
