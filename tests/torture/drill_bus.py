"""A bus that loses, doubles and reorders, loses just the last message, or falls silent (reliability B17 to B19)."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from random import Random

from tests.torture.play import FOLLOW_SECONDS, Play
from tests.torture.redis_line import BusEar, Fate
from tests.torture.report import Report, spread
from tests.torture.stage import TENANT, Stage, staged
from tests.waiting import until

RECOVER_SECONDS = 10.0  # until messages flow again over a bus that had fallen silent (reliability B19)
_AT_ONCE = 40  # trees
_FATES: list[Fate] = ["lose", "double", "late"]
_FAST_SECONDS = 0.5  # well below the comparison of heads: it came by the bus
_IN_A_ROW = 5


async def lossy_bus(times: int, seed: int) -> Report:
    """A tenth of the commits that are published is lost, one arrives twice, one after the next; until so many were."""
    chance = Random(f"{seed}:fates")

    def fate(_channel: str) -> Fate:
        drawn = chance.random()
        return _FATES[int(drawn * 10)] if drawn < 0.3 else "pass"

    async with staged() as stage, AsyncExitStack() as stack:
        ear = BusEar(fate)
        stage.to_redis.ear = ear
        plays = [await Play.make(stage, f"{seed}:{place}") for place in range(2)]
        for play in plays:
            await stack.enter_async_context(play)
        enough = asyncio.Event()
        hands = asyncio.gather(*(play.edit_until(enough) for play in plays))
        await until(lambda: _troubled(ear) >= times, "messages go wrong", seconds=60 + times)
        enough.set()
        await hands
        await asyncio.gather(*(play.settle() for play in plays))
        wrong = [complaint for play in plays for complaint in await play.judge()]
    wrong += [f"level only after {play.settled:.1f} s" for play in plays if play.settled > FOLLOW_SECONDS]
    ops = sum(len(play.history.invocations) for play in plays)
    figures = {"level after the last": max(play.settled for play in plays)} | dict(ear.told)
    return Report(times=_troubled(ear), ops=ops, figures=figures, wrong=wrong)


def _troubled(ear: BusEar) -> int:
    return sum(ear.told[fate] for fate in _FATES)


# ---- a writer on one instance, a watcher on the other


class Crossing:
    """A tree with one peer on each instance: what the first does, the second sees."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.channel = f"treesync:{TENANT}:{play.history.tree}"
        self.writer, self.watcher = play.everyone

    @classmethod
    async def make(cls, stage: Stage, seed: str) -> Crossing:
        play = await Play.make(stage, seed, peers=2)
        for peer, instance in zip(play.everyone, stage.instances, strict=True):
            peer.ports = [instance.door.port]
        return cls(play)

    async def until_open(self) -> None:
        await until(lambda: self.writer.settled and self.watcher.settled, "both are in", seconds=30)

    async def send(self, number: int) -> int:
        """One op, answered; its seq."""
        self.writer.do(op="update", node="n0", set={"title": f"{number}"})
        await self.writer.push()
        await until(lambda: not self.writer.unanswered, "the op is answered")
        return max(int(answer["seq"]) for one in self.play.history.invocations.values() for answer in one.answers[:1])

    async def seen(self, seq: int, seconds: float) -> float:
        """Seconds until the watcher has come to that seq."""
        began = time.monotonic()
        await until(
            lambda: self.watcher.position is not None and self.watcher.position["seq"] >= seq,
            f"op {seq} is on the other instance",
            seconds=seconds,
        )
        return time.monotonic() - began


async def tail_loss(times: int, seed: int) -> Report:
    """The last message of a burst is lost, and nobody edits on: it is seen all the same."""
    last: set[str] = set()
    async with staged() as stage, AsyncExitStack() as stack:
        ear = BusEar(lambda channel: "lose" if channel in last else "pass")
        stage.to_redis.ear = ear
        crossings = [await Crossing.make(stage, f"{seed}:{place}") for place in range(min(times, _AT_ONCE))]
        for crossing in crossings:
            await stack.enter_async_context(crossing.play)
        await asyncio.gather(*(crossing.until_open() for crossing in crossings))
        shares = [len(range(place, times, len(crossings))) for place in range(len(crossings))]
        bursts = [_bursts(crossing, share, last) for crossing, share in zip(crossings, shares, strict=True)]
        taken = [seconds for some in await asyncio.gather(*bursts) for seconds in some]
        wrong = [f"seen after {seconds:.1f} s" for seconds in taken if seconds > FOLLOW_SECONDS]
        await asyncio.gather(*(crossing.play.settle() for crossing in crossings))
        wrong += [complaint for crossing in crossings for complaint in await crossing.play.judge()]
    if ear.told["lose"] != 2 * times:  # the one who sends it would hear it too
        wrong.append(f"{ear.told['lose']} messages were lost, not {2 * times}")
    return Report(times=times, ops=3 * times, figures=spread("seen after", taken), wrong=wrong)


async def _bursts(crossing: Crossing, times: int, last: set[str]) -> list[float]:
    taken = []
    for number in range(times):
        await crossing.send(3 * number)
        await crossing.seen(await crossing.send(3 * number + 1), 2 * FOLLOW_SECONDS)
        last.add(crossing.channel)
        taken.append(await crossing.seen(await crossing.send(3 * number + 2), 2 * FOLLOW_SECONDS))
        last.discard(crossing.channel)
    return taken


async def silent_bus(times: int, seed: int) -> Report:
    """Redis answers every command and delivers nothing on the connections that stand: each time edits are seen all the
    same, and the instances make connections anew that deliver."""
    seen: list[float] = []
    recovered: list[float] = []
    async with staged() as stage:
        ear = BusEar()
        stage.to_redis.ear = ear
        crossing = await Crossing.make(stage, str(seed))
        async with crossing.play:
            await crossing.until_open()
            number = 0
            for _ in range(times):
                ear.deafen()
                began = time.monotonic()
                seen.append(await crossing.seen(await crossing.send(number := number + 1), 2 * FOLLOW_SECONDS))
                fast = 0
                while fast < _IN_A_ROW and time.monotonic() - began < 2 * RECOVER_SECONDS:
                    took = await crossing.seen(await crossing.send(number := number + 1), 2 * FOLLOW_SECONDS)
                    fast = fast + 1 if took < _FAST_SECONDS else 0
                recovered.append(time.monotonic() - began)
            await crossing.play.settle()
            wrong = await crossing.play.judge()
    wrong += [f"seen after {seconds:.1f} s" for seconds in seen if seconds > FOLLOW_SECONDS]
    wrong += [f"silent for {seconds:.1f} s" for seconds in recovered if seconds > RECOVER_SECONDS]
    return Report(times=times, ops=number, figures=spread("seen", seen) | spread("recovered", recovered), wrong=wrong)


async def bus_away(times: int, seed: int) -> Report:
    """Redis is down for so many seconds: edits are answered as ever, and the other instance follows by comparing."""
    seen: list[float] = []
    answered: list[float] = []
    async with staged() as stage:
        crossing = await Crossing.make(stage, str(seed))
        async with crossing.play:
            await crossing.until_open()
            stage.redis.stop()
            end = time.monotonic() + times
            while time.monotonic() < end:
                began = time.monotonic()
                seq = await crossing.send(len(seen))
                answered.append(time.monotonic() - began)
                seen.append(await crossing.seen(seq, 2 * FOLLOW_SECONDS))
            await asyncio.to_thread(stage.redis.start)
            await crossing.play.settle()
            wrong = await crossing.play.judge()
    wrong += [f"seen after {seconds:.1f} s" for seconds in seen if seconds > FOLLOW_SECONDS]
    figures = spread("answered", answered) | spread("seen", seen)
    return Report(times=times, ops=len(seen), figures=figures, wrong=wrong)
