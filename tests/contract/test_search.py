"""Every implementation of `sync.search.Search`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest

from storage import search
from storage.directory import PostgresDirectory
from storage.memory import MemoryDatabase, MemoryStore
from storage.memory_directory import MemoryDirectory
from storage.memory_search import MemorySearch
from storage.memory_templates import MemoryTemplates
from storage.postgres import PostgresStore
from storage.search import PostgresSearch
from sync.nodes import Node, NodeType
from sync.search import Hit, Hits, Search, SearchFilter, query, rank_of
from tests.batches import Writer, node
from tests.clocks import ManualClock
from tests.contract.conftest import Bench
from tests.postgres_servers import PostgresServers, opened

ANYTHING = SearchFilter()


class Kit(NamedTuple):
    bench: Bench
    search: Search

    async def page(self, asked: str, user: str = "ada", *, admin: bool = False, **how: Any) -> Hits:
        identity = self.bench.identity(user, admin=admin)
        only = SearchFilter(**{name: how.pop(name) for name in ("tree", "type", "status") if name in how})
        return await self.search.search(
            identity, query(asked), only=only, limit=how.get("limit", 50), after=how.get("after")
        )

    async def hits(self, asked: str, user: str = "ada", **how: Any) -> list[Hit]:
        found = await self.page(asked, user, **how)
        assert (found.next, found.complete, found.behind) == (None, True, 0)
        return found.hits

    async def nodes(self, asked: str, user: str = "ada", **how: Any) -> list[str | None]:
        return [hit.node for hit in await self.hits(asked, user, **how)]


def memory_kit() -> Kit:
    async def nothing(_: Any) -> Any:
        """Not looked at here."""

    clock = ManualClock()
    memory = MemoryDatabase(clock)
    bench = Bench(MemoryStore(memory), MemoryDirectory(memory), nothing, clock.advance)
    return Kit(bench, MemorySearch(memory, MemoryTemplates()))


@pytest.fixture(params=["memory", "18", "15"])
async def kit(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> AsyncIterator[Kit]:
    if request.param == "memory":
        yield memory_kit()
        return
    server = await postgres_servers.get(request.param)
    async with opened(server.shared) as database:
        bench = Bench(PostgresStore(database), PostgresDirectory(database), memory_kit().bench.activities, _let_pass)
        yield Kit(bench, PostgresSearch(database))


async def _let_pass(_seconds: float) -> None:
    """PostgreSQL's clock runs by itself."""


def plain(node_id: str, parent: str | None, title: str, kind: NodeType = "metric", **fields: Any) -> Node:
    made = Node(id=node_id, parent=parent, order=f"a{node_id}", type=kind, title=title)
    return msgspec.structs.replace(made, **fields)


async def grown(kit: Kit, *nodes: Node, name: str = "Strategy", **how: Any) -> Writer:
    writer = await kit.bench.create(name=name, **how)
    for one in nodes:
        writer.insert(one)
    await kit.bench.land(writer)
    return writer


async def test_se1_a_hit_says_where_it_is_and_shows_what_was_found(kit: Kit) -> None:
    """[SE1, SE4]"""
    goal = plain("n1", "root", "Keep customers")
    writer = await grown(kit, goal, plain("n2", "n1", "Less", description="Churn <b>falls</b> & stays low"))
    [hit] = await kit.hits("churn")
    assert (hit.tree, hit.tree_name, hit.node, hit.type, hit.status) == (
        writer.key.tree,
        "Strategy",
        "n2",
        "metric",
        "not_started",
    )
    assert [(one.node, one.title) for one in hit.path] == [
        ("root", node("root").title),
        ("n1", "Keep customers"),
    ]
    assert (hit.title, hit.field) == ("Less", "description")
    assert [(one.text, one.hit) for one in hit.snippet] == [("Churn", True), (" <b>falls</b> & stays low", False)]


async def test_se2_every_word_must_be_there_as_a_beginning(kit: Kit) -> None:
    """[SE2]"""
    await grown(kit, plain("n1", "root", "Customers cook three boxes"), plain("n2", "root", "Three of us"))
    assert await kit.nodes("custom") == ["n1"]
    assert await kit.nodes("three") == ["n1", "n2"] or await kit.nodes("three") == ["n2", "n1"]
    assert await kit.nodes("box THREE") == ["n1"]
    assert await kit.nodes("boxes ustomers") == []
    assert await kit.nodes("o") == [], "one letter is a whole word"
    for nothing in ("", "   ", "?! -- …", "🌳"):
        assert await kit.nodes(nothing) == []


async def test_se3_words_are_found_in_any_script_and_case(kit: Kit) -> None:
    """[SE3]"""
    text = "Größe резюме 顧客維持 고객이 ภาษาไทย Cafe\u0301 مَدْرَسَة L’eau"
    await grown(kit, plain("n1", "root", "Else"), plain("n2", "root", "Title", description=text))
    asked_for = "grösse GROSSE größ резюме 顧客 顧 客維 고객 ไทย cafe CAFÉ مدرسة l'eau leau"
    for asked in asked_for.split():
        assert await kit.nodes(asked) == ["n2"], asked
    assert await kit.nodes("維顧") == []


async def test_se5_the_best_come_first(kit: Kit) -> None:
    """[SE5]"""
    titled = plain("n1", "root", "Growth")
    begun = plain("n2", "root", "Growthy")
    described = plain("n3", "root", "Other", description="about growth")
    filled = plain("n4", "root", "Fourth", template_data={"core_why": "growth", "list": ["slow growth"]})
    other = await grown(kit, filled, described, begun, titled)
    named = await grown(kit, name="Growth of all")
    found = await kit.hits("growth")
    assert [(hit.tree, hit.node) for hit in found] == [
        (named.key.tree, None),
        (other.key.tree, "n1"),
        (other.key.tree, "n2"),
        (other.key.tree, "n3"),
        (other.key.tree, "n4"),
    ]
    assert found[0].field == "name"
    assert (found[-1].field, found[-1].title) == ("template_data.core_why", "Fourth")


async def test_se5_a_word_of_the_trees_name_stands_for_it_in_its_nodes(kit: Kit) -> None:
    """[SE5]"""
    tree = await grown(kit, plain("n1", "root", "Less churn"), name="Acme plan")
    await grown(kit, plain("n1", "root", "Less churn"), name="Other plan")
    assert [(hit.tree, hit.node) for hit in await kit.hits("acme churn")] == [(tree.key.tree, "n1")]
    assert await kit.nodes("acme plan") == [None]


async def test_se6_only_what_one_may_see_is_found(kit: Kit) -> None:
    """[SE6]"""
    mine = await grown(kit, plain("n1", "root", "Zebra"))
    shared = await grown(kit, plain("n1", "root", "Zebra"), visibility="tenant_view")
    await kit.bench.create(tenant=f"{kit.bench.tenant}-neighbour", name="Zebra")

    async def seen(user: str, *, admin: bool = False) -> set[int]:
        return {hit.tree for hit in await kit.hits("zebra", user, admin=admin)}

    both = {mine.key.tree, shared.key.tree}
    assert await seen("ada") == await seen("chef", admin=True) == both
    assert await seen("bo") == {shared.key.tree}
    assert await kit.hits("zebra", "bo", tree=mine.key.tree) == []
    await kit.bench.directory.set_member(mine.key, "bo", "viewer")
    assert await seen("bo") == both
    await kit.bench.directory.trash_tree(shared.key)
    assert await seen("bo") == {mine.key.tree}


async def test_se7_an_edit_is_found_right_behind_it_and_what_goes_is_not(kit: Kit) -> None:
    """[SE7]"""
    writer = await grown(kit, plain("n1", "root", "Zebra"))
    assert await kit.nodes("zebra") == ["n1"]
    writer.update("n1", title="Giraffe")
    writer.insert(plain("n2", "n1", "Giraffes"))
    await kit.bench.land(writer)
    assert await kit.nodes("zebra") == []
    assert set(await kit.nodes("giraffe")) == {"n1", "n2"}
    writer.delete("n2")
    await kit.bench.land(writer)
    assert await kit.nodes("giraffe") == ["n1"]
    writer.restore("n2")
    writer.rename("Zoo")
    await kit.bench.land(writer)
    assert set(await kit.nodes("giraffe")) == {"n1", "n2"}
    assert await kit.nodes("zoo") == [None]


async def test_se8_filters_are_those_of_nodes(kit: Kit) -> None:
    """[SE8]"""
    done = {"completion_status": "done"}
    first = await grown(
        kit, plain("n1", "root", "Lion", "metric", template_data=done), plain("n2", "root", "Lion", "research")
    )
    await grown(kit, plain("n3", "root", "Lion", "metric"), name="Lion")
    assert set(await kit.nodes("lion")) == {"n1", "n2", "n3", None}
    assert set(await kit.nodes("lion", type="metric")) == {"n1", "n3"}
    assert await kit.nodes("lion", status="complete") == ["n1"]
    assert set(await kit.nodes("lion", tree=first.key.tree)) == {"n1", "n2"}
    assert await kit.nodes("lion", tree=first.key.tree, type="research", status="complete") == []


async def test_se9_pages_hold_every_hit_once(kit: Kit) -> None:
    """[SE9]"""
    for one in range(3):
        await grown(kit, *(plain(f"n{number}", "root", f"Otter {one}") for number in range(3)))
    whole = await kit.hits("otter")
    found: list[Hit] = []
    after = None
    while True:
        page = await kit.page("otter", limit=2, after=after)
        found += page.hits
        if page.next is None:
            break
        after = rank_of(page.next)
    assert found == whole
    assert len(found) == 9


async def test_trees_with_words_anywhere_in_them(kit: Kit) -> None:
    tree = await grown(kit, plain("n1", "root", "Heron"), plain("n2", "root", "Stork"))
    await grown(kit, plain("n1", "root", "Heron"))
    identity = kit.bench.identity()
    assert await kit.search.trees_with(identity, query("heron stork"), limit=9) == [tree.key.tree]
    assert len(await kit.search.trees_with(identity, query("heron"), limit=9)) == 2
    assert len(await kit.search.trees_with(identity, query("heron"), limit=1)) == 1
    assert await kit.search.trees_with(kit.bench.identity("bo"), query("heron"), limit=9) == []


_TEXT = "plan plans planning grow growth growing slow churn cost costs people 顧客 客維"
_TEXTS = _TEXT.split()


def _drawn(chance: Random, node_id: str, parent: str | None) -> Node:
    texts = [" ".join(chance.choices(_TEXTS, k=chance.randint(1, 3))) for _ in range(3)]
    data = {"core_why": texts[2]} if chance.random() < 0.5 else {}
    return plain(
        node_id, parent, texts[0], chance.choice(["metric", "research"]), description=texts[1], template_data=data
    )


@pytest.mark.parametrize("few", [0, search.FEW_TREES])
async def test_se7_after_any_edits_all_find_what_reading_everything_finds(
    postgres_servers: PostgresServers, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """[SE2, SE5, SE7] From both ends of a question. The same edits in memory, where nothing is kept, and in PostgreSQL,
    brought level bit by bit."""
    monkeypatch.setattr(search, "FEW_TREES", few)
    server = await postgres_servers.get("18")
    async with opened(server.shared) as database:
        bench = Bench(PostgresStore(database), PostgresDirectory(database), memory_kit().bench.activities, _let_pass)
        kits = [Kit(bench, PostgresSearch(database)), memory_kit()]
        writers = [[await kit.bench.create(name=f"Plan {n}") for n in range(4)] for kit in kits]
        numbers = [{writer.key.tree: place for place, writer in enumerate(ours)} for ours in writers]
        for seed in range(25):
            for kit, ours in zip(kits, writers, strict=True):
                chance = Random(seed)
                writer = chance.choice(ours)
                _edit(chance, writer, seed)
                await kit.bench.land(writer)
            asked = " ".join(
                Random(seed).choices(["pl", "grow", "co", "churn", "顧客", "slow", "plan"], k=1 + seed % 2)
            )
            results = []
            for kit, known in zip(kits, numbers, strict=True):
                hits = await kit.hits(asked)
                results.append([msgspec.structs.replace(hit, tree=known[hit.tree]) for hit in hits])
            assert results[0] == results[1], (seed, asked)


def _edit(chance: Random, writer: Writer, seed: int) -> None:
    live = [row.node.id for row in writer.nodes.values() if row.deleted is None and row.node.parent is not None]
    gone = [row.node.id for row in writer.nodes.values() if row.deleted is not None]
    parents = {row.node.parent for row in writer.nodes.values()}
    for number in range(3):
        match chance.random():
            case share if share < 0.4 or not live:
                writer.insert(_drawn(chance, f"s{seed}-{number}", "root"))
            case share if share < 0.7:
                drawn = _drawn(chance, "x", None)
                writer.update(chance.choice(live), title=drawn.title, template_data=drawn.template_data)
            case share if share < 0.8:
                writer.rename(" ".join(chance.choices(_TEXTS, k=2)))
            case share if share < 0.9 and gone:
                writer.restore(gone.pop())
            case _:
                leaf = chance.choice(live)
                if leaf not in parents and writer.nodes[leaf].deleted is None:
                    writer.delete(leaf)
