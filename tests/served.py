"""A real server on a loopback port, in the test's own loop, and clients down to raw sockets."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import ConnectionClosed

from server.endpoint import Endpoint
from server.frames import CLOSE, Event, FrameParser
from server.runner import Server, configure
from server.transport import websocket_protocol
from tests.sockets import client_frame, hello
from tests.waiting import until

WITHIN = 10.0  # seconds that anything in these tests may take: far more than it does, far less than a test's timeout
Scope = dict[str, Any]


async def plain_http(
    scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """The HTTP side of the server under test: it answers, no more."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class Served:
    """What a test knows of the server it talks to."""

    def __init__(self, server: Server, port: int, task: asyncio.Task[None]) -> None:
        self.server = server
        self.port = port
        self.task = task
        self.lines: list[asyncio.StreamWriter] = []  # of raw clients, cut when the server has stopped

    async def stop(self) -> None:
        self.server.should_exit = True
        await asyncio.wait_for(self.task, WITHIN)


@asynccontextmanager
async def serve(
    endpoint: Endpoint, *, drain: Callable[[], Awaitable[None]] | None = None, **options: Any
) -> AsyncIterator[Served]:
    """Serve that endpoint until the block ends."""

    async def drain_nothing() -> None:
        return

    def stop_taking() -> None:
        endpoint.open_for_new = False

    config = configure(plain_http, websocket_protocol(endpoint), port=0)
    server = Server(config, stop_taking=stop_taking, drain=drain or drain_nothing, log=endpoint.log, **options)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    task = asyncio.create_task(server.serve([listener]), name="server under test")
    served = Served(server, port, task)
    await until(lambda: server.started or task.done(), "the server has started")
    try:
        yield served
    finally:
        await served.stop()
        for line in served.lines:
            line.transport.abort()


def client(served: Served, path: str = "/ws", **options: Any) -> websocket:
    """`websockets`' client, with none of its comforts."""
    options.setdefault("subprotocols", ["treesync.v1.json"])
    return websocket(f"ws://127.0.0.1:{served.port}{path}", compression=None, max_size=None, proxy=None, **options)


async def closed(connection: ClientConnection) -> tuple[int | None, str | None]:
    """How the server closed it; whatever came before is passed over."""
    async with asyncio.timeout(WITHIN):
        with suppress(ConnectionClosed):
            while True:
                await connection.recv()
        await connection.wait_closed()
    return connection.close_code, connection.close_reason


class RawClient:
    """A client that sends whatever bytes it is told to, and may read or not."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ended = False
        self.head = b""

    @classmethod
    async def open(cls, served: Served, *headers: str, receive_buffer: int | None = None) -> RawClient:
        """Connect and upgrade. A small `receive_buffer` makes a slow reader slow at once."""
        line = socket.socket()
        line.setblocking(False)
        if receive_buffer is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", served.port))
        limit = receive_buffer or 2**16
        raw = cls(*await asyncio.open_connection(sock=line, limit=limit))
        served.lines.append(raw._writer)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /ws HTTP/1.1",
            f"Host: 127.0.0.1:{served.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            *headers,
        ]
        raw.send("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(WITHIN):
            raw.head = await raw._reader.readuntil(b"\r\n\r\n")
        return raw

    @classmethod
    async def welcomed(cls, served: Served, *headers: str, receive_buffer: int | None = None) -> RawClient:
        raw = await cls.open(served, *headers, receive_buffer=receive_buffer)
        raw.send(client_frame(hello()))
        async with asyncio.timeout(WITHIN):
            await raw._reader.readuntil(b"}}")  # the welcome's limits end it
        return raw

    def send(self, data: bytes) -> None:
        if not self._ended and not self._writer.is_closing():
            self._writer.write(data)

    def end(self) -> None:
        """No more will be sent."""
        self._ended = True
        if not self._writer.is_closing():
            self._writer.write_eof()

    async def frames(self) -> list[Event]:
        """Everything up to the server's close, which is answered as a client should, or to where the line is cut."""
        received, frames = bytearray(), list[Event]()
        async with asyncio.timeout(WITHIN):
            while chunk := await self._chunk():
                received += chunk
                frames += take_frames(received)
                if frames and frames[-1].opcode == CLOSE:
                    self.send(client_frame(b"", CLOSE))
        await self.drop()
        return frames

    async def close_code(self) -> int | None:
        """The code of the server's close; None where the line was just cut."""
        frames = await self.frames()
        return frames[-1].code if frames and frames[-1].opcode == CLOSE else None

    async def _chunk(self) -> bytes:
        try:
            return await self._reader.read(2**18)
        except ConnectionError:
            return b""

    async def drop(self) -> None:
        self._writer.transport.abort()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


def take_frames(data: bytearray) -> list[Event]:
    """The whole frames at the start of what a server sent, removed from it. Our parser reads a client's, which are
    masked, so they are masked by zeros first."""
    masked, place = b"", 0
    while len(data) - place >= 2:
        size, start = data[place + 1], place + 2
        if size == 126:
            size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
        elif size == 127:
            size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        if len(data) < start + size:
            break
        masked += bytes([data[place], data[place + 1] | 0x80]) + data[place + 2 : start] + b"\0\0\0\0"
        masked += data[start : start + size]
        place = start + size
    del data[:place]
    return FrameParser(2**30).feed(masked)
