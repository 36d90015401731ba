"""The queue by itself: numbers, rounds, what leaves when."""

from __future__ import annotations

from typing import Any

from sync import ops
from sync.limits import Limits
from sync.protocol import Result
from treesync_client.entry import ENVELOPE_BYTES, NUMBER_BYTES, Entry
from treesync_client.queue import Queue
from treesync_client.results import Landed

LIMITS = Limits()
NEVER = 2**31


def entry(node: str, answers: list[Any] | None = None, mode: Any = "live", size: int = 50) -> Entry:
    settle = (lambda answer: None) if answers is None else answers.append
    return Entry(ops.Delete(n=1, base=0, node=node), mode, size, settle)


def filled(count: int, answers: list[Any] | None = None) -> Queue:
    queue = Queue()
    for number in range(count):
        queue.add(entry(f"n{number}", answers))
    return queue


def taken(queue: Queue, message_bytes: int = NEVER, most_ops: int = NEVER) -> list[list[int]]:
    return [[op.n for op in parcel.ops] for parcel in queue.take(LIMITS, message_bytes, most_ops)]


def applied(n: int, seq: int) -> Result:
    return Result(n=n, status="applied", seq=seq)


def test_numbers_are_given_at_first_sending() -> None:
    """[ED2]"""
    queue = filled(2)
    assert queue.sent_n == 0
    assert not queue.has_numbered
    assert taken(queue) == [[1, 2]]
    assert queue.has_numbered
    queue.lost()
    assert taken(queue) == [[1, 2]]


def test_nothing_is_taken_while_anything_is_under_way() -> None:
    queue = filled(1)
    assert taken(queue) == [[1]]
    queue.add(entry("later"))
    assert taken(queue) == []
    queue.answer(applied(1, 1), 1)
    assert taken(queue) == [[2]]


def test_edits_stay_within_bytes() -> None:
    """[WS6]"""
    queue = filled(3)
    two = ENVELOPE_BYTES + 2 * (50 + NUMBER_BYTES) + 1
    assert taken(queue, message_bytes=two) == [[1, 2], [3]]


def test_an_op_leaves_when_the_replica_has_come_to_its_outcomes_seq() -> None:
    """[RP3]"""
    answers: list[Any] = []
    queue = filled(2, answers)
    taken(queue)
    queue.answer(applied(1, 5), 6)
    queue.answer(Result(n=2, status="unchanged"), 6)
    assert [answer.status for answer in answers] == ["applied", "unchanged"]
    queue.reached(5)
    assert len(queue) == 2
    queue.reached(6)
    assert len(queue) == 0


def test_a_duplicate_is_answered_by_its_first_result() -> None:
    """[ED3] [ED4]"""
    answers: list[Any] = []
    queue = filled(2, answers)
    taken(queue)
    queue.answer(Result(n=1, status="duplicate", first={"n": 1, "status": "applied", "seq": 3}), 9)
    queue.answer(Result(n=2, status="duplicate", first={"n": 2, "status": "unknown"}), 9)
    assert answers == [Landed(n=1, status="applied", seq=3), Landed(n=2, status="unknown")]


def test_an_answer_comes_once() -> None:
    answers: list[Any] = []
    queue = filled(1, answers)
    taken(queue)
    queue.answer(applied(1, 1), 1)
    queue.answer(applied(1, 1), 1)
    queue.answer(applied(7, 1), 1)
    assert len(answers) == 1


def test_what_is_confirmed_is_not_shown_over_itself() -> None:
    queue = filled(2)
    taken(queue)
    first = queue.entry(1)
    assert first is not None
    first.hidden = True
    assert [one.n for one in queue.visible()] == [2]
    assert [one.n for one in queue.unanswered()] == [1, 2]


def test_a_dropped_op_gives_its_number_to_the_next() -> None:
    """[ED6]"""
    queue = filled(3)
    taken(queue)
    first = next(queue.unanswered())
    queue.land(list(queue.unanswered()))
    queue.drop(first, ValueError())  # type: ignore[arg-type]
    assert taken(queue) == [[1, 2]]
    assert [one.op.node for one in queue.unanswered()] == ["n1", "n2"]  # type: ignore[union-attr]


def test_a_new_client_id_counts_from_1_and_leaves_the_settled_alone() -> None:
    """[RP7]"""
    queue = filled(1)
    taken(queue)
    queue.answer(applied(1, 4), 4)
    queue.opened(5)
    assert queue.worn_out
    queue.add(entry("later"))
    assert taken(queue) == []
    queue.renumber()
    assert taken(queue) == [[1]]
    queue.reached(4)
    queue.answer(applied(1, 5), 5)
    assert not list(queue.unanswered())


def test_rounds_without_progress_are_counted() -> None:
    """[ED6]"""
    queue = filled(1)
    for turn in range(1, 4):
        taken(queue)
        queue.answer(Result(n=1, status="rejected", code="unavailable"), 0)
        assert queue.end_round() == "unavailable"
        assert queue.refusals == turn
    taken(queue)
    queue.answer(applied(1, 1), 1)
    assert queue.end_round() is None
    assert queue.refusals == 0


def test_a_dropped_op_that_may_have_arrived_keeps_its_number() -> None:
    """[ED2] [RP7] Another op under it would be answered as that one."""
    queue = filled(2)
    taken(queue)
    queue.lost()
    for one in list(queue.unanswered()):
        queue.drop(one, ValueError())  # type: ignore[arg-type]
    queue.add(entry("later"))
    assert taken(queue) == [[3]]
    assert queue.entry(1) is None
    queue.answer(Result(n=3, status="rejected", code="gap", expected=1), 0)
    queue.end_round()
    assert queue.worn_out
    assert not queue.has_numbered


def test_what_was_refused_behind_one_in_doubt_is_free() -> None:
    """[ED6]"""
    queue = filled(3)
    taken(queue, most_ops=1)
    _, *others = queue.unanswered()
    queue.land(others)
    queue.lost()
    for one in list(queue.unanswered()):
        queue.drop(one, ValueError())  # type: ignore[arg-type]
    queue.purge()
    assert queue.sent_n == 1
