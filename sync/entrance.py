"""Letting a socket into a room and out of it, and bringing it up to what is confirmed.

An `open` is answered in two steps: what must be awaited is read first, then the answer is given and the participant
let in at once (`sync.joining`), so that no op is missed and none comes twice.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from sync.access import role_in
from sync.delivery import CHUNK_OPS, Delivery
from sync.errors import NotFound, TreesyncError, Unavailable
from sync.housekeeping import Housekeeping
from sync.identity import TreeKey
from sync.joining import Joining
from sync.limits import Limits
from sync.lobby import Lobby
from sync.open_room import OpenRoom
from sync.ports import Clock, Store
from sync.protocol import Open
from sync.session import Participant, Session
from sync.stats import HubStats

_ID_CHARACTERS = 6  # of a participant's id, behind the instance's name
_PAUSE_SECONDS = 1.0  # before the log is asked again for a slow reader's ops


class Entrance:
    """See the module."""

    def __init__(
        self,
        instance: str,
        lobby: Lobby,
        joining: Joining,
        delivery: Delivery,
        housekeeping: Housekeeping,
        store: Store,
        clock: Clock,
        limits: Limits,
        stats: HubStats,
        *,
        spawn: Callable[[str, Coroutine[Any, Any, None]], object],
        entered: Callable[[OpenRoom, Session], None],
    ) -> None:
        self._instance = instance
        self._lobby = lobby
        self._joining = joining
        self._delivery = delivery
        self._housekeeping = housekeeping
        self._store = store
        self._clock = clock
        self._limits = limits
        self._stats = stats
        self._spawn = spawn
        self._entered = entered

    # ---- opening and leaving

    def open(self, session: Session, message: Open) -> None:
        tree = message.tree
        if tree in session.opening:
            session.refuse(message, "bad_message", "this tree is being opened already", tree)
            return
        if tree not in session.opened and len(session.opened) >= self._limits.trees_per_socket:
            session.refuse(message, "too_many", f"at most {self._limits.trees_per_socket} trees on one socket", tree)
            return
        if message.reason == "digest":
            self._stats.digest_mismatches += 1
        self.leave(session, tree)
        session.opened[tree] = None
        session.opening[tree] = message
        self._spawn(f"open:{tree}", self._join(session, message))

    async def _join(self, session: Session, message: Open) -> None:
        try:
            place = await self._enter(session, message)
        except TreesyncError as error:
            if session.opening.get(message.tree) is message:
                self.leave(session, message.tree)
            session.refuse(message, error.code, error.why, message.tree)
        else:
            self._entered(place, session)

    async def _enter(self, session: Session, message: Open) -> OpenRoom:
        key = TreeKey(session.identity.tenant, message.tree)
        user = session.identity.user
        place = await self._lobby.enter(key)
        if role_in(place.room.rights, session.identity) is None:
            raise NotFound("no such tree")
        recalled = await self._store.recall(key, user, session.client_id, ())
        plan = await self._joining.plan(place, message, session.outbox.wire.codec)
        role = role_in(place.room.rights, session.identity)
        if role is None or self._lobby.get(key) is not place:
            raise NotFound("no such tree")
        place.room.know_client((user, session.client_id), recalled.last_n)
        if session.opening.get(message.tree) is message:  # it has not left meanwhile, to come again or not
            del session.opening[message.tree]
            participant = Participant(f"{self._instance}-{self._clock.token(_ID_CHARACTERS)}", session, role)
            session.opened[message.tree] = participant
            if message.reason == "digest":  # not a kept state with the very ops behind it that led it astray
                place.room.forget_states()
            self._joining.answer(place, participant, plan, message)
            self._housekeeping.presence_changed(place)
            if not participant.live:
                self.push(place, participant)
        return place

    def leave(self, session: Session, tree: int) -> None:
        session.opening.pop(tree, None)
        participant = session.opened.pop(tree, None)
        place = self._lobby.get(TreeKey(session.identity.tenant, tree))
        if participant is not None and place is not None:
            place.room.participants.pop(participant.id, None)
            place.left.add(participant.id)
            place.last_used = self._clock.monotonic()
            self._housekeeping.presence_changed(place)

    # ---- catching up

    def push(self, place: OpenRoom, participant: Participant) -> None:
        """Give a participant what it is owed, as far as its socket takes it."""
        if not self._delivery.push(place, participant) and not participant.session.outbox.full:
            self._spawn(f"catch-up:{place.key.tree}", self._catch_up(place, participant))
        if participant.missed:
            self._housekeeping.presence_heard(place)

    async def _catch_up(self, place: OpenRoom, participant: Participant) -> None:
        """A reader so slow that its ops are no longer at hand: from the log, or a snapshot where that is shorter."""
        room = place.room
        if participant.id not in room.participants:
            return
        if room.seq - participant.reached > self._limits.resume_ops:
            self._delivery.snapshot(place, participant, reason="too_far")
            return
        reached = participant.reached
        try:
            rows = await self._store.log(place.key, reached, min(reached + CHUNK_OPS, room.seq))
        except Unavailable:
            await self._clock.sleep(_PAUSE_SECONDS)
            rows = []
        except NotFound:
            return  # the tree is deleted: who was in it is told so
        if participant.reached == reached and not participant.live and place.room is room:
            self._delivery.rows(place, participant, rows)
            self.push(place, participant)
