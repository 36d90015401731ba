"""Sending a queue, message by message: what goes when, what goes again, what is given up."""

from __future__ import annotations

import pytest

from sync import ops
from sync.errors import NotFound, TreesyncError
from sync.limits import Limits
from sync.nodes import Point
from sync.protocol import (
    Error,
    Notice,
    Open,
    Outcome,
    RoleChanged,
)
from tests.mini_server import MiniClient, MiniServer, outcomes
from tests.opened_trees import entered, insert, numbers, refusal, refuse, sent, title
from treesync_client.errors import Rejected
from treesync_client.results import Conflict, Landed
from treesync_client.wire import checked


@pytest.fixture
def server() -> MiniServer:
    return MiniServer()


@pytest.fixture
def ada(server: MiniServer) -> MiniClient:
    return entered(server)


# ---- sending


def test_an_op_shows_at_once_and_leaves_when_it_is_confirmed(server: MiniServer, ada: MiniClient) -> None:
    """[RP3] [ED9] The outcome does not remove it: the ops frame does."""
    ada.edit(insert("n1"))
    assert ada.tree.view().node("n1") is not None
    ada.send_one()
    assert outcomes(ada)
    ada.hear_one()
    assert ada.answers == [Landed(n=1, status="applied", seq=1)]
    assert len(ada.tree.queue) == 1
    ada.hear_one()
    assert len(ada.tree.queue) == 0
    assert ada.changes[0].own
    assert ada.tree.replica.digest == server.room.tree.digest


def test_what_piles_up_while_an_edit_is_under_way_goes_together(ada: MiniClient) -> None:
    """[ED7]"""
    for number in range(4):
        ada.edit(insert(f"n{number}"))
    assert [numbers(edit) for edit in sent(ada)] == [[1]]
    ada.send_one()
    ada.hear_one()
    assert [numbers(edit) for edit in sent(ada)] == [[2, 3, 4]]


def test_a_long_queue_is_split_by_ops_and_by_bytes() -> None:
    """[ED10] [LM1]"""
    ada = entered(MiniServer(Limits(edit_ops=10, message_bytes=4096)))
    ada.cut()
    for number in range(25):
        ada.edit(insert(f"n{number}"))
    for number in range(4):
        ada.edit(insert(f"big{number}", description="x" * 1500))
    ada.connect()
    ada.send_one()
    ada.hear_one()
    assert [len(edit.ops) for edit in sent(ada)] == [10, 10, 7, 2]
    assert [n for edit in sent(ada) for n in numbers(edit)] == list(range(1, 30))
    ada.settle()
    assert [answer.status for answer in ada.answers if isinstance(answer, Landed)] == ["applied"] * 29


def test_no_more_ops_are_under_way_than_the_limit() -> None:
    """[ED11]"""
    ada = entered(MiniServer(Limits(edit_ops=10, unanswered_ops=25)))
    ada.cut()
    for number in range(60):
        ada.edit(insert(f"n{number}"))
    ada.connect()
    ada.send_one()
    ada.hear_one()
    assert sum(len(edit.ops) for edit in sent(ada)) == 25
    ada.settle()
    assert len(ada.answers) == 60
    assert all(isinstance(answer, Landed) for answer in ada.answers)


def test_an_op_too_large_for_a_message_goes_by_http_in_its_turn() -> None:
    """[WS6] [HT2]"""
    ada = entered(MiniServer(Limits(message_bytes=2048)))
    ada.cut()
    for op in (insert("a"), insert("b", description="x" * 4000), insert("c")):
        ada.edit(op)
    ada.connect()
    ada.send_one()
    ada.hear_one()
    assert [numbers(edit) for edit in sent(ada)] == [[1]]
    ada.send_one()
    ada.hear_one()
    (posted,) = ada.posted
    assert (numbers(posted), posted.client_id, posted.epoch) == ([2], "a1", "e1")
    assert not sent(ada)
    ada.server.receive(ada, posted)
    ada.settle()
    assert [answer.n for answer in ada.answers if isinstance(answer, Landed)] == [1, 2, 3]


def test_modes_do_not_share_an_edit(ada: MiniClient) -> None:
    """[ED1]"""
    ada.edit(insert("n0"))
    ada.edit(insert("n1"))
    ada.edit(insert("n2"), "force")
    ada.send_one()
    ada.hear_one()
    assert [(edit.mode, numbers(edit)) for edit in sent(ada)] == [("live", [2]), ("force", [3])]


# ---- refusals


@pytest.mark.parametrize("code", ["rate", "unavailable"])
def test_a_refused_op_goes_again_after_a_pause_in_order_with_its_number(ada: MiniClient, code: str) -> None:
    """[ED6]"""
    ada.edit(insert("n1"))
    ada.edit(insert("n2"))
    refuse(ada, code)
    assert ada.pauses == [1]
    assert not sent(ada)
    ada.tree.resume()
    assert [numbers(edit) for edit in sent(ada)] == [[1, 2]]
    refuse(ada, code)
    assert ada.pauses == [1, 2]
    ada.tree.resume()
    ada.settle()
    assert [answer.n for answer in ada.answers if isinstance(answer, Landed)] == [1, 2]


def test_nothing_goes_again_before_all_that_was_sent_is_answered() -> None:
    """[ED6]"""
    ada = entered(MiniServer(Limits(edit_ops=1)))
    ada.cut()
    ada.edit(insert("n1"))
    ada.edit(insert("n2"))
    ada.connect()
    ada.send_one()
    ada.hear_one()
    first, second = sent(ada)
    ada.outbound.clear()
    ada.tree.hear(Outcome(tree=7, ref=first.ref, seq=0, results=[refusal(1, "unavailable")]))
    assert not ada.pauses
    ada.tree.hear(Outcome(tree=7, ref=second.ref, seq=0, results=[refusal(2, "gap", expected=1)]))
    assert ada.pauses == [1]


def test_a_gap_alone_is_filled_at_once(ada: MiniClient) -> None:
    """[ED2]"""
    ada.edit(insert("n1"))
    refuse(ada, "gap", expected=1)
    assert not ada.pauses
    assert [numbers(edit) for edit in sent(ada)] == [[1]]


def test_stale_goes_again_and_at_last_opens_the_tree_again(ada: MiniClient) -> None:
    """[ED17] [ED18]"""
    ada.edit(insert("n1"))
    for _ in range(2):
        refuse(ada, "stale")
        ada.tree.resume()
    refuse(ada, "stale")
    assert [type(message) for message in ada.outbound] == [Open]
    ada.settle()
    assert isinstance(ada.answers[0], Landed)


def test_a_refused_right_is_told_and_the_op_waits_for_the_right(ada: MiniClient) -> None:
    """[ED15] [AC4]"""
    ada.edit(insert("n1"))
    refuse(ada, "forbidden")
    (answer,) = ada.answers
    assert isinstance(answer, Rejected)
    assert (answer.code, answer.kept) == ("forbidden", True)
    assert not sent(ada)
    ada.tree.hear(RoleChanged(tree=7, role="viewer"))
    ada.edit(insert("n2"))
    assert isinstance(ada.answers[1], Rejected)
    assert ada.tree.view().node("n2") is None
    ada.tree.hear(RoleChanged(tree=7, role="editor"))
    assert [numbers(edit) for edit in sent(ada)] == [[1]]
    ada.settle()
    assert ada.tree.view().node("n1") is not None


def test_what_was_refused_can_be_given_up_and_its_number_goes_on(ada: MiniClient) -> None:
    """[ED6] The n of a refused op is not used."""
    ada.edit(insert("n1"))
    refuse(ada, "forbidden")
    assert [op.n for op in ada.tree.discard_held()] == [1]
    assert ada.tree.view().node("n1") is None
    ada.edit(insert("n2"))
    assert [numbers(edit) for edit in sent(ada)] == [[1]]
    ada.settle()
    assert ada.tree.view().node("n2") is not None


def test_rejections_and_conflicts_are_answers(server: MiniServer, ada: MiniClient) -> None:
    """[RS5] [RS6] [CF3]"""
    bo = entered(server, "bo", "b1")
    ada.edit(insert("n1"))
    ada.settle()
    bo.settle()
    bo.edit(title("n1", "theirs", 1))
    bo.settle()
    ada.edit(title("n1", "mine", 1), "replay")
    ada.edit(ops.Move(n=1, base=1, node="n1", parent="n1", position=Point(1, 1)))
    ada.settle()
    landed, conflict, rejected = ada.answers
    assert isinstance(landed, Landed)
    assert isinstance(conflict, Conflict)
    assert conflict.paths["title"].mine == "mine"
    assert conflict.paths["title"].theirs == "theirs"
    assert isinstance(rejected, Rejected)
    assert rejected.code == "cycle"
    assert not rejected.kept


def test_what_breaks_a_rule_of_the_data_is_refused_at_once(ada: MiniClient) -> None:
    """[TR2] Nothing is sent, no number used."""
    ada.edit(insert("n1", title=""))
    ada.edit(insert("n2", metadata={"a": float("nan")}))
    assert [answer.code for answer in ada.answers if isinstance(answer, Rejected)] == ["invalid", "invalid"]
    assert not ada.outbound


@pytest.mark.parametrize(
    "op", [insert("n1", type="nonsense"), insert("x" * 65), insert("n1", metadata={"a": object()})]
)
def test_what_a_server_could_not_read_is_refused_before_it_is_queued(op: ops.Op) -> None:
    """[ED12]"""
    with pytest.raises(Rejected):
        checked(op)


# ---- errors


def failed(client: MiniClient, code: str) -> None:
    (edit,) = sent(client)
    client.outbound.clear()
    client.tree.hear(Error(ref=edit.ref, code=code, why="why", tree=7))


def test_an_edit_the_server_cannot_read_is_searched_by_halves(ada: MiniClient) -> None:
    """[ED14] One bad op does not hold up the queue."""
    ada.edit(insert("n0"))
    for number in range(1, 4):
        ada.edit(insert(f"n{number}"))
    ada.send_one()
    ada.hear_one()
    failed(ada, "bad_message")
    ada.tree.resume()
    assert [len(edit.ops) for edit in sent(ada)] == [1, 1, 1]
    bad, *others = sent(ada)
    ada.outbound.clear()
    ada.tree.hear(Error(ref=bad.ref, code="bad_message", why="why", tree=7))
    for edit in others:
        results = [refusal(op.n, "gap", expected=2) for op in edit.ops]
        ada.tree.hear(Outcome(tree=7, ref=edit.ref, seq=0, results=results))
    ada.settle()
    assert [answer.code for answer in ada.answers if isinstance(answer, TreesyncError)] == ["bad_message"]
    assert sorted(ada.tree.view().nodes) == ["n0", "n2", "n3"]


def test_an_edit_of_a_tree_that_is_not_open_opens_it(ada: MiniClient) -> None:
    """[OP9]"""
    ada.edit(insert("n1"))
    failed(ada, "not_open")
    assert [type(message) for message in ada.outbound] == [Open]
    ada.settle()
    assert isinstance(ada.answers[0], Landed)


def test_a_tree_that_is_gone_ends_with_its_reason_and_keeps_its_queue(ada: MiniClient) -> None:
    """[AC4] [OP7]"""
    ada.edit(insert("n1"))
    ada.tree.hear(Error(code="not_found", why="no such tree", tree=7))
    assert isinstance(ada.ended, NotFound)
    assert isinstance(ada.answers[0], NotFound)
    assert [op.n for op in (entry.op for entry in ada.tree.queue.unanswered())] == [1]
    assert ada.tree.status == "gone"


def test_a_deleted_tree_ends(ada: MiniClient) -> None:
    """[CL3]"""
    ada.tree.hear(Notice(code="tree_deleted", tree=7))
    assert isinstance(ada.ended, NotFound)


@pytest.mark.parametrize("code", ["unavailable", "rate", "internal"])
def test_an_opening_that_fails_for_now_is_tried_again(server: MiniServer, code: str) -> None:
    """[ED19]"""
    ada = MiniClient(server, "ada", "a1")
    ada.connect()
    ada.outbound.clear()
    ada.tree.hear(Error(ref=1, code=code, why="", tree=7))
    assert ada.pauses == [1]
    ada.settle()
    assert ada.tree.status == "open"


def test_an_op_given_up_in_doubt_does_not_lend_its_number(server: MiniServer, ada: MiniClient) -> None:
    """[ED3] [RP7] It landed, and its answer was lost between here and the server."""
    ada.edit(insert("n1"))
    ada.settle()
    ada.tree.edit(title("n1", "first", 1), "live", 2**32, ada.answers.append)
    ada.tree.flush()
    (posted,) = ada.posted
    server.receive(ada, posted)
    ada.inbound.clear()
    ada.tree.hear(Error(ref=posted.ref, tree=7, code="unavailable", why="no answer"))
    ada.tree.sending.discard()
    ada.edit(title("n1", "second", 1))
    ada.settle()
    assert server.room.tree.nodes["n1"].node.title == "second"
    assert ada.tree.view().nodes["n1"].node.title == "second"
