"""The breaker, the ledger and the chain: who is asked, who not, and what it may cost."""

from __future__ import annotations

import pytest

from ai.breaker import Breaker
from ai.budget import MemoryLedger
from ai.chain import AdviserChain
from ai.rules import NAME, RulesAdviser
from sync.advice import Advice, Request
from sync.errors import NoAnswer
from sync.prompts import seeded
from tests.clocks import ManualClock
from tests.plans import a_plan

REQUEST = Request(
    kind="recommendation", tenant="acme", day="2026-11-21", plan=a_plan(), prompt=seeded("recommendation")
)


def opened() -> Breaker:
    breaker = Breaker(failures=3, open_seconds=60)
    for _ in range(3):
        assert breaker.allows(0)
        breaker.failed(0)
    return breaker


def test_it_opens_after_failures_in_a_row_and_not_before() -> None:
    breaker = Breaker(failures=3)
    for _ in range(2):
        breaker.failed(0)
    breaker.succeeded()
    for _ in range(2):
        breaker.failed(0)
    assert breaker.allows(1)
    breaker.failed(1)
    assert breaker.is_open
    assert not breaker.allows(2)


def test_after_a_while_one_question_goes_through_alone() -> None:
    breaker = opened()
    assert not breaker.allows(59)
    assert breaker.allows(60)
    assert not breaker.allows(60)


def test_its_answer_closes_and_its_failure_opens_anew() -> None:
    breaker = opened()
    assert breaker.allows(60)
    breaker.failed(61)
    assert not breaker.allows(120)
    assert breaker.allows(121)
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.allows(121)
    assert breaker.allows(121)


def test_a_question_that_was_given_up_lets_the_next_try() -> None:
    breaker = opened()
    assert breaker.allows(60)
    breaker.released()
    assert breaker.allows(60)


async def test_a_tenants_day_has_its_tokens_and_no_more() -> None:
    ledger = MemoryLedger()
    assert await ledger.reserve("a", "2026-11-21", 60, 100)
    assert not await ledger.reserve("a", "2026-11-21", 60, 100)
    assert await ledger.reserve("b", "2026-11-21", 60, 100)
    await ledger.settle("a", "2026-11-21", 60, 30)
    assert ledger.spent("a") == 30
    assert await ledger.reserve("a", "2026-11-21", 60, 100)
    assert await ledger.reserve("a", "2026-11-22", 100, 100)
    await ledger.settle("a", "2026-11-21", 60, 0)  # of the day before
    assert ledger.spent("a") == 100


class Silent:
    """Never has an answer."""

    name = "silent"

    async def advise(self, request: Request) -> Advice:
        failure = NoAnswer("timeout", "it slept", tokens=(50, 0))
        failure.calls = 2
        raise failure


async def test_the_chain_says_who_answered_and_why_the_others_did_not() -> None:
    chain = AdviserChain([Silent(), RulesAdviser()], ManualClock())
    advice = await chain.advise(REQUEST)
    assert (advice.source, advice.model) == ("rules", NAME)
    [attempt] = advice.attempts
    assert (attempt.by, attempt.code, attempt.usage.calls, attempt.usage.tokens_in) == ("silent", "timeout", 2, 50)
    assert chain.name == f"silent, then {NAME}"


async def test_where_nobody_answers_that_is_said() -> None:
    with pytest.raises(NoAnswer, match="silent: it slept"):
        await AdviserChain([Silent()], ManualClock()).advise(REQUEST)
