"""Some of the moves in every run; for a night: `python -m tests.simulation --moves 1000000`."""

from __future__ import annotations

from tests.simulation.moves import placement_races, random_moves


def test_moves_at_random_leave_a_tree() -> None:
    """[TR14] [TR26] Of each kind of answer some."""
    answers = random_moves(20_000, seed=1)
    assert answers.total() == 20_000
    assert {"applied", "cycle", "superseded", "unchanged"} <= answers.keys()


def test_a_placement_is_one_that_was_asked_for() -> None:
    """[TR14] Parent and position change together, whoever comes first."""
    won = placement_races(10_000, seed=1)
    assert won.total() == 10_000
    assert won.keys() == {"a", "b", "c"}
