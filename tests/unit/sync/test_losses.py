"""What an op takes away is what stood there: whose it was, and that it is kept once."""

from __future__ import annotations

from typing import Any

import pytest

from sync import records
from tests.rooms import Bench, Json, delete, insert, title, told
from tests.unit.sync.test_records import aside, field, move, opened


def test_who_overwrites_twice_takes_the_value_once() -> None:
    """[CF1, CR2] The second takes his own value away, and the record keeps what was lost: in one message and in two."""
    for edits in (([1, 2, 3],), ([1], [2], [3])):
        bench = Bench()
        bench.do(title(1, "Cy's words", base=1), user="cy")
        for numbers in edits:
            bench.do(*[title(n, f"Bo {n}", base=1) for n in numbers])
        (record,) = opened(bench)
        assert (record.user, record.paths["title"]["mine"], record.seqs) == ("cy", "Cy's words", [])
        assert told(bench.do(title(4, "Bo later", base=1), mode="replay")) == ["applied"]


def test_who_places_twice_takes_the_placement_once() -> None:
    """[CF1, CR3] The same for a label and the tree's own fields."""
    bench = Bench()
    bench.do(insert(1, "a"), insert(2, "b"), insert(3, "c"), insert(4, "d"))
    bench.do({"n": 5, "op": "connect", "connection": "k", "from": "b", "to": "c", "label": "L"})
    seen = bench.room.seq
    label: Json = {"op": "update", "connection": "k", "base": seen}
    name: Json = {"op": "configure", "base": seen}
    bench.do(
        move(1, "a", "b", base=seen),
        {**label, "n": 2, "set": {"label": "Cy"}},
        {**name, "n": 3, "set": {"name": "Cy"}},
        user="cy",
    )
    for n, parent in ((6, "c"), (9, "d")):
        its_label, its_name = (
            {**label, "n": n + 1, "set": {"label": f"{n}"}},
            {**name, "n": n + 2, "set": {"name": f"{n}"}},
        )
        bench.do(move(n, "a", parent, base=seen), its_label, its_name)
    placed, labelled, named = opened(bench)
    assert placed.paths["placement"]["mine"]["parent"] == "b"
    assert (labelled.paths["label"]["mine"], named.paths["name"]["mine"]) == ("Cy", "Cy")
    assert {record.user for record in (placed, labelled, named)} == {"cy"}


def test_a_reparent_that_was_placed_over_holds_nothing_back() -> None:
    """[CF7] One's own drag goes by the parent one has given oneself."""
    bench = Bench()
    bench.do(insert(1, "a"), insert(2, "b"), insert(3, "c"))
    seen = bench.room.seq
    bench.do(move(1, "a", "b", base=seen), user="cy")
    drag = {"n": 5, "op": "move", "node": "a", "position": {"x": 9, "y": 9}, "base": seen}
    assert told(bench.do(move(4, "a", "c", base=seen), drag)) == ["applied", "applied"]


def text(n: int, delta: list[Any], base: int) -> Json:
    return {"n": n, "op": "text", "node": "root", "path": "description", "delta": delta, "base": base}


def test_what_was_only_typed_into_is_still_the_others() -> None:
    """[CF1, CR1] A delta beside what another has typed replaces nothing; the value after it does."""
    bench = Bench()
    bench.do(field(1, "description", "one", base=1), user="di")
    bench.do(text(1, [3, " by cy"], 2), user="cy")
    assert told(bench.do(text(1, ["by bo "], 2))) == ["applied"]
    bench.do(field(2, "description", "Bo's", base=2), field(3, "description", "Bo's too", base=2))
    (record,) = opened(bench)
    assert (record.user, record.paths["description"]["mine"]) == ("cy", "by bo one by cy")


def test_who_overwrites_what_he_merged_takes_it_from_the_other() -> None:
    """[CR2, TX14]"""
    bench = Bench()
    bench.do(field(1, "description", "one", base=1), user="di")
    bench.do(text(1, [1, "-cy-"], 2), user="cy")
    assert told(bench.do(text(1, [3, " by bo"], 2), text(2, ["> "], 2))) == ["merged", "applied"]
    bench.do(field(3, "description", "Bo's", base=2))
    (record,) = opened(bench)
    assert (record.user, record.parties) == ("cy", ["bo", "cy"])
    assert record.paths["description"]["mine"] == "> o-cy-ne by bo"


def test_what_waits_for_its_node_is_joined_whatever_its_author_has_seen() -> None:
    """[CR6] Its paths tell of no change that one could have seen."""
    bench = Bench()
    bench.do(insert(1, "a"))
    seen = bench.room.seq
    bench.do(delete(1, "a", base=seen), user="cy")
    results = aside(bench, title(2, "first", "a", base=seen), title(3, "second", "a", base=seen))
    assert [result.conflict and result.conflict.id for result in results] == [1, 1]
    assert [op["set"]["title"] for op in opened(bench)[0].ops] == ["first", "second"]


def test_who_has_very_many_edits_waiting_keeps_the_next_in_his_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """[CR20] Nothing is lost: its number is not consumed, and once one is decided it is taken."""
    monkeypatch.setattr(records, "MOST_ASIDE", 2)
    bench = Bench()
    results = aside(bench, *[insert(n, f"x{n}", f"nowhere{n}") for n in (1, 2, 3)], title(4, "behind"))
    assert [(result.status, result.code or "") for result in results] == [
        ("conflict", ""),
        ("conflict", ""),
        ("rejected", "rate"),
        ("rejected", "gap"),
    ]
    assert told(aside(bench, insert(3, "y", "x1"))) == ["conflict"]  # it joins, and opens none
    assert told(bench.do(insert(1, "z", "nowhere"), user="cy", mode="replay")) == ["conflict"]
    bench.resolve(1, "theirs")
    assert told(aside(bench, insert(4, "x4", "nowhere4"), insert(5, "x5", "nowhere5"))) == ["conflict", "rate"]
