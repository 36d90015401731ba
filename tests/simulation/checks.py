"""What must hold while a simulation runs, and at its end (reliability B, oracles O1-O7).

While it runs: nothing is told before it is stored, every tree is a tree, every room follows the log in bounded time.
At the end: one history, which every replica, room, load and replay agrees on, and every answer is in it exactly once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sync.identity import TreeKey
from sync.open_room import OpenRoom
from sync.protocol import UNCONSUMED
from sync.room import Flight, Room
from tests.simulation.deciding import records_of
from tests.simulation.ending import Ending
from tests.simulation.plan import TENANT
from tests.simulation.progressing import check_progress
from tests.simulation.replica import Record

if TYPE_CHECKING:
    from tests.simulation.client import Client
    from tests.simulation.copies import Copy
    from tests.simulation.world import Instance, World

FOLLOW_SECONDS = 5.0  # [BR11] without the bus
FOLLOW_AT_ONCE_SECONDS = 0.5  # with it; a few round trips of the simulated database


class Checks:
    """See the module."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._heads: dict[TreeKey, list[tuple[float, int, int]]] = {}  # when (commit, rights) were first seen
        self._checked: dict[OpenRoom, tuple[Room, int, Flight | None]] = {}
        self.snapshots: dict[tuple[int, int], set[bytes]] = {}  # (tree, seq) -> the states given out as such
        self.statuses: dict[str, int] = {}

    # ---- while it runs

    def no_failure(self) -> None:
        failures = self._world.loop.failures
        assert not failures, "\n".join(failures)

    def bounded(self, in_time: bool) -> None:
        """[BR11, ED19] nothing is stuck once the faults have ended."""
        if in_time:
            return
        world = self._world
        stuck = [
            f"{client.name} tree {copy.tree}: {copy.state} at {copy.replica.seq if copy.replica else None} "
            f"of {world.head(copy.tree).seq}, unanswered {[*copy.unanswered][:5]}, "
            f"awaiting {[*copy.awaiting.values()][:3]}, typing {copy.drafts}"
            for client in world.clients
            for copy in client.copies.values()
            if not copy.settled
        ]
        stuck += [
            f"{instance.owner.name} tree {place.key.tree}: commit {place.room.commit} of "
            f"{world.database.trees[place.key].head.commit}, busy {place.busy}, inbox {len(place.room.inbox)}"
            for instance in world.living()
            for place in instance.hub.places()
        ]
        raise AssertionError("not settled: " + "; ".join(stuck))

    def step(self) -> None:
        """After every step of the plan."""
        self.no_failure()
        for instance in self._world.living():
            for place in instance.hub.places():
                self._check_tree(place)
        self._note_heads()
        self._check_following()

    def _check_tree(self, place: OpenRoom) -> None:
        """[TR26] A tree changes only with its commit and its flight."""
        now = (place.room, place.room.commit, place.room.flight)
        before = self._checked.get(place)
        if before is None or before[0] is not now[0] or before[1] != now[1] or before[2] is not now[2]:
            self._checked[place] = now
            place.room.tree.check()

    def _note_heads(self) -> None:
        for key, rows in self._world.database.trees.items():
            seen = self._heads.setdefault(key, [])
            now = (rows.head.commit, rows.head.rights)
            if not seen or seen[-1][1:] != now:
                seen.append((self._world.loop.time(), *now))

    def _check_following(self) -> None:
        """[BR11, AC4] no room stays behind for long, whatever became of the messages."""
        world = self._world
        weather, now = world.weather, world.loop.time()
        troubled = max(now if weather.database_down else 0.0, weather.database_troubled_at)
        bound = FOLLOW_SECONDS
        if world.plan.bus_is_faultless and world.plan.store_is_faultless:
            bound = FOLLOW_AT_ONCE_SECONDS + 40 * world.plan.store_delay
        bound = world.plan.follow_seconds or bound
        for instance in world.living():
            for place in instance.hub.places():
                if place.key.tree not in world.doomed:
                    heads = self._heads[place.key]
                    behind = now - max(_since(heads, 1, place.room.commit, now), troubled)
                    assert behind <= bound, f"{instance.owner.name} has missed a commit for {behind:.2f} s"
                    behind = now - max(_since(heads, 2, place.room.rights.version, now), troubled)
                    assert behind <= FOLLOW_SECONDS, f"{instance.owner.name} has missed rights for {behind:.2f} s"

    def written(self, client: Client, instance: Instance, message: Record) -> None:
        """A server says something to a client: it must be so already."""
        if message["type"] == "outcome":
            self._outcome_is_stored(client, message)
        elif message["type"] in ("snapshot", "resumed"):
            self._conflicts_are_counted(client, instance, message)
        elif message["type"] == "ops":
            rows = self._world.database.trees[TreeKey(TENANT, message["tree"])]
            assert message["seq"] <= rows.head.seq, "broadcast before its commit [BR3]"
            assert rows.places[message["seq"] - 1][1] == message["mark"], "the mark is not the log's [BR5]"

    def _conflicts_are_counted(self, client: Client, instance: Instance, message: Record) -> None:
        """How many open records concern him, where this instance knows all there are."""
        key = TreeKey(TENANT, message["tree"])
        rows = self._world.database.trees[key]
        for place in instance.hub.places():
            if place.key == key and place.room.commit == rows.head.commit:
                own = [one for one in records_of(rows).values() if client.identity.user in one.parties]
                open_ones = sum(one.closed is None for one in own)
                assert message["conflicts"] == open_ones, f"{message['conflicts']} conflicts, there are {open_ones}"

    def _outcome_is_stored(self, client: Client, message: Record) -> None:
        """[ED8, ED6]"""
        rows = self._world.database.trees[TreeKey(TENANT, message["tree"])]
        assert message["seq"] <= rows.head.seq, "an outcome ahead of the log"
        if message.get("landed") is False:
            return
        for result in message["results"]:
            first = result["first"] if result["status"] == "duplicate" else result
            number = (client.identity.user, client.name, result["n"])
            self.statuses[first["status"]] = self.statuses.get(first["status"], 0) + 1
            if first["status"] in ("applied", "merged"):
                assert rows.numbers.get(number) == first["seq"], f"told before it was stored: {result}"
            elif first.get("code") not in UNCONSUMED and first["status"] != "unknown":
                stored = rows.results.get(number)
                reused = first.get("code") == "reused"
                assert reused or (stored is not None and stored.status == first["status"]), f"not stored: {result}"

    def snapshot(self, copy: Copy, seq: int) -> None:
        """A client was given a whole state: at the end it must have been the log's at that seq."""
        assert copy.replica is not None
        self.snapshots.setdefault((copy.tree, seq), set()).add(copy.replica.canonical())

    # ---- at the end

    def presence_agrees(self) -> bool:
        return not self._strangers()

    def presence(self) -> None:
        """[PR1, PR3] everyone sees everyone who is there, and nobody else."""
        assert not self._strangers(), self._strangers()[:3]

    def _strangers(self) -> list[str]:
        world, wrong = self._world, []
        for tree in range(1, world.plan.trees + 1):
            here: dict[str, Record] = {}
            own: dict[int, str] = {}
            for instance in world.living():
                for place in instance.hub.places():
                    if place.key.tree == tree:
                        for one in place.room.participants.values():
                            here[one.id] = msgspec.to_builtins(one.view())
                            own[id(one.session.outbox)] = one.id
            for client in world.clients:
                copy = client.copies.get(tree)
                if copy is not None and not copy.gone:
                    mine = own.get(id(client.connection))
                    seen = {one: view for one, view in copy.participants.items() if one != mine}
                    if seen != {one: view for one, view in here.items() if one != mine}:
                        wrong.append(f"{client.name} tree {tree} sees {sorted(seen)}, there are {sorted(here)}")
        return wrong

    def progress_agrees(self) -> bool:
        return not check_progress(self._world)

    def progress(self) -> None:
        """[PG6, PG8] what everyone was told, change by change, is what counting anew comes to."""
        wrong = check_progress(self._world)
        assert not wrong, wrong[:3]

    async def end(self) -> None:
        """Everything that only the whole history can show."""
        for client in self._world.clients:  # [HS10] each has one queue and one socket at a time, its newest
            assert not client.times_replaced, f"the newest socket of {client.name} was told that it is replaced"
        for tree in range(1, self._world.plan.trees + 1):
            await Ending(self._world, TreeKey(TENANT, tree)).check(self.snapshots)


def _since(heads: list[tuple[float, int, int]], which: int, known: int, now: float) -> float:
    """Since when there has been something newer than what is known; now, if there is nothing."""
    for head in reversed(heads):
        if head[which] <= known:
            break
        now = head[0]
    return now
