"""Deltas among all else that may happen to a text: values set and merged, trash, modes, states replaced."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sync import ops
from sync.protocol import Mode
from sync.values import read
from tests.mini_server import MiniClient, MiniServer
from tests.opened_trees import insert
from treesync_client.store.kept import Store

PEOPLE = (("ada", "a1"), ("bo", "b1"), ("ada", "a2"))
SEEDS, BLOCK, STEPS = 80, 10, 70
PATHS = ("description", "title", "template_data.k")


class Schedule:
    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.server = MiniServer()
        self.clients = [MiniClient(self.server, user, client) for user, client in PEOPLE]
        self.numbers = count()
        self.settle()
        first = insert("n1", description="alpha beta gamma delta", template_data={"k": "one two three"})
        self.clients[0].edit(first)
        self.clients[0].edit(insert("n2", parent="n1"))
        self.settle()
        self._acts: dict[Callable[[MiniClient], None], int] = {
            self._type: 30,
            self._write: 10,
            self._spoil: 3,
            self._delete: 3,
            self._restore: 4,
            self._make: 4,
            MiniClient.send_one: 13,
            MiniClient.hear_one: 22,
            self._cut: 4,
            self._lose: 3,
            self._replace: 3,
        }

    def step(self) -> None:
        (act,) = self.chance.choices(list(self._acts), list(self._acts.values()))
        act(self.chance.choice(self.clients))

    def settle(self) -> None:
        for _ in range(5):
            for client in self.clients:
                if not client.is_open:
                    client.connect()
                client.settle()

    def _somewhere(self, client: MiniClient) -> tuple[str, str, str]:
        node, path = self.chance.choice(("n1", "n1", "n2")), self.chance.choice(PATHS)
        held = client.tree.view().nodes.get(node)
        value = "" if held is None else read(held.node, path)
        return node, path, value if isinstance(value, str) else ""

    def _mode(self) -> Mode:
        return self.chance.choice(("live", "live", "replay", "force"))

    def _type(self, client: MiniClient) -> None:
        node, path, text = self._somewhere(client)
        at = self.chance.randint(0, len(text))
        removed = min(self.chance.choice((0, 0, 1, 4)), len(text) - at)
        delta: list[int | str] = [part for part in (at, f"<{next(self.numbers)}>", -removed) if part]
        client.edit(ops.Text(n=1, base=client.tree.replica.seq, node=node, path=path, delta=delta), self._mode())

    def _write(self, client: MiniClient) -> None:
        node, path, text = self._somewhere(client)
        words = text.split(" ")
        words[self.chance.randrange(len(words))] = f"w{next(self.numbers)}"
        base = client.tree.replica.seq
        client.edit(ops.Update(n=1, base=base, node=node, set={path: " ".join(words)}, was={path: text}), self._mode())

    def _spoil(self, client: MiniClient) -> None:
        base, path = client.tree.replica.seq, "template_data.k"
        if self.chance.random() < 0.5:
            client.edit(ops.Update(n=1, base=base, node="n1", unset=[path]))
        else:
            client.edit(ops.Update(n=1, base=base, node="n1", set={path: self.chance.choice((5, None))}))

    def _delete(self, client: MiniClient) -> None:
        node = self.chance.choice(("n1", "n2"))
        client.edit(ops.Delete(n=1, base=client.tree.replica.seq, node=node), self._mode())

    def _restore(self, client: MiniClient) -> None:
        node = self.chance.choice(("n1", "n2"))
        client.edit(ops.Restore(n=1, base=client.tree.replica.seq, node=node))

    def _make(self, client: MiniClient) -> None:
        """Two may make the same node; what is typed into it stands on one of them."""
        client.edit(insert("n9", description="x"))
        base = client.tree.replica.seq
        client.edit(ops.Text(n=1, base=base, node="n9", path="description", delta=["new"]))

    def _cut(self, client: MiniClient) -> None:
        client.cut()
        client.connect()

    def _lose(self, client: MiniClient) -> None:
        client.send_one()
        self._cut(client)

    def _replace(self, client: MiniClient) -> None:
        if client.is_open:
            client.inbound.append(self.server.snapshot(client, reason="large"))


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_replicas_agree_and_no_queue_is_stuck_whatever_happens_to_a_text(first: int) -> None:
    """[RP3] [RP11] [RP12] [TX13]"""
    for seed in range(first, first + BLOCK):
        schedule = Schedule(seed)
        for _ in range(STEPS):
            schedule.step()
        schedule.settle()
        for client in schedule.clients:
            assert client.tree.replica.seq == schedule.server.room.seq, seed
            assert client.tree.replica.digest == schedule.server.room.tree.digest, seed
            assert client.tree.resyncs == 0, seed
            assert len(client.tree.queue) == 0, seed
            client.tree.view().check()


class Mortal(Schedule):
    """The first client stands on a file, and its process dies now and then."""

    def __init__(self, seed: int, path: Path) -> None:
        self._path = path
        self.store: Store | None = None
        super().__init__(seed)
        self._die(self.clients[0])
        self.settle()
        self._acts[lambda client: self._die(self.clients[0])] = 6

    def step(self) -> None:
        super().step()
        assert self.clients[0].tree.save()  # at the end of each turn of the loop

    def _die(self, client: MiniClient) -> None:
        before = self._standing(client)
        self.server.clients.remove(client)
        if self.store is not None:
            self.store.close()
        had_file, self.store = self.store is not None, Store.open(self._path)
        self.store.file.connection.execute("PRAGMA synchronous = OFF")  # the machine does not die here
        self.store.claim("http://memory", "acme", "ada")
        self.clients[0] = reborn = MiniClient(self.server, "ada", self.store.client_id)
        reborn.tree.keep(self.store)
        if had_file:
            assert self._standing(reborn)[-len(before) :] == before
        reborn.connect()

    def _standing(self, client: MiniClient) -> list[tuple[Any, ...]]:
        """Every delta, and the text on which it stands."""
        waiting = (entry for entry in client.tree.queue.unanswered() if not entry.hidden)
        return [(entry.place, entry.n, entry.local, entry.below) for entry in waiting if isinstance(entry.op, ops.Text)]


@pytest.mark.parametrize("first", range(0, 40, BLOCK))
def test_a_file_holds_every_delta_and_the_text_on_which_it_stands(first: int, tmp_path: Path) -> None:
    """[RP9] [RP12]"""
    for seed in range(first, first + BLOCK):
        schedule = Mortal(seed, tmp_path / f"{seed}.db")
        for _ in range(STEPS):
            schedule.step()
        schedule.settle()
        for client in schedule.clients:
            assert client.tree.replica.digest == schedule.server.room.tree.digest, seed
            assert client.tree.resyncs == 0, seed
            assert len(client.tree.queue) == 0, seed
        assert schedule.store is not None
        schedule.store.close()
