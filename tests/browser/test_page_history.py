"""Looking back on the page: versions, the slider over the tree's life, what has changed since, and going back."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.looking_back import BEFORE, WIDE, Historian, historian, lived
from tests.browser.stage import Stage
from tests.browser.test_accessibility import PHONE, at_rest, faults
from tests.browser.visitors import Visitors

pytestmark = pytest.mark.browser

ANSWERED_NO = "Failed to load resource"  # Chromium itself says that of every answer that is a refusal


async def test_the_slider_redraws_the_tree_and_says_where_it_is(stage: Stage, visitors: Visitors) -> None:
    life = await lived(stage)
    ada = await historian(visitors, stage, "ada", life.tree)
    card = ada.at.card
    await expect(ada.words).to_contain_text("Now, after 8 changes")
    await ada.slider.focus()
    await ada.page.keyboard.press("ArrowLeft")
    await expect(card("goal")).not_to_contain_text("20%")
    await expect(ada.words).to_have_text(re.compile(r"^You are looking at today, \d\d:\d\d · change 7 of 8, by you$"))
    await expect(ada.slider).to_have_attribute("aria-valuetext", re.compile("change 7 of 8, by you"))
    for _ in range(4):  # faster than the server answers: what lies between is passed over
        await ada.page.keyboard.press("ArrowLeft")
    await expect(ada.words).to_contain_text("change 3 of 8")
    await expect(card("keep")).to_contain_text("Keep those we have")
    await ada.marked("goal", "changed")
    await ada.marked("keep", "changed")
    await ada.marked("search", "removed")
    await ada.marked("word", "moved")
    await ada.marked("new", "added")
    await expect(card("churn")).not_to_have_attribute("data-since", re.compile("."))
    await expect(card("new")).to_contain_text("+ added")
    legend = ada.page.get_by_role("list", name="What is different now")
    assert await legend.get_by_role("listitem").all_inner_texts() == [
        "+\n1 added",
        "−\n1 removed",
        "≠\n2 changed",
        "→\n1 moved",
    ]
    await ada.at.shot("history-past")
    await legend.get_by_role("button", name=re.compile("removed")).click()
    await expect(card("search")).to_be_focused()
    await ada.page.keyboard.press("Escape")
    await expect(ada.words).to_contain_text("Now, after 8 changes")
    await expect(card("goal")).to_contain_text("Grow 20%")
    await expect(card("search")).to_have_count(0)
    await ada.page.keyboard.press("Escape")
    await expect(ada.panel).to_be_hidden()


async def test_the_past_can_not_be_edited_and_what_others_do_waits_for_the_way_back(
    stage: Stage, visitors: Visitors
) -> None:
    life = await lived(stage)
    ada = await historian(visitors, stage, "ada", life.tree)
    await ada.look("Before the workshop")
    card = ada.at.card
    await card("keep").dblclick()
    await expect(ada.page.locator(".title-input")).to_have_count(0)
    await ada.page.keyboard.press("Delete")
    await expect(ada.at.toast).to_contain_text("Go back to now to change it")
    await ada.page.keyboard.press("Control+z")
    await ada.at.drag("word", "keep")
    for name in ("Add a card below", "Type the title", "Connect to another card", "Tidy up"):
        await expect(ada.page.get_by_role("button", name=name, exact=True)).to_be_disabled()
    await card("reach").get_by_role("button", name="Collapse").click()  # for oneself alone
    await expect(card("word")).to_have_count(0)
    await life.edit("bo", op="update", node="keep", set={"title": "Keep all of them"})
    await life.edit("bo", op="insert", node="late", parent="goal", type="outcome", title="Late")
    await expect(ada.page.locator("#said")).to_have_text(re.compile("^Bo.* changed 2 nodes.$"))  # it was heard
    await expect(card("keep")).to_contain_text("Keep those we have")
    await expect(card("late")).to_have_count(0)
    await ada.page.get_by_role("button", name="Back to now").click()
    await expect(card("keep")).to_contain_text("Keep all of them")
    await expect(card("late")).to_be_visible()
    await expect(card("reach")).to_have_attribute("aria-level", "2")
    await expect(ada.words).to_contain_text("Now, after 10 changes")
    assert await stage.changes(life.tree) == 8, "none of it was Ada's"


async def test_versions_are_named_and_named_anew_for_everybody(stage: Stage, visitors: Visitors) -> None:
    visitors.allow(ANSWERED_NO)
    life = await lived(stage)
    ada = await historian(visitors, stage, "ada", life.tree)
    bo = await historian(visitors, stage, "bo", life.tree)
    await ada.panel.get_by_role("button", name="Name the tree as it is…").click()
    await ada.panel.get_by_role("textbox", name="Name of the version").fill("<b>For the board</b>")
    await ada.panel.get_by_role("textbox", name="Description of the version").fill("As it was shown")
    await ada.panel.get_by_role("button", name="Save").click()
    rows = [one.panel.locator(".version-row") for one in (ada, bo)]
    for row in rows:
        await expect(row.first).to_contain_text("<b>For the board</b>")
        await expect(row.first).to_contain_text("7 nodes")
    await expect(ada.page.locator('.ticks i[data-kind="named"]')).to_have_count(2)
    await ada.panel.get_by_role("button", name="Rename Before the workshop").click()
    await ada.panel.get_by_role("textbox", name="Name of the version").fill("Before all of it")
    await ada.page.keyboard.press("Enter")
    await expect(rows[0].last).to_contain_text("Before all of it")
    await ada.look("Before all of it")
    await expect(rows[0].last.get_by_role("button").first).to_have_attribute("aria-pressed", "true")
    await ada.panel.get_by_role("button", name="Name this moment…").click()
    await ada.panel.get_by_role("textbox", name="Name of the version").fill("Twice")
    await ada.panel.get_by_role("button", name="Save").click()
    await expect(ada.panel.get_by_text("This moment has a name already")).to_be_visible()
    await ada.page.keyboard.press("Escape")
    await expect(ada.panel.get_by_role("button", name="Name this moment…")).to_be_focused()
    after = ada.page.get_by_role("button", name="Version after, or now")
    await after.click()
    await expect(ada.words).to_contain_text("change 8 of 8")  # the version that was named as it is now
    await after.click()
    await expect(ada.words).to_contain_text("Now, after 8 changes")
    await ada.panel.get_by_role("button", name="Rename Before all of it").click()
    await ada.panel.get_by_role("button", name="Take the name away").click()
    for row in rows:
        await expect(row).to_have_count(2)
        await expect(row.last).to_contain_text("Kept by itself")


async def test_what_has_changed_since_is_told_and_shown(stage: Stage, visitors: Visitors) -> None:
    life = await lived(stage)
    ada = await historian(visitors, stage, "ada", life.tree)
    await ada.choose("Since then")
    await expect(ada.panel.get_by_text("This is the tree as it is now.")).to_be_visible()
    await ada.look("Before the workshop")
    await ada.choose("Since then")
    await expect(ada.panel.get_by_text("6 changes since then:")).to_be_visible()
    told = ada.panel.locator(".sentence")
    assert await told.evaluate_all("all => all.map(one => one.dataset.node)") == [
        *("new", "search", "word"),
        *("goal", "keep", "keep"),
    ]
    await told.filter(has_text="The description of").click()
    await expect(ada.at.card("keep")).to_be_focused()
    change = ada.panel.locator('.field-change[data-path="description"]')
    assert await change.locator("del").all_inner_texts() == ["a year", "others"]
    assert await change.locator("ins").all_inner_texts() == ["two years", "their friends"]
    await ada.at.shot("history-since")
    await told.filter(has_text="Call them").click()
    await expect(ada.at.card("new")).to_be_focused()
    await expect(ada.panel.locator(".since-card")).to_contain_text("added")


async def test_the_tree_is_restored_after_a_look_at_it_and_that_is_undone(stage: Stage, visitors: Visitors) -> None:
    visitors.allow(ANSWERED_NO)
    life = await lived(stage)
    ada = await historian(visitors, stage, "ada", life.tree)
    now = await stage.nodes(life.tree)
    await ada.page.locator("#canvas").click(position={"x": 20, "y": 600})  # nothing is selected
    await ada.look("Before the workshop")
    await ada.page.get_by_role("button", name="Restore…").click()
    await expect(ada.dialog).to_contain_text("5 changes would be made")
    await expect(ada.planned()).to_have_count(5)
    await expect(ada.planned("met").filter(has_text="Title of “Keep those we have” (Bo")).to_have_count(1)
    await ada.at.shot("history-restore")
    assert await stage.nodes(life.tree) == now, "looking changes nothing"
    await life.edit("bo", op="update", node="calls", set={"title": "Changed meanwhile"})
    do = ada.dialog.get_by_role("button", name=re.compile("^Restore: "))
    await do.click()
    await expect(ada.dialog).to_contain_text("The tree was changed meanwhile. Look again")
    await expect(ada.planned()).to_have_count(6)
    await life.edit("bo", op="update", node="calls", set={"title": "Changed all the time"})  # as was agreed to
    await do.click()
    await expect(ada.at.toast).to_contain_text("6 changes made")
    await expect(ada.at.card("keep")).to_contain_text("Keep those we have")
    await expect(ada.at.card("search")).to_be_visible()
    await expect(ada.words).to_contain_text("Now")
    then = await stage.nodes(life.tree)
    assert (sorted(then), then["keep"]["description"], then["goal"]["title"]) == (
        ["calls", "churn", "goal", "keep", "reach", "search", "word"],
        BEFORE,
        "Grow",
    )
    late = ada.page.get_by_role("button", name="Undo what was brought back")
    await expect(late).to_be_visible()  # also once the line that offers it is gone
    await ada.at.toast.get_by_role("button", name="Undo").click()
    await expect(ada.at.toast).to_contain_text("Undone")
    await expect(late).to_be_hidden()
    await expect(ada.at.card("keep")).to_contain_text("Keep everyone")
    again = await stage.nodes(life.tree)
    assert {name: node["title"] for name, node in again.items()} == {
        name: node["title"] for name, node in (now | {"calls": {"title": "Changed all the time"}}).items()
    }


async def test_a_branch_alone_is_restored(stage: Stage, visitors: Visitors) -> None:
    life = await lived(stage)
    ada = await historian(visitors, stage, "ada", life.tree)
    await ada.look("Before the workshop")
    await ada.at.card("search").click()
    await ada.page.get_by_role("button", name="Restore…").click()
    await expect(ada.planned()).to_have_count(5)
    await ada.dialog.get_by_label("Only “Be found” and what stood below it").check()
    await expect(ada.planned()).to_have_text(["Restore “Be found”"])
    await ada.dialog.get_by_role("button", name="Restore: 1 change").click()
    await expect(ada.at.card("search")).to_be_focused()
    nodes = await stage.nodes(life.tree)
    assert (nodes["search"]["parent"], nodes["goal"]["title"], "new" in nodes) == ("reach", "Grow 20%", True)


async def test_what_one_person_did_is_taken_back(stage: Stage, visitors: Visitors) -> None:
    visitors.allow(ANSWERED_NO)
    life = await lived(stage)
    await life.edit("ada", op="update", node="keep", set={"title": "Ada's word on it"})
    ada = await historian(visitors, stage, "ada", life.tree)
    await ada.choose("Take back")
    ask = ada.panel.get_by_role("button", name="Show what would change…")
    await ask.click()
    await expect(ada.panel.get_by_text("Choose a person, or a time, or both.")).to_be_visible()
    await ada.look("Before the workshop")
    await ada.choose("Take back")
    await ada.panel.get_by_label("Whose changes").select_option("bo")
    await ada.panel.get_by_label(re.compile("Since the moment you look at")).check()
    await ask.click()
    await expect(ada.planned()).to_have_count(4)  # a move back is two: below whom, and where
    await expect(ada.planned("kept")).to_contain_text(["Title of"])
    await life.edit("ada", op="update", node="goal", set={"description": "Somebody types elsewhere."})
    await ada.dialog.get_by_role("button", name="Take back: 4 changes").click()
    await expect(ada.at.toast).to_contain_text("Taken back.")
    nodes = await stage.nodes(life.tree)
    assert (nodes["keep"]["description"], nodes["keep"]["title"]) == (BEFORE, "Ada's word on it")
    assert ("new" in nodes, nodes["word"]["parent"], nodes["goal"]["title"]) == (False, "reach", "Grow 20%")
    await ada.panel.get_by_label("In a time…").check()
    await ada.panel.get_by_label("From", exact=True).fill("2001-01-02T10:00")
    await ada.panel.get_by_label("Until").fill("2001-01-01T10:00")
    await ask.click()
    await expect(ada.panel.get_by_text("The time ends before it begins.")).to_be_visible()
    await ada.panel.get_by_label("Until").fill("2001-01-03T10:00")
    await ask.click()
    await expect(ada.dialog.get_by_role("alert")).to_contain_text("the tree was not there at that time")


async def test_a_card_tells_its_own_history_and_gives_a_text_back(stage: Stage, visitors: Visitors) -> None:
    life = await lived(stage)
    ada = await visitors.new(stage, "ada", **WIDE)
    await ada.visit(life.tree)
    await ada.card("keep").click()
    for letters in ("Always. ", "Really. "):
        await ada.page.get_by_role("textbox", name="Description").press_sequentially(letters)
        await expect(ada.status).to_have_text("Saved")
    await ada.page.get_by_role("button", name="All changes of this card").click()
    lines = ada.page.locator(".node-history > li")
    await expect(lines).to_have_count(4)  # typed in one go, Bo's, the first description, made
    await expect(lines.first).to_contain_text("You typed in Description")
    await expect(lines.nth(1)).to_contain_text(re.compile("Bo.* changed Title and Description|Bo.*Description"))
    await expect(lines.last).to_contain_text("made it: “Keep those we have”")
    await ada.shot("node-history")
    await lines.nth(2).get_by_role("button", name="Bring back this text").click()
    dialog = ada.page.locator("#going-back")
    await expect(dialog.locator("mark").filter(has_text="others")).to_be_visible()
    await dialog.get_by_role("button", name="Bring it back").click()
    await expect(ada.page.get_by_role("textbox", name="Description")).to_have_value(BEFORE)
    await ada.toast.get_by_role("button", name="Undo").click()
    await expect(ada.page.get_by_role("textbox", name="Description")).to_have_value(re.compile("Really"))
    await lines.nth(1).get_by_role("button", name="Take this back…").click()
    await expect(dialog).to_contain_text("1 change would be made")
    await dialog.get_by_role("button", name="Take back: 1 change").click()
    await expect(ada.card("keep")).to_contain_text("Keep those we have")
    await lines.nth(1).get_by_role("button", name="Look").click()
    await expect(ada.page.locator("#past-words")).to_contain_text("change 4 of")
    await expect(ada.card("keep")).to_contain_text("Keep everyone")


async def test_a_viewer_looks_back_and_can_not_go_back(stage: Stage, visitors: Visitors) -> None:
    life = await lived(stage, "tenant_view")
    cy = await historian(visitors, stage, "cy", life.tree)
    await expect(cy.panel.get_by_text("You may look at the past of this tree, not bring it back.")).to_be_visible()
    await cy.look("Before the workshop")
    await cy.marked("search", "removed")
    for name in (re.compile("^Restore"), re.compile("^Rename"), re.compile("^Name")):
        await expect(cy.page.locator("main").get_by_role("button", name=name)).to_have_count(0)
    await expect(cy.panel.get_by_role("tab", name="Take back")).to_have_count(0)
    await cy.choose("Since then")
    await expect(cy.panel.get_by_text("6 changes since then:")).to_be_visible()
    await cy.page.keyboard.press("Escape")
    await cy.at.card("keep").click()
    await cy.page.keyboard.press("h")
    await cy.page.get_by_role("button", name="All changes of this card").click()
    await expect(cy.page.get_by_role("button", name="Look").first).to_be_visible()
    await expect(cy.page.get_by_role("button", name="Bring back this text")).to_have_count(0)


async def test_without_the_server_history_says_so(stage: Stage, visitors: Visitors) -> None:
    visitors.allow("net::ERR_", ANSWERED_NO)
    life = await lived(stage)
    ada = Historian(await visitors.new(stage, "ada", **WIDE))
    who = re.compile(r"/activity\?limit=100$")
    await ada.page.route(who, lambda route: route.abort("internetdisconnected"), times=1)
    await ada.open(life.tree)
    await ada.button.click()
    async with ada.page.expect_request(who):  # what could not be had is asked for again
        await ada.button.click()
    await ada.page.route("**/api/v1/**", lambda route: route.abort("internetdisconnected"))
    await ada.slider.focus()
    await ada.page.keyboard.press("ArrowLeft")
    await expect(ada.words).to_contain_text("History is kept by the server")
    await expect(ada.page.get_by_role("button", name="Restore…")).to_be_disabled()
    await expect(ada.at.card("goal")).to_contain_text("Grow 20%")
    await ada.page.unroute("**/api/v1/**")
    busy = {"code": "rate", "detail": "too much at once", "status": 429}
    headers = {"Content-Type": "application/problem+json"}
    answer: dict[str, Any] = {"status": 429, "headers": headers, "body": json.dumps(busy)}
    await ada.page.route("**/api/v1/trees/*?seq=*", lambda route: route.fulfill(**answer), times=1)
    await ada.page.keyboard.press("ArrowLeft")
    await expect(ada.words).to_contain_text(re.compile("today.*change 6 of 8"))  # it asked again by itself
    await ada.page.route("**/restore", lambda route: route.abort("internetdisconnected"))
    await ada.page.get_by_role("button", name="Restore…").click()
    await expect(ada.dialog.get_by_role("alert")).to_contain_text("This needs the network")
    await ada.page.unroute("**/restore")
    await ada.dialog.get_by_role("button", name="Try again").click()
    await expect(ada.planned()).to_have_count(2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_state_of_looking_back_passes_axe(scheme: str, stage: Stage, visitors: Visitors) -> None:
    life = await lived(stage)
    context = WIDE | {"color_scheme": scheme, "reduced_motion": "reduce"}
    ada = await historian(visitors, stage, "ada", life.tree, **context)
    await ada.look("Before the workshop")
    await ada.panel.get_by_role("button", name="Name this moment…").click()
    await at_rest(ada.at)
    assert await faults(ada.page) == []
    await ada.at.shot(f"history-versions-{scheme}")
    await ada.at.card("keep").click()
    await ada.choose("Since then")
    await expect(ada.panel.locator("ins").first).to_be_visible()
    assert await faults(ada.page) == []
    await ada.page.get_by_role("button", name="Restore…").click()
    await expect(ada.planned()).to_have_count(5)
    assert await faults(ada.page) == []
    await ada.page.keyboard.press("Escape")
    await ada.choose("Take back")
    assert await faults(ada.page) == []
    await ada.at.shot(f"history-take-back-{scheme}")


async def test_a_phone_looks_back_too(stage: Stage, visitors: Visitors) -> None:
    life = await lived(stage)
    ada = await historian(visitors, stage, "ada", life.tree, **PHONE)
    await ada.look("Before the workshop")
    await ada.choose("Since then")
    await ada.panel.locator(".sentence").first.click()
    await expect(ada.at.card("new")).to_be_focused()
    await at_rest(ada.at)
    await ada.at.shot("history-phone")
    assert await ada.at.run("document.documentElement.scrollWidth <= innerWidth")
    assert await faults(ada.page) == []
    sheet, bar, card = [
        await one.bounding_box() for one in (ada.panel, ada.page.locator("#past-bar"), ada.at.card("new"))
    ]
    assert sheet
    assert bar
    assert card
    assert bar["y"] + bar["height"] <= card["y"] <= card["y"] + card["height"] <= sheet["y"], "in sight between the two"
