"""The browser client against a real server where much goes wrong: bad lines, tabs that are gone, a wrong clock."""

from __future__ import annotations

import asyncio
import random
import re

import pytest
from playwright.async_api import WebSocketRoute

from tests.browser.stage import Stage
from tests.browser.visitors import AWAY, Visitor, Visitors
from tests.commands import OPERATOR

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


async def test_what_several_closed_tabs_left_is_sent_by_one(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    first = await visitors.new(stage, "ada", line=True)
    tabs = [first, await first.tab(), await first.tab()]
    for tab in tabs:
        await tab.client(tree)
    await first.line.cut()
    for number, tab in enumerate(tabs):
        await tab.until("tree.status.state === 'offline'")
        await tab.start("tree.insert({ parent: 'goal', type: 'outcome', title: `Tab ${it}` })", number)
        await tab.start("tree.splice('goal', 'description', 0, 0, `<${it}>`)", number)
        await tab.until("tree.queue.length === 2")
        await tab.run("new Promise((done) => setTimeout(done, 50))")  # nobody waits for the store before closing a tab
    last = await first.tab()
    for tab in tabs:
        await tab.page.close()
    first.line.mend()
    await last.client(tree)
    await last.until("tree.view.children('goal').length === 5")
    await last.saved()
    await last.until("['<0>', '<1>', '<2>'].every((it) => tree.view.nodes.get('goal').description.includes(it))")
    titles = sorted(node["title"] for node in (await stage.nodes(tree)).values() if node["title"].startswith("Tab"))
    assert titles == ["Tab 0", "Tab 1", "Tab 2"]
    assert await stage.changes(tree) == 6, "each edit once"
    assert await last.run("faults") == []


async def test_a_clock_that_is_a_year_off_changes_nothing(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    for years in (-1, 1):
        wrong = f"const now = Date.now; Date.now = () => now() + {years} * 365 * 86_400_000;"
        ada = await visitors.new(stage, "ada", line=True, init=wrong)
        await ada.client(tree)
        await ada.line.cut()
        await ada.until("tree.status.state === 'offline'")
        await ada.start("tree.update('goal', { title: `Year ${it}` })", years)
        ada.line.mend()
        await ada.saved()
        assert (await stage.nodes(tree))["goal"]["title"] == f"Year {years}"
        assert await ada.run("[client.state, faults.length]") == ["online", 0]


async def test_a_tree_is_open_with_all_that_was_edited_before(stage: Stage, visitors: Visitors) -> None:
    """[OP13] The state that the server keeps for new visitors is older than the edits; those follow it."""
    ada, bo = await visitors.new(stage, "ada"), await visitors.new(stage, "bo")
    await bo.client(await stage.tree())
    tree = await stage.tree()
    await ada.client(tree)
    await ada.run("tree.update('goal', { title: 'First' })")
    assert await bo.run("client.open(it).then((one) => one.view.nodes.get('goal').title)", tree) == "First"


async def test_a_queue_of_a_tree_that_is_gone_is_kept_and_can_be_taken_out(stage: Stage, visitors: Visitors) -> None:
    visitors.allow(AWAY)
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada", line=True)
    await ada.client(tree)
    await ada.line.cut()
    await ada.until("tree.status.state === 'offline'")
    await ada.start("tree.update('goal', { title: 'Too late' })")
    await stage.ask("DELETE", f"/api/v1/trees/{tree}")
    await ada.page.reload()
    ada.line.mend()
    await ada.connect(tree)
    await ada.until("tree.closed?.code === 'not_found' && tree.status.state === 'refused'")
    kept = await ada.run("JSON.parse(tree.exportQueue())")
    assert (kept["user"], kept["tree"], kept["queue"][0]["op"]["set"]) == ("ada", tree, {"title": "Too late"})


TYPE_SOME = """
  for (let i = 0; i < 4; i += 1) {
    const text = tree.view.nodes.get('goal').description;
    tree.splice('goal', 'description', Math.random() < 0.5 ? 0 : text.length, 0, `<${it}.${i}>`);
  }
  tree.insert({ id: `made${it}`, parent: 'goal', type: 'outcome', title: `Made ${it}` });
"""


async def test_reloads_at_any_moment_lose_nothing_and_double_nothing(stage: Stage, visitors: Visitors) -> None:
    visitors.allow(AWAY)
    tree = await stage.tree()
    ada, bo = await visitors.new(stage, "ada", line=True), await visitors.new(stage, "bo")
    await asyncio.gather(ada.client(tree), bo.client(tree))
    chance = random.Random(5)
    rounds = 8
    for turn in range(rounds):
        how = chance.choice(["cut", "deaf", "whole"])
        if how == "cut":
            await ada.line.cut()
        ada.line.deaf = how == "deaf"  # what was sent arrives, what is answered does not
        await ada.start(TYPE_SOME, turn)
        await bo.start(f"tree.splice('goal', 'description', 0, 0, '[bo{turn}]')")
        await ada.run("new Promise((done) => setTimeout(done, it))", chance.randrange(40, 160))  # until it is stored
        await ada.page.reload()
        if chance.random() < 0.6:
            ada.line.mend()
        await ada.connect(tree)
    ada.line.mend()
    await ada.run("client.reconnect()")
    await asyncio.gather(ada.saved(), bo.saved())
    nodes = await stage.nodes(tree)
    text = nodes["goal"]["description"]
    for turn in range(rounds):
        assert nodes[f"made{turn}"]["title"] == f"Made {turn}"
        assert text.count(f"[bo{turn}]") == 1, text
        for number in range(4):
            assert text.count(f"<{turn}.{number}>") == 1, f"{turn}.{number} in {text}"
    for one in (ada, bo):
        await one.until(f"{TEXT} === it", text)
    assert await ada.run("[tree.conflicts.length, faults.length]") == [0, 0]


# As a profile that was restored from a backup would have it: numbers were given that this store does not know
FORGET_NUMBERS = """async () => {
  const { openDB } = await import("/vendor/idb.js");
  const db = await openDB("treesync", 1);
  for (const one of await db.getAll("numbers")) await db.put("numbers", { ...one, sentN: 0 });
  db.close();
}"""


async def test_a_store_from_a_backup_goes_on_under_another_client_id(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada = await visitors.new(stage, "ada", line=True)
    await ada.client(tree)
    await ada.run("tree.update('goal', { title: 'One' })")
    await ada.run("tree.update('goal', { title: 'Two' })")
    first = await ada.run("client.clientId")
    await ada.line.cut()
    await ada.until("tree.status.state === 'offline'")
    await ada.start("tree.splice('goal', 'description', 0, 0, 'typed ')")
    await ada.run("new Promise((done) => setTimeout(done, 50))")  # until it is stored
    await ada.page.goto(f"{stage.url}/empty")
    await ada.page.evaluate(FORGET_NUMBERS)
    ada.line.mend()
    await ada.connect(tree)
    await ada.saved()
    assert await ada.run("client.clientId") != first
    assert (await stage.nodes(tree))["goal"]["description"].startswith("typed ")
    assert await stage.changes(tree) == 3
    assert (await ada.run("tree.update('goal', { title: 'Three' })"))["n"] == 2
    await ada.page.reload()
    await ada.connect(tree)
    assert (await ada.run("tree.update('goal', { title: 'Four' })"))["n"] == 3, "it is the queue of this tab now"


async def test_what_is_larger_than_a_message_goes_all_the_same(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, bo = await visitors.new(stage, "ada"), await visitors.new(stage, "bo")
    await asyncio.gather(ada.client(tree), bo.client(tree))
    await ada.start("tree.splice('goal', 'description', 0, 0, '👋é'.repeat(30_000))")  # 180 kB; a message has 64
    await ada.start("tree.update('keep', { title: 'Behind it' })")
    await ada.saved()
    await bo.until("tree.view.nodes.get('goal').description.length === 90_000")
    assert (await stage.nodes(tree))["keep"]["title"] == "Behind it"
    answer = await ada.run("tree.update('goal', { description: 'x'.repeat(300_000) })")
    assert (answer["status"], answer["code"]) == ("rejected", "too_large"), "refused at the keyboard"
    await ada.start(
        "for (let i = 0; i < 1200; i += 1) tree.insert({ parent: 'keep', type: 'metric', title: `Many ${i}` })"
    )
    await ada.saved()
    await bo.until("tree.view.nodes.size === 1207")
    assert await bo.run("tree.queue.length") == 0


async def test_a_replica_that_went_wrong_is_noticed_and_made_right(stage: Stage, visitors: Visitors) -> None:
    tree = await stage.tree()
    ada, bo = await visitors.new(stage, "ada"), await visitors.new(stage, "bo")

    def falsify(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            said = str(message)
            socket.send(said.replace("By Bo", "By nobody") if '"type":"ops"' in said else said)

        server.on_message(pass_on)

    await ada.page.route_web_socket(re.compile(r"/ws$"), falsify)
    await asyncio.gather(ada.client(tree), bo.client(tree))
    before = await mismatches(stage)
    await bo.run("tree.update('goal', { title: 'By Bo' })")
    await bo.run("tree.update('keep', { title: 'Another' })")  # at the latest the digest of this frame tells
    await ada.until("tree.view.nodes.get('goal').title === 'By Bo' && tree.view.nodes.get('keep').title === 'Another'")
    assert await mismatches(stage) > before
    assert await ada.run("tree.status.state") == "saved"


async def mismatches(stage: Stage) -> float:
    metrics = (await stage.command.ask("GET", "/metrics", bearer=OPERATOR)).text
    return float(re.findall(r"^treesync_digest_mismatches_total (\S+)", metrics, re.MULTILINE)[0])
