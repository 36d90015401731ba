"""A WebSocket on `websockets`, as a `Line`."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from sync.codec import Codec
from treesync_client.backoff import retry_after
from treesync_client.link.line import Dial, LineLost

DIAL_SECONDS = 10.0  # for TCP, TLS and the upgrade
CLOSE_SECONDS = 2.0  # for the other side's close
PING_SECONDS = 20.0  # both between pings and for the pong: a dead line is noticed within 40 s


class WebSocketLine:
    """One open WebSocket. Its writer is a task of its own, so that `send` never waits."""

    def __init__(self, websocket: ClientConnection, codec: Codec) -> None:
        self.codec = codec
        self._websocket = websocket
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self._writer = asyncio.create_task(self._write(), name="treesync-client:writer")

    def send(self, payload: bytes) -> None:
        self._waiting.put_nowait(payload)

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionClosed):  # the reader tells
            while True:
                payload = await self._waiting.get()
                await self._websocket.send(payload, text=not self.codec.binary)

    async def receive(self) -> bytes:
        try:
            return await self._websocket.recv(decode=False)
        except ConnectionClosed as closed:
            received = closed.rcvd
            why = received.reason if received is not None else "the connection broke"
            raise LineLost(why, None if received is None else received.code) from None

    async def close(self) -> None:
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        await self._websocket.close()


async def _dial(url: str, codec: Codec, agent: str) -> WebSocketLine:
    try:
        websocket = await websocket_connect(
            url,
            subprotocols=[Subprotocol(f"treesync.v1.{codec.name}")],
            compression=None,  # frames are small, and the server sends the same bytes to everyone
            proxy=None,
            max_size=None,  # snapshots are as large as the tree; their parts are bounded by the server
            user_agent_header=agent,
            open_timeout=DIAL_SECONDS,
            close_timeout=CLOSE_SECONDS,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
        )
    except InvalidStatus as refused:
        answer = refused.response
        asked = retry_after(answer.headers)
        raise LineLost(f"the server answered {answer.status_code}", retry_after=asked) from refused
    except (OSError, TimeoutError, WebSocketException) as error:
        raise LineLost(str(error) or type(error).__name__) from error
    return WebSocketLine(websocket, codec)


def websocket_dial(url: str, codec: Codec, agent: str) -> Dial:
    """Dials that address each time it is asked to."""
    return partial(_dial, url, codec, agent)
