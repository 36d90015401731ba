"""Text that several type into at once: the client's ladder against the judge of a real room, over many schedules."""

from __future__ import annotations

from itertools import count
from random import Random

import pytest

from sync import ops
from tests.mini_server import MiniClient, MiniServer
from tests.opened_trees import entered, insert, sent
from treesync_client.results import Landed

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
