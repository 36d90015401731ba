"""Waits grow, are random, and are bounded; what a server asks for is kept."""

from __future__ import annotations

import pytest

from treesync_client.backoff import Backoff, retry_after

TODAY = "Sat, 21 Nov 2026 15:00:00 GMT"


def test_the_bound_doubles_up_to_the_longest() -> None:
    """[RP8]"""
    always = Backoff(lambda: 1.0, longest=30.0)
    assert [always.wait(failures) for failures in (1, 2, 3, 7, 8, 9, 1000)] == [0.25, 0.5, 1.0, 16.0, 30.0, 30.0, 30.0]


def test_the_wait_is_a_random_part_of_it() -> None:
    """[RP8]"""
    assert Backoff(lambda: 0.5).wait(3) == 0.5
    assert Backoff(lambda: 0.0).wait(9) == 0.0


def test_those_who_are_many_come_spread_from_the_first_time_on() -> None:
    """[HS12] [RP8]"""
    always = Backoff(lambda: 1.0, longest=30.0)
    assert [always.wait(failures, 5.0) for failures in (1, 5, 6, 7, 8)] == [5.0, 5.0, 8.0, 16.0, 30.0]
    assert always.wait(1, 3_600.0) == 30.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 0 "}, 0.0),
        ({"Retry-After": "86400"}, 120.0),
        ({"Retry-After": "Sat, 21 Nov 2026 15:00:20 GMT", "Date": TODAY}, 20.0),
        ({"Retry-After": "Sat, 21 Nov 2026 14:00:00 GMT", "Date": TODAY}, 0.0),
        ({"Retry-After": "Sat, 21 Nov 2026 15:00:20 GMT"}, None),
        ({"Retry-After": "Sat, 21 Nov 2026 15:00:20", "Date": TODAY}, None),
        ({"Retry-After": "soon", "Date": TODAY}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "²"}, None),
        ({}, None),
    ],
)
def test_what_a_refused_handshake_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    """[RP13]"""
    assert retry_after(headers) == seconds
