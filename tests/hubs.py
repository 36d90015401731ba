"""Hubs over the in-memory database, and sockets that only remember: for tests of everything above storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from storage.bus_local import LocalExchange
from storage.memory import MemoryDatabase, MemoryStore
from storage.memory_directory import MemoryDirectory
from sync.codec import JSON, Codec, Decoded, Malformed
from sync.creation import first_batch
from sync.hub import Hub
from sync.identity import Author, Identity, TreeKey
from sync.limits import Limits
from sync.nodes import Details
from sync.ops import ImportedNode
from sync.ports import Store, Wire
from sync.protocol import ClientMessage
from sync.session import Session
from sync.telling import WIDE
from tests.clocks import ManualClock, settle


class PlainWire:
    """The least of framing: four bytes of size, and the payload. `payloads` takes frames apart again."""

    def __init__(self, codec: Codec = JSON) -> None:
        self.codec = codec

    def frame(self, payload: bytes) -> bytes:
        return len(payload).to_bytes(4) + payload


def payloads(frames: bytes) -> Iterator[bytes]:
    """What stands in frames of a PlainWire that were joined."""
    while frames:
        end = 4 + int.from_bytes(frames[:4])
        yield frames[4:end]
        frames = frames[end:]


class ListOutbox:
    """An outbox that keeps what it was given, as untyped maps. `full` is the test's to set."""

    def __init__(self) -> None:
        self.wire: Wire = PlainWire()
        self.full = False
        self.closed: tuple[int, str] | None = None
        self.messages: list[dict[str, Any]] = []

    def write(self, frame: bytes) -> None:
        self.messages += map(msgspec.json.decode, payloads(frame))

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def take(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The messages so far, of one kind if named, and forget all."""
        taken = [message for message in self.messages if kind in (None, message["type"])]
        self.messages = []
        return taken


class Deployment:
    """One database, one bus, and as many hubs as asked for, on one manual clock. `around` is put around the store of
    each hub."""

    def __init__(
        self,
        hubs: int = 1,
        limits: Limits | None = None,
        *,
        around: Callable[[Store], Store] | None = None,
        exchange: LocalExchange | None = None,
        wide: int = WIDE,
    ) -> None:
        self.clock = ManualClock()
        self.database = MemoryDatabase(self.clock)
        self.exchange = exchange or LocalExchange()
        self.around = around or _unchanged
        self.wide = wide
        self.directory = MemoryDirectory(self.database)
        self.deaths: list[tuple[str, BaseException]] = []
        self.hubs = [self._hub(f"i{number}", limits or Limits()) for number in range(hubs)]

    def _hub(self, instance: str, limits: Limits) -> Hub:
        hub = Hub(
            self.around(MemoryStore(self.database)),
            self.exchange.bus(),
            self.clock,
            instance=instance,
            limits=limits,
            log=lambda *_, **__: None,
            wide=self.wide,
        )
        hub.on_task_death = lambda name, error: self.deaths.append((name, error))
        return hub

    async def start(self) -> None:
        for hub in self.hubs:
            await hub.start()

    async def close(self) -> None:
        for hub in self.hubs:
            await hub.close()
        assert not self.deaths, self.deaths

    async def tree(self, *nodes: ImportedNode, user: str = "ada", tenant: str = "acme") -> TreeKey:
        """A new tree of that user, visible and editable to the whole tenant."""
        who = identity(user, tenant)
        made_by = Author(user=user, client="create:1")
        first = first_batch(TreeKey(tenant, 0), "e1", "m0", made_by, Details(name="Strategy"), list(nodes), [])
        await self.directory.admit(who)
        return await self.directory.create(who, first, "tenant_edit", made_by)

    def socket(self, user: str, client: str = "", hub: int = 0, tenant: str = "acme") -> Socket:
        return Socket(self.hubs[hub], identity(user, tenant), client or f"{user}-1")


class Socket:
    """What a client's end of a socket does and saw."""

    def __init__(self, hub: Hub, who: Identity, client: str) -> None:
        self.hub = hub
        self.outbox = ListOutbox()
        self.session: Session = hub.welcome(who, client, self.outbox)
        self.n = 0

    def send(self, message: dict[str, Any]) -> None:
        decoded = JSON.decode(msgspec.json.encode(message))
        self.hub.receive(self.session, decoded)

    async def open(self, key: TreeKey, position: dict[str, Any] | None = None) -> dict[str, Any]:
        """Open a tree; the answer, whatever it is."""
        self.send({"type": "open", "ref": 1, "tree": key.tree} | ({"position": position} if position else {}))
        await settle()
        answers = [message for message in self.outbox.messages if message.get("ref") == 1]
        assert answers, self.outbox.messages
        return answers[-1]

    def edit(self, key: TreeKey, *ops: dict[str, Any], **fields: Any) -> None:
        """Send ops; those without n are numbered on, those without base get 0 as theirs."""
        numbered = []
        for op in ops:
            if "n" not in op:
                self.n += 1
                op = {"n": self.n, **op}
            numbered.append({"base": 0, **op})
        self.send({"type": "edit", "tree": key.tree, "ops": numbered, **fields})

    async def ask(self, key: TreeKey, *ops: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
        """Edit and await the outcome; its results."""
        self.outbox.take()
        self.edit(key, *ops, **fields)
        await settle()
        outcomes = [message for message in self.outbox.messages if message["type"] == "outcome"]
        assert outcomes, self.outbox.messages
        results: list[dict[str, Any]] = outcomes[0]["results"]
        return results


def _unchanged(store: Store) -> Store:
    return store


def identity(user: str, tenant: str = "acme", role: str = "member") -> Identity:
    return Identity(tenant=tenant, user=user, role=role, expires_at=2e9, name=user.title())  # type: ignore[arg-type]


def root(node_id: str = "root", **fields: Any) -> ImportedNode:
    return ImportedNode(id=node_id, type="objective", title=node_id.title(), **fields)


def decoded(message: ClientMessage, *malformed: Malformed) -> Decoded:
    return Decoded(message, malformed)
