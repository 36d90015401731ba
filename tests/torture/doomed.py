"""`python -m tests.torture.doomed serve …`: the server, which kills itself at the point that DOOM names.

DOOM is `module:Class.method when pass`: `before` the method does anything, `during` it (what it awaits has begun),
or `after` all it does, at that pass of it. Nothing is flushed, closed or said: SIGKILL.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

_TURNS_OF_THE_LOOP = 3  # in which what is awaited gets as far as the network


class Point(NamedTuple):
    """Where a server dies."""

    place: str
    when: str

    def __str__(self) -> str:
        return f"{self.when} {self.place.partition(':')[2]}"


def _points(when: tuple[str, ...], *places: str) -> list[Point]:
    return [Point(place, one) for place in places for one in when]


POINTS = [
    *_points(
        ("before", "during", "after"),
        "storage.postgres:PostgresStore.commit",
        "storage.postgres:PostgresStore.load",
        "storage.turns:PostgresTurn.commit",
        "asyncpg.transaction:Transaction.commit",
    ),
    *_points(
        ("before", "after"),
        "storage.postgres:PostgresStore.recall",
        "storage.postgres:PostgresStore.heads",
        "storage.turns:PostgresTurn.missing",
        "storage.bus_redis:RedisBus.subscribe",
        "storage.bus_redis:RedisBus.publish",
        "sync.room:Room.offer",
        "sync.room:Room.cut",
        "sync.room:Room.settle",
        "sync.room:Room.roll_back",
        "sync.room:Room.ingest",
        "sync.room:Room.follow",
        "sync.delivery:Delivery.settled",
        "sync.delivery:Delivery.commit",
        "sync.delivery:Delivery.snapshot",
        "sync.delivery:Delivery.resumed",
        "sync.exchange:Exchange.share",
    ),
]


def doom(place: str, when: str, passes: int) -> None:
    """Make the method deadly at that pass of it."""
    module, _, name = place.partition(":")
    owner: Any = importlib.import_module(module)
    *above, method = name.split(".")
    for part in above:
        owner = getattr(owner, part)
    left = iter(range(passes - 1, -1, -1))
    deadly = _waiting if inspect.iscoroutinefunction(getattr(owner, method)) else _plain
    setattr(owner, method, deadly(getattr(owner, method), when, lambda: next(left, None) == 0))


def _plain(method: Callable[..., Any], when: str, due: Callable[[], bool]) -> Callable[..., Any]:
    def deadly(*arguments: Any, **named: Any) -> Any:
        dies = due()
        if dies and when == "before":
            _die()
        answer = method(*arguments, **named)
        if dies:
            _die()
        return answer

    return deadly


def _waiting(method: Callable[..., Any], when: str, due: Callable[[], bool]) -> Callable[..., Any]:
    async def deadly(*arguments: Any, **named: Any) -> Any:
        dies = due()
        if dies and when == "before":
            _die()
        work = asyncio.create_task(method(*arguments, **named), name="doomed") if dies else method(*arguments, **named)
        if dies and when == "during":
            for _ in range(_TURNS_OF_THE_LOOP):
                await asyncio.sleep(0)
            _die()
        answer = await work
        if dies:
            _die()
        return answer

    return deadly


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from server.__main__ import main

    named, when, passes = os.environ.pop("DOOM").split(" ")
    doom(named, when, int(passes))
    main()
