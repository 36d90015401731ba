"""Whole trees as HTTP reads them, now or as they were at a seq: encoded once for all who read the same position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from server.bodies import LastChange, TreeView
from server.cached import Cache, Caches
from sync.codec import JSON
from sync.hub import Hub
from sync.identity import Identity, Position
from sync.nodes import State
from sync.protocol import Role
from sync.tasks import give_way

_SHARE = 1_000  # nodes, or connections, encoded in one piece: 200 bytes and half a microsecond each


class _Read(NamedTuple):
    position: Position
    state: bytes
    change: LastChange | UnsetType = UNSET


class States:
    """One per instance."""

    def __init__(self, hub: Hub, caches: Caches) -> None:
        self._hub = hub
        self._read: Cache[_Read] = caches.new("states", lambda read: len(read.state))

    async def now(self, identity: Identity, tree: int) -> TreeView:
        """The confirmed state. Raises NotFound, Unavailable."""
        role = await self._hub.role(identity, tree)
        room = await self._hub.past.room(identity, tree)
        position = room.position

        async def made() -> _Read:
            return _Read(position, await _encoded(room.state()))

        return _view(tree, role, await self._read.get(room.key, position, made))

    async def at(self, identity: Identity, tree: int, seq: int) -> TreeView:
        """The state as it was, and who made it that. Raises NotFound where the tree has not come to that seq."""
        role = await self._hub.role(identity, tree)
        room = await self._hub.past.room(identity, tree)

        async def made() -> _Read:
            state, position, _ = await self._hub.state(identity, tree, seq)
            last = await self._hub.moments.op_at(room, position.seq)
            change = UNSET if last is None else LastChange(at=last.at, user=last.author.user, via=last.author.via)
            return _Read(position, await _encoded(state), change)

        return _view(tree, role, await self._read.get((room.key, seq), room.epoch, made))


def _view(tree: int, role: Role, read: _Read) -> TreeView:
    state: Any = msgspec.Raw(read.state)
    return TreeView(id=tree, role=role, position=read.position, state=state, change=read.change)


async def _encoded(state: State) -> bytes:
    fields: dict[str, Any] = {name: getattr(state, name) for name in state.__struct_fields__}
    nodes, connections = await _list(state.nodes), await _list(state.connections)
    return JSON.encode_value({**fields, "nodes": nodes, "connections": connections})


async def _list(values: Sequence[Any]) -> msgspec.Raw:
    """A list as JSON, encoded a share at a time with others' turns between."""
    shares = []
    for first in range(0, len(values), _SHARE):
        if first:
            await give_way()
        shares.append(JSON.encode_value(values[first : first + _SHARE])[1:-1])
    return msgspec.Raw(b"[" + b",".join(shares) + b"]")
