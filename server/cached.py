"""Answers kept for a minute, each under a stamp that says what it shows: the time bounds memory, the stamp makes it
right. Whoever asks names the stamp as it is now, so that what has changed since is never given, on any instance."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import NamedTuple, TypeVar

import msgspec

SECONDS = 60.0  # spec 000's minute for progress
MOST = 10_000  # answers of a few kB: tens of MB at most

Value = TypeVar("Value")


class CacheReport(msgspec.Struct, frozen=True, kw_only=True):
    """How often what was asked for was at hand."""

    asked: int
    hits: int
    hit_rate: float


class _Kept(NamedTuple):
    stamp: Hashable
    until: float
    value: object


class Cache:
    """One per kind of answer."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: dict[Hashable, _Kept] = {}
        self._asked = 0
        self._hits = 0

    async def get(self, key: Hashable, stamp: Hashable, make: Callable[[], Awaitable[Value]]) -> Value:
        """The answer of that key and stamp, made where it is not at hand."""
        self._asked += 1
        now = self._monotonic()
        kept = self._kept.pop(key, None)
        if kept is not None and kept.stamp == stamp and now < kept.until:
            self._hits += 1
            self._kept[key] = kept  # the newest used stand last
            return kept.value  # type: ignore[return-value]  # a key is asked for one kind of value
        value = await make()
        self._kept[key] = _Kept(stamp, now + SECONDS, value)
        while len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]
        return value

    def report(self) -> CacheReport:
        rate = self._hits / self._asked if self._asked else 0.0
        return CacheReport(asked=self._asked, hits=self._hits, hit_rate=round(rate, 4))
