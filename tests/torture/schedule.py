"""One schedule: peers that edit, faults that befall the stack meanwhile, and the judgement afterwards."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from random import Random

import msgspec

from tests.torture.befalling import FAULTS, befall
from tests.torture.play import Play
from tests.torture.stage import Stage


class Told(msgspec.Struct):
    """What became of a schedule."""

    seed: int
    faults: list[str] = []
    ops: int = 0
    acknowledged: int = 0
    merged: int = 0
    reconnects: int = 0
    settled: float = 0.0  # seconds after the last edit and the last fault
    waited: list[float] = []  # seconds from an op to its answer, shortest first
    wrong: list[str] = []
    broke: bool = False  # and left its stage as it was


async def torture(
    stage: Stage,
    seed: int,
    *,
    trees: int = 1,
    peers: int = 8,
    ops: int = 300,
    faults: int = 4,
    only: str | None = None,
) -> Told:
    """Run a schedule. What is random in it comes from the seed; the machine's own timing does not. `peers` and `ops`
    are those of each tree; `only`: no fault but this one."""
    async with AsyncExitStack() as stack:
        plays = [await Play.make(stage, f"{seed}:{place}", peers=peers) for place in range(trees)]
        for play in plays:
            await stack.enter_async_context(play)
        hands = asyncio.gather(*(play.edit(ops) for play in plays))
        befell = await befall(stage, faults, [only] if only else sorted(FAULTS), Random(f"{seed}:faults"))
        await hands
        await asyncio.gather(*(play.settle() for play in plays))
        wrong = [complaint for play in plays for complaint in await play.judge()]
    return told(seed, befell, plays, wrong)


def told(seed: int, befell: list[str], plays: list[Play], wrong: list[str]) -> Told:
    sent = [one for play in plays for one in play.history.invocations.values()]
    answers = [answer for one in sent for answer in one.answers[:1]]
    return Told(
        seed=seed,
        faults=befell,
        ops=len(sent),
        acknowledged=sum(answer["status"] in ("applied", "merged") for answer in answers),
        merged=sum(answer["status"] == "merged" for answer in answers),
        reconnects=sum(peer.reconnects for play in plays for peer in play.everyone),
        settled=max(play.settled for play in plays),
        waited=sorted(one.waited for one in sent),
        wrong=wrong,
    )
