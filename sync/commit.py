"""The commit loop: what waits in many rooms becomes one statement, and nothing is told before it is durable (P1).

A lane claims the dirty rooms, has each judge its inbox, commits all the batches in one round trip, and settles them.
While it waits for the database more edits arrive, and the next batch is all of them: batching needs no timer. A room
that lost to another instance, or whose last outcome is unknown, commits alone under its head's lock (SEMANTICS 5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from typing import Any

from sync.cut import Cut
from sync.delivery import Delivery
from sync.errors import NotFound, Unavailable, Unstorable
from sync.follow import Follower
from sync.limits import BATCH_BYTES, BATCH_ROWS
from sync.open_room import OpenRoom
from sync.pending import ClientKey, PendingEdit, PendingResolve, Refusal
from sync.ports import Batch, Clock, Receipt, Store, Turn
from sync.rivalry import Rivalry
from sync.stats import HubStats
from sync.telling import Telling

MOST_ROOMS = 256  # batches in one statement: more gain nothing, and hold the fast rooms back for the slow
RETRY_SECONDS = 0.25  # how soon a room asks a database again that did not answer
PATIENCE_SECONDS = 2.0  # how long edits wait for such a database before they are given back as `unavailable`
MARK_CHARACTERS = 8  # 32 random bits tell two histories of one seq apart

# Rows of the log read at once: 1,000 are read into values in 5 ms, and the first few tell whether they are large
FIRST_ROWS, MORE_ROWS = 200, 1_000

Spawn = Callable[[str, Coroutine[Any, Any, None]], object]


class CommitLoop:
    """See the module. `shared` is called with every batch that was committed here, for the bus."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        delivery: Delivery,
        telling: Telling,
        follower: Follower,
        stats: HubStats,
        *,
        spawn: Spawn,
        shared: Callable[[OpenRoom, Batch, Receipt], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._delivery = delivery
        self._telling = telling
        self._follower = follower
        self._stats = stats
        self._spawn = spawn
        self._shared = shared
        self.rivalry = Rivalry(clock, spawn=spawn, go_on=self._go_on)
        self._dirty: dict[OpenRoom, None] = {}
        self._work = asyncio.Event()

    def wake(self, place: OpenRoom) -> None:
        """There is something to commit, or to recover, in this room."""
        self._dirty[place] = None
        self._work.set()

    async def run(self) -> None:
        """One lane. Several may run; a room is in one of them at most."""
        while True:
            await self._work.wait()
            claimed = self._claim()
            if not claimed:
                self._work.clear()
                continue
            await self._commit(claimed)

    def _claim(self) -> list[OpenRoom]:
        now = self._clock.monotonic()
        free = (place for place in self._dirty if not place.busy and place.retry_at <= now)
        ready = list(islice((place for place in free if not self.rivalry.waits(place)), MOST_ROOMS))
        for place in ready:
            del self._dirty[place]
            place.busy = True
        return ready

    def release(self, place: OpenRoom) -> None:
        """The room's batch is settled, one way or the other: take what came meanwhile."""
        place.busy = False
        self._follower.take_deferred(place)
        self._go_on(place)

    def _go_on(self, place: OpenRoom) -> None:
        if place.room.inbox or place.contested:
            self.wake(place)

    # ---- many rooms, one statement

    async def _commit(self, claimed: list[OpenRoom]) -> None:
        alone = [place for place in claimed if place.contested]
        together = [place for place in claimed if not place.contested]
        if together:
            alone += await self._commit_together(together)
        for place in alone:
            await self._commit_alone(place)

    async def _commit_together(self, places: list[OpenRoom]) -> list[OpenRoom]:
        """Commit in one statement; answers the rooms that must go on alone."""
        flying = self._cut(await self._recall(places))
        large = [place for place in flying if _is_large(place)]
        small = [place for place in flying if place not in large]
        lost: list[OpenRoom] = []
        for group in ([small] if small else []) + [[place] for place in large]:
            lost += await self._commit_group(group)
        return lost

    async def _commit_group(self, places: list[OpenRoom]) -> list[OpenRoom]:
        batches = [_batch_of(place) for place in places]
        try:
            receipts = await self._timed_commit(batches)
        except Unavailable:
            for place in places:
                self._fail(place)
            return []
        except Unstorable:
            return places
        lost = []
        for place, batch, receipt in zip(places, batches, receipts, strict=True):
            if receipt.committed:
                self._settle(place, batch, receipt)
            else:
                self._stats.lost += 1
                self.rivalry.lost(place)
                lost.append(place)
        return lost

    async def _timed_commit(self, batches: Sequence[Batch]) -> list[Receipt]:
        began = self._clock.monotonic()
        receipts = await self._store.commit(batches)
        self._stats.statements += 1
        self._stats.commit_seconds.append(self._clock.monotonic() - began)
        return receipts

    def _cut(self, places: list[OpenRoom]) -> list[OpenRoom]:
        """Let every room judge what waits; answers those with something to write."""
        flying = []
        for place in places:
            if self._fly(place) is None:
                self._settle(place, None, None)
            else:
                flying.append(place)
        return flying

    async def _recall(self, places: list[OpenRoom]) -> list[OpenRoom]:
        """Look up what must be; answers the rooms that can be judged now."""
        ready = []
        for place in places:
            if not await self._answered(place, self._recall_with(place, None)):
                continue
            if place.room.reach() < place.room.backlog.floor:  # other rooms do not wait for that
                self._spawn(f"read back:{place.key.tree}", self._read_for(place))
            else:
                ready.append(place)
        return ready

    async def _read_for(self, place: OpenRoom) -> None:
        if await self._answered(place, self._read_back(place, None)):
            self.release(place)

    async def _answered(self, place: OpenRoom, question: Coroutine[Any, Any, None]) -> bool:
        """Whether storage answered; where it did not, or the tree is gone, the room has been dealt with."""
        try:
            await question
        except Unavailable:
            self._fail(place)
        except NotFound:
            self._follower.lost_tree(place)
            self.release(place)
        else:
            return True
        return False

    async def _recall_with(self, place: OpenRoom, turn: Turn | None) -> None:
        """Ask storage about clients whose numbers do not simply follow, before their edits are judged."""
        waiting: dict[ClientKey, list[PendingEdit]] = {}
        for edit in place.room.inbox.unrecalled():
            if edit.ahead and turn is None:  # only the head tells whether its base exists (SEMANTICS 10)
                place.contested = True
            elif isinstance(edit, PendingResolve):
                await self._find(place, edit, turn)
            else:
                waiting.setdefault(edit.client, []).append(edit)
        for (user, client), edits in waiting.items():
            numbers = sorted({op.n for edit in edits for op in edit.ops})
            if turn is None:
                recalled = await self._store.recall(place.key, user, client, numbers)
            else:
                recalled = await turn.recall(user, client, numbers)
            for edit in edits:
                place.room.inbox.recalled(edit, recalled)

    async def _find(self, place: OpenRoom, edit: PendingResolve, turn: Turn | None) -> None:
        """Look up the record that is to be decided: it may be closed, or opened by another instance just now."""
        number = edit.decision.conflict
        if turn is not None:
            record = await turn.conflict(number)
        else:
            record = await self._store.conflict(place.key, number)
        if turn is None and record is not None and (record.closed is None) != (number in place.room.records.open):
            place.contested = True  # the room has not come so far
        else:
            place.room.inbox.found(edit, record)

    async def _read_back(self, place: OpenRoom, turn: Turn | None) -> None:
        """Read of the log what edits against older trees are judged by, newest first; they wait (SEMANTICS 16)."""
        room, size = place.room, FIRST_ROWS
        while (after := room.reach()) < (floor := room.backlog.floor):
            after = max(after, floor - size)
            if room.backlog.full:
                room.stop_reaching()
                return
            if turn is None:
                rows = await self._store.log(place.key, after, floor)
            else:
                rows = await turn.log(after, floor)
            if len(rows) != floor - after:
                room.stop_reaching()
                return
            room.backlog.load(after, rows)
            size = MORE_ROWS

    def _settle(self, place: OpenRoom, batch: Batch | None, receipt: Receipt | None) -> None:
        settled = place.room.settle(receipt)
        place.failing_since = None
        place.last_used = self._clock.monotonic()
        self._telling.settled(place, settled)
        if batch is not None and receipt is not None:
            self._stats.commits += 1
            self._stats.ops += len(batch.ops)
            self._shared(place, batch, receipt)
            self.rivalry.committed(place)
        self.release(place)

    # ---- one room, under its lock

    async def _commit_alone(self, place: OpenRoom) -> None:
        """Read what is missing, judge again and commit, while nobody else can (SEMANTICS 5)."""
        try:
            try:
                await self._take_turn(place, careful=False)
            except Unstorable:
                await self._take_turn(place, careful=True)
        except (Unavailable, Unstorable):
            self._fail(place)
        except NotFound:
            self._follower.lost_tree(place)
            self.release(place)

    async def _take_turn(self, place: OpenRoom, *, careful: bool) -> None:
        batch: Batch | None = None
        receipt: Receipt | None = None
        began = self._clock.monotonic()
        if place.room.flight is not None:
            place.room.roll_back()
        async with self._store.exclusive(place.key) as turn:
            missing = await turn.missing(place.room.commit)
            if self._follower.continues(place, missing.head):
                self._follower.ingest(place, missing)
                await self._recall_with(place, turn)
                await self._read_back(place, turn)
                if careful:
                    await self._find_poison(place, turn)
                batch = self._fly(place)
                if batch is not None:
                    receipt = await turn.commit(batch)
        place.contested = False
        if place.room.flight is None:  # the history is another one than this room's
            await self._follower.reset(place)
            self.release(place)
            return
        self._stats.statements += 1
        self._stats.commit_seconds.append(self._clock.monotonic() - began)
        self._settle(place, batch, receipt)

    def _fly(self, place: OpenRoom) -> Batch | None:
        mark, respace_id = self._clock.token(MARK_CHARACTERS), self._clock.token(MARK_CHARACTERS)
        return place.room.cut(mark, respace_id, self._clock.now()).batch

    async def _find_poison(self, place: OpenRoom, turn: Turn) -> None:
        """Find the ops that the database cannot hold, so that they alone are refused (SEMANTICS 6)."""
        clean: int | None = 0
        while clean is not None:
            batch = self._fly(place)
            flight = place.room.flight
            assert flight is not None, "it was cut just now"
            clean = None if batch is None else await self._first_poison(flight.cut, batch, turn, clean)
            place.room.roll_back()
            await self._recall_with(place, turn)

    async def _first_poison(self, cut: Cut, batch: Batch, turn: Turn, clean: int) -> int | None:
        """Mark the first op that cannot be stored and answer how many before it can; the first `clean` are known to.
        What follows it is judged again without it, for its value may have gone on into theirs, or they stand on it."""
        if await _holds(turn, cut.first_ops(batch, len(cut.ops))):
            return len(cut.ops) if await self._poison_records(cut, batch, turn) else None
        refused = len(cut.ops)
        while refused - clean > 1:
            half = (clean + refused) // 2
            if await _holds(turn, cut.first_ops(batch, half)):
                clean = half
            else:
                refused = half
        source = cut.source(clean)
        if source is None:
            return None  # the server's own op: not for a client to answer for
        edit, place = source
        edit.poisoned.add(place)
        return clean

    async def _poison_records(self, cut: Cut, batch: Batch, turn: Turn) -> bool:
        """Mark the first op of each record that cannot be stored in it; whether there were any."""
        found: set[int] = set()
        for alone, (edit, place) in cut.lone_records(batch):
            number = alone.conflicts[0].id
            if number not in found and not await _holds(turn, alone):
                edit.poisoned.add(place)
                found.add(number)
        return bool(found)

    # ---- a database that does not answer

    def _fail(self, place: OpenRoom) -> None:
        """Nothing is acknowledged: undo, let the edits wait, ask again; after a while give them back."""
        now = self._clock.monotonic()
        self._stats.unavailable += 1
        if place.room.flight is not None:
            place.room.roll_back()
        place.contested = True
        if place.failing_since is None:
            place.failing_since = now
        if now - place.failing_since >= PATIENCE_SECONDS:
            refusal = Refusal("unavailable", "the database does not answer; keep it and send it again")
            for edit, outcome in place.room.refuse_waiting(refusal):
                self._delivery.outcome(edit, outcome)
        place.retry_at = now + RETRY_SECONDS
        place.busy = False
        self._spawn(f"retry:{place.key.tree}", self._retry(place))

    async def _retry(self, place: OpenRoom) -> None:
        await self._clock.sleep(RETRY_SECONDS)
        place.retry_at = 0.0  # a timer may fire a little before its time, and nothing else would wake this room
        self.wake(place)


async def _holds(turn: Turn, batch: Batch) -> bool:
    try:
        await turn.rehearse(batch)
    except Unstorable:
        return False
    return True


def _batch_of(place: OpenRoom) -> Batch:
    flight = place.room.flight
    assert flight is not None, "only rooms that fly are committed"
    assert flight.batch is not None, "and only those with something to write"
    return flight.batch


def _is_large(place: OpenRoom) -> bool:
    flight = place.room.flight
    return flight is not None and (flight.size > BATCH_BYTES or _rows_of(flight.batch) > BATCH_ROWS)


def _rows_of(batch: Batch | None) -> int:
    """How many rows of the log, or of the tree, a batch writes or removes: one delete may take a whole tree."""
    if batch is None:
        return 0
    touched = len(batch.nodes) + len(batch.connections) + len(batch.purged_nodes) + len(batch.purged_connections)
    return max(len(batch.ops), touched)
