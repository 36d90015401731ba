"""What a person looks at on the page is counted for themselves, and only where they let it be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.browser.stage import Stage
from tests.browser.visitors import Visitor, Visitors
from tests.waiting import POLL_SECONDS

pytestmark = pytest.mark.browser

LOOKED = "new Promise((looked) => setTimeout(looked, 1_100))"  # a second is what counts as looking
UNWATCHED = "Object.defineProperty(navigator, 'globalPrivacyControl', { value: true });"


async def entries(stage: Stage) -> list[dict[str, Any]]:
    found = await stage.ask("GET", "/api/v1/users/ada/activity?kinds=node_viewed,node_clicked,tree_viewed")
    told: list[dict[str, Any]] = found["entries"]
    return told


async def told(stage: Stage) -> list[dict[str, Any]]:
    """Once all has come, which the page sends some seconds after it was opened again: a visit that slow pages made
    before comes by itself, and the time on the tree is no less than that on its cards."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while len({one["kind"] for one in found}) < 3 or spent(found, "tree_viewed") < spent(found, "node_viewed"):
            found = await entries(stage)
            await asyncio.sleep(POLL_SECONDS)
    return found


def spent(found: list[dict[str, Any]], kind: str) -> int:
    """Milliseconds."""
    return sum(one["duration_ms"] for one in found if one["kind"] == kind)


async def look(ada: Visitor) -> None:
    """Two cards, the first for more than a second; then away to another tab."""
    await ada.card("word").click()
    await ada.page.evaluate(LOOKED)
    await ada.card("keep").click()
    await ada.page.evaluate("dispatchEvent(new Event('pagehide'))")


async def test_what_was_looked_at_is_counted_once_though_the_page_was_left(stage: Stage, visitors: Visitors) -> None:
    """[AC2] [AC9] [AC11] [AC12]"""
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada")
    await ada.visit(tree)
    await look(ada)
    await ada.page.reload()
    found = await told(stage)
    viewed = [one for one in found if one["kind"] == "node_viewed" and one["node"] == "word"]
    assert [one["count"] for one in viewed] == [1]
    assert 1_000 <= viewed[0]["duration_ms"] <= 60_000
    assert {one["node"] for one in found if one["kind"] == "node_clicked"} == {"word", "keep"}
    of_the_tree = await stage.ask("GET", f"/api/v1/trees/{tree}/activity")
    assert [one["kind"] for one in of_the_tree["entries"]] == ["tree_created"]
    numbers = await stage.ask("GET", "/api/v1/users/ada/metrics")
    assert numbers["totals"]["time_spent_ms"] == spent(found, "tree_viewed"), "the card was looked at within it"


async def test_who_does_not_want_it_is_not_watched(stage: Stage, visitors: Visitors) -> None:
    """[AC9]"""
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada", init=UNWATCHED)
    await ada.visit(tree)
    await look(ada)
    assert await ada.page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('treesync-seen'))") == []
