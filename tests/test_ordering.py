"""The long files of tests begin first, wherever they lie."""

from __future__ import annotations

from typing import NamedTuple

from tests.commands import ROOT
from tests.ordering import LONGEST_FIRST, longest_first


class Item(NamedTuple):
    nodeid: str


def test_the_long_ones_come_first_and_the_rest_stay_as_they_are() -> None:
    names = [
        "tests/a.py::one",
        f"{LONGEST_FIRST[1]}::z",
        f"{LONGEST_FIRST[0]}::b",
        f"{LONGEST_FIRST[1]}::a",
        "tests/b.py::x",
    ]
    items = [Item(name) for name in names]
    longest_first(items)
    assert [item.nodeid for item in items] == [names[2], names[1], names[3], names[0], names[4]]


def test_every_name_is_a_file() -> None:
    assert [name for name in LONGEST_FIRST if not (ROOT / name).is_file()] == []
    assert len(set(LONGEST_FIRST)) == len(LONGEST_FIRST)


def test_nothing_undoes_that_order() -> None:
    """pytest-xdist would begin with the files that have the most tests."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "--dist loadfile --no-loadscope-reorder" in makefile
