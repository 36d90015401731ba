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
KEPT = """async () => {
  const keys = [];
  for (const name of await caches.keys()) {
    for (const { url } of await (await caches.open(name)).keys()) keys.push(new URL(url).pathname);
  }
  return ["/", "/page/main.js", "/page.css", "/treesync.js"].every((one) => keys.includes(one));
}"""


async def kept_for_a_reload(visitor: Visitor) -> None:
    """Wait until the service worker has the page's files."""
    await visitor.page.wait_for_function(KEPT, polling=50)


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
    await expect(ada.status).to_have_text("Offline (4)")
    await expect(ada.page.locator("#banner-text")).to_contain_text("4 changes wait")
    await ada.page.get_by_role("button", name="What waits").click()
    await expect(ada.page.get_by_role("list", name="Changes that wait")).to_contain_text("Made offline")
    await ada.shot("offline")
    await ada.page.reload()
    await expect(ada.card("goal")).to_contain_text("Written offline")
    await expect(ada.status).to_have_text("Offline (4)")
    await retitle(ada, "churn", "Written after the reload")
    await stage.start()
    await expect(ada.status).to_have_text("Saved")
    await landed(stage, tree)
    assert (await stage.nodes(tree))["churn"]["title"] == "Written after the reload"
    await expect(ada.page.locator("#banner-text")).to_contain_text("5 landed")
    await ada.shot("back-online")


async def test_a_tab_closed_offline_is_taken_up_the_next_day(stage: Stage, visitors: Visitors) -> None:
    visitors.allow(AWAY)
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada", line=True)
    await ada.visit(tree)
    await ada.line.cut()
    await expect(ada.status).to_have_text("Offline")
    await edit_offline(ada)
    await expect(ada.status).to_have_text("Offline (4)")
    next_day = await ada.tab()
    await ada.page.close()
    await next_day.visit(tree)
    await expect(next_day.card("goal")).to_contain_text("Written offline")
    await expect(next_day.status).to_have_text("Offline (4)")
    ada.line.mend()
    await expect(next_day.status).to_have_text("Saved")
    await landed(stage, tree)


async def test_a_conflict_is_resolved_with_the_mouse(stage: Stage, visitors: Visitors) -> None:
    visitors.allow(AWAY)
    tree = await stage.tree()
    ada, bo = await visitors.new(stage, "ada", line=True), await visitors.new(stage, "bo")
    await asyncio.gather(ada.visit(tree), bo.visit(tree))
    await ada.line.cut()
    await expect(ada.status).to_have_text("Offline")
    for node, title in (("keep", "Keep them all, says Ada"), ("churn", "Churn rate, says Ada")):
        await retitle(ada, node, title)
    for node, title in (("keep", "Keep the good ones, says Bo"), ("churn", "Leavers, says Bo")):
        await retitle(bo, node, title)
    await expect(bo.status).to_have_text("Saved")
    ada.line.mend()
    await expect(ada.status).to_have_text("Conflict (2)")
    await expect(ada.card("keep")).to_contain_text("says Bo")
    await ada.page.locator("#status").click()
    inbox = ada.page.get_by_role("dialog", name="Conflicts")
    record = inbox.get_by_role("listitem").filter(has_text="Keep")
    await expect(record.locator('[data-side="mine"]')).to_contain_text("Keep them all, says Ada")
    await expect(record.locator('[data-side="theirs"]')).to_contain_text("Keep the good ones, says Bo")
    await expect(record).to_contain_text("Keep those we have")
    await ada.shot("conflicts")
    await record.get_by_role("button", name="Keep mine").click()
    await expect(bo.card("keep")).to_contain_text("Keep them all, says Ada")
    await expect(inbox.get_by_role("listitem")).to_have_count(1)
    await inbox.get_by_role("button", name="Edit a value…").click()
    await inbox.get_by_role("textbox", name="The value to set").fill("Leavers a month")
    await inbox.get_by_role("button", name="Set this value").click()
    await expect(bo.card("churn")).to_contain_text("Leavers a month")
    await expect(inbox).to_contain_text("No conflicts")
    await expect(ada.status).to_have_text("Saved")


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
    await expect(ada.toast.or_(ada.page.locator("#banner-text")).first).to_contain_text("kept")
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
