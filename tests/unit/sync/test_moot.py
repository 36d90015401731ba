"""Conflict records that later edits have decided: they close themselves."""

from __future__ import annotations

from sync.protocol import Closing
from tests.rooms import Bench, Json, delete, insert, title, told
from tests.unit.sync.test_records import aside, field, lose, move, opened


def closed(bench: Bench, number: int = 1) -> str:
    closing = bench.record(number).closed
    return closing.choice if closing else "open"


def test_a_tree_that_reads_as_it_was_lost_closes_the_record() -> None:
    """[CR7]"""
    bench = Bench()
    lose(bench)
    bench.do(title(1, "Cy 1", base=3), user="di")
    assert bench.record(1).closed == Closing(choice="moot", by="di", seq=4)
    assert bench.batches[-1].conflicts == [bench.record(1)]


def test_whoever_lost_decides_by_changing_it_again() -> None:
    """[CR7] Where he had seen what stood there."""
    bench = Bench()
    lose(bench)
    bench.do(field(2, "description", "else", base=3), user="cy")
    assert closed(bench) == "open"
    bench.do(title(3, "Cy 3", base=3), user="cy")
    assert closed(bench) == "moot"


def test_a_waiting_edit_that_is_so_by_now_is_moot() -> None:
    """[CR7] All of it must be."""
    bench = Bench()
    bench.do(title(1, "Theirs", base=1), user="cy")
    both = {"n": 1, "op": "update", "node": "root", "set": {"title": "Mine", "description": "Mine"}, "base": 1}
    aside(bench, both)
    bench.do(title(2, "Mine", base=2), user="cy")
    assert closed(bench) == "open"
    bench.do(field(3, "description", "Mine", base=3), user="cy")
    assert closed(bench) == "moot"


def test_a_waiting_delete_or_move_is_moot_when_someone_does_it() -> None:
    """[CR7]"""
    bench = Bench()
    bench.do(insert(1, "a"), insert(2, "b"), insert(3, "d"))
    seen = bench.room.seq
    bench.do(title(1, "Theirs", "a", base=seen), move(2, "b", "d", base=seen), user="cy")
    results = aside(bench, delete(1, "a", base=seen), move(2, "b", None, base=seen), client="bo-2")
    assert told(results) == ["conflict", "conflict"]
    bench.do(delete(3, "a", base=bench.room.seq), user="cy")
    assert (closed(bench, 1), closed(bench, 2)) == ("moot", "open")
    bench.do(move(4, "b", None, base=bench.room.seq), user="cy")
    assert closed(bench, 2) == "moot"


def test_a_restored_node_closes_the_record_of_its_delete() -> None:
    """[CR7]"""
    bench = Bench()
    bench.do(insert(1, "a"))
    bench.do(title(1, "Cy", "a", base=2), user="cy")
    bench.do(delete(2, "a", base=2))
    bench.do({"n": 2, "op": "restore", "node": "a", "base": 4}, user="cy")
    assert closed(bench) == "moot"


def purge(n: int, node: str) -> Json:
    return {"n": n, "op": "purge", "node": node}


def test_what_is_purged_closes_its_records() -> None:
    """[CR7] What waits to be made does not go with it."""
    bench = Bench()
    bench.do(insert(1, "a"), insert(2, "b", "a"), insert(3, "p"))
    seen = bench.room.seq
    bench.do({"n": 4, "op": "connect", "connection": "c", "from": "b", "to": "root", "base": seen})
    for n, user in ((1, "cy"), (5, "bo")):
        label = {"n": n + 2, "op": "update", "connection": "c", "set": {"label": user}, "base": seen + 1}
        bench.do(title(n, user, "b", base=seen), title(n + 1, user, "a", base=seen), label, user=user)
    bench.do(delete(4, "a", base=bench.room.seq), user="cy")
    aside(bench, title(8, "Mine", "b", base=bench.room.seq), insert(9, "a", "p"))
    assert len(opened(bench)) == 5
    assert told(bench.do(purge(1, "a"), user="ada", client="purge:1", mode="force")) == ["applied"]
    assert [record.code for record in opened(bench)] == ["exists"]
    assert {closed(bench, number) for number in (1, 2, 3, 4)} == {"moot"}


def test_what_cannot_be_told_stays_open() -> None:
    """[CR7] A waiting insert whose node another has made differently, and one that names no path."""
    bench = Bench()
    aside(bench, insert(1, "a", "nowhere", title="Mine"))
    bench.do(insert(1, "a", title="Other"), user="cy")
    assert closed(bench) == "open"
    bench.do(title(2, "Mine", "a", base=2), user="cy")
    assert closed(bench) == "moot"
