"""What an instance tells the others about a tree, and what it does when it hears them. Hints, all of it (P4)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from sync import bus_messages
from sync.bus_messages import CommitShared, Control, PresenceShared, VersionShared
from sync.codec import JSON
from sync.errors import BadMessage
from sync.follow import Follower
from sync.housekeeping import Housekeeping
from sync.identity import TreeKey
from sync.keeper import VersionKeeper
from sync.limits import FRAME_BYTES
from sync.lobby import Lobby
from sync.open_room import OpenRoom
from sync.operator import Operator
from sync.ports import Batch, Bus, Clock, Receipt
from sync.presence import hear
from sync.session import Session
from sync.stats import HubStats
from sync.writers import Writers


class Exchange:
    """See the module."""

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        lobby: Lobby,
        writers: Writers,
        follower: Follower,
        housekeeping: Housekeeping,
        operator: Operator,
        keeper: VersionKeeper,
        stats: HubStats,
        *,
        log: Callable[..., None],
        spawn: Callable[[str, Coroutine[Any, Any, None]], object],
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._lobby = lobby
        self._writers = writers
        self._follower = follower
        self._housekeeping = housekeeping
        self._operator = operator
        self._keeper = keeper
        self._stats = stats
        self._log = log
        self._spawn = spawn

    # ---- telling

    def share(self, place: OpenRoom, batch: Batch, receipt: Receipt) -> None:
        """A commit that was made here. After it is durable, never before."""
        self._keeper.committed(place, batch)
        room = place.room
        if receipt.rights != room.rights.version:
            self._recheck(place)
        shared = CommitShared(
            epoch=room.epoch,
            commit=room.commit,
            conflicts=room.conflicts,
            rights=receipt.rights,
            frame=room.recent.newest_frame(JSON) if batch.ops else b"",
            counters=[(counter.user, counter.client, counter.last_n) for counter in batch.counters],
            records=batch.conflicts,
        )
        payload = bus_messages.encode(shared)
        if batch.conflicts and len(payload) > FRAME_BYTES:
            payload = bus_messages.encode(msgspec.structs.replace(shared, records=[], large=True))
        self._bus.publish(place.key, payload)

    def claim(self, place: OpenRoom, session: Session) -> None:
        """A socket opened a tree, and writes for its client from now on."""
        if session.replaced:  # an older socket may still read, but does not take the pen back
            return
        control = Control(
            do="claim",
            user=session.identity.user,
            client=session.client_id,
            instance=self._writers.instance,
            since=session.since,
        )
        self._bus.publish(place.key, bus_messages.encode(control))

    def order(self, key: TreeKey, control: Control) -> None:
        """Do something with a room, here and on every other instance that has it open."""
        place = self._lobby.get(key)
        if place is not None:
            self._obey(place, control)
        self._bus.publish(key, bus_messages.encode(control))

    # ---- hearing

    def hear(self, key: TreeKey, payload: bytes) -> None:
        place = self._lobby.get(key)
        if place is None:
            self._lobby.keep(key, payload)
            return
        self._stats.bus_messages += 1
        try:
            self._take(place, payload)
        except BadMessage as error:
            self._stats.bad_bus_messages += 1
            self._log("bus.bad_message", why=error.why)

    def _take(self, place: OpenRoom, payload: bytes) -> None:
        message = bus_messages.decode(payload)
        match message:
            case CommitShared():
                self._follower.receive(place, message)
            case PresenceShared():
                if hear(place, message, self._clock.monotonic()):
                    self._housekeeping.presence_changed(place)
                self._housekeeping.presence_heard(place)
            case VersionShared():
                self._keeper.told(place, message)
            case Control():
                self._obey(place, message)

    def _obey(self, place: OpenRoom, control: Control) -> None:
        match control.do:
            case "rights":
                self._recheck(place)
            case "claim":
                self._claimed(place, control)
            case "resync":
                self._operator.resync(place)
            case "kick":
                self._operator.kick(place, control.participant)

    def _claimed(self, place: OpenRoom, control: Control) -> None:
        writer = (place.key.tenant, control.user, control.client)
        newer = self._writers.claimed(writer, place.key.tree, control.since, control.instance)
        if newer is not None:
            self.claim(place, newer)

    def _recheck(self, place: OpenRoom) -> None:
        self._spawn(f"rights:{place.key.tree}", self._follower.recheck(place))
