"""Load from raw uvloop protocols that count tokens in the bytes they receive and decode nothing: else the clients
would be the limit, not the server. Each masks with the key 0, which RFC 6455 allows and which costs no work."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import cast

_TEXT = 0x81
_BINARY = 0x82
_MASKED = 0x80
_TAIL = 32  # bytes kept from one read to the next, so that a token cut in two is counted once


def client_frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """A masked frame whose mask is four zeros."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", opcode, _MASKED | size)
    elif size < 65_536:
        head = struct.pack("!BBH", opcode, _MASKED | 126, size)
    else:
        head = struct.pack("!BBQ", opcode, _MASKED | 127, size)
    return head + bytes(4) + payload


class Peer(asyncio.Protocol):
    """One client. `count` is how often `token` was received; `on_data` sees what came, for those that look closer."""

    def __init__(self, path: str, host: str, token: bytes, subprotocol: str = "") -> None:
        self.count = 0
        self.received = 0
        self.token = token
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_count: Callable[[int], None] | None = None
        self.on_data: Callable[[bytes], None] | None = None
        self.waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self.transport: asyncio.Transport
        self._path = path
        self._host = host
        self._subprotocol = subprotocol
        self._tail = b""
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        lines = [
            f"GET {self._path} HTTP/1.1",
            f"Host: {self._host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
        ]
        if self._subprotocol:
            lines.append(f"Sec-WebSocket-Protocol: {self._subprotocol}")
        self.transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if not self._upgraded:
            data = self._read_handshake(data)
        found = self._count(data)
        if found:
            self.count += found
            if self.on_count is not None:
                self.on_count(found)
        if self.on_data is not None:
            self.on_data(data)
        for token, future in self.waiting:
            if token in data and not future.done():
                future.set_result(None)

    def _read_handshake(self, data: bytes) -> bytes:
        self._tail += data
        head, end, rest = self._tail.partition(b"\r\n\r\n")
        if not end:
            return b""
        assert head.startswith(b"HTTP/1.1 101"), head
        self._upgraded = True
        self._tail = b""
        self.ready.set_result(None)
        return rest

    def _count(self, data: bytes) -> int:
        seen = self._tail + data if self._upgraded else b""
        keep = len(self.token) - 1
        self._tail = seen[-keep:] if self._upgraded else self._tail
        return seen.count(self.token)

    def send(self, payload: bytes, opcode: int = _TEXT) -> None:
        self.transport.write(client_frame(payload, opcode))

    async def expect(self, token: bytes, within: float = 30.0) -> None:
        """Wait until a read brings this token."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((token, future))
        await asyncio.wait_for(future, within)
        self.waiting = [one for one in self.waiting if one[1] is not future]


async def connect(port: int, path: str, token: bytes, subprotocol: str = "") -> Peer:
    """A peer whose handshake is done."""
    loop = asyncio.get_running_loop()
    host = f"127.0.0.1:{port}"
    _, peer = await loop.create_connection(lambda: Peer(path, host, token, subprotocol), "127.0.0.1", port)
    await asyncio.wait_for(peer.ready, 30)
    return peer


async def join(port: int, jwt: str, client_id: str, tree: int) -> Peer:
    """A peer that has a tree of a treesync server open. It counts the ops that reach it."""
    peer = await connect(port, "/ws", b'"by":', "treesync.v1.json")
    welcomed = asyncio.ensure_future(peer.expect(b'"type":"welcome"'))
    await asyncio.sleep(0)
    hello = f'{{"type":"hello","protocol":1,"token":"{jwt}","client_id":"{client_id}"}}'
    peer.send(hello.encode())
    await welcomed
    opened = asyncio.ensure_future(peer.expect(b'"participants":'))
    await asyncio.sleep(0)
    peer.send(f'{{"type":"open","ref":1,"tree":{tree}}}'.encode())
    await opened
    return peer


class Writer:
    """Keeps `window` edits of one op in flight over a peer, until told to stop; answers start the next ones."""

    def __init__(self, peer: Peer, make: Callable[[int], bytes], window: int, opcode: int = _TEXT) -> None:
        self.peer = peer
        self.sent = 0
        self.answered = 0
        self.running = False
        self._make = make
        self._window = window
        self._opcode = opcode

    def start(self) -> None:
        self.running = True
        self._send(self._window)

    def stop(self) -> None:
        self.running = False

    def answers(self, count: int) -> None:
        """So many of this writer's edits were answered."""
        self.answered += count
        if self.running:
            self._send(count)

    def _send(self, count: int) -> None:
        frames = []
        for _ in range(count):
            self.sent += 1
            frames.append(client_frame(self._make(self.sent), self._opcode))
        self.peer.transport.write(b"".join(frames))


class Counter:
    """Counts a token over a stream of reads."""

    def __init__(self, token: bytes) -> None:
        self.token = token
        self._tail = b""

    def feed(self, data: bytes) -> int:
        seen = self._tail + data
        found = seen.count(self.token)
        self._tail = seen[-(len(self.token) - 1) :]
        return found


def edit(tree: int, number: int, node: str, title: str, base: int) -> bytes:
    """One edit of one op. With a node per writer and the tree's first seq as base nothing is ever overwritten."""
    return (
        f'{{"type":"edit","tree":{tree},"mode":"live","ops":[{{"n":{number},"base":{base},"op":"update",'
        f'"node":"{node}","set":{{"title":"{title}"}}}}]}}'
    ).encode()
