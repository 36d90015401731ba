"""Results that stay small, however large the text is that they are about."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sync import shown
from tests.rooms import Bench, Json, told

LARGE = "x" * 200_000


def described(n: int, text: str, path: str = "description") -> Json:
    return {"n": n, "op": "update", "node": "root", "set": {path: text}, "base": 1}


def test_a_large_value_is_named_and_left_out() -> None:
    """[RS5] The record has it."""
    bench = Bench()
    bench.do(described(1, LARGE), user="cy")
    view = bench.do(described(1, "short"), mode="replay")[0].conflict
    assert view
    path = view.paths["description"]
    assert (path.mine, path.theirs, path.left_out, path.by, path.seq) == ("short", None, ["theirs"], "cy", 2)
    assert bench.room.records.open[1].paths["description"]["theirs"] == LARGE


def test_a_record_is_shown_once_in_an_edit() -> None:
    """[RS5]"""
    bench = Bench()
    bench.do(described(1, "Cy"), user="cy")
    for first in (1, 11):
        results = bench.do(*(described(n, f"v{n}") for n in range(first, first + 10)), mode="replay")
        assert set(told(results)) == {"conflict"}
        views: list[Any] = [result.conflict for result in results]
        assert [(view.id, view.node, bool(view.paths)) for view in views] == [
            (1, "root", place == 0) for place in range(10)
        ]


@pytest.mark.parametrize("policy", ["apply_clean", "all_or_nothing"])
def test_an_outcome_is_not_much_larger_than_its_edit(policy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """[RS5, CF12]"""
    monkeypatch.setattr(shown, "SHOWN_BYTES", 10_000)
    bench = Bench()
    paths = [f"metadata.k{n}" for n in range(1, 101)]
    bench.do(*(described(n, "y" * 4_000, path) for n, path in enumerate(paths, start=1)), user="cy")
    ops = [described(n, "mine", path) for n, path in enumerate(paths, start=1)]
    outcome = bench.outcome(*ops, mode="replay", policy=policy)
    assert set(told(outcome.results)) == {"conflict"}
    views: list[Any] = [result.conflict for result in outcome.results]
    assert [bool(view.paths) for view in views] == [True] * 3 + [False] * 97
    assert len(msgspec.json.encode(outcome)) < 25_000
