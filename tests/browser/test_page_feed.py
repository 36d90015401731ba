"""The page at `/`: the activity feed, live, by person and by card, page by page."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import Node, Stage
from tests.browser.test_accessibility import at_rest, faults
from tests.browser.visitors import Visitors

pytestmark = pytest.mark.browser

LIVE_MS = 10_000  # half a second of rest, and an answer of a busy server


async def test_what_others_do_is_told_while_they_do_it(stage: Stage, visitors: Visitors) -> None:
    """[AC6] [AC7]"""
    tree = await stage.tree()
    ada, bo = await visitors.new(stage, "ada"), await visitors.new(stage, "bo")
    await ada.visit(tree)
    await bo.client(tree)
    await ada.card("keep").click()
    await ada.page.keyboard.press("a")
    feed = ada.page.get_by_role("complementary", name="Activity")
    entries = feed.locator(".entry")
    await expect(entries).to_have_text([re.compile("^ADAda Lovelace made the tree, with 7 nodes|^ALAda Lovelace made")])
    await bo.run("tree.write('churn', 'description', 'one')")
    await bo.run("tree.write('churn', 'description', 'one, two')")
    await expect(entries).to_have_count(2, timeout=LIVE_MS)
    await expect(entries.first).to_contain_text("Bo Diddley")
    await expect(entries.first).to_contain_text("“Churn”")
    await bo.run("tree.write('churn', 'description', 'one, two and three')")
    await bo.run("tree.update('search', { title: '<b>Be found</b>' })")
    await expect(entries.first).to_contain_text("<b>Be found</b>", timeout=LIVE_MS)
    await expect(entries).to_have_count(3)  # typing is one entry, which grows
    await at_rest(ada)
    assert await faults(ada.page) == []
    await ada.shot("feed")
    await entries.first.click()
    await expect(ada.card("search")).to_be_focused()


async def test_the_feed_is_of_a_person_or_a_card_where_that_is_asked(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, bo = await visitors.new(stage, "ada"), await visitors.new(stage, "bo")
    await bo.client(tree)
    await bo.run("tree.update('churn', { title: 'Churn rate' })")
    await ada.visit(tree)
    await ada.card("churn").click()
    await ada.page.get_by_role("button", name="Activity", exact=True).click()
    feed = ada.page.get_by_role("complementary", name="Activity")
    entries = feed.locator(".entry")
    await expect(entries).to_have_count(2)
    await feed.get_by_label("Of whom").select_option("Bo Diddley")
    await expect(entries).to_have_count(1)
    await expect(entries).to_contain_text("Bo Diddley")
    await feed.get_by_label("Of whom").select_option("Everyone")
    await expect(entries).to_have_count(2)
    await feed.get_by_label("Only “Churn rate”").check()
    await expect(entries.first).to_contain_text("Bo Diddley")
    await ada.card("keep").click()
    await expect(feed.get_by_label("Only “Churn rate”")).to_be_checked()
    await feed.get_by_label("Of whom").press("Escape")
    await expect(feed).to_be_hidden()
    await expect(ada.page.get_by_role("button", name="Activity", exact=True)).to_be_focused()


async def scroll_down(page: Page) -> None:
    await page.locator(".feed-frame").evaluate("one => one.scrollTo(0, one.scrollHeight)")


async def test_older_entries_come_as_one_scrolls_and_news_do_not_move_them(stage: Stage, visitors: Visitors) -> None:
    """[AC8]"""
    many: list[Node] = [{"id": f"n{n}", "type": "metric", "title": f"Node {n}"} for n in range(70)]
    tree = await stage.tree(many)
    bo = await visitors.new(stage, "bo")
    await bo.client(tree)
    await bo.run("Promise.all([...Array(70).keys()].map((n) => tree.update(`n${n}`, { title: `Named ${n}` })))")
    ada = await visitors.new(stage, "ada")
    await ada.visit(tree)
    await ada.page.get_by_role("button", name="Activity", exact=True).click()
    entries = ada.page.locator("#feed .entry")
    await expect(entries.first).to_contain_text("“Named 69”")
    oldest = ada.page.locator("#feed .entry", has_text="made the tree")
    for _ in range(10):
        await scroll_down(ada.page)
        if await oldest.count():
            break
        await entries.nth(await entries.count()).wait_for(state="attached")
    await expect(oldest).to_have_count(1)
    titles = await entries.evaluate_all("all => all.map(one => one.textContent.match(/Named \\d+/)?.[0] ?? '')")
    assert [one for one in titles if one] == [f"Named {n}" for n in reversed(range(70))], "each once, newest first"
    await scroll_down(ada.page)
    place = await oldest.bounding_box()
    await bo.run("tree.update('n0', { description: 'new' })")
    news = ada.page.get_by_role("button", name=re.compile("new entr"))
    await expect(news).to_be_visible(timeout=LIVE_MS)
    assert await oldest.bounding_box() == place
    await news.click()
    await expect(entries.first).to_be_in_viewport()


async def test_without_network_the_feed_says_so_and_goes_on_after(stage: Stage, visitors: Visitors) -> None:
    visitors.allow("net::ERR")
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada", line=True)
    await ada.visit(tree)
    await ada.page.get_by_role("button", name="Activity", exact=True).click()
    entries = ada.page.locator("#feed .entry")
    await expect(entries).to_have_count(1)
    await ada.page.route("**/activity?*", lambda route: route.abort())
    await ada.page.get_by_label("Of whom").select_option("Everyone")
    await ada.page.get_by_label("Only “Grow”").check()
    note = ada.page.locator("#feed-note")
    await expect(note).to_have_text("This needs the network; try again when it is back.")
    await ada.page.unroute("**/activity?*")
    await ada.line.cut()
    await expect(ada.status).to_have_text("Offline")
    await ada.back()
    await expect(note).to_be_hidden()
    await expect(ada.page.locator("#feed-list")).to_have_text("Nothing yet that fits.")
    await ada.page.get_by_label("Only “Grow”").uncheck()
    await expect(entries).to_have_count(1)
