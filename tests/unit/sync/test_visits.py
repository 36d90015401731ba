"""One user's continuous use."""

from __future__ import annotations

from sync.visits import VISIT_SECONDS, Visits
from tests.clocks import ManualClock
from tests.hubs import identity


async def test_a_visit_ends_after_half_an_hour_without_activity() -> None:
    """[AC3]"""
    clock = ManualClock()
    visits = Visits(clock)
    first = visits.of(identity("ada"))
    await clock.advance(VISIT_SECONDS - 1)
    assert visits.of(identity("ada")) == first
    await clock.advance(VISIT_SECONDS - 1)
    assert visits.of(identity("ada")) == first
    await clock.advance(VISIT_SECONDS)
    assert visits.of(identity("ada")) != first
    assert visits.of(identity("bo")) != visits.of(identity("ada"))
    assert visits.of(identity("ada", "other")) != visits.of(identity("ada"))


async def test_those_that_ended_are_forgotten() -> None:
    clock = ManualClock()
    visits = Visits(clock)
    for number in range(5_000):
        visits.of(identity(f"u{number}"))
    await clock.advance(VISIT_SECONDS)
    for number in range(5_000):
        visits.of(identity(f"v{number}"))
    assert len(visits) <= 5_001
