"""An event loop over virtual time: callbacks run one by one in the order asyncio promises, and when none is ready time
jumps to the next timer. No real time, no sockets, no threads: a run is a function of its seed.

What belongs to one instance is marked by a context variable that every task inherits, so that killing the instance is
cancelling its tasks, wherever they wait.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from itertools import count
from random import Random
from typing import Any, cast

MOST_CALLBACKS = 5_000_000  # a run takes about 50,000; beyond this something spins without letting time pass
EPOCH = 1_800_000_000.0  # where the simulated clocks stand at the start, in seconds of Unix time


class Stuck(AssertionError):
    """Nothing can happen any more, or the same thing happens for ever."""


class Owner:
    """Whose tasks they are: an instance. Dead owners' tasks are cancelled, and their callbacks do not run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.tasks: dict[asyncio.Task[Any], None] = {}

    @contextmanager
    def acting(self) -> Iterator[None]:
        """What is started inside belongs to this owner."""
        token = _owner.set(self)
        try:
            yield
        finally:
            _owner.reset(token)

    def kill(self) -> None:
        self.alive = False
        for task in list(self.tasks):
            task.cancel()


_owner: ContextVar[Owner | None] = ContextVar("owner", default=None)


class SimulatedLoop:
    """See the module. Has what asyncio's futures, tasks, events and timeouts ask of a loop, and nothing else."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        # to asyncio it is a loop like any other; of the many methods of one, only these are ever called
        self._known = cast(asyncio.AbstractEventLoop, self)
        self._now = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = count()
        self._tasks: dict[asyncio.Task[Any], None] = {}

    # ---- what asyncio asks

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self._known, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self._known, context)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """asyncio tells the loop so that it may tidy up; here a cancelled timer is passed over when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._known)

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self._known, name=name, context=context)
        owner = _owner.get()
        kept = self._tasks if owner is None else owner.tasks
        kept[task] = None
        task.add_done_callback(lambda done: kept.pop(done, None))
        if owner is not None and not owner.alive:
            task.cancel()
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.failures.append(f"{context.get('message')}: {error!r}")

    # ---- running

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run to the end of `work`; what it raises is raised."""
        outer = events._get_running_loop()
        events._set_running_loop(self._known)
        try:
            task = self.create_task(work, name="simulation")
            for _ in range(MOST_CALLBACKS):
                if task.done():
                    break
                self._turn()
            else:
                raise Stuck(f"something spins at {self._now:.3f} s")
            task.result()
        finally:
            self._end()
            events._set_running_loop(outer)

    def _turn(self) -> None:
        while not self._ready:
            if not self._timers:
                raise Stuck("everyone waits, for nothing")
            when, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, when)
            if not timer.cancelled():
                self._ready.append(timer)
        handle = self._ready.popleft()
        if not handle.cancelled():
            handle._run()

    def _end(self) -> None:
        """Cancel what is left and let it unwind, so that nothing is destroyed while it waits."""
        for task in list(self._tasks):
            task.cancel()
        for _ in range(MOST_CALLBACKS):
            if not self._ready:
                break
            self._turn()


class SimulatedClock:
    """`sync.ports.Clock` over a simulated loop. Sleepers may wake a little early, as timers of a real loop do: uvloop
    counts in whole milliseconds, asyncio rounds to the clock's resolution."""

    EARLY_SECONDS = 0.001

    def __init__(self, loop: SimulatedLoop, random: Random) -> None:
        self._loop = loop
        self._random = random

    def now(self) -> float:
        return EPOCH + self._loop.time()

    def monotonic(self) -> float:
        return self._loop.time()

    def token(self, size: int) -> str:
        return f"{self._random.getrandbits(4 * size):0{size}x}"

    async def sleep(self, seconds: float) -> None:
        woken = self._loop.create_future()
        early = self._random.random() * min(self.EARLY_SECONDS, seconds)
        timer = self._loop.call_later(seconds - early, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
