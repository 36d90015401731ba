"""uvicorn's HTTP protocol with bounds on a request's head, in time and in bytes: it has neither, and a head that never
ends costs its server a socket, and memory without end (Slowloris)."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS: Final = 10.0  # for the whole head, as for hello
HEAD_BYTES: Final = 64 * 1024  # the longest token we take is 8 KiB; one read brings at most 256 KiB more


class HttpGuard(HttpToolsProtocol):
    """For uvicorn's `http=`. An upgrade ends the guard, too: then the socket's own rules hold."""

    _impatience: asyncio.TimerHandle | None = None
    _head_bytes: int | None = 0  # None: the head is complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n")
                self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arm()

    def on_headers_complete(self) -> None:
        self._disarm()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def _arm(self) -> None:
        self._disarm()
        self._head_bytes = 0
        self._impatience = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _disarm(self) -> None:
        self._head_bytes = None
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None
