"""Answers kept for a minute, each under a stamp that says what it shows: the time bounds memory, the stamp makes it
right. Whoever asks names the stamp as it is now, so that what has changed since is never given, on any instance.

They are kept in the process, not in Redis: one at hand takes 1 µs, asking Redis 50 to 100
(`python -m benchmarks reads`), and what is in Redis may be gone or old (P4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from sync.ports import Clock
from sync.stats import HubStats

SECONDS = 60.0  # spec 000's minute for progress
_SWEEP_SECONDS = 15.0  # so that what nobody asks for again is held for 75 s at most
MOST_BYTES = 32 * 1024 * 1024  # of one kind of answer
LARGEST = MOST_BYTES // 4  # what is larger drives too much else out; a tree of 10,000 nodes has 2 to 3 MiB
_ENTRY_BYTES = 500  # an entry beside its answer: key, stamp and their place in the table

Value = TypeVar("Value")


class CacheReport(msgspec.Struct, frozen=True, kw_only=True):
    """How often what was asked for was at hand; and what is held for that, where that is known."""

    asked: int
    hits: int
    hit_rate: float
    kept: int | UnsetType = UNSET
    bytes: int | UnsetType = UNSET


def reported(asked: int, hits: int) -> CacheReport:
    """Where nothing was asked the rate is 0."""
    return CacheReport(asked=asked, hits=hits, hit_rate=round(hits / asked, 4) if asked else 0.0)


class _Kept(NamedTuple):
    stamp: Hashable
    until: float
    size: int
    answer: object


class Cache(Generic[Value]):
    """One per kind of answer. `size` tells an answer's bytes."""

    def __init__(self, monotonic: Callable[[], float], size: Callable[[Value], int]) -> None:
        self._monotonic = monotonic
        self._size = size
        self._kept: dict[Hashable, _Kept] = {}  # what was used last stands last
        self._bytes = 0
        self._asked = 0
        self._hits = 0

    async def get(self, key: Hashable, stamp: Hashable, make: Callable[[], Awaitable[Value]]) -> Value:
        """The answer of that key and stamp, made where it is not at hand."""
        self._asked += 1
        now = self._monotonic()
        kept = self._kept.get(key)
        if kept is not None and kept.stamp == stamp and now < kept.until:
            self._hits += 1
            self._kept[key] = self._kept.pop(key)
            return kept.answer  # type: ignore[return-value]  # one cache holds one kind of answer
        answer = await make()
        self._keep(key, _Kept(stamp, now + SECONDS, self._size(answer), answer))
        return answer

    def _keep(self, key: Hashable, new: _Kept) -> None:
        self._drop(key)
        if new.size <= LARGEST:
            self._kept[key] = new
            self._bytes += new.size + _ENTRY_BYTES
        while self._bytes > MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        old = self._kept.pop(key, None)
        if old is not None:
            self._bytes -= old.size + _ENTRY_BYTES

    def forget_old(self) -> None:
        """What has had its time. To be called now and then: nobody may ask for it again."""
        now = self._monotonic()
        for key in [key for key, kept in self._kept.items() if kept.until <= now]:
            self._drop(key)

    def report(self) -> CacheReport:
        return msgspec.structs.replace(reported(self._asked, self._hits), kept=len(self._kept), bytes=self._bytes)


class Caches:
    """All that an instance keeps answers in, by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._caches: dict[str, Cache[Any]] = {}
        self._others: dict[str, Callable[[], CacheReport]] = {}

    def new(self, name: str, size: Callable[[Value], int]) -> Cache[Value]:
        """A cache that is swept and reported with the others."""
        cache = Cache(self._clock.monotonic, size)
        self._caches[name] = cache
        return cache

    def tell(self, name: str, report: Callable[[], CacheReport]) -> None:
        """Report of something that keeps what it is asked for in a way of its own."""
        self._others[name] = report

    def report(self) -> dict[str, CacheReport]:
        every = {name: cache.report for name, cache in self._caches.items()} | self._others
        return {name: every[name]() for name in sorted(every)}

    async def sweep(self) -> None:
        """A loop of the instance's."""
        while True:
            await self._clock.sleep(_SWEEP_SECONDS)
            for cache in self._caches.values():
                cache.forget_old()


def tell_of_rooms(stats: HubStats, caches: Caches) -> None:
    """An open room is what a tree is kept in; its newest encoded state is sent to all who come."""

    def rooms() -> CacheReport:
        return reported(stats.rooms_entered, stats.rooms_entered - stats.rooms_loaded)

    def snapshots() -> CacheReport:
        sent = sum(stats.snapshots.values())
        return reported(sent, max(sent - stats.states_encoded, 0))  # one may be encoded for somebody who then goes

    caches.tell("open_trees", rooms)
    caches.tell("snapshots", snapshots)
