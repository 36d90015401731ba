"""The page at `/`: two people at one tree, with mouse and keyboard."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.stage import Stage
from tests.browser.visitors import Visitor, Visitors

pytestmark = pytest.mark.browser


async def pair(visitors: Visitors, stage: Stage, tree: int) -> tuple[Visitor, Visitor]:
    ada, bo = await visitors.new(stage, "ada"), await visitors.new(stage, "bo")
    await asyncio.gather(ada.visit(tree), bo.visit(tree))
    return ada, bo


async def retitle(visitor: Visitor, node: str, title: str) -> None:
    """By double click, select everything, type."""
    await visitor.card(node).dblclick()
    field = visitor.page.get_by_role("textbox", name="Title").and_(visitor.page.locator(".title-input"))
    await field.press("Control+a")
    await field.press_sequentially(title)
    await field.press("Enter")


async def test_a_title_typed_here_is_seen_there(stage: Stage, visitors: Visitors) -> None:
    ada, bo = await pair(visitors, stage, await stage.tree())
    await retitle(ada, "keep", "Keep everyone")
    await expect(bo.card("keep")).to_contain_text("Keep everyone")
    await retitle(bo, "reach", "Reach everyone")
    await expect(ada.card("reach")).to_contain_text("Reach everyone")
    for one in (ada, bo):
        await expect(one.status).to_have_text("Saved")
    await ada.shot("two-people")


async def test_both_type_in_one_description(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, bo = await pair(visitors, stage, tree)
    fields = []
    for one in (ada, bo):
        await one.card("keep").click()
        fields.append(one.page.get_by_role("textbox", name="Description"))
    await fields[0].press_sequentially("in the middle")
    await expect(fields[1]).to_have_value("in the middle")
    await fields[0].press("Home")
    await fields[1].press("End")
    await asyncio.gather(
        fields[0].press_sequentially("Ada stands at the start, ", delay=5),
        fields[1].press_sequentially(", and Bo at the end 👍.", delay=5),
    )
    both = "Ada stands at the start, in the middle, and Bo at the end 👍."
    for field in fields:
        await expect(field).to_have_value(both)
    await expect(ada.status).to_have_text("Saved")
    await expect(bo.status).to_have_text("Saved")
    assert (await stage.nodes(tree))["keep"]["description"] == both
    await bo.shot("typing-together")


async def test_who_is_here_is_shown_with_what_they_do(stage: Stage, visitors: Visitors) -> None:
    ada, bo = await pair(visitors, stage, await stage.tree())
    people = ada.page.get_by_role("list", name="Who is here")
    await expect(people.get_by_role("button")).to_have_count(1)
    await bo.card("calls").dblclick()
    await expect(ada.card("calls")).to_contain_text("Bo Diddley is typing")
    await bo.page.mouse.move(500, 400)
    await expect(ada.page.locator('.cursor[data-user="bo"]')).to_contain_text("Bo Diddley")
    await ada.shot("presence")
    await bo.page.close()
    await expect(people.get_by_role("button")).to_have_count(0)
    await expect(ada.page.locator(".cursor")).to_have_count(0)


async def test_a_card_is_dragged_below_another(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, bo = await pair(visitors, stage, tree)
    await ada.drag("search", "keep")
    await expect(ada.card("search")).to_have_attribute("aria-level", "3")
    await expect(ada.status).to_have_text("Saved")
    assert (await stage.nodes(tree))["search"]["parent"] == "keep"
    await expect(bo.card("search")).to_have_attribute("aria-setsize", "3")


async def test_a_card_dragged_onto_its_own_descendant_is_refused_visibly(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, _ = await pair(visitors, stage, tree)
    before = await ada.card("reach").bounding_box()
    mouse = ada.page.mouse
    await mouse.move(*await ada.middle("reach"))
    await mouse.down()
    await mouse.move(*await ada.middle("word"), steps=8)
    await expect(ada.card("word")).to_have_class(re.compile("drop-refused"))
    await ada.shot("drop-refused")
    await mouse.up()
    await expect(ada.toast).to_contain_text("cannot move below itself")
    await expect(ada.card("word")).not_to_have_class(re.compile("drop-refused"))
    assert await ada.card("reach").bounding_box() == before
    assert await stage.changes(tree) == 0, "nothing was sent"


async def test_a_card_is_put_between_its_siblings(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, bo = await pair(visitors, stage, tree)
    await ada.card("churn").click()
    await ada.page.keyboard.press("Control+ArrowLeft")
    for one in (ada, bo):
        await expect(one.card("churn")).to_have_attribute("aria-posinset", "1")
    await expect(ada.status).to_have_text("Saved")
    nodes = await stage.nodes(tree)
    assert nodes["churn"]["order"] < nodes["calls"]["order"]


async def test_undo_and_redo(stage: Stage, visitors: Visitors) -> None:
    ada, bo = await pair(visitors, stage, await stage.tree())
    undo, redo = ada.page.get_by_role("button", name="Undo"), ada.page.get_by_role("button", name="Redo")
    await expect(undo).to_be_disabled()
    await retitle(ada, "goal", "Grow 20%")
    await retitle(bo, "keep", "By Bo")
    await expect(ada.card("keep")).to_contain_text("By Bo")
    await undo.first.click()
    await expect(bo.card("goal")).to_contain_text("Grow")
    await expect(bo.card("goal")).not_to_contain_text("20%")
    await expect(bo.card("keep")).to_contain_text("By Bo")
    await ada.card("goal").click()
    await ada.page.keyboard.press("Control+Shift+z")
    await expect(bo.card("goal")).to_contain_text("Grow 20%")
    await expect(redo).to_be_disabled()


async def test_a_branch_goes_to_the_trash_and_comes_back(stage: Stage, visitors: Visitors) -> None:
    ada, bo = await pair(visitors, stage, await stage.tree())
    await ada.card("reach").click()
    await ada.page.keyboard.press("Delete")
    await expect(ada.toast).to_contain_text("2 below it moved to the trash")
    for node in ("reach", "word", "search"):
        await expect(bo.card(node)).to_have_count(0)
    await bo.page.get_by_role("button", name="Trash", exact=True).click()
    dialog = bo.page.get_by_role("dialog", name="Trash")
    await expect(dialog.get_by_role("listitem")).to_contain_text("Reach more people")
    await bo.shot("trash")
    await dialog.get_by_role("button", name="Restore Reach more people").click()
    await expect(dialog).to_be_hidden()
    for one in (ada, bo):
        await expect(one.card("word")).to_be_visible()


async def test_a_branch_is_folded_for_everyone(stage: Stage, visitors: Visitors) -> None:
    ada, bo = await pair(visitors, stage, await stage.tree())
    await ada.card("reach").get_by_role("button", name="Collapse").click()
    for one in (ada, bo):
        await expect(one.card("reach")).to_have_attribute("aria-expanded", "false")
        await expect(one.card("word")).to_have_count(0)
    await bo.card("reach").get_by_role("button", name=re.compile("Expand")).click()
    await expect(ada.card("word")).to_be_visible()


async def test_two_cards_are_connected_and_the_line_is_named(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, bo = await pair(visitors, stage, tree)
    await ada.card("churn").click()
    await ada.page.keyboard.press("l")
    await ada.page.get_by_role("combobox", name="Connect to…").fill("word")
    await ada.page.keyboard.press("Enter")
    label = ada.page.get_by_role("textbox", name="Label of the connection to Word of mouth")
    await label.fill("depends on")
    await label.press("Enter")
    await bo.card("word").click()
    theirs = bo.page.get_by_role("textbox", name="Label of the connection from Churn")
    await expect(theirs).to_have_value("depends on")
    await bo.page.get_by_role("button", name="Remove the connection from Churn").click()
    await expect(label).to_have_count(0)


async def test_template_fields_of_the_type_are_edited_in_the_panel(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, bo = await pair(visitors, stage, tree)
    await ada.card("churn").click()
    await bo.card("churn").click()
    writable = "input[type=text], textarea"
    field = ada.page.locator("#panel .field").filter(has=ada.page.locator(writable)).first
    path = str(await field.get_attribute("data-path"))
    await field.locator(writable).press_sequentially("Counted monthly")
    theirs = bo.page.locator(f'#panel .field[data-path="{path}"]').locator(writable)
    await expect(theirs).to_have_value("Counted monthly")
    await expect(ada.status).to_have_text("Saved")
    assert (await stage.nodes(tree))["churn"]["template_data"] == {path.partition(".")[2]: "Counted monthly"}


async def test_a_viewer_reads_and_changes_nothing(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree(visibility="tenant_view")
    ada, bo = await pair(visitors, stage, tree)
    await expect(bo.page.get_by_text("Read only")).to_be_visible()
    await bo.card("keep").dblclick()
    await expect(bo.page.locator(".title-input")).to_have_count(0)
    await bo.card("keep").click()
    await expect(bo.page.get_by_role("textbox", name="Description")).to_have_attribute("readonly", "")
    await bo.page.keyboard.press("Delete")
    await bo.drag("search", "keep")
    await expect(bo.page.get_by_role("button", name="Move to the trash").first).to_be_disabled()
    await retitle(ada, "keep", "By Ada")
    await expect(bo.card("keep")).to_contain_text("By Ada")
    await bo.shot("viewer")
    nodes = await stage.nodes(tree)
    assert (len(nodes), nodes["search"]["parent"]) == (7, "reach")


async def test_becoming_a_viewer_ends_editing_where_one_stands(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree(visibility="private")
    await stage.ask("PUT", f"/api/v1/trees/{tree}/members/bo", {"role": "editor"})
    bo = await visitors.new(stage, "bo")
    await bo.visit(tree)
    await expect(bo.page.get_by_role("button", name="Add a card below")).to_be_enabled()
    await stage.ask("PUT", f"/api/v1/trees/{tree}/members/bo", {"role": "viewer"})
    await expect(bo.page.get_by_text("Read only")).to_be_visible()
    await expect(bo.page.get_by_role("button", name="Add a card below")).to_be_disabled()


async def test_the_token_leaves_the_address_bar_and_a_reload_finds_it(stage: Stage, visitors: Visitors) -> None:
    ada = await visitors.new(stage, "ada")
    await ada.visit(await stage.tree())
    assert "token" not in ada.page.url
    await ada.page.reload()
    await expect(ada.card("goal")).to_be_visible()


async def test_a_tree_that_is_not_ones_own_is_not_there(stage: Stage, visitors: Visitors) -> None:
    visitors.allow("Failed to load resource")
    tree = await stage.tree(visibility="private")
    bo = await visitors.new(stage, "bo")
    await bo.page.goto(stage.link("bo", tree))
    await expect(bo.page.get_by_text("There is no such tree, or it is not yours.")).to_be_visible()
