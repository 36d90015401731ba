"""A tree's past over HTTP: what changed between two moments, what happened to a node, and going back."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

import msgspec

from server.addresses import Keep, kept
from server.http import Answer, Call, Operation, Parameter
from sync.codec import JSON
from sync.differences import Difference, difference
from sync.errors import Invalid, NotFound
from sync.hub import Hub
from sync.identity import Author
from sync.moments import Moment, moment_of
from sync.node_history import NodeEvent, events_of
from sync.nodes import State
from sync.past import Restoring, Reverting, Rewritten
from sync.ports import LoggedOp, Store
from sync.room import Room
from sync.sentences import sentences

_TREE = "/api/v1/trees/{tree}"
_PAGE, _PAGE_MOST = 50, 200
_AT_ONCE = 2  # comparisons of whole trees for one tenant: each holds two trees of up to 10,000 nodes
_LOOKS = 4  # stretches of the log in one page, which then ends early
_ID_CHARACTERS = 64
_MOMENT = "`version:3`, `seq:120` or `at:2026-01-05T10:00:00Z`"


class DifferenceView(msgspec.Struct, kw_only=True):
    """What changed from the tree at one seq to the tree at another: each change, and told in sentences."""

    tree: int
    from_seq: int
    to_seq: int
    difference: Difference
    sentences: list[str]


class NodeHistoryPage(msgspec.Struct, kw_only=True):
    """What happened to a node, newest first. `next` is the `before` of the following page; null: this is the last.
    A page may end early, also empty, where the node is a small part of what happened in the tree."""

    node: str
    events: list[NodeEvent]
    next: int | None


class Histories:
    """The operations about a tree's past."""

    def __init__(self, hub: Hub, store: Store, keep: Keep) -> None:
        """`keep`: what of an address activity rows hold."""
        self._hub = hub
        self._store = store
        self._keep = keep
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def operations(self) -> list[Operation]:
        return [*self._reading(), *self._going_back()]

    def _reading(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path=f"{_TREE}/diff",
                name="compare_tree",
                summary="What changed in a tree between two moments",
                handle=self.compare,
                gives=DifferenceView,
                query=(
                    Parameter("from", "string", f"a moment: {_MOMENT}"),
                    Parameter("to", "string", "a moment likewise; absent: now"),
                ),
            ),
            Operation(
                method="GET",
                path=f"{_TREE}/nodes/{{node}}/history",
                name="read_node_history",
                summary="What happened to a node, newest first",
                handle=self.of_node,
                gives=NodeHistoryPage,
                query=(
                    Parameter("limit", "integer", f"ops of a page, at most {_PAGE_MOST}", 1, _PAGE_MOST),
                    Parameter("before", "integer", "`next` of the page before", 1, 2**53 - 1),
                ),
            ),
        ]

    def _going_back(self) -> list[Operation]:
        return [
            Operation(
                method="POST",
                path=f"{_TREE}/restore",
                name="restore_tree",
                summary="Bring a tree or a subtree back to a moment, or list what that would do",
                handle=self.restore,
                takes=Restoring,
                gives=Rewritten,
            ),
            Operation(
                method="POST",
                path=f"{_TREE}/revert",
                name="revert_tree",
                summary="Take back some ops, or list what that would do",
                handle=self.revert,
                takes=Reverting,
                gives=Rewritten,
            ),
        ]

    async def compare(self, call: Call) -> Answer:
        room = await self._hub.past.room(call.identity, call.tree)
        params = call.request.query_params
        if "from" not in params:
            raise Invalid(f"`from` is a moment: {_MOMENT}")
        first = await self._seq(room, moment_of(params["from"]))
        last = await self._seq(room, moment_of(params["to"])) if "to" in params else room.seq
        async with self._turn(call):
            old = await self._hub.moments.state_at(room, first)
            new = await self._hub.moments.state_at(room, last)
            compared = await asyncio.to_thread(_compared, call.tree, (first, old), (last, new))
        return Answer(compared)

    async def _seq(self, room: Room, moment: Moment) -> int:
        return await self._hub.moments.seq_of(room, moment)

    async def of_node(self, call: Call) -> Answer:
        room = await self._hub.past.room(call.identity, call.tree)
        node = str(call.request.path_params["node"])
        if not 1 <= len(node) <= _ID_CHARACTERS or "\x00" in node:
            raise NotFound("no such node")
        limit = call.number("limit", default=_PAGE, least=1, most=_PAGE_MOST) or _PAGE
        before = call.number("before", default=None, least=1, most=2**53 - 1) or room.seq + 1
        rows: list[LoggedOp] = []
        for _ in range(_LOOKS):
            more, before = await self._store.node_ops(room.key, node, before=before, limit=limit - len(rows))
            rows += more
            if len(rows) >= limit or not before:
                break
        if not rows and not before and call.request.query_params.get("before") is None:
            raise NotFound("no such node")
        return Answer(NodeHistoryPage(node=node, events=events_of(node, rows), next=before or None))

    async def restore(self, call: Call) -> Answer:
        tree = call.tree
        await self._hub.past.room(call.identity, tree, "edit")
        wanted = await call.read(Restoring)
        call.spend_ops(1)
        async with self._turn(call):
            return _told(call, await self._hub.past.restore(self._author(call), call.identity, tree, wanted))

    async def revert(self, call: Call) -> Answer:
        tree = call.tree
        await self._hub.past.room(call.identity, tree, "edit")
        wanted = await call.read(Reverting)
        call.spend_ops(1)
        async with self._turn(call):
            return _told(call, await self._hub.past.revert(self._author(call), call.identity, tree, wanted))

    def _turn(self, call: Call) -> asyncio.Semaphore:
        """Nobody waits for another tenant's."""
        return self._turns.setdefault(call.identity.tenant, asyncio.Semaphore(_AT_ONCE))

    def _author(self, call: Call) -> Author:
        address = kept(call.address, self._keep)
        return Author(user=call.identity.user, client="", address=address, user_agent=call.user_agent)


def _compared(tree: int, first: tuple[int, State], last: tuple[int, State]) -> bytes:
    """A DifferenceView, encoded: beside the loop, which 10,000 nodes would hold for 20 ms and texts for 50 more."""
    (before, old), (after, new) = first, last
    found = difference(old, new)
    told = sentences(found, old, new)
    view = DifferenceView(tree=tree, from_seq=before, to_seq=after, difference=found, sentences=told)
    return JSON.encode_value(view)


def _told(call: Call, done: Rewritten) -> Answer:
    """How many ops it is, is known when they are made."""
    if not (done.dry_run or done.repeated):
        call.spend_ops(max(done.count - 1, 0), made=True)
    return Answer(done)
