"""Text that several type into at once: the client's ladder against the judge of a real room, over many schedules."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import Any

import pytest
from msgspec import structs

from sync import ops
from sync.protocol import Open
from tests.mini_server import MiniClient, MiniServer
from tests.opened_trees import entered, insert, sent, title
from treesync_client.results import Conflict, Landed

PEOPLE = (("ada", "a1"), ("bo", "b1"), ("ada", "a2"))
SEEDS = 400  # schedules of about 60 steps; the nightly simulation runs more
LETTERS = "abcdefghijklmnopqrstuvwxyzäöüß漢字😀🏳️‍🌈e\u0301אבג"


def typing(client: MiniClient, node: str, delta: list[int | str], mode: str = "live") -> None:
    client.edit(ops.Text(n=1, base=client.tree.replica.seq, node=node, path="description", delta=delta), mode)


def text(client: MiniClient, node: str = "n1") -> str:
    held = client.tree.view().node(node)
    assert held is not None
    return held.description


class Schedule:
    """Clients that type, and messages that arrive in any order, twice, or never."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.server = MiniServer()
        self.clients = [MiniClient(self.server, user, client) for user, client in PEOPLE]
        self.marks = count(0x10000)  # each insertion is a code point of its own, so that none can hide
        self.typed: set[str] = set()
        self.deleted: set[str] = set()
        for client in self.clients:
            client.connect()
            client.settle()
        self.clients[0].edit(insert("n1", description=self.fresh(10)))
        self.settle()

    def fresh(self, length: int) -> str:
        made = "".join(chr(next(self.marks)) for _ in range(length))
        self.typed.update(made)
        return made

    def type(self, client: MiniClient) -> None:
        shown = text(client)
        at = self.chance.randint(0, len(shown))
        removed = shown[at : at + self.chance.choice((0, 0, 1, 3))]
        self.deleted.update(removed)
        inserted = self.fresh(self.chance.choice((0, 1, 2, 4)))
        delta: list[int | str] = [part for part in (at, inserted, -len(removed)) if part]
        typing(client, "n1", delta)

    def step(self) -> None:
        client = self.chance.choice(self.clients)
        match self.chance.choice(("type", "type", "send", "hear", "hear", "look", "cut", "lose")):
            case "type":
                self.type(client)
            case "send":
                client.send_one()
            case "hear":
                client.hear_one()
            case "look":
                client.tree.view().check()
            case "cut":
                client.cut()
                client.connect()
            case "lose":  # it arrives, and its answer does not
                client.send_one()
                client.cut()
                client.connect()

    def settle(self) -> None:
        for _ in range(3):
            for client in self.clients:
                client.settle()


BLOCK = 50


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_everyones_typing_survives_whatever_is_lost_or_sent_twice(first: int) -> None:
    """[RP3] [RP12]"""
    for seed in range(first, first + BLOCK):
        schedule = Schedule(seed)
        for _ in range(60):
            schedule.step()
        schedule.settle()
        for client in schedule.clients:
            assert client.tree.replica.digest == schedule.server.room.tree.digest, seed
            assert client.tree.resyncs == 0, seed
            assert len(client.tree.queue) == 0, seed
            assert not [answer for answer in client.answers if not isinstance(answer, Landed)], seed
        assert set(text(schedule.clients[0])) == schedule.typed - schedule.deleted, seed


def test_what_is_typed_while_an_op_is_on_its_way_is_one_op_without_a_number() -> None:
    """[RP11]"""
    ada = entered(MiniServer())
    ada.edit(insert("n1"))
    ada.settle()
    typing(ada, "n1", ["a"])
    for turn in range(1, 6):
        typing(ada, "n1", [turn, LETTERS[turn]])
    assert [op.n for edit in sent(ada) for op in edit.ops] == [2]
    assert [(entry.n, entry.op.delta) for entry in ada.tree.queue if isinstance(entry.op, ops.Text)] == [
        (2, ["a"]),
        (None, [1, "bcdef"]),
    ]
    ada.settle()
    assert text(ada) == "abcdef"
    assert ada.tree.replica.seq == 3
    assert len({answer.n for answer in ada.answers if isinstance(answer, Landed)}) == 3


def snapshot_back(server: MiniServer, client: MiniClient, reason: Any) -> None:
    """Answer an opening by a snapshot with a reason."""
    (opening,) = (message for message in client.outbound if isinstance(message, Open))
    client.outbound.clear()
    client.is_open = True
    client.tree.hear(server.snapshot(client, ref=opening.ref, reason=reason))


@pytest.mark.parametrize("reason", ["epoch", "too_far", "ahead", "erased"])
@pytest.mark.parametrize("arrived", [True, False])
def test_over_another_history_a_delta_goes_as_the_whole_text_with_what_its_author_saw(
    reason: Any, arrived: bool
) -> None:
    """[RP12] [CF13]"""
    server = MiniServer()
    ada, bo = entered(server), entered(server, "bo", "b1")
    ada.edit(insert("n1", description="one two three"))
    ada.settle()
    bo.settle()
    typing(ada, "n1", [3, " and a half"])
    if arrived:
        ada.send_one()
    typing(ada, "n1", [24, "!"])
    ada.cut()
    if not arrived:
        typing(bo, "n1", ["zero "])
        bo.settle()
    ada.connect()
    snapshot_back(server, ada, reason)
    unsent = [entry.op for entry in ada.tree.queue if not entry.hidden]
    assert [(type(op), op.base) for op in unsent] == [(ops.Update, 0)] * len(unsent)
    last = unsent[-1]
    assert isinstance(last, ops.Update)
    assert last.set == {"description": "one and a half two three!"}
    assert last.was == {"description": "one and a half two three"}
    assert text(ada) == "one and a half two three!"
    ada.settle()
    bo.settle()
    assert len(ada.tree.queue) == 0
    assert ada.tree.replica.digest == server.room.tree.digest
    assert text(ada) == text(bo)
    if arrived:
        assert text(ada) == "one and a half two three!"


def test_a_snapshot_of_the_same_history_moves_the_deltas_over_it() -> None:
    """[RP12] [OP11] [OP12]"""
    server = MiniServer()
    ada, bo = entered(server), entered(server, "bo", "b1")
    ada.edit(insert("n1", description="one two"))
    ada.settle()
    bo.settle()
    typing(ada, "n1", [3, "!"])
    ada.send_one()  # it arrives; the answer is lost, and so are the ops
    typing(ada, "n1", [4, "?"])
    typing(bo, "n1", ["zero "])
    bo.settle()
    ada.inbound.clear()
    ada.tree.hear(server.snapshot(ada, reason="large"))
    assert text(ada) == "zero one!? two"
    ada.cut()
    ada.connect()
    ada.settle()
    assert text(ada) == "zero one!? two"
    assert ada.tree.replica.digest == server.room.tree.digest


def test_no_delta_goes_over_a_state_that_is_older_than_the_own_last_op() -> None:
    """[RP11] [TX13] A state that was asked for may be an older one, until the ops after it have come."""
    server = MiniServer()
    ada = entered(server)
    ada.edit(insert("n1"))
    ada.settle()
    typing(ada, "n1", ["a"])
    older = server.snapshot(ada)
    ada.settle()
    ada.tree.hear(structs.replace(older, reason="resync"))
    assert ada.tree.replica.seq == 1
    typing(ada, "n1", ["b"])
    assert sent(ada) == []
    ada.tree.hear(server.frames[-1])
    assert [op.base for edit in sent(ada) for op in edit.ops] == [2]
    ada.settle()
    assert sorted(text(ada)) == ["a", "b"]


def test_what_was_typed_on_a_value_that_was_set_aside_is_kept() -> None:
    """[RP12] [CF3] The update it stood on became a conflict: what is typed moves over to what the tree says."""
    server = MiniServer()
    ada, bo = entered(server), entered(server, "bo", "b1")
    ada.edit(insert("n1", description="start"))
    ada.settle()
    bo.settle()
    ada.edit(ops.Update(n=1, base=1, node="n1", set={"description": "mine"}), "replay")
    bo.edit(ops.Update(n=1, base=1, node="n1", set={"description": "theirs"}))
    bo.send_one()
    typing(ada, "n1", [4, " typed"])
    ada.settle()
    assert "typed" in text(ada)
    assert "theirs" in text(ada)
    assert [type(answer) for answer in ada.answers[-2:]] == [Conflict, Landed]


def test_a_field_that_is_no_text_any_more_sets_the_delta_aside_with_its_content() -> None:
    """[TX10]"""
    server = MiniServer()
    ada, bo = entered(server), entered(server, "bo", "b1")
    ada.edit(insert("n1", template_data={"note": "text"}))
    ada.settle()
    bo.settle()
    bo.edit(ops.Update(n=1, base=1, node="n1", set={"template_data.note": 5}))
    bo.send_one()
    ada.edit(ops.Text(n=1, base=1, node="n1", path="template_data.note", delta=[4, "!"]))
    ada.settle()
    answer = ada.answers[-1]
    assert isinstance(answer, Conflict)
    assert answer.paths["template_data.note"].mine == [4, "!"]
    ada.edit(title("n1", "goes on", 2))
    ada.settle()
    assert isinstance(ada.answers[-1], Landed)


def test_a_delta_that_was_refused_as_stale_is_measured_anew() -> None:
    """[TX13] It stood on a text from before an own op that was given up and had landed all the same: sent unchanged it
    would be refused for ever."""
    server = MiniServer()
    ada = entered(server)
    ada.edit(insert("n1", description="text"))
    ada.settle()
    ada.edit(ops.Text(n=1, base=1, node="n1", path="description", delta=[4, " once"]))
    ada.send_one()
    ada.cut()
    ada.tree.sending.discard()
    ada.edit(ops.Text(n=1, base=1, node="n1", path="description", delta=["more "]))
    ada.edit(title("n1", "after it", 1))
    ada.connect()
    ada.settle()
    assert server.room.tree.nodes["n1"].node.description == "more text once"
    assert server.room.tree.nodes["n1"].node.title == "after it"
    assert ada.tree.replica.digest == server.room.tree.digest
    assert ada.client_id == "a1"
