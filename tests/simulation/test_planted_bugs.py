"""Tests of the tests: bugs put in on purpose, each of which the simulation must find (reliability B7).

A bug comes with the plan that is likeliest to meet it, drawn anew for each seed; the first few seeds must do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from storage.memory_rows import TreeRows
from sync import delivery, effects, follow, judge, lobby, ops, placing, room
from sync.commit import CommitLoop
from sync.cut import Cut
from sync.errors import Unavailable
from sync.inbox import Inbox
from sync.joining import Joining
from sync.open_room import OpenRoom
from sync.ports import Receipt
from sync.recent import Recent
from sync.tree import Tree
from tests.simulation.plan import Plan
from tests.simulation.world import simulate

MOST_SEEDS = 200  # of 80 ops; nearly all are found by the first ten
OPS = 80

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]


def crowd(seed: int, **fields: Any) -> Plan:
    """Several clients on two instances that contend for one tree, without faults."""
    return msgspec.structs.replace(Plan(seed=seed, ops=OPS, clients=5, instances=2), **fields)


def resending(seed: int) -> Plan:
    return crowd(seed, resend=0.5, elsewhere=0.4, overtake=0.2, events={"cut": 0.1})


def lossy(seed: int) -> Plan:
    return crowd(seed, clients=3, bus_loss=0.5, pause=0.1)


def reordered(seed: int) -> Plan:
    return crowd(seed, bus_delay=0.3, bus_loss=0.2)


def joining(seed: int) -> Plan:
    return crowd(seed, store_delay=0.05, small=True, events={"reopen": 0.4, "cut": 0.2})


def paused(seed: int) -> Plan:
    """Much is sent twice, so that rooms are busy with nothing to write; then there is silence."""
    return crowd(seed, clients=4, store_delay=0.02, resend=0.8, elsewhere=0.5, pause=0.3, follow_seconds=1.2)


def roaming(seed: int) -> Plan:
    """Rooms are dropped and loaded all the time."""
    busy = crowd(seed, clients=4, instances=3, store_delay=0.1, small=True, pause=0.15, events={"cut": 1.5})
    return msgspec.structs.replace(busy, follow_seconds=1.7)


def failing(seed: int) -> Plan:
    return crowd(seed, store_fails=0.1)


def slow(seed: int) -> Plan:
    return crowd(seed, outbox_bytes=1_000, events={"slow_reader": 0.3})


def wide(seed: int) -> Plan:
    """Rooms so wide that a commit is told behind the next one."""
    return crowd(seed, wide=1, store_delay=0.05, events={"reopen": 0.4, "cut": 0.2})


def ruled(seed: int) -> Plan:
    return crowd(seed, events={"rights": 0.1, "freeze": 0.05})


# ---- the bugs


def acknowledged_before_the_commit(patch: Patch) -> None:
    cut = room.Room.cut

    def cut_and_tell(self: room.Room, mark: str, respace_id: str, now: float) -> room.Flight:
        flight = cut(self, mark, respace_id, now)
        for judged in flight.cut.judged:
            judged.edit.reply(self._outcome(judged))
        return flight

    patch.setattr(room.Room, "cut", cut_and_tell)


def acknowledged_though_it_failed(patch: Patch) -> None:
    commit = CommitLoop._timed_commit

    async def hopeful(self: CommitLoop, batches: Any) -> list[Receipt]:
        try:
            return await commit(self, batches)
        except Unavailable:
            return [Receipt(committed=True, at="2027-01-15T08:00:00.000000Z") for _ in batches]

    patch.setattr(CommitLoop, "_timed_commit", hopeful)


def numbers_are_not_looked_at(patch: Patch) -> None:
    def answer(self: Cut, edit: Any, place: int, op: Any) -> Any:
        self.used[edit.client] = op.n
        return self._judge(edit, place, op)

    patch.setattr(Cut, "_answer", answer)
    patch.setattr(TreeRows, "_check_numbers", lambda self, batch: None)


def a_skipped_number_is_taken(patch: Patch) -> None:
    answer = Cut._answer

    def lenient(self: Cut, edit: Any, place: int, op: Any) -> Any:
        if op.n > self._last_n(edit) + 1:
            self.used[edit.client] = op.n - 1
        return answer(self, edit, place, op)

    patch.setattr(Cut, "_answer", lenient)


def first_answers_are_not_recalled(patch: Patch) -> None:
    patch.setattr(Inbox, "_follows", lambda self, edit: True)


def counters_stay_behind_the_commit(patch: Patch) -> None:
    patch.setattr(Cut, "client_counters", lambda self: [])


def cycles_are_not_looked_for(patch: Patch) -> None:
    def ancestors(self: Tree, node_id: str | None) -> Iterator[str]:
        for _ in range(100):  # the planted cycle must not hang the test
            if node_id is None:
                return
            yield node_id
            node_id = self.nodes[node_id].node.parent

    patch.setattr(Tree, "lies_below", lambda self, node_id, above: False)
    patch.setattr(Tree, "ancestors", ancestors)


def order_keys_are_given_twice(patch: Patch) -> None:
    patch.setattr(placing, "key_between", lambda low, high: low or "a0")


def a_reparent_keeps_its_order_key(patch: Patch) -> None:
    move = judge._JUDGES[ops.Move]

    def keep(tree: Tree, op: Any, asking: Any) -> Any:
        verdict = move(tree, op, asking)
        if isinstance(verdict.effect, effects.Move):
            verdict.effect.order = tree.nodes[op.node].node.order
        return verdict

    patch.setitem(judge._JUDGES, ops.Move, keep)


def connections_outlive_their_ends(patch: Patch) -> None:
    patch.setattr(Tree, "touching", lambda self, node_id: set())


def what_is_set_aside_is_thrown_away(patch: Patch) -> None:
    set_aside = Cut._set_aside

    def forget(self: Cut, *arguments: Any) -> Any:
        result = set_aside(self, *arguments)
        if result.status == "conflict":
            self.keeping.undo(self.keeping.records.mark() - 1)
        return result

    patch.setattr(Cut, "_set_aside", forget)


def a_lost_batch_is_not_rolled_back(patch: Patch) -> None:
    patch.setattr(Cut, "undo", lambda self: None)


def snapshots_show_what_is_in_flight(patch: Patch) -> None:
    patch.setattr(room.Room, "state", lambda self: self.tree.state())


def heads_are_never_compared(patch: Patch) -> None:
    def compare_rights_alone(self: follow.Follower, place: OpenRoom, commit: int, head: Any) -> None:
        if head.rights != place.room.rights.version:
            self._spawn("rights", self.recheck(place))

    patch.setattr(follow.Follower, "_compare_one", compare_rights_alone)


def a_gap_on_the_bus_is_ignored(patch: Patch) -> None:
    def take_anyway(self: follow.Follower, place: OpenRoom, shared: Any) -> None:
        frame = follow._read_frame(shared)
        if shared.commit > place.room.commit:
            place.room.commit = shared.commit - 1
            place.room.seq = frame.after if frame is not None else place.room.seq
            commit = place.room.follow(frame, {"json": shared.frame}, {}, shared.conflicts)
            if commit is not None:
                self._delivery.commit(place, commit)

    patch.setattr(follow.Follower, "_follow", take_anyway)


def commits_that_come_while_a_room_is_busy_are_dropped(patch: Patch) -> None:
    patch.setattr(follow.Follower, "take_deferred", lambda self, place: place.deferred.clear())


def a_room_is_loaded_before_it_listens(patch: Patch) -> None:
    async def load(self: lobby.Lobby, key: Any) -> OpenRoom:
        loaded = await self._store.load(key)
        await self._bus.subscribe(key)
        place = OpenRoom(room.Room(loaded, self._limits), self._clock.monotonic())
        self.places[key] = place
        return place

    patch.setattr(lobby.Lobby, "_load", load)


def a_return_misses_an_op(patch: Patch) -> None:
    after = Recent.after
    patch.setattr(Recent, "after", lambda self, seq: after(self, seq)[1:])


def a_slow_reader_just_misses_ops(patch: Patch) -> None:
    patch.setattr(delivery.Delivery, "_fall_behind", lambda self, participant, reached: None)


def who_joins_is_told_again_what_was_not_told_yet(patch: Patch) -> None:
    answer = Joining.answer

    def forgetful(self: Joining, place: OpenRoom, *who: Any) -> None:
        untold, place.untold = place.untold, []
        answer(self, place, *who)
        place.untold = untold

    patch.setattr(Joining, "answer", forgetful)


def everyone_may_edit(patch: Patch) -> None:
    patch.setattr(room, "allows", lambda role, action: True)


def rights_are_read_once(patch: Patch) -> None:
    async def recheck(self: follow.Follower, place: OpenRoom) -> None:
        """What was true at the start is true for ever."""

    patch.setattr(follow.Follower, "recheck", recheck)


BUGS: list[tuple[Plant, Callable[[int], Plan]]] = [
    (acknowledged_before_the_commit, crowd),
    (acknowledged_though_it_failed, failing),
    (numbers_are_not_looked_at, resending),
    (a_skipped_number_is_taken, resending),
    (first_answers_are_not_recalled, resending),
    (counters_stay_behind_the_commit, resending),
    (cycles_are_not_looked_for, crowd),
    (order_keys_are_given_twice, crowd),
    (a_reparent_keeps_its_order_key, crowd),
    (connections_outlive_their_ends, crowd),
    (what_is_set_aside_is_thrown_away, crowd),
    (a_lost_batch_is_not_rolled_back, crowd),
    (snapshots_show_what_is_in_flight, joining),
    (heads_are_never_compared, lossy),
    (a_gap_on_the_bus_is_ignored, reordered),
    (commits_that_come_while_a_room_is_busy_are_dropped, paused),
    (a_room_is_loaded_before_it_listens, roaming),
    (a_return_misses_an_op, joining),
    (a_slow_reader_just_misses_ops, slow),
    (who_joins_is_told_again_what_was_not_told_yet, wide),
    (everyone_may_edit, ruled),
    (rights_are_read_once, ruled),
]


@pytest.mark.parametrize(("plant", "plan"), BUGS, ids=[plant.__name__ for plant, _ in BUGS])
def test_a_planted_bug_is_found(plant: Plant, plan: Callable[[int], Plan], monkeypatch: Patch) -> None:
    plant(monkeypatch)
    for seed in range(MOST_SEEDS):
        try:
            simulate(plan(seed))
        except AssertionError as error:
            print(f"found by seed {seed}: {str(error)[:200]}")
            return
    raise AssertionError(f"{MOST_SEEDS} seeds did not find it")


@pytest.mark.parametrize(
    "plan", [crowd, resending, lossy, reordered, joining, paused, roaming, failing, slow, wide, ruled]
)
def test_without_the_bug_its_plan_holds(plan: Callable[[int], Plan]) -> None:
    for seed in range(5):
        simulate(plan(seed))
