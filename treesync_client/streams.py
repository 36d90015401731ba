"""Handing what happens to whoever wants to follow it, without ever waiting for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")
MOST_WAITING = 10_000  # items kept for a follower who does not read; then they are replaced by one that says so


class Subscription(AsyncIterator[T]):
    """What one follower has not read yet. It begins when it is made and ends with the stream."""

    def __init__(self, overflow: Callable[[T], T]) -> None:
        self._waiting: deque[T] = deque()
        self._woken = asyncio.Event()
        self._overflow = overflow
        self._ended = False

    def put(self, item: T) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.clear()
            item = self._overflow(item)
        self._waiting.append(item)
        self._woken.set()

    def end(self) -> None:
        self._ended = True
        self._woken.set()

    def __aiter__(self) -> Subscription[T]:
        return self

    async def __anext__(self) -> T:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._woken.clear()
            await self._woken.wait()
        return self._waiting.popleft()

    async def aclose(self) -> None:
        """Stop following."""
        self._waiting.clear()
        self.end()


class Stream(Generic[T]):
    """Every item reaches every follower of that moment. A follower that nobody holds any more is forgotten.

    `overflow` makes, of the newest item, the one that stands for all that a follower was too slow to read.
    """

    def __init__(self, overflow: Callable[[T], T] = lambda newest: newest) -> None:
        self._followers: WeakSet[Subscription[T]] = WeakSet()
        self._overflow = overflow
        self._ended = False

    def put(self, item: T) -> None:
        for follower in self._followers:
            follower.put(item)

    def end(self) -> None:
        self._ended = True
        for follower in self._followers:
            follower.end()

    def follow(self) -> Subscription[T]:
        follower: Subscription[T] = Subscription(self._overflow)
        if self._ended:
            follower.end()
        self._followers.add(follower)
        return follower
