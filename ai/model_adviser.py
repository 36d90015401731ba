"""Advice by a model: within one deadline, with one more try at most, behind a breaker, on a budget."""

from __future__ import annotations

import asyncio

from ai.answers import content_of
from ai.breaker import Breaker
from ai.model import Model, Question, Reply
from ai.prompting import question_of, tokens_of
from sync.advice import Advice, Request, TokenLedger, Usage
from sync.errors import NoAnswer
from sync.ports import Clock

DEADLINE_SECONDS = 30.0  # of an answer in all, a second try and the wait before it among it
DAILY_TOKENS = 200_000  # of a tenant: some 30 answers about a large plan
_PAUSE_SECONDS = 0.5  # before the second try, where the model does not say
_ANSWERED = frozenset(("refused", "filtered"))  # it is there, and will not speak about this
_UNASKED = frozenset(("budget", "open"))
_UNPAID = frozenset(("rate", "key", "status"))  # what the API refuses costs nothing; what broke off may


class ModelAdviser:
    """`sync.advice.Adviser` over a Model."""

    def __init__(
        self,
        model: Model,
        ledger: TokenLedger,
        clock: Clock,
        *,
        deadline: float = DEADLINE_SECONDS,
        daily_tokens: int = DAILY_TOKENS,
        breaker: Breaker | None = None,
    ) -> None:
        self._model = model
        self._ledger = ledger
        self._clock = clock
        self._deadline = deadline
        self._daily_tokens = daily_tokens
        self._breaker = breaker or Breaker()

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def is_resting(self) -> bool:
        """Whether the model failed so often that it is not asked for a while."""
        return self._breaker.is_open

    async def advise(self, request: Request) -> Advice:
        if not self._breaker.allows(self._clock.monotonic()):
            raise NoAnswer("open", "the model did not answer lately, and is not asked for a while")
        try:
            advice = await self._paid(request)
        except NoAnswer as failure:
            if failure.reason in _ANSWERED:
                self._breaker.succeeded()
            elif failure.reason not in _UNASKED:
                self._breaker.failed(self._clock.monotonic())
            raise
        finally:
            self._breaker.released()  # also where whoever asked has gone
        self._breaker.succeeded()
        return advice

    async def _paid(self, request: Request) -> Advice:
        question = question_of(request)
        reserved = tokens_of(question)
        if not await self._ledger.reserve(request.tenant, request.day, reserved, self._daily_tokens):
            raise NoAnswer("budget", "the tenant's tokens of the day are spent")
        asking = _Asking(self._model, self._clock, self._deadline, reserved)
        try:
            return await asking.advice(request, question)
        except NoAnswer as failure:
            failure.calls = asking.calls
            failure.tokens = failure.tokens or (asking.spent, 0)
            raise
        finally:
            await self._ledger.settle(request.tenant, request.day, reserved, asking.spent)


class _Asking:
    """One request: at most two calls. `spent` counts a call that broke off as if it had answered at length."""

    def __init__(self, model: Model, clock: Clock, deadline: float, estimate: int) -> None:
        self.calls = 0
        self.spent = 0
        self._model = model
        self._clock = clock
        self._deadline = deadline
        self._estimate = estimate
        self._began = clock.monotonic()

    async def advice(self, request: Request, question: Question) -> Advice:
        reply = await self._in_time(question)
        content = content_of(request.kind, reply.text, request.plan)
        tokens = reply.tokens or (self._estimate, 0)
        took = round((self._clock.monotonic() - self._began) * 1000)
        return Advice(
            content=content,
            source="model",
            model=reply.model,
            prompt=request.prompt.id,
            usage=Usage(calls=self.calls, tokens_in=tokens[0], tokens_out=tokens[1], milliseconds=took),
        )

    async def _in_time(self, question: Question) -> Reply:
        """A body that comes a byte at a time is never late for the SDK; it is for us."""
        try:
            async with asyncio.timeout(self._deadline) as limit:
                return await self._twice(question)
        except TimeoutError:
            if not limit.expired():
                raise
            raise NoAnswer("timeout", f"the model did not answer within {self._deadline:g} s") from None

    async def _twice(self, question: Question) -> Reply:
        try:
            return await self._once(question)
        except NoAnswer as failure:
            pause = _PAUSE_SECONDS if failure.retry_after is None else failure.retry_after
            left = self._began + self._deadline - self._clock.monotonic()
            if not failure.temporary or pause >= left:
                raise
        await self._clock.sleep(pause)
        return await self._once(question)

    async def _once(self, question: Question) -> Reply:
        self.calls += 1
        self.spent += self._estimate
        try:
            reply = await self._model.ask(question)
        except NoAnswer as failure:
            if failure.tokens is not None or failure.reason in _UNPAID:
                self.spent += sum(failure.tokens or ()) - self._estimate
            raise
        if reply.tokens is not None:
            self.spent += sum(reply.tokens) - self._estimate
        return reply
