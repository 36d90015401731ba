"""The page at `/`: trees out of files that are dropped or chosen, and into files."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import Stage
from tests.browser.test_accessibility import at_rest, faults
from tests.browser.visitors import Visitors

pytestmark = pytest.mark.browser

OUTLINE = "# Plan\n> what for\n- objective: Grow\n  - metric: Churn\n"
DROP = """(it) => {
  const data = new DataTransfer();
  for (const { name, content } of it) data.items.add(new File([content], name));
  if (!it.length) data.setData("text/plain", "no file");
  for (const kind of ["dragenter", "dragover"])
    document.body.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data }));
  window.invited = !document.getElementById("drop-zone").hidden;
  document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: data }));
}"""


async def drop(page: Page, *files: tuple[str, str]) -> None:
    await page.evaluate(DROP, [{"name": name, "content": content} for name, content in files])


async def listed(stage: Stage) -> list[dict[str, Any]]:
    trees: list[dict[str, Any]] = (await stage.ask("GET", "/api/v1/trees?limit=500"))["trees"]
    return trees


async def test_a_dropped_file_is_shown_before_it_becomes_a_tree(stage: Stage, visitors: Visitors) -> None:
    """[HT8] [HT10]"""
    ada = await visitors.new(stage, "ada")
    await ada.visit(await stage.tree())
    before = len(await listed(stage))
    await drop(ada.page, ("plan.md", OUTLINE))
    assert await ada.page.evaluate("window.invited"), "it is said where a file may be let go"
    dialog = ada.page.get_by_role("dialog", name="A tree from a file")
    await expect(dialog.get_by_label("What it will be")).to_contain_text("2 nodes on 2 levels")
    await expect(dialog.get_by_label("Name of the new tree")).to_have_value("Plan")
    assert len(await listed(stage)) == before, "nothing is made yet"
    await at_rest(ada)
    assert await faults(ada.page) == []
    await ada.shot("import")
    await dialog.get_by_label("Name of the new tree").fill("Plan of the year")
    await dialog.get_by_role("button", name="Make this tree").click()
    await expect(ada.page.get_by_role("treeitem", name=re.compile("^Metric: Churn"))).to_be_visible()
    await expect(ada.page.get_by_label("Name of the tree")).to_have_value("Plan of the year")
    made = {tree["name"]: tree for tree in await listed(stage)}["Plan of the year"]
    assert (made["node_count"], made["visibility"]) == (2, "private")


REFUSED: list[tuple[list[tuple[str, str]], str]] = [
    ([("broken.csv", "id,type,title\na,metric,T\na,metric,T\n")], "line 3: the id a stands at line 2 already"),
    ([("photo.png", "\x89PNG")], "“photo.png” is not a kind of file that holds a tree."),
    ([("empty.json", "")], "“empty.json” is empty."),
    ([("a.md", OUTLINE), ("b.md", OUTLINE)], "2 files at once can not become a tree."),
    ([("large.md", "- a\n" * 2_500_000)], "“large.md” has 10.0 MB; a file of at most 8.4 MB can be taken."),
    ([("<img src=x onerror=alert(1)>.doc", "x")], "“<img src=x onerror=alert(1)>.doc” is not a kind of file"),
]


async def test_what_is_no_tree_is_refused_with_its_reason(stage: Stage, visitors: Visitors) -> None:
    visitors.allow("422")
    ada = await visitors.new(stage, "ada")
    await ada.visit(await stage.tree())
    before = len(await listed(stage))
    for files, why in REFUSED:
        await drop(ada.page, *files)
        await expect(ada.page.get_by_role("dialog").get_by_role("alert")).to_contain_text(why)
        await ada.page.keyboard.press("Escape")
        await expect(ada.page.get_by_role("dialog")).to_have_count(0)
    assert len(await listed(stage)) == before


async def test_what_goes_out_by_the_menu_comes_in_again(stage: Stage, visitors: Visitors) -> None:
    """[HT7]"""
    tree = await stage.tree(name="Größe / 1")
    ada = await visitors.new(stage, "ada")
    await ada.visit(tree)
    await ada.page.get_by_role("button", name="More").press("Enter")
    menu = ada.page.get_by_role("menu")
    await expect(menu.get_by_role("menuitem", name="Dashboard")).to_be_focused()
    await at_rest(ada)
    assert await faults(ada.page) == []
    await ada.page.keyboard.press("ArrowUp")
    await expect(menu.get_by_role("menuitem", name=re.compile("^CSV"))).to_be_focused()
    async with ada.page.expect_download() as waiting:
        await menu.get_by_role("menuitem", name=re.compile("^OPML")).click()
    download = await waiting.value
    assert download.suggested_filename == "Größe _ 1.opml"
    await expect(ada.toast).to_contain_text("Exported as Größe / 1.opml.")
    content = (await download.path()).read_bytes()
    await ada.page.set_input_files("input[type=file]", {"name": "x.opml", "mimeType": "", "buffer": content})
    await expect(ada.page.get_by_label("What it will be")).to_contain_text("7 nodes on 3 levels")


async def test_without_network_it_is_said_what_can_not_be_done(stage: Stage, visitors: Visitors) -> None:
    visitors.allow("net::ERR")
    ada = await visitors.new(stage, "ada")
    await ada.visit(await stage.tree())
    await ada.page.route("**/api/v1/**", lambda route: route.abort())
    await drop(ada.page, ("plan.md", OUTLINE))
    why = "This needs the network; try again when it is back."
    await expect(ada.page.get_by_role("dialog").get_by_role("alert")).to_have_text(why)
    await ada.page.keyboard.press("Escape")
    await ada.page.get_by_role("button", name="More").click()
    await ada.page.get_by_role("menuitem", name=re.compile("^JSON")).click()
    await expect(ada.toast).to_contain_text(f"Not exported. {why}")
