"""An open tree, message by message: what it asks, sends, sends again, and gives up."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET, structs

from sync import ops
from sync.errors import NotFound, TreesyncError
from sync.identity import Position
from sync.limits import Limits
from sync.nodes import Point
from sync.protocol import (
    Edit,
    Error,
    Notice,
    Open,
    Outcome,
    ParticipantView,
    PresenceUpdate,
    PresenceView,
    Result,
    RoleChanged,
)
from tests.mini_server import MiniClient, MiniServer, outcomes
from treesync_client.errors import Rejected
from treesync_client.opened import checked
from treesync_client.results import Conflict, Landed, Replaced


def insert(node: str, **fields: Any) -> ops.Insert:
    made: dict[str, Any] = {"n": 1, "base": 0, "node": node, "type": "metric", "title": node}
    return ops.Insert(**(made | fields))


def title(node: str, value: str, base: int = 0) -> ops.Update:
    return ops.Update(n=1, base=base, node=node, set={"title": value})


@pytest.fixture
def server() -> MiniServer:
    return MiniServer()


@pytest.fixture
def ada(server: MiniServer) -> MiniClient:
    return entered(server)


def entered(server: MiniServer, user: str = "ada", client: str = "a1") -> MiniClient:
    made = MiniClient(server, user, client)
    made.connect()
    made.settle()
    return made


def sent(client: MiniClient) -> list[Edit]:
    return [message for message in client.outbound if isinstance(message, Edit)]


def numbers(edit: Edit) -> list[int]:
    return [op.n for op in edit.ops]


def refuse(client: MiniClient, code: Any, **more: Any) -> None:
    """The server refuses the oldest edit under way; what is behind it is answered gap."""
    edits = sent(client)
    client.outbound.clear()
    first = edits[0].ops[0].n
    for edit in edits:
        results = [Result(n=op.n, status="rejected", code="gap", why="", expected=first) for op in edit.ops]
        if edit is edits[0]:
            results[0] = Result(n=first, status="rejected", code=code, why="", **more)
        client.tree.hear(Outcome(tree=7, ref=edit.ref, seq=0, results=results))


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


def refusal(n: int, code: Any, **more: Any) -> Result:
    return Result(n=n, status="rejected", code=code, why="", **more)


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


# ---- coming back


def test_a_return_names_the_newest_position_and_sends_again_what_is_unanswered_as_replay(
    server: MiniServer, ada: MiniClient
) -> None:
    """[RP6] [OP2] [BR5] [ED3]"""
    ada.edit(insert("n1"))
    ada.settle()
    ada.edit(title("n1", "B", 1))
    ada.send_one()  # it arrives; the answer is lost
    ada.edit(title("n1", "C", 1))
    ada.cut()
    ada.connect()
    (opening,) = ada.outbound
    assert isinstance(opening, Open)
    assert opening.position == Position("e1", 1, "m1")
    ada.send_one()
    ada.hear_one()
    assert [(edit.mode, numbers(edit)) for edit in sent(ada)] == [("replay", [2, 3])]
    ada.settle()
    assert [(answer.n, answer.status) for answer in ada.answers if isinstance(answer, Landed)] == [
        (1, "applied"),
        (2, "applied"),
        (3, "applied"),
    ]
    assert [op.seq for op in ada.changes] == [1, 2, 3]
    assert ada.tree.replica.digest == server.room.tree.digest


def test_a_sent_op_is_the_same_when_it_is_sent_again(ada: MiniClient) -> None:
    """[RP6]"""
    ada.edit(insert("n1"))
    (first,) = sent(ada)
    ada.cut()
    ada.connect()
    ada.send_one()
    ada.hear_one()
    (again,) = sent(ada)
    assert again.ops == first.ops


def snapshot_back(server: MiniServer, client: MiniClient, reason: Any, **position: Any) -> None:
    """Answer an opening by a snapshot with a reason."""
    (opening,) = (message for message in client.outbound if isinstance(message, Open))
    client.outbound.clear()
    snapshot = server.snapshot(client, ref=opening.ref, reason=reason)
    snapshot.position = structs.replace(snapshot.position, **position)
    client.is_open = True
    client.tree.hear(snapshot)


@pytest.mark.parametrize("reason", ["epoch", "ahead", "too_far", "erased"])
def test_over_another_history_what_was_used_is_only_asked_for_and_the_rest_has_base_0(
    server: MiniServer, ada: MiniClient, reason: Any
) -> None:
    """[OP3] [OP4] [OP5] [CF13]"""
    ada.edit(insert("n1"))
    ada.settle()
    ada.edit(ops.Update(n=1, base=1, node="n1", set={"title": "used"}))
    ada.send_one()
    ada.edit(ops.Update(n=1, base=1, node="n1", set={"title": "new"}, was={"title": "n1"}))
    ada.cut()
    ada.connect()
    snapshot_back(server, ada, reason)
    (edit,) = sent(ada)
    assert edit.mode == "replay"
    assert [(op.n, op.base) for op in edit.ops] == [(2, 1), (3, 0)]
    assert [entry.n for entry in ada.tree.queue.visible()] == [3]
    assert any(isinstance(news, Replaced) and news.reason == reason for news in ada.news)
    ada.settle()
    assert len(ada.answers) == 3
    assert ada.tree.replica.digest == server.room.tree.digest


def test_a_snapshot_nobody_asked_for_keeps_the_queue(server: MiniServer, ada: MiniClient) -> None:
    """[OP11] [BR9]"""
    ada.edit(insert("n1"))
    ada.tree.hear(server.snapshot(ada, reason="large"))
    assert ada.tree.view().node("n1") is not None
    ada.settle()
    assert isinstance(ada.answers[0], Landed)


def test_parts_of_a_snapshot_make_one_state(server: MiniServer, ada: MiniClient) -> None:
    """[OP6]"""
    for number in range(4):
        ada.edit(insert(f"n{number}", parent=f"n{number - 1}" if number else None))
        ada.settle()
    bo = MiniClient(server, "bo", "b1")
    bo.connect()
    (opening,) = bo.outbound
    whole = server.snapshot(bo, ref=opening.ref)
    nodes = whole.state.nodes  # type: ignore[union-attr]
    for part in range(1, 5):
        share = structs.replace(whole.state, nodes=[nodes[4 - part]])  # type: ignore[type-var]
        bo.tree.hear(structs.replace(whole, part=part, parts=4, state=share))
        assert (bo.tree.status == "open") is (part == 4)
    assert bo.tree.replica.digest == server.room.tree.digest


def test_a_frame_that_does_not_follow_opens_the_tree_again(server: MiniServer, ada: MiniClient) -> None:
    """[BR1]"""
    bo = entered(server, "bo", "b1")
    for number in range(3):
        bo.edit(insert(f"n{number}"))
        bo.settle()
    ada.inbound.popleft()  # lost on the way
    ada.hear_one()
    (opening,) = ada.outbound
    assert isinstance(opening, Open)
    assert opening.position == Position("e1", 0, "")
    ada.settle()
    assert ada.tree.replica.digest == server.room.tree.digest
    assert [change.seq for change in ada.changes] == [1, 2, 3]


def test_what_is_known_already_is_passed_over(server: MiniServer, ada: MiniClient) -> None:
    """[BR1]"""
    bo = entered(server, "bo", "b1")
    bo.edit(insert("n1"))
    bo.settle()
    (frame,) = server.frames
    ada.tree.hear(frame)
    ada.tree.hear(frame)
    assert [change.seq for change in ada.changes] == [1]
    bo.edit(title("n1", "B", 1))
    bo.settle()
    both = structs.replace(server.frames[1], after=0, ops=[*frame.ops, *server.frames[1].ops])
    ada.tree.hear(both)
    assert [change.seq for change in ada.changes] == [1, 2]
    assert ada.tree.replica.digest == server.room.tree.digest


def test_a_replica_that_differs_takes_a_snapshot(server: MiniServer, ada: MiniClient) -> None:
    """[BR8] [RP5]"""
    bo = entered(server, "bo", "b1")
    bo.edit(insert("n1"))
    bo.settle()
    ada.tree.hear(structs.replace(server.frames[0], digest="0" * 16))
    assert ada.tree.resyncs == 1
    (opening,) = ada.outbound
    assert isinstance(opening, Open)
    assert opening.position is UNSET
    ada.settle()
    assert ada.tree.replica.digest == server.room.tree.digest


# ---- another client_id


def test_a_queue_shown_an_n_it_never_gave_goes_on_under_a_new_client_id(server: MiniServer, ada: MiniClient) -> None:
    """[RP7] Another process has used the same client_id."""
    other = entered(server, "ada", "a1")
    other.edit(insert("theirs"))
    other.settle()
    ada.cut()
    ada.edit(insert("mine"))
    ada.connect()
    ada.settle()
    assert ada.client_id == "a1x"
    assert [answer.n for answer in ada.answers if isinstance(answer, Landed)] == [1]
    assert ada.tree.replica.digest == server.room.tree.digest
    assert {"mine", "theirs"} == set(ada.tree.view().nodes)


def test_a_queue_asked_for_an_n_it_no_longer_holds_goes_on_under_a_new_client_id(ada: MiniClient) -> None:
    """[RP7] The server was restored to a time before."""
    for number in range(3):
        ada.edit(insert(f"n{number}"))
        ada.settle()
    restored = MiniServer()
    ada.server = restored
    restored.clients.append(ada)
    ada.cut()
    ada.edit(insert("n9"))
    restored.room.epoch = "e2"
    ada.connect()
    ada.settle()
    assert ada.client_id == "a1x"
    assert list(ada.tree.view().nodes) == ["n9"]
    assert ada.tree.replica.digest == restored.room.tree.digest
    assert isinstance(ada.answers[-1], Landed)


def test_a_gap_that_names_an_n_no_longer_held_wears_the_client_id_out(ada: MiniClient) -> None:
    """[RP7] [ED2]"""
    ada.edit(insert("n1"))
    ada.settle()
    ada.edit(insert("n2"))
    refuse(ada, "gap", expected=1)
    assert ada.tree.queue.worn_out
    assert not ada.tree.queue.has_numbered
    assert not sent(ada)


# ---- who is here


def test_participants_come_change_and_leave(ada: MiniClient) -> None:
    """[PR1] [PR2]"""
    bo = ParticipantView(id="p1", user="bo", name="Bo", kind="human", state={})
    ada.tree.hear(PresenceView(tree=7, participants=[bo]))
    ada.tree.hear(PresenceView(tree=7, participants=[structs.replace(bo, state={"cursor": 1})]))
    assert ada.tree.participants["p1"].state == {"cursor": 1}
    ada.tree.hear(PresenceView(tree=7, left=["p1"]))
    assert not ada.tree.participants


def test_presence_is_said_again_on_the_next_socket(ada: MiniClient) -> None:
    """[PR3]"""
    ada.tree.present({"selection": ["n1"]})
    ada.cut()
    ada.connect()
    ada.send_one()
    ada.hear_one()
    assert [message.state for message in ada.outbound if isinstance(message, PresenceUpdate)] == [{"selection": ["n1"]}]


def test_everyone_is_gone_with_the_socket(ada: MiniClient) -> None:
    """[PR3]"""
    ada.tree.hear(
        PresenceView(tree=7, participants=[ParticipantView(id="p1", user="bo", name="Bo", kind="human", state={})])
    )
    ada.cut()
    assert not ada.tree.participants
    assert ada.news[-1] == PresenceView(tree=7, left=["p1"])
