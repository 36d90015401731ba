"""A whole instance over the in-memory database, fed with frames: from the socket's bytes through judging to the log.

After each stretch somebody well-behaved edits the same tree and is answered: nothing a stranger sends may harm others.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from itertools import count
from random import Random
from typing import Any, cast

import msgpack

from server.frames import BINARY, CLOSE, TEXT, Event
from sync.identity import TreeKey
from tests.applications import Running, running
from tests.clocks import settle
from tests.fuzz.corpus import TREE, as_json, message
from tests.fuzz.mutate import encoded, hostile, mutated_bytes, mutated_value
from tests.served import take_frames
from tests.sockets import client_frame

PER_SOCKET = 5  # frames of one socket: so that most of them are of a client whose numbers are right
PER_INSTANCE = 5_000  # frames; its database is in memory, and keeps all
PER_TREE = 500  # frames on one tree, until little is left of it
CODES = frozenset({1000, 1002, 1007, 1009, 4400, 4401, 4403, 4408, 4409, 4429, *range(3000, 4000)})  # PROTOCOL CL
NODES = [
    {"id": "root", "type": "objective", "title": "Root"},
    *({"id": one, "parent": "root", "type": "outcome", "title": one, "description": "text"} for one in "abcd"),
    {"id": "trashed", "parent": "d", "type": "metric", "title": "Gone", "metadata": {"k": "v"}},
]
CONNECTIONS = [{"id": "c1", "from": "a", "to": "b", "label": "L"}]
_NOT_NUMBERED = ("gap", "rate", "unavailable", "stale", "forbidden")  # ED6: the op's number stays its own
_HEAD = (
    "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: treesync.v1.{}\r\n\r\n"
)


class FakeTransport:
    """What a socket writes is kept; it never fills."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.closing = False

    def get_extra_info(self, name: str) -> Any:
        return ("192.0.2.1", 5000) if name == "peername" else None

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        return

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        self.written += data

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.closing = True

    abort = close


class _State:
    def __init__(self) -> None:
        self.connections: set[object] = set()


class Line:
    """A socket of the instance without a network."""

    def __init__(self, instance: Running, codec: str) -> None:
        self.transport = FakeTransport()
        self.binary = codec == "msgpack"
        self._protocol: Any = instance.app.websocket(None, _State(), {})  # type: ignore[call-arg]
        self._protocol.connection_made(cast(asyncio.Transport, self.transport))
        self.send(_HEAD.format(codec).encode())

    def send(self, data: bytes) -> None:
        if not self.transport.closing:
            self._protocol.data_received(data)

    def say(self, value: Any, chance: Random) -> None:
        self.send(client_frame(encoded(value, chance, binary=self.binary), BINARY if self.binary else TEXT))

    def heard(self) -> list[Event]:
        """Every frame so far."""
        _, _, rest = bytes(self.transport.written).partition(b"\r\n\r\n")
        return take_frames(bytearray(rest))

    def said(self, kind: str) -> list[dict[str, Any]]:
        """Every message of that type so far."""
        payloads = [event.payload for event in self.heard() if event.opcode in (TEXT, BINARY)]
        read = [msgpack.unpackb(one) if self.binary else json.loads(one) for one in payloads]
        return [one for one in read if one["type"] == kind]

    @property
    def next_n(self) -> int:
        """The number that this client's next op has, by what it was answered."""
        results = [one for outcome in self.said("outcome") for one in outcome["results"]]
        return 1 + max((one["n"] for one in results if one.get("code") not in _NOT_NUMBERED), default=0)

    def drop(self) -> None:
        self._protocol.connection_lost(None)


class Attack:
    """One run. `codes` are the close codes that were seen, None where a socket stayed open to the end."""

    def __init__(self, seed: int) -> None:
        self.codes: Counter[int | None] = Counter()
        self.results: Counter[str] = Counter()
        self.sent = 0
        self._chance = Random(seed)
        self._clients = count()
        self._tree = 0

    async def run(self, frames: int) -> None:
        """Raises AssertionError with what was found."""
        loop = asyncio.get_running_loop()
        errors: list[dict[str, Any]] = []
        before = loop.get_exception_handler()
        loop.set_exception_handler(lambda _loop, context: errors.append(context))
        try:
            while self.sent < frames:
                async with running() as instance:
                    await self._storm(instance, min(self.sent + PER_INSTANCE, frames))
                    assert not errors, errors
        finally:
            loop.set_exception_handler(before)

    async def _storm(self, instance: Running, until: int) -> None:
        while self.sent < until:
            self._tree = await instance.tree(
                nodes=NODES, connections=CONNECTIONS, visibility="tenant_edit", name="Fuzzed"
            )
            end = min(self.sent + PER_TREE, until)
            while self.sent < end:
                await self._stretch(instance)
                assert not instance.logged, instance.logged
                assert not instance.deaths, instance.deaths
            await self._look(instance)

    async def _stretch(self, instance: Running) -> None:
        """One socket's life."""
        chance = self._chance
        line = Line(instance, chance.choice(("json", "msgpack")))
        token = instance.token(chance.choice(("eve", "ada", "mallory")))
        line.say({"type": "hello", "protocol": 1, "token": token, "client_id": f"c{next(self._clients)}"}, chance)
        await settle(3)
        line.say({"type": "open", "tree": self._tree, "ref": 0}, chance)
        await settle(6)
        for _ in range(PER_SOCKET):
            line.send(self._frame(line))
            self.sent += 1
            await settle(2)
        await settle(6)
        code = next((event.code for event in line.heard() if event.opcode == CLOSE), None)
        assert code is None or code in CODES, f"closed with {code}: {line.heard()[-1]}"
        self.codes[code] += 1
        for outcome in line.said("outcome"):
            self.results.update(_kinds(outcome))
        line.drop()

    def _frame(self, line: Line) -> bytes:
        chance = self._chance
        asked = message(chance)
        if asked.get("tree") == TREE:
            asked["tree"] = self._tree
        for n, op in enumerate(asked.get("ops", ()), start=line.next_n):
            op["n"] = n
        if chance.random() < 0.8:  # else it is cut or bent as bytes, which mostly ends the socket
            payload = encoded(mutated_value(asked, chance, chance.choice((0, 1, 1, 2))), chance, binary=line.binary)
        else:
            payload = hostile(asked, chance, binary=line.binary)
        data = client_frame(payload, BINARY if line.binary else TEXT)
        return mutated_bytes(data, chance, 1) if chance.random() < 0.05 else data

    async def _look(self, instance: Running) -> None:
        """Whether the tree is one still, and others can work on it."""
        line = Line(instance, "json")
        hello = {
            "type": "hello",
            "protocol": 1,
            "token": instance.token("good"),
            "client_id": f"g{next(self._clients)}",
        }
        op = {"n": 1, "base": 0, "op": "insert", "node": f"good{next(self._clients)}", "type": "metric", "title": "T"}
        for one in (hello, {"type": "open", "tree": self._tree}, {"type": "edit", "tree": self._tree, "ops": [op]}):
            line.send(client_frame(as_json(one)))
            await settle()
        [outcome] = line.said("outcome")
        assert [one["status"] for one in outcome["results"]] == ["applied"], outcome
        [place] = [one for one in instance.app.hub.places() if one.key == TreeKey("acme", self._tree)]
        place.room.tree.check()
        line.drop()


def _kinds(outcome: dict[str, Any]) -> list[str]:
    return [one["status"] if one["status"] != "rejected" else f"rejected {one['code']}" for one in outcome["results"]]
