"""The trash over HTTP, and the job that empties it, through a real hub and the in-memory database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server import purge_job as purging
from server.app import Application, Foundation
from server.purge_job import purge_job
from server.scheduler import Scheduler
from storage.jobs import MemoryJobStore
from storage.memory import MemoryStore
from sync.identity import TreeKey
from tests.applications import Running, running
from tests.clocks import ManualClock
from tests.unit.server.test_trees import problem

DAY = 86_400.0
NODES = [
    {"id": "root", "type": "objective", "title": "Grow"},
    {"id": "a", "parent": "root", "type": "metric", "title": "A"},
    {"id": "b", "parent": "a", "type": "metric", "title": "B"},
    {"id": "c", "parent": "root", "type": "metric", "title": "C"},
]


@pytest.fixture
async def app() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


def trash(tree: int, node: str = "") -> str:
    return f"/api/v1/trees/{tree}/trash" + (f"/{node}" if node else "")


async def edit(app: Running, tree: int, client: str, *ops: dict[str, Any], user: str = "ada") -> list[str]:
    numbered = [{"n": n, "base": 2, **op} for n, op in enumerate(ops, 1)]
    body = {"client_id": client, "ops": numbered, "mode": "force"}
    answer = await app.ask("POST", f"/api/v1/trees/{tree}/edits", body, user=user)
    assert answer.status_code == 200, answer.text
    return [result.get("code") or result["status"] for result in answer.json()["results"]]


def delete(node: str) -> dict[str, Any]:
    return {"op": "delete", "node": node}


async def live(app: Running, tree: int) -> set[str]:
    return {node["id"] for node in (await app.ask("GET", f"/api/v1/trees/{tree}")).json()["state"]["nodes"]}


async def test_the_trash_is_listed_in_pages(app: Running) -> None:
    """[TR29]"""
    tree = await app.tree(nodes=NODES, visibility="tenant_view")
    assert (await app.ask("GET", trash(tree))).json() == {"trash": [], "next": None}
    await edit(app, tree, "one", delete("a"), delete("c"))
    page = (await app.ask("GET", trash(tree), user="viewer")).json()
    assert [(line["node"], line["title"], line["nodes"], line["by"]) for line in page["trash"]] == [
        ("c", "C", 1, "ada"),
        ("a", "A", 2, "ada"),
    ]
    assert page["next"] is None
    first = (await app.ask("GET", trash(tree) + "?limit=1")).json()
    second = (await app.ask("GET", f"{trash(tree)}?limit=1&before={first['next']}")).json()
    assert first["trash"] + second["trash"] == page["trash"]
    for bad in ("?before=x", "?before=1", "?before=|a", "?before=-1|a", "?limit=0", "?limit=501"):
        assert problem(await app.ask("GET", trash(tree) + bad)) == (422, "invalid")


async def test_owners_and_admins_purge(app: Running) -> None:
    """[TR30]"""
    tree = await app.tree(nodes=NODES, visibility="tenant_edit")
    await edit(app, tree, "one", delete("a"), delete("c"))
    assert problem(await app.ask("DELETE", trash(tree, "a"), user="editor")) == (403, "forbidden")
    assert (await app.ask("DELETE", trash(tree, "a"))).status_code == 204
    assert (await app.ask("DELETE", trash(tree, "c"), user="chief", role="admin")).status_code == 204
    assert problem(await app.ask("DELETE", trash(tree, "a"))) == (404, "not_found")
    assert problem(await app.ask("DELETE", trash(tree, "root"))) == (422, "invalid")
    assert problem(await app.ask("DELETE", trash(tree, "x" * 65))) == (422, "invalid")
    assert await edit(app, tree, "two", {"op": "restore", "node": "b"}) == ["node_missing"]
    kinds = [(row.kind, row.author.user, row.node) for row in app.database.activities]
    assert kinds[-2:] == [("node_purged", "ada", "a"), ("node_purged", "chief", "c")]


async def test_what_is_not_yours_has_no_trash(app: Running) -> None:
    """[OP7]"""
    tree = await app.tree(nodes=NODES)
    await edit(app, tree, "one", delete("a"))
    for path, method in ((trash(tree), "GET"), (trash(tree, "a"), "DELETE")):
        for user, tenant in (("bo", "acme"), ("ada", "other")):
            assert problem(await app.ask(method, path, user=user, tenant=tenant)) == (404, "not_found")
        assert (await app.ask(method, path, user=None)).status_code == 401


async def test_a_frozen_tree_keeps_its_trash(app: Running) -> None:
    """[ED16]"""
    tree = await app.tree(nodes=NODES)
    await edit(app, tree, "one", delete("a"))
    await app.app.directory.set_frozen(TreeKey("acme", tree), True)
    app.app.hub.rights_changed(TreeKey("acme", tree))
    await clock_of(app).advance(0.0)
    assert problem(await app.ask("DELETE", trash(tree, "a"))) == (503, "unavailable")


# ---- the job


def clock_of(app: Running) -> ManualClock:
    clock = app.app.clock
    assert isinstance(clock, ManualClock)
    return clock


def later(app: Running, seconds: float) -> datetime:
    return datetime.fromtimestamp(app.app.clock.now() + seconds, UTC)


def scheduler_at(app: Running, moment: datetime) -> Scheduler:
    """One whose clock stands elsewhere than the hub's, which would do a month's housekeeping otherwise."""
    clock = ManualClock(moment.timestamp())
    job = purge_job(lambda: nullcontext(app.app.hub), app.app.directory, clock)
    return Scheduler([job], MemoryJobStore(clock), clock, "i-1")


async def test_what_was_deleted_more_than_30_days_ago_goes(app: Running) -> None:
    """[TR28] Of all tenants; what was taken out again, or is younger, stays."""
    tree, other = await app.tree(nodes=NODES), await app.tree(nodes=NODES, tenant="other")
    await edit(app, tree, "one", delete("a"))
    body = {"client_id": "one", "ops": [{"n": 1, "base": 2, **delete("c")}]}
    await app.ask("POST", f"/api/v1/trees/{other}/edits", body, tenant="other")
    await edit(app, tree, "two", {"op": "move", "node": "b", "parent": "root", "position": {"x": 1, "y": 1}})
    await clock_of(app).advance(60.0)
    await edit(app, tree, "three", delete("c"))
    early = scheduler_at(app, later(app, 30 * DAY - 61.0))
    assert await early.run_once("purge-trash") == {"trees": 0, "nodes": 0, "refused": 0}
    scheduler = scheduler_at(app, later(app, 30 * DAY - 59.0))
    expected = {"trees": 2, "nodes": 2, "refused": 0}
    assert await scheduler.run_once("purge-trash", dry_run=True) == expected
    assert await scheduler.run_once("purge-trash", dry_run=True) == expected
    assert await scheduler.run_once("purge-trash") == expected
    scheduler = scheduler_at(app, later(app, 30 * DAY - 58.0))
    assert await scheduler.run_once("purge-trash") == {"trees": 0, "nodes": 0, "refused": 0}
    assert await live(app, tree) == {"root", "b"}
    assert [line["node"] for line in (await app.ask("GET", trash(tree))).json()["trash"]] == ["c"]
    rows = app.database.tree(TreeKey("acme", tree)).ops(0, 99)
    assert [(row.author.user, row.author.via) for row in rows][-1] == ("treesync", "server")


async def test_a_tree_that_cannot_be_written_is_passed_over(app: Running) -> None:
    """[TR28] Also one that is deleted or frozen between the question and the purge."""
    trees = [await app.tree(nodes=NODES) for _ in range(3)]
    for tree in trees:
        await edit(app, tree, "one", delete("a"))
    found = await app.app.directory.overdue_trash(later(app, 1.0), limit=9)
    assert len(found) == 3
    for tree, change in (
        (trees[0], app.app.directory.set_frozen(TreeKey("acme", trees[0]), True)),
        (trees[1], app.app.directory.trash_tree(TreeKey("acme", trees[1]))),
    ):
        await change
        app.app.hub.rights_changed(TreeKey("acme", tree))
    await clock_of(app).advance(0.0)

    class Late:
        """The directory as it answered a moment ago."""

        async def overdue_trash(self, moment: datetime, *, limit: int, but: Any = ()) -> Any:
            return [one for one in found if one.key not in but]

    job = purge_job(lambda: nullcontext(app.app.hub), Late(), app.app.clock)  # type: ignore[arg-type]
    assert await job.work(later(app, 31 * DAY), False) == {"trees": 1, "nodes": 1, "refused": 2}


async def test_a_run_goes_on_in_rounds(app: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """[TR28] With a pause in which the rooms it opened are closed; what is left waits for the next day."""
    monkeypatch.setattr(purging, "ROUND", 2)
    monkeypatch.setattr(purging, "ROUNDS", 2)
    trees = [await app.tree(nodes=NODES) for _ in range(5)]
    for tree in trees:
        await edit(app, tree, "one", delete("a"))
    job = purge_job(lambda: nullcontext(app.app.hub), app.app.directory, app.app.clock)
    period = later(app, 31 * DAY)
    assert (await job.work(period, True))["nodes"] == 4
    run = asyncio.create_task(job.work(period, False))
    await clock_of(app).advance(1.0)
    assert not run.done()
    left = await app.app.directory.overdue_trash(period - timedelta(days=30), limit=9)
    assert len(left) == 3
    await clock_of(app).advance(2 * purging.PAUSE_SECONDS)
    assert await run == {"trees": 4, "nodes": 4, "refused": 0}


async def test_an_instance_with_a_scheduler_runs_it(app: Running) -> None:
    """[TR28]"""
    scheduler = Scheduler([], MemoryJobStore(app.app.clock), app.app.clock, "i-2")
    foundation = Foundation(MemoryStore(app.database), app.app.directory, app.app.bus, app.check, scheduler=scheduler)
    Application(
        app.app.settings, foundation, clock=app.app.clock, secret="s" * 32, instance="i-2", log=lambda *_, **__: None
    )
    assert list(scheduler.jobs) == ["purge-trash"]


async def test_an_id_may_hold_a_slash(app: Running) -> None:
    """[TR30]"""
    tree = await app.tree(nodes=[*NODES, {"id": "p/q", "parent": "root", "type": "metric", "title": "P"}])
    await edit(app, tree, "one", delete("p/q"))
    assert (await app.ask("DELETE", trash(tree, "p/q"))).status_code == 204
    assert (await app.ask("GET", trash(tree))).json()["trash"] == []
