"""Commits whose outcome nobody knows: they happened, and their answer is lost with its connection (reliability B11)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from random import Random

from tests.torture.play import Play
from tests.torture.postgres_line import CommitLoss
from tests.torture.report import Report, spread
from tests.torture.stage import staged
from tests.waiting import until

DURABLE_SECONDS = 0.6  # for 99.9 % (reliability B16)
_LATE_SHARE = 0.001
_STEADY_PAUSE = 0.04  # at most, between two edits in one of two trees
_TREES = 6
_SECONDS_EACH = 5.0  # far more than one takes on a busy machine


async def unknown_commits(times: int, seed: int) -> Report:
    """Peers edit some trees through two instances until so many answers are lost. Exactly once holds throughout."""
    async with staged() as stage, AsyncExitStack() as stack:
        loss = stage.heard.watch = CommitLoss(Random(seed))
        plays = [await Play.make(stage, f"{seed}:{place}", peers=4) for place in range(_TREES)]
        for play in plays:
            await stack.enter_async_context(play)
        enough = asyncio.Event()
        hands = asyncio.gather(*(play.edit_until(enough) for play in plays))
        loss.left = times
        await until(lambda: loss.lost == times, "the answers are lost", seconds=60 + _SECONDS_EACH * times)
        enough.set()
        await hands
        await asyncio.gather(*(play.settle() for play in plays))
        wrong = [complaint for play in plays for complaint in await play.judge()]
    sent = [one for play in plays for one in play.history.invocations.values()]
    figures = spread("answer", [one.waited for one in sent]) | spread("settled", [play.settled for play in plays])
    return Report(times=loss.lost, ops=len(sent), figures=figures, wrong=wrong)


async def steady(times: int, seed: int) -> Report:
    """So many edits at about a hundred a second, nothing befalls them: when is an edit durable (reliability B16)?"""
    async with staged() as stage, AsyncExitStack() as stack:
        plays = [await Play.make(stage, f"{seed}:{place}") for place in range(2)]
        for play in plays:
            await stack.enter_async_context(play)
        everyone = [peer for play in plays for peer in play.everyone]
        await until(lambda: all(peer.settled for peer in everyone), "all are in", seconds=60)
        await asyncio.gather(*(play.edit(times // len(plays), pause=_STEADY_PAUSE) for play in plays))
        await asyncio.gather(*(play.settle() for play in plays))
        wrong = [complaint for play in plays for complaint in await play.judge()]
    waited = [one.waited for play in plays for one in play.history.invocations.values()]
    late = sum(seconds > DURABLE_SECONDS for seconds in waited)
    figures = spread("answer", waited) | {"later than 0.6 s": late}
    if late > _LATE_SHARE * len(waited):
        wrong.append(f"B16: {late} of {len(waited)} were durable only after {DURABLE_SECONDS} s")
    return Report(times=times, ops=len(waited), figures=figures, wrong=wrong)
