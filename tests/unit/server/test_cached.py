"""Answers kept under a stamp: never older than it, never longer than a minute, never more than fit."""

from __future__ import annotations

import asyncio

import pytest

from server import cached
from server.cached import SECONDS, Cache, Caches
from tests.clocks import ManualClock, settle


class Answers:
    """Counts how often it is asked; an answer has as many bytes as it is asked to have."""

    def __init__(self, size: int = 1) -> None:
        self.made = 0
        self.size = size

    async def __call__(self) -> bytes:
        self.made += 1
        return b"%d" % self.made * self.size


def cache(clock: ManualClock | None = None) -> Cache[bytes]:
    return Cache((clock or ManualClock()).monotonic, len)


async def test_an_answer_is_made_once_for_a_stamp() -> None:
    answers, one = Answers(), cache()
    assert [await one.get("a", 1, answers) for _ in range(3)] == [b"1", b"1", b"1"]
    assert await one.get("a", 2, answers) == b"2"
    assert await one.get("a", 1, answers) == b"3", "what has changed since is never given, back or forth"
    assert await one.get("b", 1, answers) == b"4"
    report = one.report()
    assert (report.asked, report.hits, report.hit_rate, report.kept) == (6, 2, 0.3333, 2)


async def test_an_answer_is_kept_for_a_minute() -> None:
    clock = ManualClock()
    answers, one = Answers(), cache(clock)
    await one.get("a", 1, answers)
    await clock.advance(SECONDS - 1)
    assert await one.get("a", 1, answers) == b"1"
    await clock.advance(1)
    assert await one.get("a", 1, answers) == b"2"


async def test_of_too_many_bytes_the_least_used_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "MOST_BYTES", 3_000)
    answers, one = Answers(700), cache()
    for key in ("a", "b", "a", "c"):
        await one.get(key, 1, answers)
    assert one.report().bytes == 2 * (700 + cached._ENTRY_BYTES)
    assert await one.get("a", 1, answers) == b"1" * 700
    assert await one.get("b", 1, answers) == b"4" * 700
    assert cache().report().hit_rate == 0.0


async def test_an_answer_that_would_drive_the_others_out_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "LARGEST", 100)
    one = cache()
    small, large = Answers(100), Answers(101)
    for _ in range(2):
        await one.get("small", 1, small)
        await one.get("large", 1, large)
    assert (small.made, large.made, one.report().kept) == (1, 2, 1)
    await one.get("small", 2, large)
    assert (one.report().kept, one.report().bytes) == (0, 0), "nor what it was before"


async def test_what_has_had_its_time_is_forgotten_though_nobody_asks() -> None:
    clock = ManualClock()
    caches = Caches(clock)
    one = caches.new("ones", len)
    sweeping = asyncio.create_task(caches.sweep())
    await one.get("a", 1, Answers())
    await clock.advance(SECONDS / 2)
    await one.get("b", 1, Answers())
    await clock.advance(SECONDS / 2 + 15)
    assert (one.report().kept, caches.report()["ones"].bytes) == (1, 1 + cached._ENTRY_BYTES)
    await clock.advance(SECONDS)
    assert (one.report().kept, one.report().bytes) == (0, 0)
    sweeping.cancel()
    await settle()
