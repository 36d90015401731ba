"""/admin: what an operator may do to rooms, on every instance that has them open. No tenant's role leads here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from server.auth import ID_CHARACTERS
from server.http import Answer, Call, Operation
from server.reports import Reports, RoomReport
from sync.errors import NotFound
from sync.hub import Hub
from sync.identity import TreeKey
from sync.ports import Directory

_ROOM = "/admin/rooms/{tenant}/{tree}"


class Rooms(msgspec.Struct, kw_only=True):
    """The rooms of this instance, those that wait longest first."""

    instance: str
    rooms: list[RoomReport]


class Kick(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    participant: Annotated[str, Meta(min_length=1, max_length=128)]


class Freeze(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`frozen` false lets edits in again."""

    frozen: bool = True


class Done(msgspec.Struct, kw_only=True):
    tenant: str
    tree: int
    frozen: bool | UnsetType = UNSET


class Admin:
    """The endpoints of the operator."""

    def __init__(self, hub: Hub, reports: Reports, directory: Directory) -> None:
        self._hub = hub
        self._reports = reports
        self._directory = directory

    def operations(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path="/admin/rooms",
                name="list_rooms",
                summary="The open rooms of this instance with head, lag and queued bytes",
                handle=self.rooms,
                access="operator",
                gives=Rooms,
            ),
            Operation(
                method="GET",
                path=_ROOM,
                name="read_room",
                summary="One open room",
                handle=self.room,
                access="operator",
                gives=RoomReport,
            ),
            _action("drain", "Ask everyone in the room to come back in a moment", self.drain),
            _action("freeze", "Take no edits on the tree, or take them again", self.freeze, takes=Freeze),
            _action("kick", "Put one participant out of the room", self.kick, takes=Kick),
            _action("resync", "Give everyone in the room a fresh snapshot", self.resync),
        ]

    async def rooms(self, call: Call) -> Answer:
        return Answer(Rooms(instance=self._hub.instance, rooms=self._reports.rooms()))

    async def room(self, call: Call) -> Answer:
        key = _key(call)
        for report in self._reports.rooms():
            if (report.tenant, report.tree) == key:
                return Answer(report)
        raise NotFound("this room is not open here")

    async def drain(self, call: Call) -> Answer:
        key = _key(call)
        self._hub.drain_room(key)
        return _done(key)

    async def freeze(self, call: Call) -> Answer:
        key = _key(call)
        wanted = await call.read(Freeze)
        rights = await self._directory.set_frozen(key, wanted.frozen)
        self._hub.rights_changed(key)
        return Answer(Done(tenant=key.tenant, tree=key.tree, frozen=rights.frozen))

    async def kick(self, call: Call) -> Answer:
        key = _key(call)
        wanted = await call.read(Kick)
        self._hub.kick(key, wanted.participant)
        return _done(key)

    async def resync(self, call: Call) -> Answer:
        key = _key(call)
        self._hub.resync(key)
        return _done(key)


def _action(
    name: str, summary: str, handle: Callable[[Call], Awaitable[Answer]], takes: type[msgspec.Struct] | None = None
) -> Operation:
    return Operation(
        method="POST",
        path=f"{_ROOM}/{name}",
        name=f"{name}_room",
        summary=summary,
        handle=handle,
        access="operator",
        takes=takes,
        gives=Done,
    )


def _key(call: Call) -> TreeKey:
    """Raises NotFound for names that no tenant or no tree can have."""
    tenant = str(call.request.path_params["tenant"])
    if len(tenant) > ID_CHARACTERS or not tenant.isprintable():
        raise NotFound("no such tenant")
    return TreeKey(tenant, call.tree)


def _done(key: TreeKey) -> Answer:
    return Answer(Done(tenant=key.tenant, tree=key.tree))
