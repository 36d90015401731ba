"""Who is asked, and who next where he gives no answer; the answer says who it was."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sync.advice import Advice, Adviser, Attempt, Request, Usage
from sync.errors import NoAnswer
from sync.ports import Clock


class AdviserChain:
    """`sync.advice.Adviser` over several, the best first."""

    def __init__(self, advisers: Sequence[Adviser], clock: Clock) -> None:
        """At least one; the last should be one that always answers."""
        self._advisers = advisers
        self._clock = clock

    @property
    def name(self) -> str:
        return ", then ".join(one.name for one in self._advisers)

    async def advise(self, request: Request) -> Advice:
        attempts: list[Attempt] = []
        for adviser in self._advisers:
            began = self._clock.monotonic()
            try:
                advice = await adviser.advise(request)
            except NoAnswer as failure:
                attempts.append(_attempt(adviser.name, failure, self._clock.monotonic() - began))
            else:
                return msgspec.structs.replace(advice, attempts=[*attempts, *advice.attempts])
        told = "; ".join(f"{one.by}: {one.why}" for one in attempts)
        raise NoAnswer("nobody", told or "there is nobody to ask")


def _attempt(by: str, failure: NoAnswer, seconds: float) -> Attempt:
    tokens_in, tokens_out = failure.tokens or (0, 0)
    usage = Usage(calls=failure.calls, tokens_in=tokens_in, tokens_out=tokens_out, milliseconds=round(seconds * 1000))
    return Attempt(by=by, code=failure.reason, why=failure.why, usage=usage)
