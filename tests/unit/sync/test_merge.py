"""Three-way merge: what merges, what must not, the laws, and that no text keeps the loop for long."""

from __future__ import annotations

from random import Random
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.merge import merged
from tests.deltas import LETTERS, texts

BLOCKED = 0.02  # seconds that the loop may stand still at most (DESIGN 13, B4)


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "both"),
    [
        ("the cat sat", "the black cat sat", "the cat sat down", "the black cat sat down"),
        ("one two three", "one 2 three", "one two 3", "one 2 3"),
        ("The quick brown fox", "A quick brown fox jumps", "The quick red fox", "A quick red fox jumps"),
        ("colour", "color", "colours", "colors"),  # within one word, with something between
        ("x\ny\nz\n", "X\ny\nz\n", "x\ny\nZ\n", "X\ny\nZ\n"),
        ("x\ny\n", "X\ny\n", "x\nY\n", "X\nY\n"),  # lines side by side
        ("a b c d e", "a B c d e!", "a B c D e", "a B c D e!"),  # one change is the same in both
        ("foo", "foo bar", "qux", "qux bar"),  # an insert beside a change
        ("one two", "two", "one two three", "two three"),
        ("שלום עולם", "שלום לעולם", "שלום! עולם", "שלום! לעולם"),
        ("e f", "e\u0301 f", "e g", "e\u0301 g"),
        ("👍 ok 👎", "👍🏽 ok 👎", "👍 ok 👎🏿", "👍🏽 ok 👎🏿"),
        ("2024 and 10.5", "2025 and 10.5", "2024 and 11.5", "2025 and 11.5"),
        ("日本語の文章です", "日本語の良い文章です", "日本語の文章ですね", "日本語の良い文章ですね"),
    ],
)
def test_changes_that_do_not_meet_are_merged(base: str, mine: str, theirs: str, both: str) -> None:
    assert merged(base, mine, theirs) == merged(base, theirs, mine) == both


@pytest.mark.parametrize(
    ("base", "mine", "theirs"),
    [
        ("", "x", "y"),
        ("ab", "axb", "ayb"),
        ("a", "b", "c"),
        ("cat", "cut", "cap"),  # side by side in one word: "cup" is nobody's
        ("100", "200", "105"),  # digits of both would be a third number
        ("3.14", "4.14", "3.15"),
        ("one two three", "one three", "one TWO three"),  # one deletes what the other changes
        ("e", "e\u0301", "e\u0300"),
        ("👨\u200d👩", "👨\u200d👨", "👩\u200d👩"),  # one emoji, changed at both ends
        ("🇩🇪", "🇩🇰", "🇫🇪"),
        ("see end", "see the end", "see an end"),
    ],
)
def test_changes_that_meet_are_not(base: str, mine: str, theirs: str) -> None:
    assert merged(base, mine, theirs) is None
    assert merged(base, theirs, mine) is None


# ---- the laws


@given(texts, texts)
def test_who_changed_nothing_loses_nothing(base: str, changed: str) -> None:
    assert merged(base, changed, base) == changed
    assert merged(base, base, changed) == changed
    assert merged(base, changed, changed) == changed


@given(texts, texts, texts)
def test_it_does_not_matter_whose_is_mine(base: str, mine: str, theirs: str) -> None:
    assert merged(base, mine, theirs) == merged(base, theirs, mine)


UNIQUE = [chr(0x4E00 + place) for place in range(40)]
MINE = [chr(0x20000 + place) for place in range(20)]
THEIRS = [chr(0xAC00 + place) for place in range(20)]


@st.composite
def changes(draw: st.DrawFn, base: list[str], new: list[str]) -> str:
    """The base with some of it gone and some of `new`, each once, put in."""
    out: list[str] = []
    left = list(new)
    for one in [*base, ""]:
        if left and draw(st.integers(0, 5)) == 0:
            out += left[: (taken := draw(st.integers(1, 3)))]
            left = left[taken:]
        if one and (draw(st.integers(0, 5)) or one in " \n"):
            out.append(one)
    return "".join(out)


@given(st.data())
def test_what_both_wrote_is_there_and_what_either_deleted_is_not(data: st.DataObject) -> None:
    base: list[str] = []
    for one in UNIQUE[: data.draw(st.integers(0, 40))]:
        base += [one, data.draw(st.sampled_from(["", "", " ", " ", "\n"]))]
    mine = data.draw(changes(base, MINE))
    theirs = data.draw(changes(base, THEIRS))
    both = merged("".join(base), mine, theirs)
    if both is None:
        return
    written = [one for one in both if one not in " \n"]
    assert len(set(written)) == len(written)
    assert {one for one in written if one in MINE} == {one for one in mine if one in MINE}
    assert {one for one in written if one in THEIRS} == {one for one in theirs if one in THEIRS}
    assert [one for one in written if one in UNIQUE] == [one for one in UNIQUE if one in mine and one in theirs]


@given(st.integers(0, 2**32), st.integers(1, 400))
def test_changes_a_word_apart_always_merge(seed: int, length: int) -> None:
    """Not only what could be merged but that it is: every third word is mine, every third theirs."""
    random = Random(seed)
    base = [f"w{place}" for place in range(length)]
    mine, theirs, both = list(base), list(base), list(base)
    for place in range(length):
        if place % 3 == 0 and random.random() < 0.5:
            mine[place] = both[place] = random.choice(("mine", "", "my new words"))
        elif place % 3 == 1 and random.random() < 0.5:
            theirs[place] = both[place] = random.choice(("theirs", "", "their words"))
    assert merged(" ".join(base), " ".join(mine), " ".join(theirs)) == " ".join(both)


# ---- time


def prose(random: Random, size: int) -> str:
    words = ("".join(random.choices("abcdefghij", k=random.randint(1, 9))) for _ in range(size // 6 + 1))
    return "".join(word + ("\n" if place % 40 == 39 else " ") for place, word in enumerate(words))[:size]


def test_a_large_text_with_changes_apart_merges() -> None:
    random = Random(3)
    base = prose(random, 256_000)
    mine, theirs = "mine first\n" + base[1_000:] + " mine last", base[:100_000] + "theirs" + base[100_200:]
    start = process_time()
    both = merged(base, mine, theirs)
    assert process_time() - start < 5 * BLOCKED  # measured 3 ms
    assert both is not None
    assert both.startswith("mine first")
    assert both.endswith("mine last")
    assert "theirs" in both


def of(letters: str, size: int, seed: int) -> str:
    return "".join(Random(seed).choices(letters, k=size))


@pytest.mark.parametrize("size", [1_000, 3_000, 10_000, 40_000, 256_000])
@pytest.mark.parametrize("letters", ["ab", "!?.", "a \n", "1.2 ", "\n1", LETTERS, "e\u0301"])
def test_no_texts_take_long(letters: str, size: int) -> None:
    """Measured at most 11 ms; asked for five times what may block, as machines differ."""
    base, mine, theirs = (of(letters, size, seed) for seed in range(3))
    start = process_time()
    merged(base, mine, theirs)
    assert process_time() - start < 5 * BLOCKED
