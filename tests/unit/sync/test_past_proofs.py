"""A thousand random logs: versions, restores and reverts of each keep what is promised (`tests.past_proofs`)."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.past_proofs import prove


@pytest.mark.parametrize("part", range(10))
def test_the_past_of_a_hundred_logs(part: int) -> None:
    """[HI6] [HI12] [HI14] [HI16] [HI17] [HI18]"""
    found: Counter[str] = Counter()
    for seed in range(part * 100, part * 100 + 100):
        try:
            prove(seed, found)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    assert found["versions"] > 300
    assert min(found["restored ops"], found["reverted ops"], found["kept"]) > 100, found
