"""The torture's own transformation, checked against its law and against `sync.text`."""

from __future__ import annotations

from random import Random

from sync.text import applied, transformed
from tests.torture.keystrokes import Keystroke, crossed, delta_of, played, settled


def some(chance: Random, length: int, letters: str) -> list[Keystroke]:
    strokes: list[Keystroke] = []
    for _ in range(chance.randrange(1, 6)):
        if length == 0 or chance.random() < 0.6:
            strokes.append((chance.randrange(length + 1), chance.choice(letters)))
            length += 1
        else:
            strokes.append((chance.randrange(length), None))
            length -= 1
    return strokes


def test_both_ways_round_lead_to_one_text_and_it_is_the_servers() -> None:
    for seed in range(3_000):
        chance = Random(seed)
        text = "abcdef"[: chance.randrange(7)]
        earlier = settled(len(text), some(chance, len(text), "XYZ"))
        later = settled(len(text), some(chance, len(text), "🌳éß"))
        behind_later, behind_earlier = crossed(earlier, later)
        one = played(played(text, earlier), behind_earlier)
        assert one == played(played(text, later), behind_later), seed
        first, second = delta_of(len(text), earlier), delta_of(len(text), later)
        assert applied(text, first) == played(text, earlier), seed
        _, over = transformed(first, second)
        assert applied(applied(text, first), over) == one, seed
