"""The page without network, and what waits for a decision afterwards: nothing typed is lost, everything is said."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.browser.stage import NODES, Stage
from tests.browser.test_page import retitle
from tests.browser.visitors import AWAY, Visitor, Visitors

pytestmark = pytest.mark.browser

FIRST = len(NODES)
KEPT = """(async () => {
  const missing = async () => {
    const kept = new Set([]);
    for (const name of await caches.keys()) for (const { url } of await (await caches.open(name)).keys()) kept.add(url);
    const loaded = performance.getEntriesByType("resource").map((one) => one.name);
    return [`${location.origin}/`, ...loaded.filter((one) => /\\.(js|css)$/.test(one))].some((one) => !kept.has(one));
  };
  while (await missing()) await new Promise((resolve) => setTimeout(resolve, 20));
})()"""


async def kept_for_a_reload(visitor: Visitor) -> None:
    """Wait until the service worker has the page's files."""
    await visitor.run(KEPT)


async def edit_offline(ada: Visitor) -> None:
    """With mouse and keyboard: a title, a new card below it, a description, a move."""
    await retitle(ada, "goal", "Written offline")
    await ada.card("keep").click()
    await ada.page.keyboard.press("Tab")
    field = ada.page.locator(".title-input")
    await field.press("Control+a")
    await field.press_sequentially("Made offline")
    await field.press("Enter")
    await ada.page.get_by_role("textbox", name="Description").press_sequentially("About it")
    await ada.page.get_by_role("button", name="Fit the tree").click()
    await ada.drag("word", "keep")


async def landed(stage: Stage, tree: int) -> None:
    """What `edit_offline` did is in the tree, once."""
    nodes = await stage.nodes(tree)
    made = [node for node in nodes.values() if node["title"] == "Made offline"]
    assert [(node["parent"], node["description"]) for node in made] == [("keep", "About it")]
    assert len(nodes) == FIRST + 1
    assert (nodes["goal"]["title"], nodes["word"]["parent"]) == ("Written offline", "keep")


async def test_an_hour_without_a_server_and_a_reload_in_it(stage: Stage, visitors: Visitors) -> None:
    visitors.allow(AWAY)
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada")
    await ada.visit(tree)
    await kept_for_a_reload(ada)
    await stage.stop()
    await expect(ada.status).to_have_text("Offline")
    await edit_offline(ada)
    waiting = await ada.waiting()
    await expect(ada.page.locator("#banner-text")).to_contain_text(f"{waiting} changes wait")
    await ada.page.get_by_role("button", name="What waits", exact=True).click()
    await expect(ada.page.get_by_role("list", name="Changes that wait")).to_contain_text("Made offline")
    await ada.shot("offline")
    await ada.page.reload()
    await expect(ada.card("goal")).to_contain_text("Written offline")
    assert await ada.waiting() == waiting
    await retitle(ada, "churn", "Written after the reload")
    await stage.start()
    await ada.back()
    await expect(ada.status).to_have_text("Saved")
    await landed(stage, tree)
    assert (await stage.nodes(tree))["churn"]["title"] == "Written after the reload"
    await expect(ada.page.locator("#banner-text")).to_contain_text(f"{waiting + 1} landed")
    await ada.shot("back-online")


async def test_a_tab_closed_offline_is_taken_up_the_next_day(stage: Stage, visitors: Visitors) -> None:
    visitors.allow(AWAY)
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada", line=True)
    await ada.visit(tree)
    await ada.line.cut()
    await expect(ada.status).to_have_text("Offline")
    await edit_offline(ada)
    waiting = await ada.waiting()
    next_day = await ada.tab()
    await ada.page.close()
    await next_day.visit(tree)
    await expect(next_day.card("goal")).to_contain_text("Written offline")
    assert await next_day.waiting() == waiting
    await next_day.back()
    await expect(next_day.status).to_have_text("Saved")
    await landed(stage, tree)


async def choose_status(visitor: Visitor, node: str, status: str) -> None:
    await visitor.card(node).click()
    await visitor.page.locator("#panel").get_by_label("Status").select_option(status)


async def rename_tree(visitor: Visitor, name: str) -> None:
    field = visitor.page.get_by_role("textbox", name="Name of the tree")
    await field.fill(name)
    await field.press("Enter")


async def test_a_conflict_is_resolved_with_the_mouse(stage: Stage, visitors: Visitors) -> None:
    """What was chosen, or written anew, by both can not be merged: it waits for a decision."""
    visitors.allow(AWAY)
    tree = await stage.tree()
    ada, bo = await visitors.new(stage, "ada", line=True), await visitors.new(stage, "bo")
    await asyncio.gather(ada.visit(tree), bo.visit(tree))
    await ada.line.cut()
    await expect(ada.status).to_have_text("Offline")
    await retitle(ada, "keep", "Keep every customer for a year")
    await choose_status(ada, "churn", "Complete")
    await rename_tree(ada, "Plan for spring")
    await retitle(bo, "keep", "Keep the customers who cook")
    await choose_status(bo, "churn", "In progress")
    await rename_tree(bo, "Strategy 2027")
    await expect(bo.status).to_have_text("Saved")
    assert await ada.waiting() == 3
    await ada.back()
    await expect(ada.status).to_have_text("Conflict (3)")
    await expect(ada.card("keep")).to_contain_text("Keep the customers who cook")
    await expect(ada.page.get_by_role("textbox", name="Name of the tree")).to_have_value("Strategy 2027")
    await ada.page.locator("#status").click()
    inbox = ada.page.get_by_role("dialog", name="Conflicts")
    records = inbox.locator("[data-conflict]")
    record = records.filter(has_text="every customer")
    await expect(record.locator('[data-side="mine"]')).to_contain_text("Keep every customer for a year")
    await expect(record.locator('[data-side="theirs"]')).to_contain_text("Keep the customers who cook")
    await expect(record).to_contain_text("Keep those we have")
    await ada.shot("conflicts")
    await record.get_by_role("button", name="Keep mine").click()
    await expect(bo.card("keep")).to_contain_text("Keep every customer for a year")
    await expect(records).to_have_count(2)
    await records.filter(has_text="Churn").get_by_role("button", name="Keep theirs").click()
    await expect(records).to_have_count(1)
    await records.get_by_role("button", name="Edit a value…").click()
    await records.get_by_role("textbox", name="The value to set").fill("Plan for 2027")
    await records.get_by_role("button", name="Set this value").click()
    await expect(bo.page.get_by_role("textbox", name="Name of the tree")).to_have_value("Plan for 2027")
    await expect(inbox).to_contain_text("No conflicts")
    await expect(ada.status).to_have_text("Saved")
    assert (await stage.nodes(tree))["churn"]["template_data"] == {"completion_status": "in_progress"}


async def test_who_lost_the_right_to_write_keeps_what_was_typed(stage: Stage, visitors: Visitors) -> None:
    """The queue stays, is said, and can be saved as a file; with the right back it lands."""
    visitors.allow(AWAY)
    tree = await stage.tree(visibility="private")
    await stage.ask("PUT", f"/api/v1/trees/{tree}/members/bo", {"role": "editor"})
    bo = await visitors.new(stage, "bo", line=True)
    await bo.visit(tree)
    await bo.line.cut()
    await expect(bo.status).to_have_text("Offline")
    await retitle(bo, "keep", "Typed by Bo on the train")
    await stage.ask("PUT", f"/api/v1/trees/{tree}/members/bo", {"role": "viewer"})
    await bo.back()
    await expect(bo.status).to_contain_text("Refused")
    await bo.shot("right-lost")
    async with bo.page.expect_download() as saving:
        await bo.page.get_by_role("button", name="Download").click()
    saved = (await (await saving.value).path()).read_text(encoding="utf-8")
    assert "Typed by Bo on the train" in saved
    assert "token" not in saved
    assert await stage.changes(tree) == 0
    await stage.ask("PUT", f"/api/v1/trees/{tree}/members/bo", {"role": "editor"})
    await expect(bo.status).to_have_text("Saved")
    assert (await stage.nodes(tree))["keep"]["title"] == "Typed by Bo on the train"
    assert await stage.changes(tree) == 1


BLOCKED = "IDBFactory.prototype.open = () => { throw new DOMException('blocked by policy', 'SecurityError'); };"
FULL = """
  for (const name of ["put", "add"]) {
    const original = IDBObjectStore.prototype[name];
    IDBObjectStore.prototype[name] = function (...all) {
      if (window.diskIsFull) throw new DOMException("the disk is full", "QuotaExceededError");
      return original.apply(this, all);
    };
  }
"""


async def test_a_blocked_store_is_said(stage: Stage, visitors: Visitors) -> None:
    ada = await visitors.new(stage, "ada", init=BLOCKED)
    await ada.visit(await stage.tree())
    await expect(ada.page.locator("#unkept")).to_contain_text("not kept in this browser")
    await ada.shot("blocked-store")
    await retitle(ada, "keep", "Works while online")
    await expect(ada.status).to_have_text("Saved")


async def test_a_full_store_refuses_edits_visibly(stage: Stage, visitors: Visitors) -> None:
    visitors.allow(AWAY)
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada", init=FULL, line=True)
    await ada.visit(tree)
    await ada.line.cut()
    await expect(ada.status).to_have_text("Offline")
    await ada.run("window.diskIsFull = true")
    await retitle(ada, "keep", "Not kept")
    await expect(ada.status).to_contain_text("Refused")
    await ada.shot("full-store")
