"""The page at `/`: a person's dashboard, a view with an address of its own."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.stage import Stage
from tests.browser.test_accessibility import at_rest, faults
from tests.browser.visitors import Visitors

pytestmark = pytest.mark.browser


async def test_what_one_did_and_how_far_ones_trees_are(stage: Stage, visitors: Visitors) -> None:
    """[AC10] [PG10]"""
    done = {"id": "a", "type": "metric", "title": "A", "template_data": {"completion_status": "done"}}
    tree = await stage.tree([done, {"id": "b", "type": "objective", "title": "B"}], name="Half done")
    ada = await visitors.new(stage, "ada")
    await ada.visit(tree)
    await ada.run("document.getElementById('show-menu').click()")
    await ada.page.get_by_role("menuitem", name="Dashboard").click()
    view = ada.page.get_by_role("region", name="Your dashboard")
    await expect(view.get_by_role("heading", name="Kinds of nodes in your trees")).to_be_visible()
    row = view.get_by_role("button", name=re.compile("Half done"))
    await expect(row.get_by_role("img", name="50 % complete")).to_be_visible()
    chart = view.get_by_role("table", name="Edits and new nodes")
    await expect(chart.get_by_role("row")).to_have_count(31)
    assert await view.locator("canvas").count() == 2
    painted = "one => one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some((part) => part > 0)"
    assert await view.locator("canvas").first.evaluate(painted)
    await at_rest(ada)
    assert await faults(ada.page) == []
    await ada.shot("dashboard")
    await view.get_by_label("How far back").select_option("7 days")
    await expect(chart.get_by_role("row")).to_have_count(8)
    await view.get_by_label("How far back").select_option("A year")
    await expect(chart.get_by_role("row")).not_to_have_count(8)
    await row.click()
    await expect(view).to_be_hidden()
    await expect(ada.card("a")).to_be_visible()


async def test_the_view_has_an_address_and_the_back_button_leaves_it(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada")
    await ada.visit(tree)
    view = ada.page.get_by_role("region", name="Your dashboard")
    await ada.page.get_by_role("button", name="More").click()
    await ada.page.get_by_role("menuitem", name="Dashboard").click()
    await expect(view).to_be_focused()
    await ada.page.keyboard.press("Delete")  # of the tree behind it nothing is to be reached
    assert await stage.changes(tree) == 0
    assert ada.page.url.endswith("#dashboard")
    await ada.page.reload()
    await expect(view.get_by_role("table", name="Time spent")).to_be_attached()
    await ada.page.go_back()
    await expect(view).to_be_hidden()
    await ada.page.go_forward()
    await expect(view).to_be_visible()
    await ada.page.keyboard.press("Escape")
    await expect(view).to_be_hidden()
    await expect(ada.card("goal")).to_be_visible()


async def test_the_charts_follow_the_colours_and_without_network_it_is_said(stage: Stage, visitors: Visitors) -> None:
    visitors.allow("net::ERR")
    ada = await visitors.new(stage, "ada", color_scheme="light", line=True)
    await ada.visit(await stage.tree())
    await ada.page.get_by_role("button", name="More").click()
    await ada.page.get_by_role("menuitem", name="Dashboard").click()
    canvas = ada.page.locator("#dashboard canvas").first
    await expect(canvas).to_be_visible()
    colours = "one => [...new Set(one.getContext('2d').getImageData(0, 0, one.width, one.height).data)].length"
    light = await canvas.evaluate("one => one.toDataURL()")
    assert await canvas.evaluate(colours) > 1
    await ada.page.emulate_media(color_scheme="dark")
    await ada.page.wait_for_function("(it) => document.querySelector('canvas').toDataURL() !== it", arg=light)
    await ada.page.route("**/metrics?*", lambda route: route.abort())
    await ada.page.get_by_label("How far back").select_option("7 days")
    await expect(ada.page.locator("#dashboard")).to_contain_text("This needs the network; try again when it is back.")
    await ada.page.unroute("**/metrics?*")
    await ada.line.cut()
    await ada.run("new Promise((done) => setTimeout(done))")
    await ada.back()
    await expect(canvas).to_be_visible()
