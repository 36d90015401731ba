"""`make run`: the printed links sign in Ada and Bo, each in a tab, at a tree of a real size."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.stage import Stage
from tests.browser.visitors import Visitors

pytestmark = pytest.mark.browser

LINK = re.compile(r"http://127\.0\.0\.1:\d+/\?as=(\w+)")


async def test_the_links_that_are_printed_sign_in_two_people(stage: Stage, visitors: Visitors) -> None:
    """One browser, two tabs: they are two people all the same, also after a reload."""
    links = {found[1]: found[0] for found in LINK.finditer(stage.command.said())}
    assert sorted(links) == ["ada", "bo"]
    ada = await visitors.new(stage, "ada", viewport={"width": 1440, "height": 900})
    bo = await ada.tab()
    await ada.page.goto(links["ada"])
    await bo.page.goto(links["bo"])
    await expect(ada.page.get_by_role("list", name="Who is here").get_by_role("button")).to_have_count(1)
    await expect(bo.page.get_by_role("button", name=re.compile("^Ada"))).to_be_visible()
    await expect(ada.page.get_by_role("button", name=re.compile("^Bo"))).to_be_visible()
    await bo.card("outcome-3").dblclick()
    await bo.page.keyboard.press("Control+a")
    await bo.page.keyboard.type("Every problem is settled by dinner")
    await expect(ada.card("outcome-3")).to_contain_text("Every problem is settled by dinner")
    await ada.shot("demo")
    await bo.page.reload()
    await expect(bo.page.get_by_role("button", name=re.compile("^Ada"))).to_be_visible()
    assert await bo.page.evaluate("location.search") == "?as=bo"


async def test_a_guest_needs_no_name(stage: Stage, visitors: Visitors) -> None:
    guest = await visitors.new(stage, "guest")
    await guest.page.goto(stage.url)
    await expect(guest.page.get_by_role("treeitem").first).to_be_visible()
    await expect(guest.status).to_have_text("Saved")


async def test_without_a_demo_a_token_is_asked_for(stage: Stage, visitors: Visitors) -> None:
    visitors.allow("Failed to load resource")
    someone = await visitors.new(stage, "cy")
    await someone.page.route("**/demo/token*", lambda route: route.fulfill(status=404))
    await someone.page.goto(f"{stage.url}/?as=ada")
    dialog = someone.page.get_by_role("dialog", name="Open a tree")
    await dialog.get_by_label("Token").fill(stage.token("cy"))
    await dialog.get_by_label("Tree").fill(str(await stage.tree()))
    await dialog.get_by_role("button", name="Open").click()
    await expect(someone.card("goal")).to_be_visible()
