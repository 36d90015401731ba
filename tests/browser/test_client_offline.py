"""The browser client alone, without network: nothing typed is lost, and nothing happens twice."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from tests.browser.stage import Stage
from tests.browser.visitors import AWAY, Visitor, Visitors

pytestmark = pytest.mark.browser

OFFLINE_EDITS = """
  tree.update('goal', { title: 'Written offline' });
  tree.insert({ id: 'offline', parent: 'keep', type: 'solution', title: 'Made offline' });
  tree.write('offline', 'description', 'About it');
  tree.move('word', { parent: 'keep', position: { x: 5, y: 6 } });
"""
OFFLINE_OPS = 3  # what is typed into a node before the server has heard of it is part of its insert


def summary(nodes: dict[str, dict[str, Any]]) -> list[Any]:
    made = nodes.get("offline", {})
    return [nodes["goal"]["title"], made.get("title"), made.get("description"), nodes["word"]["parent"]]


WRITTEN = ["Written offline", "Made offline", "About it", "keep"]


async def wrote_offline(visitors: Visitors, stage: Stage, tree: int) -> Visitor:
    """Somebody whose line is cut, and who has edited since."""
    ada = await visitors.new(stage, "ada", line=True)
    await ada.client(tree)
    await ada.line.cut()
    await ada.until("tree.status.state === 'offline'")
    await ada.start(OFFLINE_EDITS)
    await ada.until("tree.status.state === 'offline' && tree.status.count === it", OFFLINE_OPS)
    return ada


async def test_what_was_edited_without_network_lands_once(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada = await wrote_offline(visitors, stage, tree)
    assert await ada.title("goal") == "Written offline"
    bo = await visitors.new(stage, "bo")
    await bo.client(tree)
    await bo.run("tree.update('churn', { title: 'Meanwhile, by Bo' })")
    await ada.back()
    await ada.saved()
    await bo.until("tree.view.nodes.get('offline')?.description === 'About it'")
    assert await ada.title("churn") == "Meanwhile, by Bo"
    assert summary(await stage.nodes(tree)) == WRITTEN
    assert await stage.changes(tree) == OFFLINE_OPS + 1
    report = await ada.run("heard.find((one) => one.kind === 'report')?.detail")
    assert (report["total"], report["applied"]) == (OFFLINE_OPS, OFFLINE_OPS)


async def test_a_reload_without_network_keeps_tree_and_queue(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada = await wrote_offline(visitors, stage, tree)
    await ada.page.reload()
    await ada.connect(tree)
    assert await ada.title("goal") == "Written offline"
    assert await ada.run("tree.queue.length") == OFFLINE_OPS
    await ada.back()
    await ada.saved()
    assert summary(await stage.nodes(tree)) == WRITTEN
    assert await stage.changes(tree) == OFFLINE_OPS


async def test_a_tab_closed_with_unsent_edits_is_adopted_by_the_next(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada = await wrote_offline(visitors, stage, tree)
    await ada.run("new Promise((done) => setTimeout(done, 50))")  # nobody waits for the store before closing a tab
    first = await ada.run("client.clientId")
    next_day = await ada.tab()
    await ada.page.close()
    ada.line.mend()
    await next_day.client(tree)
    await next_day.saved()
    assert await next_day.run("client.clientId") == first
    assert summary(await stage.nodes(tree)) == WRITTEN
    assert await stage.changes(tree) == OFFLINE_OPS


async def test_two_tabs_are_two_clients_with_a_queue_each(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    first = await visitors.new(stage, "ada", line=True)
    await first.client(tree)
    second = await first.tab()
    await second.client(tree)
    assert await first.run("client.clientId") != await second.run("client.clientId")
    await first.line.cut()
    for tab, title in ((first, "from the first"), (second, "from the second")):
        await tab.until("tree.status.state === 'offline'")
        await tab.start("tree.insert({ parent: 'goal', type: 'outcome', title: it })", title)
    await asyncio.gather(first.back(), second.back())
    await asyncio.gather(first.saved(), second.saved())
    titles = sorted(node["title"] for node in (await stage.nodes(tree)).values() if node["title"].startswith("from"))
    assert titles == ["from the first", "from the second"]
    assert await stage.changes(tree) == 2


async def test_a_kill_of_the_server_loses_nothing_and_doubles_nothing(stage: Stage, visitors: Visitors) -> None:
    visitors.allow(AWAY)
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada")
    await ada.client(tree)
    await ada.start(
        "for (let i = 0; i < 30; i += 1) tree.insert({ parent: 'keep', type: 'solution', title: `Idea ${i}` })"
    )
    await stage.stop(signal.SIGKILL)
    await ada.until("tree.status.state === 'offline'")
    await ada.start("tree.update('goal', { title: 'While it was away' })")
    await stage.start()
    await ada.back()
    await ada.saved()
    nodes = await stage.nodes(tree)
    assert sorted(node["title"] for node in nodes.values() if node["title"].startswith("Idea")) == sorted(
        f"Idea {number}" for number in range(30)
    )
    assert nodes["goal"]["title"] == "While it was away"
    assert await stage.changes(tree) == 31


async def test_what_was_changed_meanwhile_waits_for_a_decision(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada = await wrote_offline(visitors, stage, tree)
    bo = await visitors.new(stage, "bo")
    await bo.client(tree)
    await bo.run("tree.update('goal', { title: 'Meanwhile, by Bo' })")
    await ada.back()
    await ada.until("tree.status.state === 'conflict' && tree.conflicts.length === 1 && tree.queue.length === 0")
    assert await ada.title("goal") == "Meanwhile, by Bo"
    record = await ada.run("tree.conflicts[0]")
    path = record["paths"]["title"]
    assert (record["kind"], path["base"], path["mine"], path["theirs"], path["by"]) == (
        "aside",
        "Grow",
        "Written offline",
        "Meanwhile, by Bo",
        "bo",
    )
    await ada.run("tree.resolve(it, 'value', 'Agreed')", record["id"])
    await bo.until("tree.view.nodes.get('goal').title === 'Agreed'")
    await ada.until("tree.status.state === 'saved'")


async def test_texts_typed_apart_merge_when_they_meet(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada", line=True)
    bo = await visitors.new(stage, "bo")
    await asyncio.gather(ada.client(tree), bo.client(tree))
    await bo.run("tree.write('goal', 'description', 'The quick fox jumps over the dog.')")
    await ada.until("tree.view.nodes.get('goal').description.endsWith('dog.')")
    await ada.line.cut()
    await ada.until("tree.status.state === 'offline'")
    await ada.start("tree.write('goal', 'description', 'The quick brown fox jumps over the dog.')")
    await bo.run("tree.write('goal', 'description', 'The quick fox jumps over the lazy dog.')")
    await ada.back()
    await ada.saved()
    both = "The quick brown fox jumps over the lazy dog."
    await bo.until("tree.view.nodes.get('goal').description === it", both)
    assert await ada.run("tree.view.nodes.get('goal').description") == both
    assert await ada.run("tree.conflicts.length") == 0


BROKEN_STORE = (
    "IDBFactory.prototype.open = function () { throw new DOMException('blocked by policy', 'SecurityError'); };"
)
FULL_STORE = """
  const put = IDBObjectStore.prototype.put;
  const add = IDBObjectStore.prototype.add;
  const full = () => { throw new DOMException('the disk is full', 'QuotaExceededError'); };
  IDBObjectStore.prototype.put = function (...all) { return window.diskIsFull ? full() : put.apply(this, all); };
  IDBObjectStore.prototype.add = function (...all) { return window.diskIsFull ? full() : add.apply(this, all); };
"""


async def test_a_blocked_store_is_said_and_one_works_on_while_online(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada", init=BROKEN_STORE)
    await ada.client(tree)
    assert await ada.run("faults.length") > 0, "it says that nothing is kept here"
    assert (await ada.run("tree.update('goal', { title: 'Online' })"))["status"] == "applied"


async def test_a_full_store_refuses_edits_visibly_and_loses_none(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada", init=FULL_STORE, line=True)
    await ada.client(tree)
    await ada.line.cut()
    await ada.until("tree.status.state === 'offline'")
    await ada.start("window.diskIsFull = true; tree.update('goal', { title: 'Not kept' }).catch(() => {})")
    await ada.until("tree.status.state === 'refused' && tree.status.why")
    assert await ada.run("faults.length") > 0
    await ada.start("window.diskIsFull = false")
    await ada.back()
    await ada.until("client.state === 'online'")
    await ada.run("tree.discard()")
    assert (await ada.run("tree.update('goal', { title: 'Room again' })"))["status"] == "applied"
    await ada.saved()
    assert (await stage.nodes(tree))["goal"]["title"] == "Room again"
