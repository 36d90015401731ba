"""Restores and reverts amid everything else that befalls a server: each lands whole, once, and every promise holds.

[HI12] [HI17] [HI20] [HI21]
"""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from tests.simulation.plan import draw
from tests.simulation.world import simulate

SEEDS, SHARES = 24, 4
OFTEN = 0.06  # beside 1 op
FIRST = 10_016  # seeds of their own


@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", range(SHARES))
def test_going_back_keeps_every_promise(share: int) -> None:
    answers: Counter[str] = Counter()
    for seed in range(FIRST + share, FIRST + SEEDS, SHARES):
        plan = draw(seed)
        plan = msgspec.structs.replace(plan, events={**plan.events, "go_back": OFTEN})
        try:
            answers.update(simulate(plan).going_back.answers)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
    assert answers["done"] > 20, answers
