"""B4 and B9: opening a tree of 10,000 nodes, and the memory it takes; what sockets and open rooms take."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from benchmarks.machine import Database, Server, free_port, make_tree, post_tree, token, treesync
from benchmarks.peers import Peer, connect, join
from server.demo import demo_tree

NODES = 10_000
_HEAD = 500  # bytes of a snapshot in which its numbers stand, before the state
_PART, _PARTS = re.compile(rb'"part":(\d+)'), re.compile(rb'"parts":(\d+)')


def realistic(count: int) -> list[dict[str, Any]]:
    """The demo tree's nodes over and over: 280 bytes of JSON each on average. Each hangs below an earlier one."""
    _, known, _ = demo_tree()
    nodes: list[dict[str, Any]] = [{"id": "root", "type": "objective", "title": "Root"}]
    for number in range(count - 1):
        node: dict[str, Any] = msgspec.to_builtins(known[number % len(known)])
        above = "root" if number < 10 else f"n{number // 10}"
        nodes.append({**node, "id": f"n{number}", "parent": above})
    return nodes


class Opened(msgspec.Struct):
    """Milliseconds from asking to the last byte, the size in bytes, and the loop's longest blocking in milliseconds."""

    took: float
    size: int
    blocked: float


async def _blocked(port: int) -> float:
    """Milliseconds that the server's loop did not turn at the longest, since this was asked last."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seconds = float(await reader.read())
    writer.close()
    return seconds * 1e3


@contextmanager
def watched(database: Database) -> Iterator[tuple[Server, int]]:
    """A server that tells how long its loop was blocked, and the port that tells it."""
    port = free_port()
    with treesync(database, module="benchmarks.watched", WATCH_PORT=str(port)) as server:
        yield server, port


async def _greeted(server: Server, jwt: str, name: str) -> Peer:
    peer = await connect(server.port, "/ws", b'"by":', "treesync.v1.json")
    welcomed = asyncio.ensure_future(peer.expect(b'"type":"welcome"'))
    await asyncio.sleep(0)
    peer.send(f'{{"type":"hello","protocol":1,"token":"{jwt}","client_id":"{name}"}}'.encode())
    await welcomed
    return peer


async def _opened(server: Server, watch: int, jwt: str, name: str, tree: int) -> Opened:
    """Open once, with a socket that has said hello before, and close."""
    peer = await _greeted(server, jwt, name)
    await _blocked(watch)
    snapshot = SnapshotEnd()
    peer.transport.set_protocol(snapshot)  # it alone: three megabytes counted for tokens are a millisecond
    began = time.perf_counter()
    peer.send(f'{{"type":"open","ref":1,"tree":{tree}}}'.encode())
    ended = await asyncio.wait_for(snapshot.ended, 60)
    await asyncio.sleep(0.2)  # what the server does behind the last byte may block, too
    found = Opened((ended - began) * 1e3, snapshot.size, await _blocked(watch))
    peer.transport.abort()
    return found


class SnapshotEnd(asyncio.Protocol):
    """Cuts frames out of what a socket brings, and notes when the last part of a snapshot was there to its end."""

    def __init__(self) -> None:
        self.size = 0  # bytes of the snapshot's frames
        self.ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._bytes = bytearray()
        self._at = 0

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        while (frame := self._frame()) is not None:
            start, end = frame
            head = bytes(self._bytes[start : min(start + _HEAD, end)])
            if head.startswith(b'{"type":"snapshot"'):
                self.size += end - self._at
                if _number(_PART, head) == _number(_PARTS, head) and not self.ended.done():
                    self.ended.set_result(time.perf_counter())
            self._at = end

    def _frame(self) -> tuple[int, int] | None:
        """Where the next frame's payload starts and ends, once it is all here. A server's frames have no mask."""
        start = self._at + 2
        if len(self._bytes) < start:
            return None
        size = self._bytes[self._at + 1]
        if size > 125:
            taken = 2 if size == 126 else 8  # RFC 6455 §5.2: the length follows in so many bytes
            size = int.from_bytes(self._bytes[start : start + taken], "big")
            start += taken
        return (start, start + size) if len(self._bytes) >= start + size else None


def _number(pattern: re.Pattern[bytes], head: bytes) -> int:
    """1 where it is not said."""
    found = pattern.search(head)
    return int(found[1]) if found else 1


async def openings(server: Server, watch: int, rounds: int, warm: int = 20) -> tuple[list[Opened], list[Opened]]:
    """Each of `rounds` trees opened for the first time, and then `warm` times more; one tree before is not counted."""
    jwt, nodes = token("ada"), realistic(NODES)
    trees = [await asyncio.to_thread(post_tree, server, jwt, nodes) for _ in range(rounds + 1)]
    cold, again = [], []
    for tree in trees:
        cold.append(await _opened(server, watch, jwt, f"cold{tree}", tree))
        again += [await _opened(server, watch, jwt, f"warm{tree}-{one}", tree) for one in range(warm)]
    return cold[1:], again[warm:]


# ---- memory


async def node_bytes(server: Server, trees: int = 3) -> float:
    """Resident bytes per node of open trees; the first of them is not counted, as opening it grows the heap once."""
    jwt, nodes = token("ada"), realistic(NODES)
    numbers = [await asyncio.to_thread(post_tree, server, jwt, nodes) for _ in range(trees + 1)]
    peers = [await join(server.port, jwt, "first", numbers[0])]
    await asyncio.sleep(0.5)
    before = server.memory_bytes()
    peers += [await join(server.port, jwt, f"m{number}", number) for number in numbers[1:]]
    await asyncio.sleep(0.5)
    used = (server.memory_bytes() - before) / (trees * NODES)
    for peer in peers:
        peer.transport.abort()
    return used


async def room_bytes(server: Server, rooms: int = 400, nodes: int = 10) -> float:
    """Resident bytes per open room of so few nodes, its one socket included."""
    jwt = token("ada")
    numbers = [await asyncio.to_thread(make_tree, server, jwt, nodes) for _ in range(rooms + 100)]
    peers = [await join(server.port, jwt, f"r{number}", number) for number in numbers[:100]]
    await asyncio.sleep(0.5)
    before = server.memory_bytes()
    peers += [await join(server.port, jwt, f"r{number}", number) for number in numbers[100:]]
    await asyncio.sleep(0.5)
    used = (server.memory_bytes() - before) / rooms
    for peer in peers:
        peer.transport.abort()
    return used
