"""What the client needs of a socket; `connection` has the real one, tests bring their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from sync.codec import Codec


class LineLost(Exception):
    """There is no socket, or no longer. `code` is the close code, None where none came; `retry_after` are the seconds
    that a refused handshake asks to be left alone for."""

    def __init__(self, why: str, code: int | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.code = code
        self.retry_after = retry_after


class Line(Protocol):
    """One socket, open."""

    codec: Codec

    def send(self, payload: bytes) -> None:
        """Send in order; returns at once. What cannot be sent any more is dropped: `receive` tells of the loss."""
        ...

    async def receive(self) -> bytes:
        """The next message. Raises LineLost."""
        ...

    async def close(self) -> None:
        """Close it, waiting for the other side at most a moment."""
        ...


Dial = Callable[[], Awaitable[Line]]  # raises LineLost
