"""People who are connected and do not read, while others write much (reliability B31)."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import ExitStack

import psutil

from server.auth import mint
from tests.clocks import RealClock
from tests.commands import SECRET
from tests.soak.watch import metrics
from tests.sockets import client_frame
from tests.torture.play import Play
from tests.torture.report import Report, spread
from tests.torture.stage import TENANT, Instance, staged
from tests.waiting import until

FRAMES, FRAME_CHARACTERS, PER_SECOND = 2_000, 4 * 1024, 200.0  # 8 MB in all, far beyond what may wait for anybody
MEBIBYTES_EACH = 1.2  # what may wait for one of them (P11), and its socket
_RECEIVE_BYTES = 4_096  # small, so that it is the server where things wait
_LOOK_SECONDS = 0.1
_PATIENCE = 300.0  # a busy machine takes its time to fill hundreds of buffers
_MEBIBYTE = 1024 * 1024
_UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def slow_readers(times: int, seed: int) -> Report:
    """So many of them in the tree of four who write 200 frames of 4 KiB a second."""
    async with staged() as stage, await Play.make(stage, seed, peers=4) as play:
        instance = stage.instances[0]
        for peer in play.everyone:
            peer.ports = [instance.door.port]
            peer.reconnect()
        await until(lambda: all(peer.settled for peer in play.everyone), "all are in", seconds=60)
        before = await _written(play)
        memory = _memory(instance)
        with ExitStack() as lines:
            for number in range(times):
                lines.enter_context(await _reader(instance, play.history.tree, number))
            sockets = (await metrics(instance.command))["sockets"]
            writing = asyncio.create_task(_written(play), name="writers")
            most = memory
            while not writing.done():
                most = max(most, _memory(instance))
                await asyncio.sleep(_LOOK_SECONDS)
            meanwhile = await writing
            slow = (await metrics(instance.command))["slow_readers_total"]
        await play.settle()
        wrong = await play.judge()
    risen = most - memory
    wrong += [f"B31: memory rose by {risen:.0f} MiB"] * (risen > 40 + MEBIBYTES_EACH * times)
    if sockets < times or slow < times:
        wrong.append(f"B31: {sockets:g} sockets, {slow:g} times somebody was too slow: these are no slow readers")
    figures = (
        {"too slow": slow, "MiB more": risen} | spread("answer before", before) | spread("answer meanwhile", meanwhile)
    )
    return Report(times=times, ops=len(play.history.invocations), figures=figures, wrong=wrong)


async def _written(play: Play) -> list[float]:
    """What those who write waited for their answers."""
    known = set(play.history.invocations)
    for number in range(FRAMES):
        peer = play.everyone[number % len(play.everyone)]
        peer.do(op="update", node=f"n{number % 6}", set={"description": f"{number} ".ljust(FRAME_CHARACTERS, "x")})
        await peer.push()
        await asyncio.sleep(1 / PER_SECOND)
    await until(lambda: not any(peer.unanswered for peer in play.everyone), "all is answered", seconds=_PATIENCE)
    return [one.waited for key, one in play.history.invocations.items() if key not in known]


async def _reader(instance: Instance, tree: int, number: int) -> socket.socket:
    """Comes in, opens the tree, and reads nothing of it."""
    loop = asyncio.get_running_loop()
    line = socket.socket()
    line.setblocking(False)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
    await loop.sock_connect(line, ("127.0.0.1", instance.port))
    token = mint(SECRET, tenant=TENANT, user=f"slow-{number}", expires_at=RealClock().now() + 3600)
    hello = {"type": "hello", "protocol": 1, "token": token, "client_id": f"slow-{number}"}
    opening = json.dumps({"type": "open", "tree": tree}).encode()
    await loop.sock_sendall(line, _UPGRADE)
    await loop.sock_recv(line, _RECEIVE_BYTES)
    await loop.sock_sendall(line, client_frame(hello))
    await loop.sock_recv(line, _RECEIVE_BYTES)
    await loop.sock_sendall(line, client_frame(opening))
    return line


def _memory(instance: Instance) -> float:
    return float(psutil.Process(instance.command.process.pid).memory_info().rss) / _MEBIBYTE
