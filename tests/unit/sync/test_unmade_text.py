"""Texts as they would be had some of their changes never been made: against a reading character by character."""

from __future__ import annotations

from random import Random

import pytest

from sync import unmade_text
from sync.text import Delta, applied
from sync.unmade_text import MOST_STEPS, Runs
from sync.values import Refused
from tests.never_made import Letters


def drawn(chance: Random, length: int) -> Delta:
    delta: Delta = []
    left = length
    for _ in range(chance.randrange(1, 4)):
        kept = chance.randrange(left + 1)
        gone = chance.randrange(min(left - kept, 5) + 1)
        left -= kept + gone
        delta += [kept] if kept else []
        delta += (
            ["".join(chance.choice("abcde") for _ in range(chance.randrange(1, 4)))] if chance.random() < 0.7 else []
        )
        delta += [-gone] if gone else []
    return delta


@pytest.mark.parametrize("block_runs", [2, 5, 128])
def test_a_text_is_what_its_characters_say(monkeypatch: pytest.MonkeyPatch, block_runs: int) -> None:
    """[HI18] Three hundred texts of many changes, in blocks of any size."""
    monkeypatch.setattr(unmade_text, "BLOCK_RUNS", block_runs)
    for seed in range(300):
        chance = Random(seed)
        text = "".join(chance.choice("xyz") for _ in range(chance.randrange(12)))
        runs, letters = Runs(text, [MOST_STEPS]), Letters(text)
        for _ in range(chance.randrange(1, 40)):
            delta, unmade = drawn(chance, len(text)), chance.random() < 0.5
            text = applied(text, delta)
            runs.change(delta, unmade)
            letters.change(delta, unmade)
            assert letters.here == text
            assert runs.kept == letters.kept, seed


def test_a_text_of_many_pieces_is_not_walked_over_for_each() -> None:
    """Ten thousand changes all over a text: a hundred steps each, not ten thousand."""
    left, chance = [MOST_STEPS], Random(1)
    runs = Runs("x" * 10_000, left)
    for place in range(10_000):
        runs.change([chance.randrange(10_000), "ab"], unmade=place % 2 == 0)
    assert MOST_STEPS - left[0] < 4_000_000
    assert runs.kept.count("x") == 10_000
    assert runs.kept.count("ab") > 4_000


def test_what_would_take_too_long_is_refused() -> None:
    """[HI25]"""
    runs = Runs("x" * 100, [50])
    delta: Delta = [part for _ in range(50) for part in (1, "a")]
    with pytest.raises(Refused) as refused:
        runs.change(delta, unmade=True)
    assert refused.value.code == "too_large"
