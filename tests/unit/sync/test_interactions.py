"""What clients report: checked, bounded, once."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from sync.errors import Invalid, TooMany
from sync.identity import TreeKey
from sync.interactions import DATA_BYTES, MOST_AT_ONCE, Interactions, check
from sync.protocol import ActivityEvent
from sync.visits import LOOK_SECONDS, VISIT_SECONDS, Visits
from tests.batches import author
from tests.clocks import ManualClock, settle
from tests.hubs import Deployment, identity, root

KEY = TreeKey("acme", 7)
GOOD = {
    "id": "e1",
    "kind": "node_viewed",
    "node": "n1",
    "duration_ms": 5,
    "at": "2026-11-21T10:00:00Z",
    "data": {"x": 1},
}


def event(**fields: Any) -> ActivityEvent:
    return msgspec.convert(GOOD | fields, ActivityEvent)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"kind": "node_edited"}, "the server itself records"),
        ({"kind": "member_added"}, "the server itself records"),
        ({"kind": "Node viewed"}, "small letters"),
        ({"kind": "1st"}, "small letters"),
        ({"kind": "view\n"}, "small letters"),
        ({"at": "2026-02-30T10:00:00Z"}, "RFC 3339"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "RFC 3339"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "RFC 3339"),
        ({"at": "now"}, "RFC 3339"),
        ({"data": {"x": "x" * DATA_BYTES}}, "2048 bytes"),
        ({"data": {"x": "\x00"}}, "U+0000"),
        ({"data": {"x": [[]] * 3 + [float("nan")]}}, ""),
    ],
)
def test_ac11_a_bad_event_is_named(fields: dict[str, Any], why: str) -> None:
    """[AC11]"""
    with pytest.raises(Invalid) as refused:
        check([event(), event(id="bad", **fields)])
    assert refused.value.why.startswith("event 1 (bad): ")
    assert why in refused.value.why


def test_ac11_what_a_client_may_say() -> None:
    """[AC11]"""
    check([event(), event(kind="clicked_2", at="2026-11-21T10:00:00+02:00", data={}), event(at="2026-11-21 10:00")])


class SlowLog:
    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.stored: list[str] = []

    async def log_activity(self, key: TreeKey, by: Any, events: Any) -> None:
        await self.gate.wait()
        self.stored += [one.id for one in events]


async def test_ac12_one_user_holds_few_connections() -> None:
    """[AC12]"""
    log, clock = SlowLog(), ManualClock()
    interactions = Interactions(log, clock, Visits(clock))
    first = [asyncio.create_task(interactions.take(KEY, author(), [event(id=f"e{n}")])) for n in range(MOST_AT_ONCE)]
    other = asyncio.create_task(interactions.take(KEY, author("bo"), [event(id="bos")]))
    await settle()
    with pytest.raises(TooMany):
        await interactions.take(KEY, author(client="c2"), [event(id="too many")])
    log.gate.set()
    await asyncio.gather(*first, other)
    await interactions.take(KEY, author(), [event(id="later")])
    assert log.stored == ["e0", "e1", "e2", "e3", "bos", "later"]


async def test_ac13_a_socket_that_rests_for_half_an_hour_begins_a_new_visit(one: Deployment) -> None:
    """[AC13]"""
    key = await one.tree(root())
    ada = one.socket("ada")
    await ada.open(key)

    async def edited(n: int) -> str:
        op = {"n": n, "base": 1, "op": "update", "node": "root", "set": {"title": f"T{n}"}}
        ada.send({"type": "edit", "tree": key.tree, "ops": [op]})
        await settle()
        return one.database.activities[-1].author.visit

    first = await edited(1)
    assert first == one.hubs[0].visit_of(identity("ada"))
    for n in range(2, 5):
        await one.clock.advance(VISIT_SECONDS - LOOK_SECONDS)
        assert await edited(n) == first
    await one.clock.advance(VISIT_SECONDS)
    second = await edited(5)
    assert second not in ("", first)
    ada.send({"type": "activity", "tree": key.tree, "events": [msgspec.to_builtins(event())]})
    await settle()
    assert one.database.activities[-1].author.visit == second
