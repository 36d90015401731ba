"""A long queue of somebody who was away while others went on: in order and once, cut after cut (reliability B13)."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

from server.auth import mint
from tests.clocks import RealClock
from tests.commands import SECRET
from tests.torture.proxy import Ear, Pair
from tests.torture.report import Report
from tests.torture.stage import TENANT, Instance, staged
from treesync_client import Client

ALL_SENT_SECONDS = 30.0  # for 10,000 ops and 5,000 foreign ones (reliability B13)
_CUT_EVERY = 100  # ops
_BYTES = (500, 100_000)  # between two cuts: from a few ops to more than the longest message
_CHUNK = 500
_ROOT = "root"
_TREE = {"name": "Away", "visibility": "tenant_edit", "nodes": [{"id": _ROOT, "type": "objective", "title": "Root"}]}
_TYPE = "metric"


async def long_queue(times: int, seed: int) -> Report:
    """So many ops are queued offline, one of them impossible, while others make half as many; then the line comes back
    and is cut as often as there are hundreds of them."""
    async with staged() as stage:
        made = await stage.instances[0].ask("POST", "/api/v1/trees", _TREE)
        door = stage.instances[1].door
        token = mint(SECRET, tenant=TENANT, user="traveller", expires_at=RealClock().now() + 24 * 3600)
        async with Client(f"ws://127.0.0.1:{door.port}/ws", token, longest_wait=0.1) as client:
            tree = await client.open(made["id"])
            async with client.offline():
                answers = [_queued(tree, number, impossible=number == times // 2) for number in range(times)]
                await _go_on(stage.instances[0], made["id"], times // 2)
            cutter = door.ear = Cutter(Random(seed), times // _CUT_EVERY)
            began = time.monotonic()
            results = await asyncio.gather(*answers, return_exceptions=True)
            took = time.monotonic() - began
        log = [row for row in await stage.log(made["id"]) if row.client == client.client_id]
    wrong = _complaints(times, [row.op["node"] for row in log], [row.n for row in log], results)
    if took > ALL_SENT_SECONDS * times / 10_000 + ALL_SENT_SECONDS:
        wrong.append(f"took {took:.1f} s")
    figures = {"cuts": cutter.cuts, "all answered after": took}
    return Report(times=times, ops=times + times // 2, figures=figures, wrong=wrong)


class Cutter(Ear):
    """Ends a connection in the middle of what its client says, so many times, after as many bytes as chance says."""

    def __init__(self, chance: Random, most: int) -> None:
        self.cuts = 0
        self._chance = chance
        self._most = most
        self._left = self._drawn()

    def _drawn(self) -> int:
        return self._chance.randint(*_BYTES)

    async def asked(self, pair: Pair, data: bytes) -> bytes | None:
        self._left -= len(data)
        if self._left > 0 or self.cuts == self._most:
            return data
        self.cuts += 1
        self._left = self._drawn()
        return None


def _queued(tree: Any, number: int, *, impossible: bool) -> asyncio.Future[Any]:
    parent = "nowhere" if impossible else _ROOT
    answer: asyncio.Future[Any] = tree.insert(f"q{number}", parent=parent, type=_TYPE, title=f"q{number}")
    return answer


async def _go_on(instance: Instance, tree: int, ops: int) -> None:
    """Others make nodes meanwhile."""
    for start in range(0, ops, _CHUNK):
        made = [
            {"n": n + 1, "base": 0, "op": "insert", "node": f"f{n}", "parent": _ROOT, "type": _TYPE, "title": f"f{n}"}
            for n in range(start, min(start + _CHUNK, ops))
        ]
        outcome = await instance.ask("POST", f"/api/v1/trees/{tree}/edits", {"client_id": "others", "ops": made})
        assert {result["status"] for result in outcome["results"]} == {"applied"}


def _complaints(times: int, nodes: list[str], numbers: list[int], results: list[Any]) -> list[str]:
    wanted = [f"q{number}" for number in range(times) if number != times // 2]
    wrong = [] if nodes == wanted else [f"{len(nodes)} of {len(wanted)} ops stand in the log, or in another order"]
    wrong += [] if numbers == sorted(set(numbers)) else ["a number stands twice, or in another order"]
    refused = [place for place, result in enumerate(results) if getattr(result, "status", "refused") != "applied"]
    return wrong + (
        [] if refused == [times // 2] else [f"not applied: {refused[:5]} {[results[one] for one in refused[:2]]}"]
    )
