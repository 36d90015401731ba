"""The simulation with rooms that remember next to nothing, so that old edits are judged by the log (SEMANTICS 16)."""

from __future__ import annotations

import pytest

from sync import backlog, commit
from tests.simulation.plan import draw
from tests.simulation.world import simulate

SEEDS = range(5_000, 5_020)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_room_has_forgotten_makes_no_difference(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """[TX16] Whatever the store and the bus do meanwhile."""
    monkeypatch.setattr(backlog, "KEPT_OPS", 3)
    monkeypatch.setattr(commit, "FIRST_ROWS", 4)
    monkeypatch.setattr(commit, "MORE_ROWS", 7)
    simulate(draw(seed, 150))
