"""An open tree, message by message: how it comes back, whose history it follows, who is here."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET, convert, structs

from sync import ops
from sync.identity import Position
from sync.progress_message import Progress, UserCompletion
from sync.protocol import (
    Open,
    ParticipantView,
    PresenceUpdate,
    PresenceView,
)
from tests.mini_server import MiniClient, MiniServer
from tests.opened_trees import entered, insert, numbers, refuse, sent, title
from treesync_client.results import Landed, Replaced


@pytest.fixture
def server() -> MiniServer:
    return MiniServer()


@pytest.fixture
def ada(server: MiniServer) -> MiniClient:
    return entered(server)


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
    """[BR8] [RP5] [OP12]"""
    bo = entered(server, "bo", "b1")
    bo.edit(insert("n1"))
    bo.settle()
    ada.tree.hear(structs.replace(server.frames[0], digest="0" * 16))
    assert ada.tree.resyncs == 1
    (opening,) = ada.outbound
    assert isinstance(opening, Open)
    assert (opening.position, opening.reason) == (UNSET, "digest")
    ada.cut()
    ada.connect()
    (again,) = ada.outbound  # the reason holds until a fresh state has come
    assert isinstance(again, Open)
    assert (again.position, again.reason) == (UNSET, "digest")
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
    assert ada.tree.people.others["p1"].state == {"cursor": 1}
    ada.tree.hear(PresenceView(tree=7, left=["p1"]))
    assert not ada.tree.people.others


def test_a_pause_that_ends_while_the_tree_is_being_opened_opens_it_no_second_time(ada: MiniClient) -> None:
    """[OP1]"""
    ada.edit(insert("n1"))
    refuse(ada, "unavailable")
    ada.cut()
    ada.connect()
    ada.tree.resume()  # the timer of the old socket
    assert [type(message) for message in ada.outbound] == [Open]
    ada.pauses.clear()
    ada.settle()
    assert isinstance(ada.answers[0], Landed)


def test_a_new_socket_does_not_wait_for_a_pause_of_the_old_one(ada: MiniClient) -> None:
    """[RP6]"""
    ada.edit(insert("n1"))
    refuse(ada, "unavailable")
    ada.pauses.clear()  # its timer never fires
    ada.cut()
    ada.connect()
    ada.settle()
    assert isinstance(ada.answers[0], Landed)


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
    assert not ada.tree.people.others
    assert ada.news[-1] == PresenceView(tree=7, left=["p1"])


# ---- how far the tree is


def test_what_is_told_of_progress_is_put_together(server: MiniServer, ada: MiniClient) -> None:
    """[PG9] A whole replaces what was known; what is told of some nodes joins it."""

    def say(**fields: Any) -> None:
        raw = {"tree": 1, "seq": 1, "summary": SUMMARY, **fields}
        ada.tree.hear(convert(raw, Progress))

    assert ada.tree.progress.summary is None
    say(nodes={"a": {"status": "complete"}, "b": {"score": 7}}, whole=True)
    say(seq=2, nodes={"b": {"score": 9}}, mine={"trees": 2, "completion_rate": 0.5})
    known = ada.tree.progress
    assert (known.seq, known.node("a").status, known.node("b").score, known.node("c").score) == (2, "complete", 9, 0)
    assert known.mine == UserCompletion(trees=2, completion_rate=0.5)
    say(seq=3, whole=True)
    assert (dict(known.nodes), known.mine) == ({}, UserCompletion(trees=2, completion_rate=0.5))


SUMMARY = {
    "total_nodes": 2,
    "completion_rate": 0.5,
    "fill_rate": 0.0,
    "score": 1.0,
    "complete": 1,
    "in_progress": 0,
    "not_started": 1,
    "node_types": {"metric": 2},
}
