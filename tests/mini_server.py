"""A server without hub, sockets or time: a real Room that commits at once, and lines on which messages wait.

For tests of the client's sans-I/O half: what is delivered when is the test's to decide, and so is what gets lost.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec
from msgspec import UNSET

from sync.codec import MSGPACK
from sync.errors import TreesyncError
from sync.identity import Author, Identity, Position, TreeKey
from sync.limits import Limits
from sync.marks import CREATED, Mark
from sync.nodes import Details
from sync.ops import Op, target_of
from sync.pending import PendingEdit
from sync.ports import First, Head, LoadedTree, Recalled, Receipt, Rights
from sync.protocol import (
    Close,
    Edit,
    Open,
    Ops,
    Outcome,
    PresenceUpdate,
    Resumed,
    ServerMessage,
    Snapshot,
    SnapshotReason,
)
from sync.room import Room
from treesync_client.opened import OpenTree
from treesync_client.outside import News
from treesync_client.results import Answer, Change

KEY = TreeKey("acme", 7)


class MiniServer:
    """One tree. Every edit is judged and committed as it arrives."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        marks = {CREATED: Mark(0, "server", "create:1")}
        self.room = Room(
            LoadedTree(
                key=KEY,
                head=Head(epoch="e1", commit=0, seq=0),
                rights=Rights(version=1, owner="ada", visibility="tenant_edit"),
                details=Details(name="Strategy"),
                detail_marks=marks,
                nodes=[],
                connections=[],
            ),
            self.limits,
        )
        self.frames: list[Ops] = []
        self.clients: list[MiniClient] = []
        self._firsts: dict[tuple[str, str], dict[int, First]] = {}
        self._marks = 0

    def receive(self, client: MiniClient, message: Any) -> None:
        """One message of a client whose line holds."""
        match message:
            case Open():
                self._open(client, message)
            case Edit():
                self._edit(client, message)
            case Close() | PresenceUpdate():
                pass

    def _open(self, client: MiniClient, message: Open) -> None:
        client.is_open = True
        wanted = message.position
        if isinstance(wanted, Position) and wanted.epoch == self.room.epoch:
            answer = Resumed(
                ref=message.ref,
                tree=KEY.tree,
                position=self.room.position,
                role="editor",
                last_n=self.room.last_n(client.key),
            )
            client.inbound.append(answer)
            client.inbound.extend(frame for frame in self.frames if frame.seq > wanted.seq)
        else:
            client.inbound.append(self.snapshot(client, ref=message.ref))

    def snapshot(self, client: MiniClient, *, ref: Any = UNSET, reason: SnapshotReason | None = None) -> Snapshot:
        return Snapshot(
            ref=ref,
            tree=KEY.tree,
            reason=reason or UNSET,
            position=self.room.position,
            role="editor",
            last_n=self.room.last_n(client.key),
            state=self.room.state(),
        )

    def _edit(self, client: MiniClient, message: Edit) -> None:
        identity = Identity(tenant="acme", user=client.user, expires_at=2e9)
        pending = PendingEdit(
            identity=identity,
            author=Author(user=client.user, client=client.client_id),
            ops=list(message.ops),
            mode=message.mode or "live",
            policy="apply_clean",
            ref=message.ref,
            size=0,
            participant=None,
            reply=client.inbound.append,
            waiting_since=0.0,
        )
        refusal = self.room.offer(pending)
        if refusal is not None:
            client.inbound.append(self.room.refused(pending, refusal))
            return
        for edit in self.room.inbox.unrecalled():
            firsts = self._firsts.get(client.key, {})
            self.room.inbox.recalled(edit, Recalled(last_n=self.room.last_n(client.key), firsts=firsts))
        self._commit(message.ops)

    def _commit(self, ops: list[Op]) -> None:
        self._marks += 1
        flight = self.room.cut(f"m{self._marks}", f"r{self._marks}", 0.0)
        receipt = None if flight.batch is None else Receipt(committed=True, at="2026-01-05T10:00:00.000Z", rights=1)
        settled = self.room.settle(receipt)
        targets = {op.n: target_of(op) for op in ops}
        for edit, outcome in settled.outcomes:
            for result in outcome.results:
                if result.status not in ("duplicate", "rejected") or result.code == "invalid":
                    first = First(target=targets[result.n], result=msgspec.to_builtins(result))
                    self._firsts.setdefault(edit.client, {})[result.n] = first
            edit.reply(outcome)
        if settled.commit is not None:
            self.frames.append(settled.commit.ops)
            for client in self.clients:
                if client.is_open:
                    client.inbound.append(settled.commit.ops)


class MiniClient:
    """An OpenTree with its line: `outbound` and `inbound` hold what is on its way."""

    def __init__(self, server: MiniServer, user: str, client_id: str) -> None:
        self.user = user
        self.client_id = client_id
        self.server = server
        self.outbound: deque[Any] = deque()
        self.inbound: deque[ServerMessage] = deque()
        self.is_open = False
        self.tree = OpenTree(KEY.tree, self)
        self.answers: list[Answer | TreesyncError] = []
        self.changes: list[Change] = []
        self.news: list[News] = []
        self.pauses: list[int] = []
        self.posted: list[Edit] = []
        self.ended: TreesyncError | None = None
        server.clients.append(self)

    @property
    def key(self) -> tuple[str, str]:
        return (self.user, self.client_id)

    def connect(self) -> None:
        self.tree.welcomed(self.user, self.client_id, self.server.limits, 2**31)

    def cut(self) -> None:
        """Everything on its way is lost, in both directions."""
        self.outbound.clear()
        self.inbound.clear()
        self.is_open = False
        self.tree.lost()

    def edit(self, op: Op, mode: Any = "live") -> None:
        self.tree.edit(op, mode, len(MSGPACK.encode_value(op)), self.answers.append)
        self.tree.flush()

    def send_one(self) -> None:
        if self.outbound:
            self.server.receive(self, self.outbound.popleft())

    def hear_one(self) -> None:
        if self.inbound:
            self.tree.hear(self.inbound.popleft())
            if self.tree.queue.worn_out and not self.tree.queue.has_numbered:
                self.cut()
                self.client_id += "x"
                self.connect()

    def settle(self) -> None:
        """Deliver everything until nothing is on its way, and let pauses end."""
        for _ in range(10_000):
            if self.outbound:
                self.send_one()
            elif self.inbound:
                self.hear_one()
            elif self.pauses:
                self.pauses.clear()
                self.tree.resume()
            else:
                return
        raise AssertionError("this never comes to rest")

    def received(self, kind: type[ServerMessage]) -> list[ServerMessage]:
        return [message for message in self.inbound if isinstance(message, kind)]

    # ---- `Outside`

    def say(self, message: Any) -> None:
        # through the codec, so that no object is shared between the two ends
        self.outbound.append(MSGPACK.decode(MSGPACK.encode(message)).message)

    def post(self, edit: Edit) -> None:
        self.posted.append(edit)

    def pause(self, failures: int) -> None:
        self.pauses.append(failures)

    def tell(self, news: News) -> None:
        self.news.append(news)
        if isinstance(news, Change):
            self.changes.append(news)

    def gone(self, error: TreesyncError) -> None:
        self.ended = error


def outcomes(client: MiniClient) -> list[Outcome]:
    return [message for message in client.inbound if isinstance(message, Outcome)]
