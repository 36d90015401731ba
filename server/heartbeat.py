"""One task that looks after every socket: pings, silence, hellos that never come, tokens that end, readers that stand
still, closes that nobody answers. No socket has a timer of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from server.endpoint import Endpoint, Tended
from server.frames import PING, frame
from sync.close_codes import CLOSE_GOING_AWAY, CLOSE_TOO_FAST_OR_SLOW

TICK: Final = 1.0  # seconds between rounds; what is due is done at most so much later
_AT_ONCE: Final = 500  # sockets looked at before others get the loop: 0.5 ms
_FORGET_EVERY: Final = 60  # rounds between clearing out unused buckets


class Heartbeat:
    """`start` it once, `close` it at the end. Its death is reported: without it dead sockets would stay for ever."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._rounds = 0
        self._task: asyncio.Task[None] | None = None

    def start(self, on_death: Callable[[str, BaseException], None]) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                on_death(task.get_name(), error)

        self._task = asyncio.create_task(self._run(), name="heartbeat")
        self._task.add_done_callback(ended)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._endpoint.clock.sleep(TICK)
            await self.round()

    async def round(self) -> None:
        """Look at every socket once."""
        self._rounds += 1
        payload = self._rounds.to_bytes(4, "big")  # tells the answer to this ping from a stale one; shared by all
        ping = frame(payload, PING)
        clock = self._endpoint.clock
        sockets = list(self._endpoint.sockets)
        for start in range(0, len(sockets), _AT_ONCE):
            now, unix = clock.monotonic(), clock.now()
            for socket in sockets[start : start + _AT_ONCE]:
                self._tend(socket, now, unix, ping, payload)
            await asyncio.sleep(0)
        if self._rounds % _FORGET_EVERY == 0:
            self._endpoint.admission.forget(clock.monotonic())

    def _tend(self, socket: Tended, now: float, unix: float, ping: bytes, payload: bytes) -> None:
        timings = self._endpoint.timings
        if socket.ends is not None:
            if now >= socket.ends:
                socket.abort()
            return
        if socket.full and now - socket.full_since >= timings.stuck:
            socket.close(CLOSE_TOO_FAST_OR_SLOW, "reads too slowly")
        elif now >= socket.due:
            if socket.awaiting is None:
                socket.ping(ping, payload, now + timings.pong_within)
            else:
                socket.close(CLOSE_GOING_AWAY, "no answer to a ping", within=TICK)
        socket.check(now, unix)
