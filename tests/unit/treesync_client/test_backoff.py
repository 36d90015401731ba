"""Waits grow, are random, and are bounded."""

from __future__ import annotations

from treesync_client.backoff import Backoff


def test_the_bound_doubles_up_to_the_longest() -> None:
    """[RP8]"""
    always = Backoff(lambda: 1.0, longest=30.0)
    assert [always.wait(failures) for failures in (1, 2, 3, 7, 8, 9, 1000)] == [0.25, 0.5, 1.0, 16.0, 30.0, 30.0, 30.0]


def test_the_wait_is_a_random_part_of_it() -> None:
    """[RP8]"""
    assert Backoff(lambda: 0.5).wait(3) == 0.5
    assert Backoff(lambda: 0.0).wait(9) == 0.0
