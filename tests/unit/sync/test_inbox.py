"""What waits in a room, and what must be looked up first."""

from __future__ import annotations

import pytest

from sync import inbox
from sync.limits import Limits
from sync.ports import First, Recalled
from tests.rooms import Bench, insert, title, told
from tests.unit.sync.test_cut import reader


def test_an_edit_whose_numbers_follow_is_not_looked_up() -> None:
    bench = Bench()
    bench.do(insert(1, "a"))
    assert bench.asked == 1
    bench.do(insert(2, "b"), insert(3, "c"))
    assert bench.offer(insert(4, "d")) is None
    assert bench.offer(insert(5, "e")) is None
    assert told([one for _, outcome in bench.settle().outcomes for one in outcome.results]) == ["applied"] * 2
    assert bench.asked == 1


@pytest.mark.parametrize("n", [1, 2, 9])
def test_any_other_is(n: int) -> None:
    """[ED2, ED3]"""
    bench = Bench()
    bench.do(insert(1, "a"), insert(2, "b"))
    bench.do(insert(n, "x"))
    assert bench.asked == 2


def test_a_client_is_known_from_its_open() -> None:
    bench = Bench()
    bench.room.know_client(("bo", "bo-1"), 0)
    assert told(bench.do(insert(1, "a"))) == ["applied"]
    assert bench.asked == 0


def test_what_came_while_others_were_looked_up_waits_for_its_own() -> None:
    """[ED2] A gap is never guessed."""
    bench = Bench()
    assert bench.offer(insert(1, "a")) is None
    bench.recall()
    assert bench.offer(insert(1, "b"), user="cy") is None
    flight = bench.room.cut("m", "r", bench.now)
    assert [judged.edit.client for judged in flight.cut.judged] == [("bo", "bo-1")]
    assert len(bench.room.inbox) == 1
    bench.settle()
    assert told(bench.settle().outcomes[0][1].results) == ["applied"]


def test_a_base_this_room_has_not_come_to_is_looked_up() -> None:
    """[ED18] Another instance may have; only its head tells."""
    bench = Bench()
    bench.do(insert(1, "a"))
    assert bench.offer(title(2, "x", base=9)) is None
    (edit,) = bench.room.inbox.unrecalled()
    assert edit.ahead
    assert bench.offer(title(3, "x", base=2)) is None
    assert [one.ahead for one in bench.room.inbox.unrecalled()] == [True]


def test_a_client_that_has_moved_on_elsewhere_is_looked_up_again() -> None:
    """[ED3] What waits of it may be stored already."""
    bench = Bench()
    bench.do(insert(1, "a"))
    assert bench.offer(insert(2, "b")) is None
    assert bench.room.inbox.unrecalled() == []
    bench.room.know_client(("bo", "bo-1"), 2)
    (edit,) = bench.room.inbox.unrecalled()
    first = First(target="b", result={"n": 2, "status": "applied", "seq": 9})
    bench.room.inbox.recalled(edit, Recalled(last_n=2, firsts={2: first}))
    bench.room.know_client(("bo", "bo-1"), 1)
    settled = bench.settle()
    assert settled.outcomes[0][1].results[0].first == first.result
    assert settled.outcomes[0][1].seq == 9
    assert bench.room.inbox.firsts == {}


def test_a_client_may_have_so_many_ops_unanswered() -> None:
    """[ED11] Whole edits; by HTTP as many as one edit may have."""
    bench = Bench(Limits(unanswered_ops=3, resume_ops=4))
    one = reader()
    assert bench.offer(insert(1, "a"), insert(2, "b"), participant=one) is None
    refusal = bench.offer(insert(3, "c"), insert(4, "d"), participant=one)
    assert refusal is not None
    assert refusal.code == "rate"
    assert bench.offer(insert(3, "c"), participant=one) is None
    refusal = bench.offer(*(insert(n, f"x{n}") for n in range(4, 9)))
    assert refusal is not None
    assert refusal.code == "rate"
    assert bench.offer(insert(4, "d")) is None
    bench.settle()
    assert bench.offer(insert(5, "e"), insert(6, "f"), participant=one) is None


def test_the_inbox_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """[ED10]"""
    monkeypatch.setattr(inbox, "INBOX_OPS", 3)
    monkeypatch.setattr(inbox, "INBOX_BYTES", 500)
    bench = Bench()
    assert bench.offer(insert(1, "a"), insert(2, "b"), size=300) is None
    for refusal in (bench.offer(insert(3, "c"), insert(4, "d")), bench.offer(insert(3, "c"), size=201)):
        assert refusal is not None
        assert refusal.code == "unavailable"
    assert bench.room.inbox.ops == 2
    bench.settle()
    assert (bench.room.inbox.ops, bench.room.inbox.size, len(bench.room.inbox)) == (0, 0, 0)


def test_an_empty_edit_is_answered() -> None:
    """[ED7]"""
    bench = Bench()
    outcome = bench.outcome()
    assert (outcome.results, outcome.seq) == ([], 1)
    assert bench.batches == []


def test_the_same_number_sent_twice_at_once_lands_once() -> None:
    """[ED3] The second waited behind the first, which had to be looked up."""
    bench = Bench()
    assert bench.offer(insert(1, "a")) is None
    bench.cut()
    assert bench.offer(insert(1, "a")) is None
    bench.settle()
    (again,) = bench.settle().outcomes[0][1].results
    assert (again.status, again.first) == ("duplicate", {"n": 1, "status": "applied", "seq": 2})


def test_clients_that_are_gone_are_forgotten_and_looked_up_when_they_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """[ED2, ED3] A tree that is open for months has seen many pages; whose edit waits is not forgotten."""
    monkeypatch.setattr(inbox, "KEPT_CLIENTS", 2)
    bench = Bench()
    for number in range(9):
        bench.do(insert(1, f"n{number}"), user=f"u{number}")
    assert bench.offer(insert(2, "waits"), user="u0") is None
    bench.room.inbox.forget({("u1", "u1-1")})
    assert [user for user, _ in bench.room.inbox.counters] == ["u0", "u1", "u7", "u8"]
    asked = bench.asked
    assert told(bench.settle().outcomes[0][1].results) == ["applied"]
    assert bench.asked == asked
    assert told(bench.do(insert(2, "back"), user="u5")) == ["applied"]
    assert told(bench.do(insert(1, "n6"), user="u6")) == ["duplicate"]
    assert bench.asked == asked + 2


def test_what_has_waited_longest() -> None:
    bench = Bench()
    assert bench.room.inbox.oldest is None
    bench.offer(insert(1, "a"))
    bench.offer(insert(2, "b"))
    oldest = bench.room.inbox.oldest
    assert oldest is not None
    assert oldest.ops[0].n == 1
