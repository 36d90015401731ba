"""Clients on files that are killed at any moment, over many schedules: every edit that was stored lands, once."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sync import ops
from sync.nodes import Point
from tests.mini_server import MiniClient, MiniServer
from tests.opened_trees import insert
from treesync_client.results import Change, Conflict
from treesync_client.store.kept import Store

SEEDS, BLOCK, STEPS = 40, 10, 70
NODES = ("n1", "n2", "n3")


class Person:
    """One on one file; a new process begins where the last was killed."""

    def __init__(self, server: MiniServer, name: str, path: Path) -> None:
        self.server = server
        self.name = name
        self.path = path
        self.changes: list[Change] = []
        self.answers: list[Any] = []
        self.begin()

    def begin(self) -> None:
        self.store = Store.open(self.path)
        self.store.file.connection.execute("PRAGMA synchronous = OFF")  # the machine does not die here
        self.store.claim("http://memory", "acme", self.name)
        self.client = MiniClient(self.server, self.name, self.store.client_id)
        self.client.changes, self.client.answers = self.changes, self.answers
        self.client.tree.keep(self.store)
        self.client.connect()

    def die(self) -> None:
        self.server.clients.remove(self.client)
        self.store.close()
        self.begin()

    def edit(self, op: Any) -> None:
        self.client.edit(op)
        assert self.client.tree.save()

    def text(self, node: str) -> str | None:
        held = self.client.tree.view().node(node)
        return None if held is None else held.description


class Schedule:
    def __init__(self, seed: int, directory: Path) -> None:
        self.chance = Random(seed)
        self.server = MiniServer()
        self.people = [Person(self.server, name, directory / f"{name}-{seed}.db") for name in ("ada", "bo")]
        self.marks = count(0x10000)
        self.typed: set[str] = set()
        self.deleted: set[str] = set()
        self.made = count(1)
        self.inserted: set[str] = set(NODES)
        self.settle()
        for node in NODES:
            self.people[0].edit(insert(node))
        self.settle()

    def step(self) -> None:
        person = self.chance.choice(self.people)
        match self.chance.choice(
            ("type", "type", "type", "make", "move", "send", "hear", "hear", "die", "save", "cut")
        ):
            case "type":
                self._type(person)
            case "make":
                node = f"m{next(self.made)}"
                self.inserted.add(node)
                person.edit(insert(node, parent=self.chance.choice((None, "n1"))))
            case "move":
                place = Point(self.chance.randint(0, 9), 0)
                person.edit(ops.Move(n=1, base=person.client.tree.replica.seq, node="n2", position=place))
            case "send":
                person.client.send_one()
            case "hear":
                person.client.hear_one()
            case "die":
                person.die()
            case "save":
                person.client.tree.save()
            case "cut":
                person.client.cut()
                person.client.connect()

    def _type(self, person: Person) -> None:
        node = self.chance.choice(sorted(self.inserted))
        shown = person.text(node)
        if shown is None:
            return
        at = self.chance.randint(0, len(shown))
        removed = shown[at : at + self.chance.choice((0, 0, 1, 2))]
        typed = "".join(chr(next(self.marks)) for _ in range(self.chance.choice((1, 2, 3))))
        self.typed.update(typed)
        self.deleted.update(removed)
        delta: list[int | str] = [part for part in (at, typed, -len(removed)) if part]
        person.edit(ops.Text(n=1, base=person.client.tree.replica.seq, node=node, path="description", delta=delta))

    def settle(self) -> None:
        for _ in range(4):
            for person in self.people:
                person.client.settle()

    def close(self) -> None:
        for person in self.people:
            person.store.close()


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_what_was_stored_lands_once_however_often_the_process_dies(first: int, tmp_path: Path) -> None:
    """[ED3] [RP6] [RP9] [RP12]"""
    for seed in range(first, first + BLOCK):
        schedule = Schedule(seed, tmp_path)
        for _ in range(STEPS):
            schedule.step()
        schedule.settle()
        tree = schedule.server.room.tree
        for person in schedule.people:
            assert person.client.tree.replica.digest == tree.digest, seed
            assert len(person.client.tree.queue) == 0, seed
            assert person.store.news == [], seed
            assert not [answer for answer in person.answers if isinstance(answer, Conflict)], seed
        assert {node for node in tree.nodes if node[0] in "nm"} == schedule.inserted, seed
        everything = "".join(held.node.description for held in tree.nodes.values())
        assert len(everything) == len(set(everything)), f"seed {seed}: something landed twice"
        assert set(everything) == schedule.typed - schedule.deleted, seed
        schedule.close()
