"""Order keys: the published algorithm's own vectors, and what must hold of any key."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.limits import ORDER_KEY_CHARACTERS
from sync.order import DIGITS, key_between, spaced_keys

VECTORS = Path(__file__).parents[2] / "vectors" / "order_keys.json"
LOWEST = "A" + "0" * 26


def vectors() -> list[tuple[str | None, str | None, str]]:
    return [(low, high, key) for low, high, key in json.loads(VECTORS.read_text(encoding="utf-8"))["keys"]]


def test_keys_are_those_of_the_published_algorithm() -> None:
    """[TR11] The package `fractional-indexing` 4.0.0 made the vectors: appends, prepends, gaps, borders."""
    assert len(vectors()) > 700
    assert [(low, high, key_between(low, high)) for low, high, _ in vectors()] == vectors()


@given(st.lists(st.integers(min_value=0, max_value=10**6), max_size=80))
def test_any_run_of_inserts_stays_strictly_sorted(places: list[int]) -> None:
    """[TR11]"""
    keys: list[str] = []
    for one in places:
        place = one % (len(keys) + 1)
        low = keys[place - 1] if place else None
        high = keys[place] if place < len(keys) else None
        keys.insert(place, key_between(low, high))
    assert keys == sorted(set(keys))
    assert all(set(key) <= set(DIGITS) for key in keys)


@given(st.integers(min_value=0, max_value=3_000))
def test_spaced_keys_are_short_and_sorted(count: int) -> None:
    keys = spaced_keys(count)
    assert len(keys) == count
    assert all(left < right for left, right in pairwise(keys))
    assert max(map(len, keys), default=0) <= 4


def test_an_appended_list_keeps_short_keys() -> None:
    assert max(map(len, spaced_keys(10_000))) <= 4


def test_inserting_behind_the_same_sibling_grows_a_key_by_one_character_in_about_six() -> None:
    high = key_between("a0", None)
    inserts = 0
    while len(high) <= ORDER_KEY_CHARACTERS:
        high = key_between("a0", high)
        inserts += 1
    assert 5 * ORDER_KEY_CHARACTERS < inserts < 7 * ORDER_KEY_CHARACTERS


def test_the_lowest_integer_is_no_key_but_may_have_a_fraction() -> None:
    first = key_between(None, LOWEST + "1")
    assert LOWEST < first < LOWEST + "1"
    assert key_between(None, "A" + "0" * 25 + "1") == LOWEST + "V"


@pytest.mark.parametrize("key", ["", LOWEST, "a", "a0 ", "a00", "0a", "é0", "b0", "a0!", "a1V0", "-1"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="order key"):
        key_between(key, None)
    with pytest.raises(ValueError, match="order key"):
        key_between(None, key)


@pytest.mark.parametrize(("low", "high"), [("a1", "a0"), ("a0", "a0"), ("a0V", "a0")])
def test_bounds_must_be_in_order(low: str, high: str) -> None:
    with pytest.raises(ValueError, match="does not stand before"):
        key_between(low, high)
