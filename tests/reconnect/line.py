"""A socket for our client that costs this process little, so that thousands of clients fit beside their server.

Only what carries bytes is light: waiting, coming back, resuming and queueing are the client's own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import cast
from urllib.parse import urlsplit

from benchmarks.peers import client_frame
from sync.codec import Codec
from treesync_client.link.line import LineLost

DIAL_SECONDS = 10.0  # as the client's own
_BINARY, _TEXT, _CLOSE, _PING, _PONG = 2, 1, 8, 9, 10
_FIN = 0x80


class LightLine(asyncio.Protocol):
    """One WebSocket; its frames are taken apart as they come, and masked with zeros (RFC 6455 allows any key)."""

    def __init__(self, codec: Codec, host: str) -> None:
        self.codec = codec
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport
        self._opcode = _FIN | (_BINARY if codec.binary else _TEXT)
        self._host = host
        self._buffer = bytearray()
        self._messages: deque[bytes] = deque()
        self._code: int | None = None
        self._lost = False
        self._news: asyncio.Future[None] | None = None

    # ---- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        request = (
            f"GET /ws HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: treesync.v1.{self.codec.name}\r\n\r\n"
        )
        self.transport.write(request.encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.upgraded.done():
            head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not end:
                return
            self._buffer = bytearray(rest)
            if not head.startswith(b"HTTP/1.1 101 "):
                self.upgraded.set_exception(LineLost(f"the server answered {head[9:12].decode()}"))
                self.transport.abort()
                return
            self.upgraded.set_result(None)
        self._take_frames()
        self._tell()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        if not self.upgraded.done():
            self.upgraded.set_exception(LineLost("the line broke in the handshake"))
        self._tell()

    def _take_frames(self) -> None:
        buffer = self._buffer
        while len(buffer) >= 2:
            size, start = buffer[1], 2
            if size >= 126:
                start = 4 if size == 126 else 10
                size = int.from_bytes(buffer[2:start])
            if len(buffer) < start + size:
                return
            opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + size])
            del buffer[: start + size]
            if opcode == _PING:
                self.transport.write(client_frame(payload, _FIN | _PONG))
            elif opcode == _CLOSE:
                self._code = int.from_bytes(payload[:2])
                self.transport.write(client_frame(payload[:2], _FIN | _CLOSE))
            elif opcode != _PONG:
                self._messages.append(payload)

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # ---- treesync_client's Line

    def send(self, payload: bytes) -> None:
        if not self._lost:
            self.transport.write(client_frame(payload, self._opcode))

    async def receive(self) -> bytes:
        while not self._messages:
            if self._lost:
                raise LineLost("the connection broke", self._code)
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        return self._messages.popleft()

    async def close(self) -> None:
        self.transport.abort()

    def cut(self) -> None:
        """As a network does it that is gone: nobody says goodbye."""
        self.transport.abort()


class LightDial:
    """Dials one server, and keeps the line that is open."""

    def __init__(self, url: str, codec: Codec) -> None:
        self.line: LightLine | None = None
        self.attempts = 0
        self.reached = 0  # attempts that a server has let in
        self._host, self._port = urlsplit(url).hostname or "", urlsplit(url).port or 0
        self._codec = codec

    async def __call__(self) -> LightLine:
        self.attempts += 1
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                _, line = await loop.create_connection(
                    lambda: LightLine(self._codec, f"{self._host}:{self._port}"), self._host, self._port
                )
                with contextlib.ExitStack() as stack:
                    stack.callback(line.cut)
                    await line.upgraded
                    stack.pop_all()
        except (OSError, TimeoutError) as error:
            raise LineLost(str(error) or type(error).__name__) from error
        self.line = line
        self.reached += 1
        return line
