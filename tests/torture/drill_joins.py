"""Edits at every moment of a join, from the first byte to the first message (reliability B20).

Each tree is joined through one instance, which has it not open, while another instance commits an edit at the named
moment; the proxies hold that moment still. Afterwards both instances edit: none may be missing, none come twice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from server.auth import mint
from tests.clocks import RealClock
from tests.commands import SECRET
from tests.torture.peer import SHARED
from tests.torture.postgres_line import QueryHold, Watch
from tests.torture.proxy import Ear, Pair
from tests.torture.replica import Replica
from tests.torture.report import Report
from tests.torture.stage import TENANT, Stage, staged
from tests.waiting import until

_WITHIN = 10.0
# how the queries of a join begin, in storage/
_FIELDS = "SELECT name, description, discovery_phase, is_template, canvas_state, marks"
_NODES = "SELECT id, parent_id, order_key, node_type, title"
_NUMBER = "SELECT last_n FROM tree_clients"
_TREE = {
    "name": "Joined",
    "visibility": "tenant_edit",
    "nodes": [{"id": SHARED, "type": "objective", "title": "Shared"}],
}


class BytesHold(Ear):
    """Holds the first bytes that contain the marker, on their way there or back, until `release`."""

    def __init__(self, marker: bytes, *, answer: bool) -> None:
        self.held = 0
        self._marker = marker
        self._answer = answer
        self._free = asyncio.Event()

    def release(self) -> None:
        self._free.set()

    async def asked(self, pair: Pair, data: bytes) -> bytes | None:
        return await self._passed(data, here=not self._answer)

    async def answered(self, pair: Pair, data: bytes) -> bytes | None:
        return await self._passed(data, here=self._answer)

    async def _passed(self, data: bytes, *, here: bool) -> bytes:
        if here and not self.held and self._marker in data:
            self.held = 1
            await self._free.wait()
        return data


class Join:
    """One client that joins one tree, and checks that what it is told has neither gap nor repetition."""

    def __init__(self, stage: Stage, tree: int) -> None:
        self.tree = tree
        self.replica: Replica | None = None
        self.seq = 0
        self.snapshot: asyncio.Event = asyncio.Event()
        self.wrong: list[str] = []
        self._stage = stage
        self._edits = 0

    async def edit(self, place: int = 0) -> None:
        """Somebody else makes a node, by way of that instance; committed when this returns."""
        self._edits += 1
        op = {"n": self._edits, "base": 0, "op": "insert", "node": f"e{self._edits}", "parent": SHARED}
        body = {"client_id": "other", "mode": "force", "ops": [{**op, "type": "metric", "title": f"e{self._edits}"}]}
        answer = await self._stage.instances[place].ask("POST", f"/api/v1/trees/{self.tree}/edits", body)
        if answer["results"][0]["status"] != "applied":
            self.wrong.append(f"{answer}")

    async def read(self, socket: ClientConnection) -> None:
        async for frame in socket:
            message = json.loads(frame)
            if message["type"] == "snapshot":
                self.replica, self.seq = Replica(message["state"]), message["position"]["seq"]
                self.snapshot.set()
            elif message["type"] == "ops":
                self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        if self.replica is None:
            self.wrong.append("ops before the snapshot")
            return
        if message["after"] != self.seq or len(message["ops"]) != message["seq"] - self.seq:
            self.wrong.append(f"ops after {message['after']} at {self.seq}")
        for seq, op in enumerate(message["ops"], start=message["after"] + 1):
            self.replica.apply(op, seq)
        self.seq = message["seq"]
        if "digest" in message and message["digest"] != self.replica.digest:
            self.wrong.append(f"digest {message['digest']} is {self.replica.digest} here")

    async def ends_well(self) -> list[str]:
        """Both instances edit once more; all of it is here."""
        await self.edit(0)
        await self.edit(1)
        state = await self._stage.instances[1].ask("GET", f"/api/v1/trees/{self.tree}")
        await until(lambda: self.seq >= state["position"]["seq"], "all edits are here")
        assert self.replica is not None
        held = {one for one in self.replica.nodes if one != SHARED}
        if held != {f"e{number + 1}" for number in range(self._edits)}:
            self.wrong.append(f"holds {sorted(held)} of {self._edits}")
        return self.wrong


Moment = Callable[[Stage, Join], Awaitable[None]]


async def _dial(stage: Stage) -> ClientConnection:
    url = f"ws://127.0.0.1:{stage.instances[1].door.port}/ws"
    return await connect(url, subprotocols=["treesync.v1.json"], compression=None, proxy=None)  # type: ignore[list-item]


async def _hello(socket: ClientConnection) -> None:
    token = mint(SECRET, tenant=TENANT, user="joiner", expires_at=RealClock().now() + 3600)
    await socket.send(json.dumps({"type": "hello", "protocol": 1, "token": token, "client_id": "joiner"}))


async def _open(socket: ClientConnection, tree: int) -> None:
    await socket.send(json.dumps({"type": "open", "tree": tree}))


@asynccontextmanager
async def _joined(stage: Stage, join: Join, at: str) -> AsyncIterator[None]:
    """Join, with an edit at that one of the moments between the steps."""

    async def moment(name: str) -> None:
        if name == at:
            await join.edit()

    await moment("before the socket")
    async with await _dial(stage) as socket:
        await moment("before hello")
        await _hello(socket)
        await moment("before welcome")
        assert json.loads(await socket.recv())["type"] == "welcome"
        await moment("before open")
        await _open(socket, join.tree)
        reading = asyncio.create_task(join.read(socket), name="join")
        await moment("after open")
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


STEPS = ["before the socket", "before hello", "before welcome", "before open", "after open"]
HELD: dict[str, tuple[str, Callable[[Join], QueryHold | BytesHold]]] = {
    "SUBSCRIBE is not heard": ("to_redis", lambda join: BytesHold(_channel(join), answer=False)),
    "SUBSCRIBE is not confirmed": ("to_redis", lambda join: BytesHold(_channel(join), answer=True)),
    "the tree is not asked for": ("to_postgres", lambda _: QueryHold(_FIELDS, answer=False)),
    "the tree's fields are on their way": ("to_postgres", lambda _: QueryHold(_FIELDS, answer=True)),
    "the tree's nodes are not asked for": ("to_postgres", lambda _: QueryHold(_NODES, answer=False)),
    "the client's number is not asked for": ("to_postgres", lambda _: QueryHold(_NUMBER, answer=False)),
    "the client's number is on its way": ("to_postgres", lambda _: QueryHold(_NUMBER, answer=True)),
    "the snapshot is on its way": ("door", lambda _: BytesHold(b'"type":"snapshot"', answer=True)),
}


async def subscribe_race(times: int, seed: int) -> Report:
    """So many joins, each with an edit at one of the moments, all of them in turn."""
    moments = [*STEPS, *HELD]
    order = [moments[place % len(moments)] for place in range(times)]
    Random(seed).shuffle(order)
    wrong: list[str] = []
    edits = 0
    async with staged() as stage:
        for at in order:
            made = await stage.instances[0].ask("POST", "/api/v1/trees", _TREE)
            join = Join(stage, made["id"])
            await join.edit()  # it is open on one instance
            try:
                async with asyncio.timeout(_WITHIN):
                    wrong += [f"{at}: {one}" for one in await _race(stage, join, at)]
            except TimeoutError:
                wrong.append(f"{at}: nothing came")
            edits += join._edits
    return Report(times=times, ops=edits, figures={"moments": len(moments)}, wrong=wrong)


async def _race(stage: Stage, join: Join, at: str) -> list[str]:
    if at not in HELD:
        async with _joined(stage, join, at):
            await join.snapshot.wait()
            return await join.ends_well()
    name, make = HELD[at]
    hold = make(join)
    if isinstance(hold, QueryHold):
        stage.heard.watch = hold
    else:
        proxy = stage.instances[1].door if name == "door" else stage.to_redis
        proxy.ear = hold
    try:
        async with _joined(stage, join, at):
            await until(lambda: hold.held > 0, at)
            await join.edit()
            hold.release()
            await join.snapshot.wait()
            return await join.ends_well()
    finally:
        hold.release()
        stage.heard.watch, stage.to_redis.ear, stage.instances[1].door.ear = Watch(), Ear(), Ear()


def _channel(join: Join) -> bytes:
    return f"treesync:{TENANT}:{join.tree}".encode()
