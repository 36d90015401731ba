"""What an operator may do to a room: put one out, give fresh snapshots, ask everyone to come back later.

Each is carried out here and told to the other instances, where the room may be open too (`sync.exchange`).
"""

from __future__ import annotations

from collections.abc import Collection

from sync.delivery import Delivery
from sync.follow import Follower
from sync.housekeeping import Housekeeping
from sync.open_room import OpenRoom
from sync.ports import Clock
from sync.protocol import Error, Notice
from sync.reconnecting import retry_ms
from sync.session import Session


class Operator:
    """See the module."""

    def __init__(self, clock: Clock, delivery: Delivery, follower: Follower, housekeeping: Housekeeping) -> None:
        self._clock = clock
        self._delivery = delivery
        self._follower = follower
        self._housekeeping = housekeeping

    def kick(self, place: OpenRoom, participant_id: str) -> None:
        participant = place.room.participants.get(participant_id)
        if participant is not None:
            participant.session.send(Error(code="forbidden", why="put out by an operator", tree=place.key.tree))
            self._follower.expel(place, participant)
            self._housekeeping.presence_changed(place)

    def resync(self, place: OpenRoom) -> None:
        self._delivery.snapshot_for_all(place, "resync")

    def drain(self, place: OpenRoom) -> None:
        """Everyone comes back later, to another instance if the balancer says so."""
        everyone = list(place.room.participants.values())
        for participant in everyone:
            notice = Notice(code="draining", tree=place.key.tree, retry_ms=retry_ms(self._clock, len(everyone)))
            participant.session.send(notice)
            self._follower.expel(place, participant)

    def ask_back(self, sessions: Collection[Session]) -> None:
        """This server stops: its sockets are closed soon."""
        for session in sessions:
            session.send(Notice(code="draining", retry_ms=retry_ms(self._clock, len(sessions))))
