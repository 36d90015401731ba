"""Answering `open`: a snapshot, or exactly the ops after the position a client names (P8, SEMANTICS 8, 10)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from sync.codec import JSON, Codec, CodecName
from sync.delivery import CHUNK_OPS, Delivery
from sync.errors import NotFound, Unavailable
from sync.follow import Follower
from sync.identity import Position
from sync.limits import Limits
from sync.open_room import OpenRoom
from sync.ports import Clock, LoggedOp, Store
from sync.protocol import Open, SnapshotReason
from sync.recent import ops_message
from sync.room import Room
from sync.session import Participant
from sync.snapshots import EncodedState, encoded_parts

_PAUSE_SECONDS = 0.02  # while a batch settles: a commit takes a few milliseconds
_PAUSES = 50


class Backlog:
    """The ops from a position on that are no longer at hand; empty where `recent` has them all."""

    __slots__ = ("after", "rows")

    def __init__(self, after: int, rows: Sequence[LoggedOp]) -> None:
        self.after = after
        self.rows = rows


class Joining:
    """Plans an answer with what must be awaited, then gives it in one synchronous step."""

    def __init__(self, store: Store, clock: Clock, follower: Follower, delivery: Delivery, limits: Limits) -> None:
        self._store = store
        self._clock = clock
        self._follower = follower
        self._delivery = delivery
        self._limits = limits
        self._encoding: set[tuple[Room, CodecName]] = set()  # what somebody encodes just now

    async def plan(self, place: OpenRoom, message: Open, codec: Codec) -> Backlog | SnapshotReason | None:
        """What to answer: the ops after a position, or a snapshot and its reason (None: a first visit)."""
        position = message.position
        while True:
            room = place.room
            plan = await self._plan(place, position) if isinstance(position, Position) else None
            if not isinstance(plan, Backlog) and room.must_encode(codec):
                await self._encode(room, codec)
            if room is place.room:  # else another history began while this one was read
                return plan

    async def _encode(self, room: Room, codec: Codec) -> None:
        """Encode a large state before it is asked for, once for all who wait for it: a part at a time, a millisecond
        each, between which others go on. What is encoded are values that no edit changes in place."""
        key = (room, codec.name)
        while key in self._encoding:
            await self._clock.sleep(_PAUSE_SECONDS)
        if not room.must_encode(codec):
            return
        self._encoding.add(key)
        try:
            state, position, parts = room.state(), room.position, []
            for part in encoded_parts(state, codec):
                parts.append(part)
                await self._clock.sleep(0)
            room.keep_state(codec, EncodedState(position, tuple(parts)))
            self._delivery.stats.states_encoded += 1
        finally:
            self._encoding.discard(key)

    async def _plan(self, place: OpenRoom, position: Position) -> Backlog | SnapshotReason:
        if position.epoch != place.room.epoch:
            return "epoch"
        if position.seq > place.room.seq:
            await self._read_head(place, position.seq)
            if position.epoch != place.room.epoch:
                return "epoch"
            if position.seq > place.room.seq:
                return "ahead"
        return await self._resume(place, position)

    async def _read_head(self, place: OpenRoom, seq: int) -> None:
        """The client may have heard from another instance first: where the database has come to that seq, so does this
        room before it answers. Raises Unavailable: a client is called ahead only of what has been read; NotFound."""
        head = (await self._store.heads([place.key])).get(place.key)
        if head is None:
            raise NotFound("no such tree")
        behind = head.epoch == place.room.epoch and head.seq < seq
        for _ in range(_PAUSES):
            if behind or place.room.seq >= seq:
                return
            if not place.busy:
                epoch = place.room.epoch
                await self._follower.refill(place)
                if place.room.epoch != epoch or place.room.seq >= seq:
                    return
            await self._clock.sleep(_PAUSE_SECONDS)
        raise Unavailable("this server has not come so far yet; try again")

    async def _resume(self, place: OpenRoom, position: Position) -> Backlog | SnapshotReason:
        room = place.room
        if room.seq - position.seq > self._limits.resume_ops:
            return "too_far"
        at_hand = room.recent.mark_at(position.seq)
        if at_hand is not None:
            return Backlog(position.seq, ()) if at_hand == position.mark else "epoch"
        through = room.seq
        if await self._store.mark_at(place.key, position.seq) != position.mark:
            return "epoch"
        rows = await self._store.log(place.key, position.seq, through)
        return "too_far" if self._outweighs_snapshot(place, rows) else Backlog(position.seq, rows)

    def _outweighs_snapshot(self, place: OpenRoom, rows: Sequence[LoggedOp]) -> bool:
        """Whether so many ops would be more bytes than the state they lead to."""
        if len(rows) <= CHUNK_OPS:
            return False
        state = sum(len(bytes(part)) for part in place.room.encoded_state(JSON).parts)
        return len(JSON.encode(ops_message(place.key.tree, rows))) > state

    def answer(
        self, place: OpenRoom, participant: Participant, plan: Backlog | SnapshotReason | None, message: Open
    ) -> None:
        """Give the answer and let the participant in, in one step: no op is missed, none comes before it."""
        self._delivery.tell(place)  # to those who are in already
        place.room.participants[participant.id] = participant
        place.presence_changed.add(participant.id)
        if isinstance(plan, Backlog):
            self._delivery.resumed(place, participant, plan.rows, plan.after, message.ref)
        else:
            ref = UNSET if message.ref is UNSET else message.ref
            self._delivery.snapshot(place, participant, reason=plan, ref=ref)
