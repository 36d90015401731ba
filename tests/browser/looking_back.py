"""A tree with a past, and somebody who looks back at it on the page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.async_api import Locator, expect

from tests.browser.stage import Stage
from tests.browser.visitors import Visitor, Visitors

WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
BEFORE = "People who stay for a year tell others about the boxes they cook."
AFTER = "People who stay for two years tell their friends about the boxes they cook."


@dataclass
class Life:
    """A tree that is edited over HTTP. Its first change is that it was made."""

    stage: Stage
    tree: int
    _counts: dict[str, int] = field(default_factory=dict)

    async def edit(self, user: str, **op: Any) -> None:
        count = self._counts[user] = self._counts.get(user, 0) + 1
        base = (await self.stage.ask("GET", f"/api/v1/trees/{self.tree}"))["position"]["seq"]
        body = {"client_id": f"{user}-by-http", "ops": [op | {"n": count, "base": base}]}
        outcome = await self.stage.ask("POST", f"/api/v1/trees/{self.tree}/edits", body, user=user)
        assert [result["status"] for result in outcome["results"]] == ["applied"], outcome

    async def keep(self, name: str, user: str = "ada") -> None:
        await self.stage.ask("POST", f"/api/v1/trees/{self.tree}/versions", {"name": name}, user=user)


async def lived(stage: Stage, visibility: Literal["tenant_view", "tenant_edit"] = "tenant_edit") -> Life:
    """A tree with a past of 8 changes, two of its making: “Before the workshop” is the 3rd, Bo's are the 4th to 6th."""
    life = Life(stage, await stage.tree(visibility=visibility))
    if visibility == "tenant_view":
        await stage.ask("PUT", f"/api/v1/trees/{life.tree}/members/bo", {"role": "editor"})
    await life.edit("ada", op="update", node="keep", set={"description": BEFORE})
    await life.keep("Before the workshop")
    await life.edit("bo", op="update", node="keep", set={"title": "Keep everyone", "description": AFTER})
    place = {"x": 1120, "y": 400}
    await life.edit("bo", op="insert", node="new", parent="keep", type="solution", title="Call them", position=place)
    await life.edit("bo", op="move", node="word", parent="keep", after="churn", position={"x": 840, "y": 560})
    await life.edit("ada", op="delete", node="search")
    await life.edit("ada", op="update", node="goal", set={"title": "Grow 20%"})
    return life


class Historian:
    """Somebody at the page with the history open."""

    def __init__(self, visitor: Visitor) -> None:
        self.at = visitor
        self.page = visitor.page
        self.button = self.page.get_by_role("button", name="History", exact=True)
        self.panel = self.page.get_by_role("complementary", name="History")
        self.slider = self.page.get_by_role("slider", name="Moment in the life of the tree")
        self.words = self.page.locator("#past-words")
        self.dialog = self.page.locator("#going-back")

    async def open(self, tree: int) -> None:
        await self.at.visit(tree)
        await self.button.click()
        await expect(self.panel.get_by_role("button", name="Before the workshop").first).to_be_visible()

    async def look(self, name: str) -> None:
        await self.panel.get_by_role("tab", name="Versions").click()
        await self.panel.get_by_role("button", name=re.compile(f"^{name}")).first.click()
        await expect(self.words).to_contain_text("You are looking at")
        await expect(self.page.locator("#past-bar")).to_have_attribute("aria-busy", "false")

    async def choose(self, tab: str) -> None:
        await self.panel.get_by_role("tab", name=tab).click()

    def marked(self, node: str, *words: str) -> Any:
        name = re.compile(f", {', '.join(words)} since$")
        return expect(self.at.card(node)).to_have_attribute("aria-label", name)

    def planned(self, which: str = "ops") -> Locator:
        return self.dialog.locator(f'[data-list="{which}"] li')


async def historian(visitors: Visitors, stage: Stage, user: str, tree: int, **context: Any) -> Historian:
    one = Historian(await visitors.new(stage, user, **(context or WIDE)))
    await one.open(tree)
    return one
