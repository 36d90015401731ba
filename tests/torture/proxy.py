"""A TCP proxy that delays, holds, half-opens and cuts: the network between any two processes of a torture."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
_CHUNK = 65_536  # bytes read at once


class Pair:
    """One connection on its way through."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near = near
        self.far = far

    def abort(self) -> None:
        self.near.transport.abort()
        self.far.transport.abort()


class Ear:
    """Listens to what a proxy passes on, and may hold it back, change it, or (None) lose it with its connection."""

    async def asked(self, pair: Pair, data: bytes) -> bytes | None:
        return data

    async def answered(self, pair: Pair, data: bytes) -> bytes | None:
        return data


class Proxy:
    """Passes what it is given, until it is told otherwise. `delay`: seconds that every chunk waits, each way."""

    def __init__(self, dial: Dial) -> None:
        self.delay = 0.0
        self.port = 0
        self.ear = Ear()
        self._dial = dial
        self._pairs: set[Pair] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._refuses = False
        self._swallows = 0  # chunks from the far side that are lost, each with its connection
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.release()
        self.cut()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def lead_to(self, dial: Dial) -> Dial:
        """New connections go there; answers where they went. Those that stand are left alone."""
        former, self._dial = self._dial, dial
        return former

    # ---- what befalls it

    def cut(self) -> None:
        """Every connection ends now, both ways."""
        for pair in list(self._pairs):
            pair.abort()

    def half_open(self) -> None:
        """The far side is gone, and the near side is not told."""
        for pair in list(self._pairs):
            pair.far.transport.abort()
            pair.near.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of asyncio's streams has it
            self._pairs.discard(pair)
            self._pairs.add(Pair(pair.near, pair.near))

    def hold(self) -> None:
        """A black hole: connections stay, new ones are taken, and nothing passes until `release`."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()
        self._refuses = False
        self._swallows = 0
        self.delay = 0.0

    def refuse(self) -> None:
        """Nobody gets in until `release`."""
        self._refuses = True

    def lose_answer(self) -> None:
        """The next thing that the far side says is lost, and the connection with it: what was asked did happen."""
        self._swallows += 1

    # ---- passing on

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        if self._refuses:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await self._dial()
        except OSError:
            writer.transport.abort()
            return
        pair = Pair(writer, far_writer)
        self._pairs.add(pair)
        for name, work in (
            ("out", self._pump(reader, far_writer, pair, answers=False)),
            ("back", self._pump(far_reader, writer, pair, answers=True)),
        ):
            pump = asyncio.create_task(work, name=f"proxy:{name}")
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: Pair, *, answers: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._open.wait()
                if answers and self._swallows:
                    self._swallows -= 1
                    break
                heard = self.ear.answered(pair, data) if answers else self.ear.asked(pair, data)
                if (passed := await heard) is None:
                    break
                writer.write(passed)
                await writer.drain()
        if pair in self._pairs:  # a half-open one is left alone
            pair.abort()
            self._pairs.discard(pair)


def tcp(port: int) -> Dial:
    return lambda: asyncio.open_connection("127.0.0.1", port)


def unix(path: str) -> Dial:
    return lambda: asyncio.open_unix_connection(path)
