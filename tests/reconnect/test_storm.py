"""Some clients of ours lose their server at once, in three ways, while edits are under way: all come back, nothing that
was acknowledged is lost, and they come spread over time. `make reconnect-storm` does it with 2,000."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.reconnect.crowd import Crowd
from tests.reconnect.storm import Storm, Told, busiest_second, mean_of, stacked

CLIENTS = 100


@pytest.fixture(scope="module")
async def storm() -> AsyncIterator[tuple[list[Told], list[str], Crowd]]:
    async with stacked() as stack, AsyncExitStack() as people:
        crowd = Crowd(seed=1, longest_wait=4.0)
        await crowd.come(stack.instance, CLIENTS, people)
        driven = Storm(stack, crowd, lambda told: None)
        wrong = await driven.run()
        yield driven.told, wrong, crowd


def test_everybody_is_back_and_nothing_is_lost(storm: tuple[list[Told], list[str], Crowd]) -> None:
    """[CL1] O1 and O3, and no more connections to the database than were promised."""
    told, wrong, crowd = storm
    assert wrong == []
    assert [one.name for one in told] == ["cut", "kill", "deploy"]
    assert len(crowd.landed) > CLIENTS
    assert set(crowd.outcomes) == {"Landed"}
    assert all(one.in_flight > 0 for one in told)


def test_they_are_given_what_they_missed_and_no_more(storm: tuple[list[Told], list[str], Crowd]) -> None:
    assert [(one.resumed, one.snapshots) for one in storm[0]] == [(CLIENTS, 0)] * 3


def test_a_server_that_is_away_is_tried_less_and_less(storm: tuple[list[Told], list[str], Crowd]) -> None:
    """A first wait of up to 0.25 s that doubles up to 4 s here: some five attempts, then one in two seconds."""
    for told in storm[0]:
        assert told.attempts <= CLIENTS * (8 + told.back / 2), told


def test_the_busiest_second_of_a_count() -> None:
    assert busiest_second([(0.0, 0), (0.5, 10), (1.2, 40), (3.0, 45), (3.5, 60)]) == 30
    assert mean_of([(0.0, 0), (0.5, 0), (1.0, 10), (2.5, 40), (3.0, 40)]) == 20.0
    assert mean_of([(0.0, 3), (0.5, 9), (9.0, 9)]) == 6.0
    assert mean_of([(0.0, 3), (0.5, 3)]) == 0.0
