"""A model over HTTP, as it answers and as it fails: each time an answer in time, or a reason why there is none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import get_args

import httpx2
import pytest
import uvicorn

from ai.breaker import Breaker
from ai.budget import MemoryLedger
from ai.chain import AdviserChain
from ai.model_adviser import ModelAdviser
from ai.openai_model import OpenAIModel, opened
from ai.rules import RulesAdviser, content_by_rules
from server.fake_model import NAME, Behaviour, FakeModel
from sync.advice import Kind, Request
from sync.errors import NoAnswer
from sync.prompts import seeded
from tests.clocks import RealClock
from tests.plans import a_plan, random_plan
from tests.waiting import until

KINDS: tuple[Kind, ...] = get_args(Kind)
KEY = "sk-canary-0123456789"


class Clock(RealClock):
    """Waits are noted and over at once."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


class Stage:
    """An adviser on a fake model, over ASGI: no socket."""

    def __init__(self, *script: Behaviour, deadline: float = 30.0, daily_tokens: int = 10**6) -> None:
        self.fake = FakeModel(script)
        self.clock = Clock()
        self.ledger = MemoryLedger()
        self.breaker = Breaker()
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.fake.app))
        self.model = opened(KEY, model="asked-for", base_url="http://fake/v1", http_client=client)
        self.adviser = ModelAdviser(
            self.model,
            self.ledger,
            self.clock,
            deadline=deadline,
            daily_tokens=daily_tokens,
            breaker=self.breaker,
        )

    async def fails(self) -> NoAnswer:
        with pytest.raises(NoAnswer) as failed:
            await self.adviser.advise(asked())
        return failed.value


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.model.close()


@asynccontextmanager
async def playing(*script: Behaviour, deadline: float = 30.0, daily_tokens: int = 10**6) -> AsyncIterator[Stage]:
    stage = Stage(*script, deadline=deadline, daily_tokens=daily_tokens)
    yield stage
    await stage.model.close()


def asked(kind: Kind = "recommendation") -> Request:
    return Request(kind=kind, tenant="acme", day="2026-11-21", plan=a_plan(), prompt=seeded(kind))


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_is_taken_and_says_who_gave_it_and_what_it_cost(kind: Kind, stage: Stage) -> None:
    advice = await stage.adviser.advise(asked(kind))
    assert (advice.source, advice.model, advice.prompt) == ("model", NAME, f"{kind}_v1")
    assert advice.content == content_by_rules(kind, a_plan())
    assert advice.usage.calls == 1
    assert stage.ledger.spent("acme") == advice.usage.tokens_in + advice.usage.tokens_out > 0
    [call] = stage.fake.calls
    assert (call["model"], call["max_completion_tokens"] > 0) == ("asked-for", True)
    assert call["response_format"]["json_schema"]["strict"] is True
    assert [one["role"] for one in call["messages"]] == ["system", "user"]


async def test_a_plan_of_any_kind_can_be_asked_about(stage: Stage) -> None:
    for seed in range(20):
        plan = random_plan(seed)
        request = Request(
            kind="health_summary", tenant="acme", day="2026-11-21", plan=plan, prompt=seeded("health_summary")
        )
        advice = await stage.adviser.advise(request)
        assert advice.source == "model"


@pytest.mark.parametrize(
    ("behaviour", "reason", "calls"),
    [
        ("refusal", "refused", 1),
        ("filtered", "filtered", 1),
        ("truncated", "truncated", 1),
        ("wrong_schema", "schema", 1),
        ("extra_field", "schema", 1),
        ("invented_step", "schema", 1),
        ("nonsense", "schema", 1),
        ("not_an_envelope", "protocol", 1),
        ("unauthorised", "key", 1),
        ("rate_long", "rate", 1),  # in an hour is too late
    ],
)
async def test_what_asking_again_would_not_mend_is_asked_once(behaviour: Behaviour, reason: str, calls: int) -> None:
    async with playing(behaviour, behaviour) as stage:
        failure = await stage.fails()
        assert (failure.reason, failure.calls, len(stage.fake.calls)) == (reason, calls, calls)
        assert KEY not in str(failure)
        assert "canary" not in failure.why
        assert (stage.ledger.spent("acme") == 0) == (reason in ("key", "rate"))


@pytest.mark.parametrize("behaviour", ["rate", "error"])
async def test_what_may_pass_is_asked_once_more(behaviour: Behaviour) -> None:
    async with playing(behaviour) as stage:
        advice = await stage.adviser.advise(asked())
        assert (advice.source, advice.usage.calls, len(stage.clock.waits)) == ("model", 2, 1)
        assert stage.ledger.spent("acme") == advice.usage.tokens_in + advice.usage.tokens_out
    async with playing(behaviour, behaviour, behaviour) as stage:
        failure = await stage.fails()
        assert (failure.calls, len(stage.fake.calls), stage.ledger.spent("acme")) == (2, 2, 0)


async def test_one_that_hangs_is_left_at_the_deadline() -> None:
    async with playing("hang", deadline=0.1) as stage:
        failure = await stage.fails()
        assert (failure.reason, failure.calls) == ("timeout", 1)
        assert stage.ledger.spent("acme") > 0  # it may be paid for


async def test_whoever_stops_asking_leaves_the_breaker_and_the_ledger_as_they_should_be() -> None:
    async with playing("hang") as stage:
        asking = asyncio.create_task(stage.adviser.advise(asked()), name="asking")
        await until(lambda: bool(stage.fake.calls), "it was asked")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert not stage.breaker.is_open
        assert (await stage.adviser.advise(asked())).source == "model"


async def test_after_failures_in_a_row_it_is_not_asked_for_a_while() -> None:
    async with playing(*("error",) * 20) as stage:
        for _ in range(5):
            await stage.fails()
        assert stage.adviser.is_resting
        failure = await stage.fails()
        assert (failure.reason, len(stage.fake.calls)) == ("open", 10)


async def test_refusals_do_not_make_it_rest() -> None:
    async with playing(*("refusal",) * 7) as stage:
        for _ in range(7):
            await stage.fails()
        assert not stage.adviser.is_resting


async def test_a_tenant_whose_tokens_are_spent_costs_nothing_more() -> None:
    async with playing(daily_tokens=100) as stage:
        failure = await stage.fails()
        assert (failure.reason, stage.fake.calls, stage.ledger.spent("acme")) == ("budget", [], 0)
        assert not stage.adviser.is_resting


@pytest.mark.parametrize("behaviour", ["refusal", "nonsense", "truncated", "error", "unauthorised", "hang"])
async def test_the_chain_answers_by_rules_whatever_the_model_does(behaviour: Behaviour) -> None:
    async with playing(behaviour, behaviour, deadline=0.2) as stage:
        advice = await AdviserChain([stage.adviser, RulesAdviser()], stage.clock).advise(asked())
        assert (advice.source, advice.content) == ("rules", content_by_rules("recommendation", a_plan()))
        [attempt] = advice.attempts
        assert (attempt.by, bool(attempt.code), attempt.usage.calls >= 1) == ("asked-for", True, True)


# ---- what only a real connection does


@asynccontextmanager
async def listening(*script: Behaviour) -> AsyncIterator[tuple[OpenAIModel, FakeModel]]:
    fake = FakeModel(script)
    config = uvicorn.Config(fake.app, log_level="critical", lifespan="off", timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as place:
        running = asyncio.create_task(server.serve([place]), name="fake-model")
        model = opened(KEY, base_url=f"http://127.0.0.1:{place.getsockname()[1]}/v1")
        try:
            yield model, fake
        finally:
            await model.close()
            server.should_exit = server.force_exit = True
            await running


async def failing(model: OpenAIModel, deadline: float) -> NoAnswer:
    with pytest.raises(NoAnswer) as failed:
        await ModelAdviser(model, MemoryLedger(), Clock(), deadline=deadline).advise(asked())
    return failed.value


async def test_over_a_socket_it_answers() -> None:
    async with listening() as (model, _):
        advice = await ModelAdviser(model, MemoryLedger(), Clock()).advise(asked())
        assert (advice.source, advice.model) == ("model", NAME)


async def test_a_byte_a_second_is_too_slow() -> None:
    async with listening("slow") as (model, _):
        assert (await failing(model, 0.3)).reason == "timeout"


async def test_an_answer_far_too_long_is_not_read_to_its_end() -> None:
    async with listening("flood") as (model, fake):
        assert (await failing(model, 20.0)).reason == "too_large"
        assert len(fake.calls) == 1


async def test_a_connection_that_is_cut_is_tried_once_more() -> None:
    async with listening("cut") as (model, fake):
        advice = await ModelAdviser(model, MemoryLedger(), Clock()).advise(asked())
        assert (advice.source, len(fake.calls)) == ("model", 2)


async def test_where_nobody_listens_that_is_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    model = opened(KEY, base_url=f"http://127.0.0.1:{port}/v1")
    failure = await failing(model, 20.0)
    await model.close()
    assert (failure.reason, failure.calls) == ("network", 2)
