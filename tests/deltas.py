"""Texts and deltas for the tests of text that merges: hypothesis strategies, and every small delta there is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from hypothesis import strategies as st

from sync.text import Delta, checked

# Latin, an astral letter, a combining accent, an emoji of several code points (skin tone, zero width joiner, flag),
# Hebrew and Arabic with their marks, line ends
LETTERS = "ab 70-\n\u0301é𝔸👍🏽👨\u200d👩🇩🇪שלום\u05c1عربى\u0651"

texts = st.text(st.sampled_from(LETTERS), max_size=12)
pieces = st.text(st.sampled_from(LETTERS), min_size=1, max_size=4)


@st.composite
def deltas(draw: st.DrawFn, text: str) -> Delta:
    """Any delta that fits the text, in normal form."""
    out: Delta = []
    left = len(text)
    while left and draw(st.integers(0, 9)):
        if draw(st.booleans()):
            out.append(draw(pieces))
        count = draw(st.integers(1, left))
        out.append(count if draw(st.booleans()) else -count)
        left -= count
    if draw(st.booleans()):
        out.append(draw(pieces))
    return checked(out)


def every_delta(length: int, inserted: str) -> Iterator[Delta]:
    """Each way to keep or delete each of `length` code points, with or without an insert at each place between."""
    for counts in product((1, -1), repeat=length):
        for texts_between in product(("", inserted), repeat=length + 1):
            parts: Delta = [texts_between[0]]
            for count, text in zip(counts, texts_between[1:], strict=True):
                parts += [count, text]
            yield checked([part for part in parts if part != ""])
