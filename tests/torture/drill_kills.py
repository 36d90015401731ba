"""Servers that die at named points of a commit's way, under load, one after the other (reliability B10)."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from contextlib import AsyncExitStack
from random import Random

from tests.torture.doomed import POINTS, Point
from tests.torture.peer import Peer
from tests.torture.play import Play
from tests.torture.report import Report, spread
from tests.torture.stage import Instance, staged

# of a point on every edit's way, before it is deadly: the first of its kind may be a special case. Others are deadly at
# once: a tree is loaded once, and two instances meet only while both live
_MOST_PASSES = 4
_ON_EVERY_WAY = (
    "PostgresStore.commit",
    "Transaction.commit",
    "RedisBus.publish",
    "Room.offer",
    "Room.cut",
    "Room.settle",
    "Delivery.settled",
    "Delivery.commit",
    "Exchange.share",
)
_PAUSE = 0.01  # between two edits of a tree at most: the instances meet often
_STARTS = 5
_REACHED_SECONDS = 120.0  # a point lies on the way of every edit, every opening, or every meeting of two instances


async def kill_points(times: int, seed: int) -> Report:
    """So many kills, every point in turn, of two instances beside each other, while peers edit two trees."""
    chance = Random(f"{seed}:points")
    points = [POINTS[place % len(POINTS)] for place in range(times)]
    chance.shuffle(points)
    died: Counter[Point] = Counter()
    unreached: list[str] = []
    async with staged() as stage, AsyncExitStack() as stack:
        plays = [await Play.make(stage, f"{seed}:{place}") for place in range(2)]
        for play in plays:
            await stack.enter_async_context(play)
        enough = asyncio.Event()
        hands = asyncio.gather(
            *(play.edit_until(enough, pause=_PAUSE) for play in plays),
            *(_visit(play.everyone[0], enough, Random(f"{seed}:visits")) for play in plays),
        )
        shares = [points[place :: len(stage.instances)] for place in range(len(stage.instances))]
        deaths = [
            _die(instance, share, Random(f"{seed}:{place}"), died, unreached)
            for place, (instance, share) in enumerate(zip(stage.instances, shares, strict=True))
        ]
        await asyncio.gather(*deaths)
        enough.set()
        await hands
        await stage.calm()
        await asyncio.gather(*(play.settle() for play in plays))
        wrong = [complaint for play in plays for complaint in await play.judge()]
    ops = sum(len(play.history.invocations) for play in plays)
    figures = {"points": len(died)} | spread("settled", [play.settled for play in plays])
    return Report(times=died.total(), ops=ops, figures=figures, wrong=wrong + unreached)


async def _visit(peer: Peer, enough: asyncio.Event, chance: Random) -> None:
    """Somebody who comes for the first time again and again, and so is given a snapshot."""
    while not enough.is_set():
        await asyncio.sleep(chance.random())
        if peer.settled:
            peer.forget()


async def _die(
    instance: Instance, points: list[Point], chance: Random, died: Counter[Point], unreached: list[str]
) -> None:
    """Let one instance die at each of these points, and live on in the end."""
    for point in points:
        await instance.kill()
        passes = chance.randint(1, _MOST_PASSES) if point.place.endswith(_ON_EVERY_WAY) else 1
        doom = f"{point.place} {point.when} {passes}"
        if await _died(instance, doom):
            died[point] += 1
        else:
            unreached.append(f"B10: {point} was not reached: {instance.command.said()[-500:]}")
    await instance.kill()
    await instance.start()


async def _died(instance: Instance, doom: str) -> bool:
    """Whether it died where it should. What ended because its database did not answer in time is started again."""
    for _ in range(_STARTS):
        await instance.launch("tests.torture.doomed", DOOM=doom)
        try:
            if await instance.command.ended(_REACHED_SECONDS) == -signal.SIGKILL:
                return True
        except TimeoutError:
            return False
        await instance.kill()
    return False
