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
