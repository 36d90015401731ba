"""Deltas: normal form, what is refused, and the laws of the algebra, by random cases and by all small ones."""

from __future__ import annotations

from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.text import Delta, applied, checked, composed, difference, inverted, ladder, span, transformed
from sync.values import Refused
from tests.deltas import deltas, every_delta, pieces, texts

raw_parts = st.one_of(st.integers(-4, 4).filter(bool), pieces)


# ---- normal form


@pytest.mark.parametrize(
    ("delta", "normal"),
    [
        ([], []),
        ([5], []),
        ([2, 3, "x"], [5, "x"]),
        (["a", "b"], ["ab"]),
        ([-1, -2], [-3]),
        ([-3, "x"], ["x", -3]),
        (["a", -1, "b", -2, "c"], ["abc", -3]),
        ([2, -1, "x", 4], [2, "x", -1]),
        ([1, -1, 1, -1], [1, -1, 1, -1]),
        (["e", "\u0301"], ["e\u0301"]),
    ],
)
def test_a_delta_is_brought_into_normal_form(delta: Delta, normal: Delta) -> None:
    before = list(delta)
    assert checked(delta) == normal
    assert delta == before


@pytest.mark.parametrize(
    ("delta", "why"),
    [
        ([0], "count 0"),
        ([-0], "count 0"),
        (["a", 0], "count 0"),
        ([""], "empty"),
        ([True], "numbers and texts"),
        ([1.0], "numbers and texts"),
        ([None], "numbers and texts"),
        ([["a"]], "numbers and texts"),
        (["a\x00b"], "U\\+0000"),
        (["\ud83d"], "surrogate"),
        (["a\ude00"], "surrogate"),
        (["\ud83d\ude00"], "surrogate"),
        ([2**53], "count"),
        ([-(2**53)], "count"),
    ],
)
def test_what_is_no_delta_is_refused(delta: list[Any], why: str) -> None:
    with pytest.raises(Refused, match=why) as refused:
        checked(delta)
    assert refused.value.code == "invalid"


@given(st.lists(raw_parts, max_size=12))
def test_normal_form_says_the_same_and_is_stable(delta: Delta) -> None:
    text = "".join(chr(0x4E00 + place) for place in range(span(delta)))
    normal = checked(delta)
    assert applied(text, normal) == applied(text, delta)
    assert checked(normal) == normal
    assert span(normal) <= span(delta)


# ---- applying


@pytest.mark.parametrize(
    ("text", "delta", "after"),
    [
        ("abcdefgh", [5, "X", -3], "abcdeX"),
        ("", ["new"], "new"),
        ("abc", [-3], ""),
        ("👨\u200d👩", [1, -1], "👨👩"),  # counted in code points: the joiner is one of three
        ("👍🏽", [1, -1], "👍"),
        ("e\u0301", [-1], "\u0301"),
        ("שלום", [2, "ע"], "שלעום"),  # logical order, whichever way it is shown
    ],
)
def test_a_delta_counts_code_points(text: str, delta: Delta, after: str) -> None:
    assert applied(text, delta) == after


@pytest.mark.parametrize("delta", [[4], [-4], [3, -1], [3, 1, "x"], [2**52]])
def test_a_delta_beyond_the_end_is_refused(delta: Delta) -> None:
    with pytest.raises(Refused, match="walks over") as refused:
        applied("abc", delta)
    assert refused.value.code == "invalid"


def test_span_is_what_is_walked_over() -> None:
    assert span([2, "longer than that", -3]) == 5
    assert span(["a"]) == span([]) == 0


# ---- the laws


@given(st.data())
def test_two_in_a_row_are_one(data: st.DataObject) -> None:
    text = data.draw(texts)
    first = data.draw(deltas(text))
    between = applied(text, first)
    second = data.draw(deltas(between))
    both = composed(first, second)
    assert applied(text, both) == applied(between, second)
    assert checked(both) == both
    third = data.draw(deltas(applied(between, second)))
    assert applied(text, composed(both, third)) == applied(text, composed(first, composed(second, third)))


@given(st.data())
def test_tp1_two_orders_of_two_deltas_make_one_text(data: st.DataObject) -> None:
    text = data.draw(texts)
    earlier, later = data.draw(deltas(text)), data.draw(deltas(text))
    over_later, over_earlier = transformed(earlier, later)
    assert applied(applied(text, earlier), over_earlier) == applied(applied(text, later), over_later)
    assert checked(over_later) == over_later
    assert checked(over_earlier) == over_earlier


def test_tp1_holds_for_every_small_case() -> None:
    """All pairs on all texts of up to three code points: 17,476 of them."""
    cases = 0
    for text in ("", "a", "ab", "abc"):
        for earlier in every_delta(len(text), "x"):
            for later in every_delta(len(text), "yz"):
                over_later, over_earlier = transformed(earlier, later)
                one = applied(applied(text, earlier), over_earlier)
                other = applied(applied(text, later), over_later)
                assert one == other, (text, earlier, later)
                assert set(one) & set("xyz") == (set("x") & set(str(earlier))) | (set("yz") & set(str(later)))
                cases += 1
    assert cases == 17_476


@given(st.data())
def test_transforming_keeps_what_each_inserted_and_deletes_what_each_deleted(data: st.DataObject) -> None:
    text = "".join(chr(0x4E00 + place) for place in range(data.draw(st.integers(0, 8))))
    earlier, later = data.draw(deltas(text)), data.draw(deltas(text))
    result = applied(applied(text, earlier), transformed(earlier, later)[1])
    kept = [one for one in text if one in applied(text, earlier) and one in applied(text, later)]
    assert [one for one in result if one in text] == kept
    assert sorted(set(result) - set(text)) == sorted(
        {one for delta in (earlier, later) for part in delta if isinstance(part, str) for one in part}
    )


def test_of_two_inserts_at_one_place_the_earlier_stands_left() -> None:
    assert transformed([2, "first"], [2, "second"]) == ([2, "first"], [7, "second"])
    assert transformed(["first"], ["second", -1]) == (["first"], [5, "second", -1])
    assert transformed(["first", -1], ["second"]) == (["first", 6, -1], [5, "second"])


def test_what_both_delete_is_deleted_once() -> None:
    assert transformed([1, -3], [2, -3]) == ([1, -1], [1, -1])
    assert transformed([-5], [-5]) == ([], [])


@given(st.data())
def test_an_inverse_takes_back(data: st.DataObject) -> None:
    text = data.draw(texts)
    delta = data.draw(deltas(text))
    back = inverted(text, delta)
    assert applied(applied(text, delta), back) == text
    assert checked(back) == back
    assert applied(text, composed(delta, back)) == text


@given(texts, texts)
def test_a_difference_leads_from_one_text_to_the_other(old: str, new: str) -> None:
    delta = difference(old, new)
    assert applied(old, delta) == new
    assert checked(delta) == delta
    assert (delta == []) == (old == new)
    assert len([part for part in delta if isinstance(part, str) or part < 0]) <= 2


@pytest.mark.parametrize(
    ("old", "new", "delta"),
    [
        ("", "a", ["a"]),
        ("a", "", [-1]),
        ("aa", "a", [1, -1]),
        ("one two", "one and two", [4, "and "]),
        ("😀", "😁", ["😁", -1]),  # their UTF-16 forms share a first half
        ("a👍🏽b", "a👍🏿b", [2, "🏿", -1]),
    ],
)
def test_a_difference_replaces_what_lies_between(old: str, new: str, delta: Delta) -> None:
    assert difference(old, new) == delta


@given(st.data())
def test_a_ladder_is_one_step_after_another(data: st.DataObject) -> None:
    """Own deltas one behind the other over concurrent ones one behind the other, cell by cell: TP1 for all of them."""
    text = data.draw(texts)
    theirs, mine = text, text
    concurrent: list[Delta] = []
    for _ in range(data.draw(st.integers(0, 3))):
        concurrent.append(data.draw(deltas(theirs)))
        theirs = applied(theirs, concurrent[-1])
    rungs = concurrent
    for _ in range(data.draw(st.integers(1, 3))):
        own = data.draw(deltas(mine))
        mine = applied(mine, own)
        over, rungs = ladder(own, rungs)
        theirs = applied(theirs, over)
    for rung in rungs:
        mine = applied(mine, rung)
    assert mine == theirs


# ---- time, in that of this process: far above what it takes here, far below what would be felt


def test_a_small_delta_on_a_large_text_is_quick() -> None:
    text = "👍x" * 50_000
    delta: Delta = [50_000, "typed", -3]
    start = process_time()
    for _ in range(100):
        applied(text, delta)
        inverted(text, delta)
    assert process_time() - start < 0.1  # 1 ms each; measured 0.02 ms


def test_a_ladder_walks_each_rung_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linear: what it costs is one transformation for each concurrent delta (1.4 ms for 500)."""
    walked: list[Delta] = []

    def counting(earlier: Delta, later: Delta) -> tuple[Delta, Delta]:
        walked.append(earlier)
        return transformed(earlier, later)

    monkeypatch.setattr("sync.text.transformed", counting)
    concurrent: list[Delta] = [[place * 10, "ab"] for place in range(500)]
    ladder([50_000, "typed", -3], concurrent)
    assert walked == concurrent


def test_a_difference_of_large_texts_is_quick() -> None:
    old = "word " * 52_000
    start = process_time()
    assert difference(old, old[:130_000] + "!" + old[130_000:]) == [130_000, "!"]
    assert process_time() - start < 0.02  # measured 0.2 ms


def test_composing_into_a_long_insert_does_not_copy_it_each_time() -> None:
    second: Delta = [part for _ in range(20_000) for part in (2, "q")]
    start = process_time()
    assert len(applied("", composed(["é" * 100_000], second))) == 120_000
    assert process_time() - start < 0.5  # measured 0.03 s; copying the rest at each part would be 2 s
