"""Answers kept under a stamp: never older than it, never longer than a minute, never more than fit."""

from __future__ import annotations

import pytest

from server import cached
from server.cached import SECONDS, Cache
from tests.clocks import ManualClock


class Answers:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.made = 0

    async def __call__(self) -> int:
        self.made += 1
        return self.made


async def test_an_answer_is_made_once_for_a_stamp() -> None:
    answers, cache = Answers(), Cache(ManualClock().monotonic)
    assert [await cache.get("a", 1, answers) for _ in range(3)] == [1, 1, 1]
    assert await cache.get("a", 2, answers) == 2
    assert await cache.get("a", 1, answers) == 3, "what has changed since is never given, back or forth"
    assert await cache.get("b", 1, answers) == 4
    report = cache.report()
    assert (report.asked, report.hits, report.hit_rate) == (6, 2, 0.3333)


async def test_an_answer_is_kept_for_a_minute() -> None:
    clock = ManualClock()
    answers, cache = Answers(), Cache(clock.monotonic)
    await cache.get("a", 1, answers)
    await clock.advance(SECONDS - 1)
    assert await cache.get("a", 1, answers) == 1
    await clock.advance(1)
    assert await cache.get("a", 1, answers) == 2


async def test_of_too_many_the_least_used_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "MOST", 2)
    answers, cache = Answers(), Cache(ManualClock().monotonic)
    for key in ("a", "b", "a", "c"):
        await cache.get(key, 1, answers)
    assert await cache.get("a", 1, answers) == 1
    assert await cache.get("b", 1, answers) == 4
    assert Cache(ManualClock().monotonic).report().hit_rate == 0.0
