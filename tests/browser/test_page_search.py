"""The page at `/`: what is found in texts and in other trees, and the jump there."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.stage import Node, Stage
from tests.browser.test_accessibility import at_rest, faults
from tests.browser.visitors import Visitors

pytestmark = pytest.mark.browser

OTHER: list[Node] = [
    {"id": "top", "type": "objective", "title": "Somewhere else"},
    {
        "id": "far",
        "parent": "top",
        "type": "metric",
        "title": "A number",
        "description": "Counted by <b>zebrafinches</b> & co",
    },
]


async def test_a_word_in_another_tree_is_found_and_gone_to(stage: Stage, visitors: Visitors) -> None:
    await stage.tree(OTHER, name="The other one")
    ada = await visitors.new(stage, "ada")
    await ada.visit(await stage.tree())
    keys = ada.page.keyboard
    await keys.press("/")
    await keys.type("zebraf")
    hits = ada.page.get_by_role("option", name=re.compile("zebrafinches"))
    await expect(hits).to_have_count(1)
    await expect(hits.locator("mark")).to_have_text(["zebrafinches"])
    await expect(hits).to_contain_text("The other one › Somewhere else")
    await at_rest(ada)
    assert await faults(ada.page) == []
    await ada.shot("search")
    await keys.press("Enter")
    await expect(ada.card("far")).to_be_focused()
    await expect(ada.page.get_by_label("Name of the tree")).to_have_value("The other one")
    assert "#" not in ada.page.url


async def test_titles_of_the_open_tree_are_found_without_network(stage: Stage, visitors: Visitors) -> None:
    visitors.allow("net::ERR")
    ada = await visitors.new(stage, "ada")
    await ada.visit(await stage.tree())
    await ada.page.route("**/api/v1/search?*", lambda route: route.abort())
    await ada.page.keyboard.press("/")
    await ada.page.keyboard.type("churn")
    await expect(ada.page.get_by_role("listbox").get_by_role("option")).to_have_text(["ChurnKeep those we have"])
    await expect(ada.page.get_by_role("dialog").get_by_role("status")).to_have_text(
        "Texts and other trees can be searched when the network is back."
    )
    await ada.page.keyboard.press("Enter")
    await expect(ada.card("churn")).to_be_focused()


async def test_a_link_leads_to_a_tree_and_a_node(stage: Stage, visitors: Visitors) -> None:
    other = await stage.tree(OTHER, name="The other one")
    ada = await visitors.new(stage, "ada")
    await ada.visit(await stage.tree())
    await ada.page.goto(f"{stage.url}/#tree={other}&node=far")  # the page is open already: only the fragment is another
    await expect(ada.card("far")).to_be_focused()
