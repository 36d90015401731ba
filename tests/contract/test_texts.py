"""Texts in storage: two instances type in one description, and what is kept of it tells the same to everyone.

Written through hubs, so that what storage is given is what rooms make.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import msgspec
import pytest

from storage.bus_local import LocalBus, LocalExchange
from sync.codec import Decoded
from sync.effects import Text, Update
from sync.growing import tree_of
from sync.hub import Hub
from sync.identity import TreeKey
from sync.limits import Limits
from sync.ops import Op
from sync.ports import LoggedOp
from sync.protocol import Edit, Mode, Result
from sync.room import Room
from sync.text import applied
from tests.clocks import RealClock
from tests.contract.conftest import Bench

TYPED = 40  # deltas of each person


class Desk:
    """A person at one of two instances. What he sees is what is confirmed there, and an answer later."""

    def __init__(self, bench: Bench, hub: Hub, key: TreeKey, user: str, client: str = "") -> None:
        self.bench, self.hub, self.key = bench, hub, key
        self.identity = bench.identity(user)
        self.client = client or f"{user}-1"
        self.n = 0

    async def do(self, *asked: dict[str, Any], base: int, mode: Mode = "live") -> list[Result]:
        ops = []
        for one in asked:
            self.n += 1
            ops.append(msgspec.convert({"n": self.n, "base": base, **one}, Op))
        return await self.send(ops, mode)

    async def send(self, ops: list[Op], mode: Mode = "live") -> list[Result]:
        edit = Decoded(Edit(ops=ops, mode=mode))
        return (await self.hub.submit(self.identity, self.key.tree, self.client, edit)).results


def text(*delta: Any, path: str = "description") -> dict[str, Any]:
    return {"op": "text", "node": "left", "path": path, "delta": list(delta)}


def setting(**values: Any) -> dict[str, Any]:
    return {"op": "update", "node": "left", "set": values}


@pytest.fixture
async def hubs(bench: Bench) -> AsyncIterator[list[Hub]]:
    exchange = LocalExchange()
    buses: list[LocalBus] = [exchange.bus(), exchange.bus()]
    hubs = [
        Hub(bench.store, bus, RealClock(), instance=f"i{place}", limits=Limits(), log=lambda *_, **__: None)
        for place, bus in enumerate(buses)
    ]
    for hub in hubs:
        await hub.start()
    yield hubs
    for hub in hubs:
        await hub.close()


@pytest.fixture
async def desks(bench: Bench, hubs: list[Hub]) -> list[Desk]:
    """Ada on one instance and bo on the other, at seq 2; the description of `left` is "start"."""
    key = (await bench.create(visibility="tenant_edit")).key
    desks = [Desk(bench, hub, key, user) for hub, user in zip(hubs, ("ada", "bo"), strict=True)]
    await desks[0].do(setting(description="start"), base=1)
    return desks


async def room_of(desk: Desk, seq: int) -> Room:
    """The room of an instance, when it has come to a seq."""
    (place,) = desk.hub.places()
    async with asyncio.timeout(10):
        while place.room.seq < seq or place.busy:  # noqa: ASYNC110 - it follows by itself
            await asyncio.sleep(0.005)
    return place.room


async def log_of(desk: Desk) -> list[LoggedOp]:
    head = (await desk.bench.store.heads([desk.key]))[desk.key]
    return await desk.bench.store.log(desk.key, 0, head.seq)


async def test_what_is_kept_of_a_delta(desks: list[Desk]) -> None:
    """[TX9, TX14, AC3] Log row and inverse, activity, and the row of the node with its mark."""
    ada, bo = desks
    await ada.do(text("> "), text("w", path="template_data.core_why"), base=2)
    (result,) = await bo.do(text(5, "!"), base=2)
    assert (result.status, result.seq) == ("merged", 5)
    *_, first, filled, merged = await log_of(ada)
    assert (first.effect, first.inverse) == (Text(node="left", path="description", delta=["> "]), {"delta": [-2]})
    assert merged.effect == Text(node="left", path="description", delta=[7, "!"], merged=True)
    assert (merged.inverse, merged.author.user, merged.author.client) == ({"delta": [7, -1]}, "bo", "bo-1")
    assert filled.effect == Text(node="left", path="template_data.core_why", delta=["w"])
    kinds = [kind for kind, node in await ada.bench.activities(ada.key) if node == "left"]
    assert kinds == ["node_edited", "node_edited", "template_filled", "node_edited"]
    row = next(row for row in (await ada.bench.store.load(ada.key)).nodes if row.node.id == "left")
    assert row.node.description == "> start!"
    assert (row.marks["description"].seq, row.marks["description"].client) == (5, "")


async def test_the_first_answer_comes_again_from_any_instance(desks: list[Desk]) -> None:
    """[ED3, RS1] Word for word: `merged`, with its effective op; of deltas and of merged updates."""
    ada, bo = desks
    await ada.do(text("> "), setting(title="One two"), base=2)
    ops = [
        msgspec.convert({"n": 1, "base": 2, **text(5, "!")}, Op),
        msgspec.convert({"n": 2, "base": 2, **setting(title="ONE"), "was": {"title": "One"}}, Op),
    ]
    first = await bo.send(ops, "replay")
    assert [result.status for result in first] == ["merged", "merged"]
    again = await Desk(ada.bench, ada.hub, ada.key, "bo", "bo-1").send(ops, "replay")
    assert [result.first for result in again] == [msgspec.to_builtins(result) for result in first]
    assert isinstance((await log_of(ada))[-1].effect, Update)


async def test_two_instances_type_in_one_description(desks: list[Desk]) -> None:
    """[TX8, TX14, TX16] At once, each against what it had seen: every letter stands there once, in its author's order,
    and rooms, rows and log agree."""

    async def type_away(desk: Desk, letters: str, chance: Random) -> None:
        seen, base = "start", 2
        for letter in letters:
            at = chance.randint(0, len(seen))
            delta: list[Any] = [at, letter] if at else [letter]
            (result,) = await desk.do(text(*delta), base=base)
            assert result.status in ("applied", "merged"), result
            assert isinstance(result.seq, int)
            room = await room_of(desk, result.seq)
            seen, base = room.tree.nodes["left"].node.description, room.seq

    alphabets = ("".join(map(chr, range(0x61, 0x61 + TYPED))), "".join(map(chr, range(0x1F600, 0x1F600 + TYPED))))
    await asyncio.gather(
        *(type_away(desk, letters, Random(letters)) for desk, letters in zip(desks, alphabets, strict=True))
    )
    log = await log_of(desks[0])
    rooms = [await room_of(desk, log[-1].seq) for desk in desks]
    loaded = tree_of(await desks[0].bench.store.load(desks[0].key))
    description = loaded.nodes["left"].node.description
    assert sorted(description) == sorted("start" + alphabets[0] + alphabets[1])
    assert rooms[0].tree.nodes == rooms[1].tree.nodes == loaded.nodes
    assert rooms[0].tree.digest == rooms[1].tree.digest == loaded.digest
    assert _replayed(log) == description
    assert _taken_back(log, description) == "start"


def _replayed(log: list[LoggedOp]) -> str:
    value = "start"
    for row in log[2:]:
        assert isinstance(row.effect, Text)
        value = applied(value, row.effect.delta)
    return value


def _taken_back(log: list[LoggedOp], value: str) -> str:
    for row in reversed(log[2:]):
        value = applied(value, row.inverse["delta"])
    return value
