"""The structure for AI over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import jsonschema_rs
import pytest

from tests.applications import Running, running
from tests.unit.server.test_trees import problem

CLAIM, COMPLETE = "/api/v1/ai/batches/claim", "/api/v1/ai/batches/complete"


@pytest.fixture
async def app() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


async def test_st1_a_structure_fits_the_schema_that_is_published(app: Running) -> None:
    """[ST1]"""
    tree = await app.tree()
    schema = await app.ask("GET", "/api/v1/schemas/structure", user=None)
    assert schema.headers["content-type"] == "application/schema+json"
    answer = await app.ask("GET", f"/api/v1/trees/{tree}/structure")
    assert answer.json()["tree_id"] == tree
    jsonschema_rs.validator_for(schema.json()).validate(answer.json())
    assert problem(await app.ask("GET", f"/api/v1/trees/{tree}/structure", user="eve")) == (404, "not_found")


async def test_st1_nobody_opens_a_room_to_read_a_structure(app: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """[ST1]"""
    tree = await app.tree()

    async def opened(*_: object) -> None:
        raise AssertionError("a room was opened")

    monkeypatch.setattr(app.app.hub._lobby, "enter", opened)
    assert (await app.ask("GET", f"/api/v1/trees/{tree}/structure")).status_code == 200


async def test_st4_a_batch_is_claimed_processed_and_marked(app: Running) -> None:
    """[ST4, ST5]"""
    trees = [await app.tree() for _ in range(3)]
    batch = (await app.ask("POST", CLAIM, {"limit": 2}, role="admin")).json()
    taken = [document["tree_id"] for document in batch["structures"]]
    assert len(taken) == 2
    assert set(taken) < set(trees)
    rest = (await app.ask("POST", CLAIM, {}, role="admin")).json()
    assert {document["tree_id"] for document in rest["structures"]} == set(trees) - set(taken)
    results = [{"tree": tree, "insights": {"next": "ask"}} for tree in trees]
    answer = await app.ask("POST", COMPLETE, {"claim": batch["claim"], "results": results}, role="admin")
    assert answer.json() == {"completed": sorted(taken), "lost": sorted(set(trees) - set(taken))}
    document = (await app.ask("GET", f"/api/v1/trees/{taken[0]}/structure")).json()
    assert document["ai_metadata"]["latest_insights"] == {"next": "ask"}
    again = (await app.ask("POST", CLAIM, {"processed_before": "2100-01-01"}, role="admin")).json()
    assert sorted(one["tree_id"] for one in again["structures"]) == sorted(taken)


@pytest.mark.parametrize(
    "body", [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"processed_before": "soon"}, {"tenant": "other"}]
)
async def test_st4_a_claim_is_checked(app: Running, body: dict[str, object]) -> None:
    """[ST4]"""
    assert problem(await app.ask("POST", CLAIM, body, role="admin")) == (422, "invalid")


async def test_st4_batches_and_exports_are_for_admins_of_the_tenant(app: Running) -> None:
    """[ST4, ST6]"""
    await app.tree()
    for method, path, body in (("POST", CLAIM, {}), ("GET", "/api/v1/ai/export", None)):
        assert problem(await app.ask(method, path, body)) == (403, "forbidden")
    done = {"claim": "x", "results": []}
    assert problem(await app.ask("POST", COMPLETE, done)) == (403, "forbidden")
    other = (await app.ask("POST", CLAIM, {}, tenant="other", role="admin")).json()
    assert other["structures"] == []
    assert (await app.ask("GET", "/api/v1/ai/export", tenant="other", role="admin")).text == ""


async def test_st6_an_export_is_a_document_a_line(app: Running) -> None:
    """[ST6]"""
    trees = sorted([await app.tree(name=f"Tree\nof line {one}") for one in range(60)])
    answer = await app.ask("GET", "/api/v1/ai/export", role="admin")
    assert answer.headers["content-type"].startswith("application/jsonl")
    assert [json.loads(line)["tree_id"] for line in answer.text.splitlines()] == trees
    behind = await app.ask("GET", f"/api/v1/ai/export?after={trees[57]}", role="admin")
    assert [json.loads(line)["tree_id"] for line in behind.text.splitlines()] == trees[58:]


async def test_st7_trees_are_found_by_a_term(app: Running) -> None:
    """[ST7]"""
    table = (await app.ask("GET", "/api/v1/ai/vocabulary")).json()
    assert table["version"] == 1
    assert {"churn", "growth"} <= {term["term"] for term in table["terms"]}
    tree = await app.tree(nodes=[{"id": "root", "type": "objective", "title": "Less churn"}])
    await app.ask("GET", f"/api/v1/trees/{tree}/structure")
    page = (await app.ask("GET", "/api/v1/ai/terms/churn?limit=1")).json()
    assert page["trees"] == [{"tree": tree, "name": "Strategy", "node_count": 1, "nodes": ["root"]}]
    assert page["term"]["business_domain"] == "customer_retention"
    following = (await app.ask("GET", f"/api/v1/ai/terms/churn?after={page['next']}")).json()
    assert (following["trees"], following["next"]) == ([], None)
    assert (await app.ask("GET", "/api/v1/ai/terms/churn", user="eve")).json()["trees"] == []
    assert problem(await app.ask("GET", "/api/v1/ai/terms/no-such-term")) == (422, "invalid")
