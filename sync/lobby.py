"""The open rooms of an instance: loaded when somebody first asks for one, dropped when nobody has for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from sync.errors import TreesyncError
from sync.growing import bare_tree, growing
from sync.identity import TreeKey
from sync.limits import Limits
from sync.open_room import OpenRoom
from sync.ports import Bus, Clock, LoadedTree, Store
from sync.room import Room
from sync.stats import HubStats

EARLY_MESSAGES = 1_000  # what may wait while a room is loaded; beyond it the comparison of heads finds the rest


class Lobby:
    """See the module. `places` is read by whoever works on all open rooms, and changed only here."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        limits: Limits,
        stats: HubStats,
        *,
        spawn: Callable[[str, Coroutine[Any, Any, None]], object],
        heard: Callable[[TreeKey, bytes], None],
    ) -> None:
        self.places: dict[TreeKey, OpenRoom] = {}
        self._store = store
        self._bus = bus
        self._clock = clock
        self._limits = limits
        self._stats = stats
        self._spawn = spawn
        self._heard = heard
        self._early: dict[TreeKey, list[bytes]] = {}  # bus messages that came while their room was being loaded
        self._loading: dict[TreeKey, asyncio.Task[OpenRoom]] = {}

    def get(self, key: TreeKey) -> OpenRoom | None:
        return self.places.get(key)

    async def enter(self, key: TreeKey) -> OpenRoom:
        """The open room of a tree, loaded where it is not. Raises NotFound, Unavailable."""
        self._stats.rooms_entered += 1
        place = self.places.get(key)
        if place is not None:
            place.last_used = self._clock.monotonic()
            return place
        loading = self._loading.get(key)
        if loading is None:
            loading = asyncio.create_task(self._load(key), name=f"load:{key.tree}")
            self._loading[key] = loading
            loading.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(loading)

    async def _load(self, key: TreeKey) -> OpenRoom:
        """Subscribe first, then load, then serve: no commit falls between (DESIGN §7)."""
        self._stats.rooms_loaded += 1
        early = self._early[key] = []
        try:
            await self._bus.subscribe(key)
            room = await self._grown(await self._store.load(key))
        except TreesyncError:
            await self._bus.unsubscribe(key)
            raise
        finally:
            del self._early[key]
        place = OpenRoom(room, self._clock.monotonic())
        self.places[key] = place
        for payload in early:
            self._heard(key, payload)
        return place

    async def _grown(self, loaded: LoadedTree) -> Room:
        tree = bare_tree(loaded)
        for _ in growing(tree, loaded):
            await asyncio.sleep(0)  # 10,000 nodes take 20 ms
        return Room(loaded, self._limits, tree)

    async def close(self) -> None:
        """Whoever waits for a room that is being loaded waits in vain."""
        loading = list(self._loading.values())
        for task in loading:
            task.cancel()
        await asyncio.gather(*loading, return_exceptions=True)

    def keep(self, key: TreeKey, payload: bytes) -> None:
        """A bus message for a room that is not open: it waits where the room is being loaded, else it is nobody's."""
        early = self._early.get(key)
        if early is not None and len(early) < EARLY_MESSAGES:
            early.append(payload)

    def drop(self, place: OpenRoom) -> None:
        if self.places.get(place.key) is place:
            del self.places[place.key]
            self._spawn(f"unsubscribe:{place.key.tree}", self._unsubscribe(place.key))

    async def _unsubscribe(self, key: TreeKey) -> None:
        if key not in self.places and key not in self._loading:
            await self._bus.unsubscribe(key)
            if key in self.places or key in self._loading:  # opened meanwhile, and perhaps subscribed before this
                await self._bus.subscribe(key)
