"""Thousands who knock and never come in, while others work (reliability B32).

A third connects and says nothing, a third stops in the middle of its request, a third is upgraded and never says hello.
"""

from __future__ import annotations

import asyncio
import time

import psutil

from tests.torture.play import Play
from tests.torture.report import Report, spread
from tests.torture.stage import Instance, staged
from tests.waiting import until

# 10 s for the head or hello (HS2), 1 s between rounds of the heartbeat, 5 s for the answer to a close, a busy machine
GONE_SECONDS = 20.0
ANSWER_SECONDS = 2.0  # p99 of an edit meanwhile: it waits for thousands of handshakes at most
MEBIBYTES_EACH = 0.02  # a socket with half a request
_AT_ONCE = 250
_MEBIBYTE = 1024 * 1024
_UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_KNOCKS = (b"", _UPGRADE[:40], _UPGRADE)


class _Knock(asyncio.Protocol):
    """Says so much and no more."""

    def __init__(self, said: bytes) -> None:
        self.gone = False
        self._said = said

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._said)

    def connection_lost(self, error: Exception | None) -> None:
        self.gone = True


async def half_handshakes(times: int, seed: int) -> Report:
    """So many at once, at one of two instances, where people edit meanwhile and somebody comes in."""
    wrong: list[str] = []
    async with staged() as stage, await Play.make(stage, seed, peers=4) as play:
        await until(lambda: all(peer.settled for peer in play.everyone), "all are in", seconds=60)
        besieged, enough = stage.instances[0], asyncio.Event()
        before = _memory(besieged)
        hands = asyncio.create_task(play.edit_until(enough), name="hands")
        knocks = await _knock(besieged, times)
        made = time.monotonic()
        held = sum(not one.gone for one in knocks)
        play.everyone[0].ports = [besieged.door.port]
        play.everyone[0].forget()
        came = time.monotonic()
        await until(lambda: play.everyone[0].settled, "somebody comes in", seconds=60)
        came = time.monotonic() - came
        risen = _memory(besieged) - before
        await until(lambda: all(one.gone for one in knocks), "nobody is let knock for ever", seconds=4 * GONE_SECONDS)
        gone = time.monotonic() - made
        enough.set()
        await hands
        await play.settle()
        wrong += await play.judge()
    waited = [one.waited for one in play.history.invocations.values()]
    answers = spread("answer", waited)
    wrong += [f"B32: an answer took {answers['answer p99']:.1f} s (p99)"] * (answers["answer p99"] > ANSWER_SECONDS)
    wrong += [f"B32: the last was gone after {gone:.1f} s"] * (gone > GONE_SECONDS)
    wrong += [f"B32: memory rose by {risen:.0f} MiB"] * (risen > 20 + MEBIBYTES_EACH * times)
    figures = {"held at once": float(held), "MiB more": risen, "came in after": came, "all gone after": gone}
    return Report(times=times, ops=len(waited), figures=figures | answers, wrong=wrong)


async def _knock(instance: Instance, times: int) -> list[_Knock]:
    gate = asyncio.Semaphore(_AT_ONCE)
    loop = asyncio.get_running_loop()

    async def one(number: int) -> _Knock:
        async with gate:
            said = _KNOCKS[number % len(_KNOCKS)]
            _, knock = await loop.create_connection(lambda: _Knock(said), "127.0.0.1", instance.port)
            return knock

    return await asyncio.gather(*(one(number) for number in range(times)))


def _memory(instance: Instance) -> float:
    return float(psutil.Process(instance.command.process.pid).memory_info().rss) / _MEBIBYTE
