"""What a hub does by the clock: comparing heads, telling presence, closing idle rooms."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from sync import bus_messages, presence
from sync.bus_messages import PresenceShared
from sync.errors import Unavailable
from sync.follow import Follower
from sync.identity import TreeKey
from sync.open_room import OpenRoom
from sync.ports import Bus, Clock, Store

COMPARE_SECONDS = 2.0  # P4: the longest a lost bus message can stay unnoticed
SWEEP_SECONDS = 1.0
IDLE_SECONDS = 60.0  # a reload of the page, or a train in a tunnel, finds its room still warm


class Housekeeping:
    """Loops without an end; each is one task of the hub's."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        follower: Follower,
        rooms: dict[TreeKey, OpenRoom],
        instance: str,
        log: Callable[..., None],
        drop: Callable[[OpenRoom], None],
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._follower = follower
        self._rooms = rooms
        self._instance = instance
        self._log = log
        self._drop = drop
        self._to_share: dict[OpenRoom, None] = {}  # in the order in which they changed
        self._to_flush: dict[OpenRoom, None] = {}

    def loops(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        return [
            ("compare-heads", self._compare_heads()),
            ("presence", self._tell_presence()),
            ("sweep", self._sweep()),
        ]

    def presence_changed(self, place: OpenRoom) -> None:
        """Someone here came, went or moved."""
        self._to_share[place] = None
        self._to_flush[place] = None

    def presence_heard(self, place: OpenRoom) -> None:
        """Someone elsewhere did."""
        self._to_flush[place] = None

    async def _compare_heads(self) -> None:
        while True:
            await self._clock.sleep(COMPARE_SECONDS)
            try:
                await self._follower.compare(self._rooms.values())
            except Unavailable as error:
                self._log("heads.unavailable", why=error.why)

    async def _tell_presence(self) -> None:
        while True:
            await self._clock.sleep(presence.FLUSH_SECONDS)
            for place in self._to_share:
                self._share(place)
            for place in self._to_flush:
                presence.flush(place)
            self._to_share.clear()
            self._to_flush.clear()

    def _share(self, place: OpenRoom) -> None:
        place.presence_shared = self._clock.monotonic()
        here = [participant.view() for participant in place.room.participants.values()]
        message = PresenceShared(instance=self._instance, participants=here)
        self._bus.publish(place.key, bus_messages.encode(message))

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            now = self._clock.monotonic()
            for place in list(self._rooms.values()):
                self._sweep_presence(place, now)
                place.room.forget_clients()
                if place.idle and now - place.last_used > IDLE_SECONDS:
                    self._drop(place)

    def _sweep_presence(self, place: OpenRoom, now: float) -> None:
        presence.fade(place, now)
        if place.left:
            self.presence_changed(place)
        if place.room.participants and now - place.presence_shared > presence.SHARE_SECONDS:
            self._share(place)
