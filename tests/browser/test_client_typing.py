"""Three people type in one field in three browsers over lines that are cut, against a real server."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.browser.stage import Stage
from tests.browser.visitors import AWAY, Visitor, Visitors

pytestmark = pytest.mark.browser

TOKENS = 40  # of each person
TEXT = "tree.view.nodes.get('goal').description"
# A token at the beginning, at the end, or between two others, now and then with a rest
TYPE = """
  window.typing = (async () => {
    for (let i = 0; i < it.tokens; i += 1) {
      const text = tree.view.nodes.get('goal').description;
      const gaps = [0, text.length, ...[...text.matchAll(/>/g)].map((found) => found.index + 1)];
      tree.splice('goal', 'description', gaps[Math.floor(Math.random() * gaps.length)], 0, `<${it.name}👋${i}>`);
      if (Math.random() < 0.5) await new Promise((done) => setTimeout(done, Math.random() * 30));
    }
    window.typed = true;
  })();
"""


async def troubled(visitor: Visitor, chance: random.Random) -> None:
    """Cut the line now and then while they type."""
    while not await visitor.run("window.typed === true"):
        await visitor.run("new Promise((done) => setTimeout(done, it))", chance.randrange(20, 120))
        await visitor.line.cut()
        visitor.line.mend()
    await visitor.run("client.reconnect()")


async def test_three_people_type_in_one_field_over_bad_lines(stage: Stage, visitors: Visitors) -> None:
    visitors.allow(AWAY)
    tree = await stage.tree()
    people = [await visitors.new(stage, name, line=True) for name in ("ada", "bo", "cy")]
    await asyncio.gather(*(one.client(tree) for one in people))
    for one in people:
        await one.start(TYPE, {"name": one.user, "tokens": TOKENS})
    await asyncio.gather(*(troubled(one, random.Random(one.user)) for one in people))
    await asyncio.gather(*(one.saved() for one in people))
    text = (await stage.nodes(tree))["goal"]["description"]
    for one in people:
        await one.until(f"{TEXT} === it", text)
        for number in range(TOKENS):
            assert text.count(f"<{one.user}👋{number}>") == 1, f"{one.user} {number} in {text}"
        assert await one.run("[tree.conflicts.length, faults.length]") == [0, 0]
    assert len(text) == sum(len(f"<{one.user}👋{number}>") for one in people for number in range(TOKENS))
