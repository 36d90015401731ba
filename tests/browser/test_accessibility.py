"""The page for people who use no mouse, or do not see it: names, focus, keyboard, contrast, small windows."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.stage import Stage
from tests.browser.visitors import Visitor, Visitors

pytestmark = pytest.mark.browser

AXE = Axe()
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


async def faults(page: Page) -> list[str]:
    """What axe-core finds wrong with what is shown now, each with the element."""
    results = await AXE.run(page, options=RULES)
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:160]}\n{node['failureSummary']}"
        for rule in results.response["violations"]
        for node in rule["nodes"]
    ]


async def at_rest(visitor: Visitor) -> None:
    """Colours are judged once nothing fades in any more."""
    await visitor.page.wait_for_function("() => document.getAnimations().every((one) => one.playState !== 'running')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_state_passes_axe(scheme: str, stage: Stage, visitors: Visitors) -> None:
    ada = await visitors.new(stage, "ada", color_scheme=scheme, reduced_motion="reduce")
    await ada.visit(await stage.tree())
    page = ada.page
    await ada.card("keep").click()
    await at_rest(ada)
    assert await faults(page) == []
    await ada.shot(f"canvas-{scheme}")
    for name, opened in (
        ("Conflicts", page.get_by_role("button", name=re.compile("^Conflicts"))),
        ("Trash", page.get_by_role("button", name="Trash", exact=True)),
        ("Trees", page.get_by_role("button", name="All trees")),
        ("Keys", page.get_by_role("button", name="Keys")),
        ("Find a node", page.get_by_role("button", name="Find a node")),
    ):
        await opened.click()
        await expect(page.get_by_role("dialog", name=name)).to_be_visible()
        await at_rest(ada)
        assert await faults(page) == [], name
        await ada.shot(f"{name.lower().replace(' ', '-')}-{scheme}")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(opened).to_be_focused()


async def test_a_branch_is_made_with_the_keyboard_alone(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree([{"id": "goal", "type": "objective", "title": "Grow", "position": {"x": 0, "y": 0}}])
    ada = await visitors.new(stage, "ada")
    await ada.visit(tree)
    keys = ada.page.keyboard
    await ada.card("goal").focus()
    field = ada.page.locator(".title-input")
    for title, key in (("First below", "Tab"), ("Below the first", "Tab"), ("Beside that", "Shift+Enter")):
        await keys.press(key)
        await expect(field).to_be_focused()
        await keys.press("Control+a")
        await keys.type(title)
        await keys.press("Enter")
        await expect(field).to_have_count(0)
        await expect(ada.page.get_by_role("treeitem", name=re.compile(title))).to_be_focused()
    await keys.press("ArrowUp")
    await keys.press("ArrowUp")
    await expect(ada.status).to_have_text("Saved")
    titles = {node["title"]: node for node in (await stage.nodes(tree)).values()}
    first = titles["First below"]
    assert first["parent"] == "goal"
    assert {titles[name]["parent"] for name in ("Below the first", "Beside that")} == {first["id"]}
    await ada.shot("made-by-keyboard")


async def test_the_tree_tells_its_shape(stage: Stage, visitors: Visitors) -> None:
    ada = await visitors.new(stage, "ada")
    await ada.visit(await stage.tree())
    tree = ada.page.get_by_role("tree", name="Impact tree")
    await expect(ada.card("churn").get_by_role("img")).to_be_visible()
    items = await tree.get_by_role("treeitem").evaluate_all(
        "all => all.map(one => [one.getAttribute('aria-label'), one.ariaLevel, one.ariaPosInSet, one.ariaSetSize])"
    )
    assert ["Objective: Grow, branch 0 % complete, this card 0 %", "1", "1", "1"] in items
    assert ["Metric: Churn, 0 % complete", "3", "2", "2"] in items
    reachable = await tree.get_by_role("treeitem").evaluate_all("all => all.filter(one => one.tabIndex === 0).length")
    assert reachable == 1, "one stop for the Tab key, arrows inside"


async def test_focus_is_always_visible(stage: Stage, visitors: Visitors) -> None:
    ada = await visitors.new(stage, "ada")
    await ada.visit(await stage.tree())
    await ada.page.locator("body").press("Escape")
    seen: list[str] = []
    unmarked: list[str] = []
    for _ in range(30):
        await ada.page.keyboard.press("Shift+Tab")
        shown = await ada.page.evaluate(
            """() => {
              const one = document.activeElement;
              if (!one || one === document.body) return null;
              const { outlineStyle, boxShadow } = getComputedStyle(one);
              const marked = outlineStyle !== "none" || boxShadow !== "none" || one.matches("input, textarea");
              return { name: one.ariaLabel ?? one.id ?? one.tagName, marked };
            }"""
        )
        if shown is None:
            continue
        seen.append(shown["name"])
        if not shown["marked"]:
            unmarked.append(shown["name"])
    assert len(set(seen)) > 10
    assert unmarked == []


async def test_changes_of_state_are_told_to_a_screen_reader(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, bo = await visitors.new(stage, "ada"), await visitors.new(stage, "bo")
    await ada.visit(tree)
    await bo.visit(tree)
    said = ada.page.locator("#said")
    await expect(said).to_have_text("Bo Diddley is here.")
    await ada.card("churn").focus()
    await ada.page.keyboard.press("Delete")
    await expect(said).to_have_text("“Churn” moved to the trash.")


async def test_a_phone_shows_everything_without_scrolling_sideways(stage: Stage, visitors: Visitors) -> None:
    ada = await visitors.new(stage, "ada", **PHONE)
    await ada.visit(await stage.tree())
    await ada.shot("phone")
    assert await ada.run("document.documentElement.scrollWidth <= innerWidth")
    await ada.card("goal").tap()
    await ada.page.get_by_role("button", name="Details", exact=True).tap()
    await expect(ada.page.get_by_role("textbox", name="Description")).to_be_visible()
    assert await ada.run("document.documentElement.scrollWidth <= innerWidth")
    await at_rest(ada)
    await ada.shot("phone-details")
    assert await faults(ada.page) == []
    small = await ada.page.evaluate(
        """() => [...document.querySelectorAll('button')]
          .filter((one) => one.checkVisibility() && !one.closest('#world'))
          .map((one) => [one.ariaLabel ?? one.textContent, one.getBoundingClientRect()])
          .filter(([, { width, height }]) => Math.min(width, height) < 24).map(([name]) => name)"""
    )
    assert small == [], "WCAG 2.2, 2.5.8: 24 by 24 pixels at least, what can be zoomed apart"
