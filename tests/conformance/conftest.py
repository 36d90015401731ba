"""PROTOCOL.md rule by rule, against a whole hub over the in-memory database: real bytes in, real bytes out.

The tree of every test: goal (outcome (idea, test)), risk, and the connection `why` from idea to risk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from sync.codec import JSON
from sync.identity import TreeKey
from sync.limits import Limits
from sync.ops import ImportedNode
from tests.clocks import settle
from tests.hubs import Deployment, Socket, identity

NODES = [
    ImportedNode(id="goal", type="objective", title="Goal"),
    ImportedNode(id="outcome", parent="goal", type="outcome", title="Outcome"),
    ImportedNode(id="idea", parent="outcome", type="solution", title="Idea"),
    ImportedNode(id="test", parent="outcome", type="research", title="Test"),
    ImportedNode(id="risk", type="assumption", title="Risk"),
]
SMALL = Limits(edit_ops=20, unanswered_ops=25, value_bytes=2048, trees_per_socket=2, nodes_per_tree=12, depth=5)
CONNECTION = {"op": "connect", "connection": "why", "from": "idea", "to": "risk"}


class Table:
    """One tree and the people around it."""

    def __init__(self, deployment: Deployment, key: TreeKey) -> None:
        self.deployment = deployment
        self.key = key
        self.seq = 3  # configure, import, connect

    async def join(self, user: str, client: str = "", hub: int = 0) -> Person:
        socket = self.deployment.socket(user, client, hub)
        answer = await socket.open(self.key)
        await settle()
        return Person(self, socket, answer)


class Person:
    """A socket that has the tree open, and speaks in ops."""

    def __init__(self, table: Table, socket: Socket, answer: dict[str, Any]) -> None:
        self.table = table
        self.socket = socket
        self.answer = answer
        self.position: dict[str, Any] = answer.get("position", {})  # where it has come to, by what it was given
        for frame in socket.outbox.take("ops"):
            self.position = {**answer["position"], "seq": frame["seq"], "mark": frame["mark"]}

    async def do(self, *ops: dict[str, Any], base: int | None = None, **fields: Any) -> list[dict[str, Any]]:
        """Send one edit and await its results. `base`: the seq its author had seen (by default the newest)."""
        seen = self.table.deployment.hubs[0].places()[0].room.seq if base is None else base
        return await self.socket.ask(self.table.key, *({"base": seen, **op} for op in ops), **fields)

    async def one(self, op: dict[str, Any], base: int | None = None, **fields: Any) -> dict[str, Any]:
        return (await self.do(op, base=base, **fields))[0]

    async def say(self, message: dict[str, Any] | str) -> None:
        """Any message, or text as it is; raises BadMessage as the socket's decoder does."""
        payload = message.encode() if isinstance(message, str) else msgspec.json.encode(message)
        hub = self.socket.hub
        hub.receive(self.socket.session, JSON.decode(payload))
        await settle()

    def heard(self, kind: str) -> list[dict[str, Any]]:
        """Messages of that kind since the last time; all others are forgotten."""
        return self.socket.outbox.take(kind)

    async def state(self) -> dict[str, Any]:
        """The confirmed tree: nodes and connections by id, and its own fields as `details`."""
        key = self.table.key
        state, _, _ = await self.socket.hub.state(identity("maker"), key.tree)
        details = msgspec.to_builtins(state)
        return {kind: {one["id"]: one for one in details.pop(kind)} for kind in ("nodes", "connections")} | {
            "details": details
        }

    async def children(self, parent: str | None) -> list[str]:
        nodes = (await self.state())["nodes"].values()
        return [node["id"] for node in sorted(nodes, key=lambda one: one["order"]) if node["parent"] == parent]


async def _table(limits: Limits | None) -> AsyncIterator[Table]:
    deployment = Deployment(limits=limits)
    await deployment.start()
    table = Table(deployment, await deployment.tree(*NODES))
    maker = await table.join("maker")
    assert (await maker.one(CONNECTION, base=2))["status"] == "applied"
    deployment.hubs[0].leave(maker.socket.session)
    await settle()
    yield table
    await deployment.close()


@pytest.fixture
async def table() -> AsyncIterator[Table]:
    async for one in _table(None):
        yield one


@pytest.fixture
async def small() -> AsyncIterator[Table]:
    """The same, with limits that are soon reached."""
    async for one in _table(SMALL):
        yield one


@pytest.fixture
async def ada(table: Table) -> Person:
    return await table.join("ada")


@pytest.fixture
async def bo(table: Table) -> Person:
    return await table.join("bo")
