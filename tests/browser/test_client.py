"""The browser client alone, against a real server: editing together, undoing, conflicts, rights."""

from __future__ import annotations

import asyncio

import pytest

from tests.browser.stage import Stage
from tests.browser.visitors import Visitor, Visitors

pytestmark = pytest.mark.browser

DESCRIPTION = "tree.view.nodes.get('goal').description"


async def pair(visitors: Visitors, stage: Stage, tree: int) -> tuple[Visitor, Visitor]:
    ada, bo = await visitors.new(stage, "ada"), await visitors.new(stage, "bo")
    await asyncio.gather(ada.client(tree), bo.client(tree))
    return ada, bo


async def test_each_sees_what_the_other_edits(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, bo = await pair(visitors, stage, tree)
    result = await ada.run("tree.update('goal', { title: 'Grow 20%' })")
    assert result["status"] == "applied"
    await bo.until("tree.view.nodes.get('goal').title === 'Grow 20%'")
    made = await bo.run("tree.insert({ id: 'new', parent: 'keep', type: 'solution', title: 'A loyalty card' })")
    assert made["status"] == "applied"
    await ada.until("tree.view.nodes.get('new')?.parent === 'keep'")
    await ada.saved()
    assert (await stage.nodes(tree))["new"]["title"] == "A loyalty card"


async def test_an_edit_shows_at_once_and_is_saved_only_when_it_is_durable(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada", line=True)
    await ada.client(tree)
    assert await ada.run("tree.status.state") == "saved"
    ada.line.deaf = True
    await ada.start("window.answer = 'none'; tree.update('goal', { title: 'Shown' }).then((one) => { answer = one; })")
    assert await ada.title("goal") == "Shown"
    await ada.until("tree.queue.some((one) => one.state === 'sent')")
    assert await ada.run("[tree.status.state, answer]") == ["saving", "none"]
    await ada.line.cut()  # the answer is lost with the socket, and the op is sent again
    await ada.until("tree.status.state === 'offline' && tree.status.count === 1")
    await ada.back()
    await ada.saved()
    assert (await ada.run("answer"))["status"] in ("applied", "duplicate")
    assert await stage.changes(tree) == 1


async def test_both_type_in_one_description_and_every_character_is_kept(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, bo = await pair(visitors, stage, tree)
    await ada.run("tree.write('goal', 'description', 'middle')")
    await bo.until(f"{DESCRIPTION} === 'middle'")
    # one at the start, the other at the end, each letter an edit of its own, none waiting for an answer
    typing = """(async () => {
      const length = () => tree.view.nodes.get('goal').description.length;
      const done = [];
      for (const letter of it.text) {
        done.push(tree.splice('goal', 'description', it.atEnd ? length() : 0, 0, letter));
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
      return (await Promise.all(done)).map((one) => one.status);
    })()"""
    first = "👩‍🚀 zażółć gęślą jaźń "[::-1]
    second = " שלום e\u0301 0123456789"
    answers = await asyncio.gather(
        ada.run(typing, {"text": first, "atEnd": False}), bo.run(typing, {"text": second, "atEnd": True})
    )
    assert {status for some in answers for status in some} <= {"applied", "merged", "duplicate"}
    await asyncio.gather(ada.saved(), bo.saved())
    expected = f"{first[::-1]}middle{second}"
    await asyncio.gather(*(one.until(f"{DESCRIPTION} === it", expected) for one in (ada, bo)))
    assert (await stage.nodes(tree))["goal"]["description"] == expected


async def test_undo_takes_back_ones_own_change_and_leaves_the_others(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, bo = await pair(visitors, stage, tree)
    await ada.run("tree.update('goal', { title: 'By Ada' })")
    await ada.run("tree.update('reach', { title: 'Also by Ada' })")
    await bo.until("tree.view.nodes.get('reach').title === 'Also by Ada'")
    await bo.run("tree.update('keep', { title: 'By Bo' })")
    await ada.until("tree.view.nodes.get('keep').title === 'By Bo'")
    assert await ada.run("[tree.canUndo, tree.canRedo]") == [True, False]
    await ada.run("tree.undo()")
    await ada.run("tree.undo()")
    titles = "['goal', 'reach', 'keep'].map((id) => tree.view.nodes.get(id).title)"
    assert await ada.run(titles) == ["Grow", "Reach more people", "By Bo"]
    await ada.run("tree.redo()")
    assert await ada.run(titles) == ["By Ada", "Reach more people", "By Bo"]
    await bo.until("tree.view.nodes.get('goal').title === 'By Ada'")
    assert await bo.run("tree.canUndo") is True, "Bo's own change"


async def test_undo_does_not_take_back_what_another_wrote_over_it(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, bo = await pair(visitors, stage, tree)
    await ada.run("tree.update('goal', { title: 'By Ada' })")
    await bo.until("tree.view.nodes.get('goal').title === 'By Ada'")
    await bo.run("tree.update('goal', { title: 'By Bo' })")
    await ada.until("tree.view.nodes.get('goal').title === 'By Bo'")
    await ada.run("tree.undo() ?? []")
    await ada.saved()
    assert (await stage.nodes(tree))["goal"]["title"] == "By Bo"


async def test_a_deleted_branch_is_in_the_trash_and_comes_back(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, bo = await pair(visitors, stage, tree)
    await ada.run("tree.remove('reach')")
    await bo.until("!tree.view.nodes.has('reach') && !tree.view.nodes.has('word')")
    trash = await bo.run("tree.trash()")
    assert [(one["node"]["id"], one["nodes"], one["by"]) for one in trash] == [("reach", 3, "ada")]
    await bo.run("tree.restore('reach')")
    await ada.until("tree.view.nodes.has('reach') && tree.view.nodes.has('word')")
    assert await ada.run("tree.trash()") == []


async def test_a_cycle_is_refused_and_the_view_is_as_before(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada")
    await ada.client(tree)
    answer = await ada.run("tree.move('goal', { parent: 'word', position: { x: 0, y: 0 } })")
    assert (answer["status"], answer["code"]) == ("rejected", "cycle")
    assert await ada.run("tree.view.nodes.get('goal').parent") is None
    await ada.run("tree.discard()")
    await ada.until("tree.status.state === 'saved'")
    assert await stage.changes(tree) == 0


async def test_a_viewer_reads_and_can_not_write(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree(visibility="tenant_view")
    ada, bo = await pair(visitors, stage, tree)
    assert await bo.run("tree.role") == "viewer"
    outcome = await bo.run(
        "tree.update('goal', { title: 'Mine' }).then((one) => one.code, (error) => error.code ?? error.name)"
        ".catch(String)"
    )
    assert outcome == "forbidden"
    await ada.run("tree.update('goal', { title: 'By Ada' })")
    await bo.until("tree.view.nodes.get('goal').title === 'By Ada'")
    assert await stage.changes(tree) == 1


async def test_people_see_each_other(stage: Stage, visitors: Visitors) -> None:
    ada, bo = await pair(visitors, stage, await stage.tree())
    await bo.run("tree.present({ cursor: { x: 1, y: 2 }, selection: ['goal'] })")
    await ada.until("[...tree.people.values()].some((one) => one.user === 'bo' && one.state.selection?.[0] === 'goal')")
    assert await ada.run("[...tree.people.values()].map((one) => one.name)") == ["Bo Diddley"]
    await bo.page.close()
    await ada.until("tree.people.size === 0")


async def test_an_overwritten_value_is_kept_and_can_be_taken_back(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada", line=True)
    bo = await visitors.new(stage, "bo", line=True)
    await asyncio.gather(ada.client(tree), bo.client(tree))
    ada.line.deaf = True  # so that she does not know what Bo has written when she writes
    await bo.run("tree.update('goal', { title: 'By Bo' })")
    await ada.start("tree.update('goal', { title: 'By Ada' })")
    await bo.until("tree.view.nodes.get('goal').title === 'By Ada' && tree.conflicts.length === 1")
    record = await bo.run("tree.conflicts[0]")
    assert (record["kind"], record["user"], record["node"]) == ("overwritten", "bo", "goal")
    path = record["paths"]["title"]
    assert (path["base"], path["mine"], path["theirs"], path["by"]) == ("Grow", "By Bo", "By Ada", "ada")
    assert await bo.run("tree.status") == {"state": "conflict", "count": 1}
    await bo.run("tree.resolve(it, 'mine')", record["id"])
    await bo.until("tree.view.nodes.get('goal').title === 'By Bo' && tree.conflicts.length === 0")
    await bo.until("tree.status.state === 'saved'")
    await ada.line.cut()
    await ada.back()
    await ada.until("tree.view.nodes.get('goal').title === 'By Bo'")
