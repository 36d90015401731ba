"""What a hub does by the clock: comparing heads, telling presence, keeping versions, closing idle rooms."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from sync import bus_messages, presence
from sync.bus_messages import PresenceShared, VersionShared
from sync.codec import JSON
from sync.errors import TreesyncError, Unavailable
from sync.follow import Follower
from sync.identity import TreeKey
from sync.open_room import OpenRoom
from sync.ports import Bus, Clock, Store
from sync.versions import TreeVersion
from sync.protocol import VersionKept

COMPARE_SECONDS = 2.0  # P4: the longest a lost bus message can stay unnoticed
SWEEP_SECONDS = 1.0
IDLE_SECONDS = 60.0  # a reload of the page, or a train in a tunnel, finds its room still warm
VERSION_OPS = 200  # DESIGN §9
VERSION_SECONDS = 600.0


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
                await self._keep_version(place, now)
                if place.idle and now - place.last_used > IDLE_SECONDS:
                    self._drop(place)

    def _sweep_presence(self, place: OpenRoom, now: float) -> None:
        presence.fade(place, now)
        if place.left:
            self.presence_changed(place)
        if place.room.participants and now - place.presence_shared > presence.SHARE_SECONDS:
            self._share(place)

    async def _keep_version(self, place: OpenRoom, now: float) -> None:
        room = place.room
        crossed = room.seq // VERSION_OPS > place.version_seq // VERSION_OPS
        aged = room.seq > place.version_seq and now - place.version_at >= VERSION_SECONDS
        if not crossed and not aged:
            return
        place.version_seq, place.version_at = room.seq, now
        state = JSON.encode_value(room.state())
        version = TreeVersion(number=0, seq=room.seq, epoch=room.epoch, state=state)
        try:
            kept = await self._store.keep_version(place.key, version)
        except TreesyncError as error:
            self._log("version.not_kept", tree=place.key.tree, why=error.why)
            return
        if kept is not None:
            shared = VersionShared(number=kept.number, seq=kept.seq)
            self.version_kept(place, shared)
            self._bus.publish(place.key, bus_messages.encode(shared))

    def version_kept(self, place: OpenRoom, shared: VersionShared) -> None:
        """Tell everyone here of a version that this or another instance has kept."""
        for participant in place.room.participants.values():
            participant.session.send(VersionKept(tree=place.key.tree, number=shared.number, seq=shared.seq))
