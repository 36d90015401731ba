"""Every implementation of `sync.hierarchy.Hierarchies`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from storage.directory import PostgresDirectory
from storage.hierarchy import PostgresHierarchies
from storage.memory import MemoryDatabase, MemoryStore
from storage.memory_directory import MemoryDirectory
from storage.memory_hierarchy import MemoryHierarchies
from storage.postgres import PostgresStore
from sync.errors import NotFound
from sync.hierarchy import MOST_DEPTH, MOST_NODES, Hierarchies, Hierarchy
from sync.identity import TreeKey
from tests.batches import Writer, node
from tests.clocks import ManualClock
from tests.contract.conftest import NOWHERE, Bench, raised
from tests.postgres_servers import PostgresServers, opened

ALL = MOST_DEPTH


class Kit(NamedTuple):
    bench: Bench
    hierarchies: Hierarchies

    async def lines(self, key: TreeKey, below: str | None = None, depth: int = ALL) -> list[tuple[str, int, str, int]]:
        found = await self.hierarchies.hierarchy(key, below, depth)
        return [(one.id, one.depth, one.path, one.children) for one in found.nodes]


@pytest.fixture(params=["memory", "18", "15"])
async def kit(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> AsyncIterator[Kit]:
    async def nothing(_: Any) -> Any:
        """Not looked at here."""

    if request.param == "memory":
        clock = ManualClock()
        memory = MemoryDatabase(clock)
        bench = Bench(MemoryStore(memory), MemoryDirectory(memory), nothing, clock.advance)
        yield Kit(bench, MemoryHierarchies(memory))
        return
    server = await postgres_servers.get(request.param)
    async with opened(server.shared) as database:
        bench = Bench(PostgresStore(database), PostgresDirectory(database), nothing, nothing)
        yield Kit(bench, PostgresHierarchies(database))


async def grown(kit: Kit) -> Writer:
    writer = await kit.bench.create()
    for one in (node("b", "left", order="b"), node("a", "left", order="a"), node("deep", "a"), node("gone", "a")):
        writer.insert(one)
    writer.delete("gone")
    await kit.bench.land(writer)
    return writer


async def test_se10_a_tree_comes_level_by_level_in_order(kit: Kit) -> None:
    """[SE10]"""
    writer = await grown(kit)
    assert await kit.lines(writer.key) == [
        ("root", 0, "root", 2),
        ("left", 1, "root.root", 2),
        ("right", 1, "root.root", 0),
        ("a", 2, "root.root.left", 1),
        ("b", 2, "root.root.left", 0),
        ("deep", 3, "root.root.left.a", 0),
    ]
    found = await kit.hierarchies.hierarchy(writer.key, None, 0)
    assert [one.id for one in found.nodes] == ["root"]
    assert (found.tree, found.seq, found.ancestors) == (writer.key.tree, writer.head.seq, [])


async def test_se10_a_branch_comes_with_the_way_to_it(kit: Kit) -> None:
    """[SE10]"""
    writer = await grown(kit)
    assert await kit.lines(writer.key, "left", 1) == [
        ("left", 1, "root.root", 2),
        ("a", 2, "root.root.left", 1),
        ("b", 2, "root.root.left", 0),
    ]
    found: Hierarchy = await kit.hierarchies.hierarchy(writer.key, "deep", ALL)
    assert [(one.id, one.title) for one in found.ancestors] == [
        (name, node(name).title) for name in ("root", "left", "a")
    ]
    assert [(one.id, one.parent) for one in found.nodes] == [("deep", "a")]


async def test_se10_what_is_not_there_or_in_the_trash_has_no_branch(kit: Kit) -> None:
    """[SE10]"""
    writer = await grown(kit)
    key = writer.key
    for missing in ("gone", "nobody", ""):
        assert await raised(kit.hierarchies.hierarchy(key, missing, ALL)) is NotFound
    assert await raised(kit.hierarchies.hierarchy(TreeKey("somebody-else", key.tree), None, ALL)) is NotFound
    assert await raised(kit.hierarchies.hierarchy(TreeKey(key.tenant, NOWHERE), None, ALL)) is NotFound


async def deepened(kit: Kit) -> tuple[Writer, list[str]]:
    """A tree of one chain of 40 long names below its root."""
    writer = await kit.bench.create()
    names = ["root"]
    for level in range(40):
        names.append(f"{level:02}" + "x" * 40)
        writer.insert(node(names[-1], names[-2]))
    await kit.bench.land(writer)
    return writer, names


async def test_se10_a_long_path_is_given_by_its_end(kit: Kit) -> None:
    """[SE10, ST2]"""
    writer, names = await deepened(kit)
    lines = await kit.lines(writer.key, names[MOST_DEPTH])
    assert max(len(path) for _, _, path, _ in lines) <= 1_000
    assert any(path.startswith("root.….") for _, _, path, _ in lines)
    [(_, depth, path, _)] = await kit.lines(writer.key, names[-1])
    assert (names[-1], depth, path, 0) == lines[-1], "the same, asked for alone"


async def test_se12_a_deep_tree_is_given_in_parts(kit: Kit) -> None:
    """[SE12]"""
    writer, names = await deepened(kit)
    found = await kit.hierarchies.hierarchy(writer.key, None, 10 * MOST_DEPTH)
    assert [one.id for one in found.nodes if one.id in names] == names[: MOST_DEPTH + 1]
    assert not found.complete
    rest = await kit.hierarchies.hierarchy(writer.key, names[MOST_DEPTH], MOST_DEPTH)
    assert [one.id for one in rest.nodes] == names[MOST_DEPTH:]
    assert rest.complete, "the last has nothing below"
    assert not (await kit.hierarchies.hierarchy(writer.key, names[-3], 1)).complete
    assert (await kit.hierarchies.hierarchy(writer.key, names[-3], 2)).complete


async def test_se12_the_first_of_very_many_are_given(kit: Kit) -> None:
    """[SE12]"""
    writer = await kit.bench.create()
    for place in range(MOST_NODES):
        writer.insert(node(f"n{place}", "right", order=f"a{place:04}"))
    await kit.bench.land(writer)
    found = await kit.hierarchies.hierarchy(writer.key, None, MOST_DEPTH)
    first = ["root", "left", "right"]
    assert [one.id for one in found.nodes] == first + [f"n{place}" for place in range(MOST_NODES - len(first))]
    assert not found.complete
