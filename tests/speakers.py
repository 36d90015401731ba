"""A client that says whatever it is told to, in either encoding, and reads what it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, Literal

import msgpack
import orjson
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.commands import Command

WITHIN = 10.0  # seconds that any answer may take on a busy machine
CodecName = Literal["json", "msgpack"]
Message = dict[str, Any]


class Speaker:
    """One socket, its `hello` already answered."""

    def __init__(self, connection: ClientConnection, codec: CodecName) -> None:
        self.connection = connection
        self.codec = codec
        self._refs = count(1)

    async def say(self, message: Message) -> None:
        await self.raw(pack(message, self.codec))

    async def raw(self, payload: bytes, *, text: bool | None = None) -> None:
        """Bytes as they are; `text`: in a frame of the kind that is named, not of the subprotocol's own."""
        await self.connection.send(payload, text=self.codec == "json" if text is None else text)

    async def hear(self, *kinds: str) -> Message:
        """The next message, or the next of these kinds."""
        async with asyncio.timeout(WITHIN):
            while True:
                message = unpack(await self.connection.recv(decode=False), self.codec)
                if not kinds or message["type"] in kinds:
                    return message

    async def answers(self) -> list[Message]:
        """Everything it is sent until a `ping` is answered, which also shows that the socket lives."""
        ref = f"alive {next(self._refs)}"
        await self.say({"type": "ping", "ref": ref})
        heard = []
        while (message := await self.hear()) != {"type": "pong", "ref": ref}:
            heard.append(message)
        return heard

    async def direct(self) -> list[Message]:
        """The same without what is said to everybody in a tree."""
        return [
            message
            for message in await self.answers()
            if message["type"] not in ("presence", "ops", "progress", "version")
        ]

    async def open(self, tree: int, **more: Any) -> Message:
        await self.say({"type": "open", "tree": tree, **more})
        return await self.hear("snapshot", "resumed", "error")

    async def results(self, tree: int, *ops: Message, **more: Any) -> list[Message]:
        """The results of one edit."""
        await self.say({"type": "edit", "tree": tree, "ops": list(ops), **more})
        outcome = await self.hear("outcome", "error")
        assert outcome["type"] == "outcome", outcome
        results: list[Message] = outcome["results"]
        return results

    async def closed(self) -> tuple[list[Message], int | None]:
        """What it is still told, and the code it is closed with by the server."""
        heard = []
        async with asyncio.timeout(WITHIN):
            with suppress(ConnectionClosed):
                while True:
                    heard.append(unpack(await self.connection.recv(decode=False), self.codec))
        return heard, self.connection.close_code


@asynccontextmanager
async def speaking(
    instance: Command, token: str | None, *, client: str = "speaker", codec: CodecName = "json"
) -> AsyncIterator[Speaker]:
    """A socket of whoever the token is; without one nothing has been said on it."""
    connecting = websocket(
        f"ws://127.0.0.1:{instance.port}/ws",
        subprotocols=[Subprotocol(f"treesync.v1.{codec}")],
        compression=None,
        proxy=None,
        max_size=None,
    )
    async with connecting as connection:
        speaker = Speaker(connection, codec)
        if token is not None:
            await speaker.say({"type": "hello", "protocol": 1, "token": token, "client_id": client})
            assert (await speaker.hear())["type"] == "welcome"
        yield speaker


def pack(message: Any, codec: CodecName) -> bytes:
    packed: bytes = orjson.dumps(message) if codec == "json" else msgpack.packb(message)
    return packed


def unpack(payload: bytes, codec: CodecName) -> Message:
    message: Message = orjson.loads(payload) if codec == "json" else msgpack.unpackb(payload)
    return message
