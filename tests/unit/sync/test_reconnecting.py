"""Clients that lose their server together come back spread over time, the wider the more they are."""

from __future__ import annotations

from server.clock import SystemClock
from sync.reconnecting import (
    ADMITTED_PER_SECOND,
    ASKED_BACK_MS,
    LONGEST_MS,
    REMEMBERED_SECONDS,
    Crowd,
    retry_ms,
    spread_ms,
)


def test_it_grows_with_the_sockets_up_to_the_longest_wait() -> None:
    """[HS12] A few come back as quickly as ever: a first wait is up to 250 ms anyway."""
    assert [spread_ms(sockets) for sockets in (0, 1, 100, 2_000, 1_000_000)] == [0, 2, 250, 5_000, LONGEST_MS]
    assert spread_ms(ADMITTED_PER_SECOND) == 1_000


def test_the_first_who_come_back_are_told_how_many_will() -> None:
    """[HS12] Until some minutes are over, when the others have gone for good."""
    crowd = Crowd()
    assert [crowd.spread_ms(sockets, at) for sockets, at in ((1, 1.0), (2_000, 2.0), (1, 3.0))] == [2, 5_000, 5_000]
    assert crowd.spread_ms(40, 3.0 + REMEMBERED_SECONDS) == 5_000
    assert crowd.spread_ms(40, 4.0 + 2 * REMEMBERED_SECONDS) == 100
    assert crowd.spread_ms(4, 5_000.0) == 10


def test_who_is_sent_away_is_spread_as_far_and_never_less_than_two_seconds() -> None:
    """[CL1]"""
    clock = SystemClock()
    few = [retry_ms(clock, 10) for _ in range(2_000)]
    many = [retry_ms(clock, 4_000) for _ in range(2_000)]
    assert min(few + many) >= ASKED_BACK_MS[0]
    assert 1_900 < max(few) < ASKED_BACK_MS[1]
    assert 9_500 < max(many) < ASKED_BACK_MS[0] + 10_000
    assert 900 < sum(few) / len(few) < 1_300
    assert 4_700 < sum(many) / len(many) < 5_600
