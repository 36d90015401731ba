"""How smoothly the page looks back over a large tree: `python -m tests.browser.sliding [nodes]`.

A real server and a real browser; the slider is stepped and dragged over a life of 600 edits. Told is what held up the
page for 50 ms or longer (Long Tasks API, W3C): anything else stands in a person's way no longer than three frames.
No test: its figures are those of a machine.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.browser.chromium import launched
from tests.browser.stage import Node, Stage, staged
from tests.browser.visitors import visiting

NODES, EDITS, AT_ONCE = 10_000, 600, 20
TYPES = ("objective", "outcome", "opportunity", "solution", "assumption", "metric")
WATCH = """
window.held = [];
new PerformanceObserver((list) => held.push(...list.getEntries().map((one) => Math.round(one.duration))))
  .observe({ type: "longtask", buffered: true });
"""


def nodes(count: int) -> list[Node]:
    """Six below each, without places of their own: the page lays them out anew at each moment."""
    words = "Some words that stand here for those that people write. " * 3
    return [
        {"id": f"n{number}", "type": TYPES[number % 6], "title": f"Card number {number}", "description": words}
        | ({"parent": f"n{(number - 1) // 6}"} if number else {})
        for number in range(count)
    ]


async def edited(stage: Stage, tree: int, count: int) -> None:
    for first in range(1, EDITS + 1, AT_ONCE):
        ops = [op(number, number * 331 % count) for number in range(first, first + AT_ONCE)]
        await stage.ask("POST", f"/api/v1/trees/{tree}/edits", {"client_id": "sliding", "ops": ops})


def op(number: int, about: int) -> dict[str, Any]:
    kinds: list[dict[str, Any]] = [
        {"op": "update", "node": f"n{about}", "set": {"title": f"Called anew by edit {number}"}},
        {"op": "insert", "node": f"new{number}", "parent": f"n{about}", "type": "solution", "title": f"Edit {number}"},
        {"op": "update", "node": f"n{about}", "set": {"description": f"Other words, of edit {number}"}},
    ]
    return kinds[number % 3] | {"n": number, "base": 1}


async def told(page: Page, what: str) -> None:
    await page.wait_for_timeout(1_500)
    held = await page.evaluate("held.splice(0)")
    print(f"{what}: {len(held)} of 50 ms or longer{f', the longest {max(held)} ms' if held else ''}", flush=True)


async def slide(page: Page) -> None:
    slider = page.get_by_role("slider")
    await slider.focus()
    for _ in range(40):
        await slider.press("ArrowLeft")
        await page.wait_for_timeout(60)
    await told(page, "40 steps by key")
    box = await slider.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + 0.9 * box["width"], y)
    await page.mouse.down()
    for step in range(60):
        await page.mouse.move(box["x"] + (0.9 - 0.8 * step / 60) * box["width"], y)
        await page.wait_for_timeout(30)
    await page.mouse.up()
    await told(page, "one drag over 80 % of its life")
    await page.get_by_role("button", name="Back to now").click()
    await told(page, "back to now")


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with launched() as browser, staged(Path(directory), "serve") as stage, visiting(browser) as visitors:
            tree = await stage.tree(nodes(count))
            await edited(stage, tree, count)
            ada = await visitors.new(stage, "ada", init=WATCH, viewport={"width": 1440, "height": 900})
            await ada.visit(tree)
            await told(ada.page, f"opening {count:,} nodes")
            await ada.page.get_by_role("button", name="History", exact=True).click()
            await told(ada.page, "opening the history")
            await slide(ada.page)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else NODES))
