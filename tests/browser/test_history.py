"""A tree's past through the browser client, against a real server."""

from __future__ import annotations

import pytest

from tests.browser.stage import Stage
from tests.browser.visitors import Visitors

pytestmark = pytest.mark.browser


async def test_a_tree_is_kept_compared_restored_and_undone(stage: Stage, visitors: Visitors) -> None:
    """[HI2] [HI7] [HI10] [HI12] [HI14] [HI16]"""
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada")
    await ada.client(tree)
    before = await ada.title("goal")
    kept = await ada.run("tree.history.keep('Start', { description: 'as we began' })")
    assert (kept["kind"], kept["name"]) == ("named", "Start")
    await ada.run("tree.update('goal', { title: 'Grow 20%' })")
    assert [line["number"] for line in (await ada.run("tree.history.versions()"))["versions"]] == [kept["number"]]
    found = await ada.run(f"tree.history.diff({{ version: {kept['number']} }})")
    assert [change["node"] for change in found["difference"]["changed"]] == ["goal"]
    assert (await ada.run("tree.history.of('goal')"))["events"][0]["what"] == "changed"
    rehearsed = await ada.run(f"tree.history.restore({{ version: {kept['number']} }}, {{ dry_run: true }})")
    assert (rehearsed["count"], await ada.title("goal")) == (1, "Grow 20%")
    await ada.run(
        f"tree.history.restore({{ version: {kept['number']} }}).then((done) => {{ window.done = done; return done; }})"
    )
    await ada.until(f"tree.view.nodes.get('goal').title === {before!r}")
    await ada.run("tree.history.revert(window.done.undo)")
    await ada.until("tree.view.nodes.get('goal').title === 'Grow 20%'")
    past = await ada.run(f"tree.history.at({{ seq: {kept['seq']} }})")
    assert {node["id"]: node["title"] for node in past["state"]["nodes"]}["goal"] == before
