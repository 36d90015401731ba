"""The checks at the end of a run, of one tree: its log is the one history, and everything agrees with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from storage.memory import MemoryStore
from sync.apply import Stamp, apply
from sync.growing import tree_of
from sync.history import tree_of_version
from sync.identity import Identity, TreeKey
from sync.ops import Op
from sync.ports import LoggedOp
from sync.tree import Tree
from tests.simulation.deciding import records_of
from tests.simulation.intent import check_intent
from tests.simulation.keeping import Kept, check_kept
from tests.simulation.letters import Letters
from tests.simulation.plan import TENANT
from tests.simulation.replica import Record, Replica, canonical
from tests.simulation.trash import Trash

if TYPE_CHECKING:
    from tests.simulation.copies import Asked, Copy
    from tests.simulation.world import World

SERVERS = ("create:", "respace:", "purge:", "resolve:", "restore:", "revert:")  # clients of ops that the server makes


class Ending:
    """See the module."""

    def __init__(self, world: World, key: TreeKey) -> None:
        self._world = world
        self._key = key
        self._rows = world.database.trees[key]
        self._records = records_of(self._rows)
        self._copies = {copy.client.name: copy for copy in world.copies() if copy.tree == key.tree}

    async def check(self, snapshots: dict[tuple[int, int], set[bytes]]) -> None:
        log = self._rows.ops(0, len(self._rows.log))
        self._log_is_in_order(log)
        self._answers_are_in_the_log(log)
        self._activities_are_logged(log)
        self._records_are_in_order()
        past = self._replay(log, snapshots)
        if self._key.tree not in self._world.doomed:
            await self._all_agree(log, past[-1])
            await self._past_can_be_read(past)

    def _log_is_in_order(self, log: list[LoggedOp]) -> None:
        """O5, O6: gapless from 1; each client's ops in the order it asked them; times never go back."""
        assert [op.seq for op in log] == list(range(1, self._rows.head.seq + 1))
        assert [op.commit for op in log] == sorted(op.commit for op in log)
        assert [op.at for op in log] == sorted(op.at for op in log)
        last: dict[tuple[str, str], int] = {}
        for op in log:
            client = (op.author.user, op.author.client)
            assert op.n > last.get(client, 0), f"{client} has n {op.n} after {last[client]}"
            last[client] = op.n
            assert op.author.client in self._copies or op.author.client.startswith(SERVERS), op
            assert op.author.user != "eve", "a viewer has edited [ED15]"

    def _answers_are_in_the_log(self, log: list[LoggedOp]) -> None:
        """O1, O2, O7 [ED3, ED6]: each op was answered, and what the answer says is so, exactly once."""
        written = {(op.author.client, op.n): op for op in log}
        assert len(written) == len(log), "an op stands in the log twice"
        for name, copy in self._copies.items():
            user = copy.client.identity.user
            last_n = self._rows.counters.get((user, name), (0, 0))[0]
            if not copy.unanswered:
                assert last_n == len(copy.asked), f"the counter of {name} is {last_n}, it asked {len(copy.asked)}"
            for asked in copy.asked:
                row = written.get((name, asked.n))
                if asked.final is None:
                    assert copy.gone or copy.client.viewer, f"{name} was never told of {asked}"
                elif asked.final["status"] in ("applied", "merged"):
                    assert row is not None, f"acknowledged and lost: {name} {asked}"
                    assert row.seq == asked.final["seq"], f"{asked} stands at {row.seq}"
                else:
                    assert row is None, f"answered {asked.final}, and yet in the log at {row.seq if row else 0}"
                    self._content_is_kept(copy, asked)

    def _content_is_kept(self, copy: Copy, asked: Asked) -> None:
        """P6 [CF14] As it was sent, once, in the record that its answer names."""
        if asked.final is None or asked.final["status"] != "conflict":
            return
        record = self._records.get(asked.final["conflict"]["id"])
        assert record is not None, f"set aside and not kept: {asked}"
        assert (record.kind, record.user, record.client) == ("aside", *copy.client.key), f"another's: {record}, {asked}"
        waiting = [op for op in record.ops if op["n"] == asked.n]
        assert [canonical_op(op) for op in waiting] == [canonical_op(asked.sent())], f"{asked} is kept as {waiting}"

    def _records_are_in_order(self) -> None:
        """Numbers without a gap; what is open in a room is what is open in storage."""
        assert sorted(self._records) == list(range(1, self._rows.head.conflicts + 1)), "a record is missing"
        for record in self._records.values():
            purged = record.node and record.node not in self._rows.nodes
            assert record.closed or record.kind == "aside" or not purged, f"about what was purged: {record}"
        stored = {number: record for number, record in self._records.items() if record.closed is None}
        for instance in self._world.living():
            for place in instance.hub.places():
                if place.key == self._key:
                    room = place.room.records.open
                    assert room == stored, _difference(room, stored)

    def _activities_are_logged(self, log: list[LoggedOp]) -> None:
        """[AC3]"""
        told = [row.seq for row in self._world.database.activities if row.key == self._key and row.seq]
        assert told == [op.seq for op in log if not op.author.client.startswith("respace:")], "each op is one activity"

    def _replay(self, log: list[LoggedOp], snapshots: dict[tuple[int, int], set[bytes]]) -> list[bytes]:
        """O3, O4: apply the log to nothing, by the oracle and by the server's own code; the state at every seq."""
        replica, tree = Replica.empty(), tree_of_version(None)
        letters, kept, trash = Letters(tree, self._waited()), Kept(tree), Trash()
        asked = {(name, one.n): one for name, copy in self._copies.items() for one in copy.asked}
        wanted = {seq for number, seq in snapshots if number == self._key.tree}
        past = [b"" for _ in range(len(log) + 1)]
        for op in log:
            before_nodes = dict(replica.nodes)
            effect = msgspec.to_builtins(op.effect)
            replica.apply(effect, op.seq)
            trash.follow(effect, op.seq, before_nodes, replica)
            letters.before(op)
            kept.before(op)
            apply(tree, op.effect, Stamp(op.seq, op.author.user, op.author.client))
            assert replica.digest() == tree.digest, f"the two replays differ at {op.seq}"
            one = asked.get((op.author.client, op.n))
            letters.after(op, one)
            kept.after(op, one)
            if one is not None and one.final is not None and one.final["status"] != "merged":
                check_intent(_as_replayed(one.op, effect) if op.mode == "replay" else one.op, before_nodes, replica)
            if op.seq in wanted or op.seq % 16 == 0 or op.seq == len(log):
                replica.check()
                past[op.seq] = replica.canonical()
                assert past[op.seq] == _state(tree), f"the two replays differ at {op.seq}"
        check_kept(kept.lost, self._records)
        for seq in wanted:
            assert snapshots[self._key.tree, seq] == {past[seq]}, f"a snapshot of {seq} was not the log's state"
        tree.check()
        return past

    def _waited(self) -> dict[str, list[Asked]]:
        """The ops of each conflict record, by the client that carries them out when it is decided."""
        waited: dict[str, list[Asked]] = {}
        for number, record in self._records.items():
            copy = self._copies.get(record.client)
            waited[f"resolve:{number}"] = [copy.asked[op["n"] - 1] for op in record.ops] if copy is not None else []
        return waited

    async def _all_agree(self, log: list[LoggedOp], last: bytes) -> None:
        """O3 [BR2, RP2]: every replica, every room, and the database read afresh."""
        loaded = tree_of(await MemoryStore(self._world.database).load(self._key))
        loaded.check()
        assert _state(loaded) == last, "the rows differ from the log"
        assert self._rows.node_count == loaded.live
        for instance in self._world.living():
            for place in instance.hub.places():
                if place.key == self._key:
                    assert place.room.tree.digest == loaded.digest
                    assert _state(place.room.tree) == last, f"the room on {instance.owner.name} differs"
                    _same_memory(place.room.tree, loaded)
        for name, copy in self._copies.items():
            if not copy.gone:
                self._copy_agrees(name, copy, last, loaded.digest)

    def _copy_agrees(self, name: str, copy: Copy, last: bytes, digest: str) -> None:
        assert copy.replica is not None
        assert copy.replica.canonical() == last, f"the replica of {name} differs"
        assert copy.replica.digest() == digest
        assert copy.mark == self._rows.head.mark
        for number, news in copy.news.items():
            stored = msgspec.to_builtins(self._records[number])
            told = {field: news.get(field) for field in ("closed", "seqs", "paths") if news.get(field)}
            kept = {field: stored[field] for field in ("closed", "seqs", "paths") if stored[field]}
            assert told == kept, f"{name} was told {told} of record {number}, which is {kept}"
        unexpected = {"epoch", "ahead"} & set(copy.reasons)
        assert not unexpected, f"{name} was given a snapshot for {unexpected}, and nothing was restored [OP3, OP5]"

    async def _past_can_be_read(self, past: list[bytes]) -> None:
        """[HT6] as it was at a past seq, through kept versions and the log."""
        known = [seq for seq, state in enumerate(past) if state]
        instance = self._world.living()[0]
        reader = Identity(tenant=TENANT, user="u0", expires_at=2e9)
        for seq in self._world.random.sample(known, min(2, len(known))):
            with instance.owner.acting():
                state, position, _ = await instance.hub.state(reader, self._key.tree, seq)
            assert position.seq == seq
            assert canonical(msgspec.to_builtins(state)) == past[seq], f"the past at {seq} differs"


def _as_replayed(op: Record, effect: Record) -> Record:
    """An update without the texts to which, merged with theirs, nothing was to be done."""
    if op["op"] != "update" or "set" not in op:
        return op
    return {**op, "set": {path: value for path, value in op["set"].items() if path in effect.get("set", ())}}


def canonical_op(op: Record) -> bytes:
    """An op as bytes, whichever way its numbers were written."""
    return msgspec.json.encode(msgspec.to_builtins(msgspec.convert(op, Op)), order="sorted")


def _state(tree: Tree) -> bytes:
    return canonical(msgspec.to_builtins(tree.state()))


def _same_memory(room: Tree, loaded: Tree) -> None:
    """What is no part of the state, and decides what comes next: the trash, and who changed what last."""
    assert room.nodes == loaded.nodes, _difference(room.nodes, loaded.nodes)
    assert room.connections == loaded.connections, _difference(room.connections, loaded.connections)
    assert room.details == loaded.details


def _difference(room: Mapping[Any, object], loaded: Mapping[Any, object]) -> str:
    differing = [one for one in room.keys() | loaded.keys() if room.get(one) != loaded.get(one)]
    return "; ".join(f"{one}: {room.get(one)} in the room, {loaded.get(one)} stored" for one in sorted(differing)[:2])
