"""Versions of a tree over HTTP: kept by themselves or by people, listed, read and named."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from server.http import Answer, Call, Operation, Parameter
from sync.codec import JSON
from sync.errors import NotFound
from sync.hub import Hub
from sync.moments import Moment
from sync.nodes import State
from sync.ports import Store
from sync.versions import TreeVersion, VersionKind

_ALL = "/api/v1/trees/{tree}/versions"
_ONE = "/api/v1/trees/{tree}/versions/{version}"
_PAGE, _PAGE_MOST = 50, 500
_NUMBERS = range(1, 2**31)

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Description = Annotated[str, Meta(max_length=2_000)]


class NewVersion(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`of`: the moment to keep; absent: now."""

    name: Name
    description: Description = ""
    of: Moment | UnsetType = UNSET


class VersionChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name
    description: Description | UnsetType = UNSET


class VersionLine(msgspec.Struct, frozen=True, kw_only=True):
    """A version. `seq` is that of the tree it shows, `nodes` how many it had, `user` who named it (none: the server
    kept it), `authors` who edited since the version before, who did most first. `thinned`: it is in the list no more,
    and is read from the log."""

    number: int
    seq: int
    kind: VersionKind
    name: str
    description: str
    user: str
    nodes: int
    at: str
    authors: list[str]
    thinned: bool = False


class VersionPage(msgspec.Struct, kw_only=True):
    """Versions, newest first. `next` is the `before` of the following page; null: this is the last."""

    versions: list[VersionLine]
    next: int | None


class VersionView(msgspec.Struct, kw_only=True):
    """A version with the tree as it was."""

    version: VersionLine
    state: State


class Versions:
    """The operations below /api/v1/trees/{tree}/versions."""

    def __init__(self, hub: Hub, store: Store) -> None:
        self._hub = hub
        self._store = store

    def operations(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path=_ALL,
                name="list_versions",
                summary="Versions of a tree, newest first",
                handle=self.page,
                gives=VersionPage,
                query=(
                    Parameter("limit", "integer", f"lines of a page, at most {_PAGE_MOST}", 1, _PAGE_MOST),
                    Parameter("before", "integer", "`next` of the page before", 1, 2**31 - 1),
                ),
            ),
            Operation(
                method="POST",
                path=_ALL,
                name="create_version",
                summary="Keep the tree as it is, or was, under a name",
                handle=self.create,
                takes=NewVersion,
                gives=VersionLine,
                status=201,
            ),
            Operation(
                method="GET",
                path=_ONE,
                name="read_version",
                summary="A version with the tree as it was",
                handle=self.read,
                gives=VersionView,
            ),
            Operation(
                method="PATCH",
                path=_ONE,
                name="name_version",
                summary="Give a version a name, under which it stays",
                handle=self.rename,
                takes=VersionChange,
                gives=VersionLine,
            ),
            Operation(
                method="DELETE",
                path=_ONE,
                name="unname_version",
                summary="Take a version's name away: it stays as if it was kept by itself, and may be thinned",
                handle=self.unname,
                gives=VersionLine,
            ),
        ]

    async def page(self, call: Call) -> Answer:
        room = await self._hub.past.room(call.identity, call.tree)
        limit = call.number("limit", default=_PAGE, least=1, most=_PAGE_MOST) or _PAGE
        before = call.number("before", default=None, least=1, most=2**31 - 1)
        found = await self._store.versions(room.key, limit=limit, before=before)
        following = found[-1].number if len(found) == limit else None
        return Answer(VersionPage(versions=[_line(one) for one in found], next=following))

    async def create(self, call: Call) -> Answer:
        await self._hub.past.room(call.identity, call.tree, "edit")  # a body is read of nobody who may not edit
        wanted = await call.read(NewVersion)
        room = await self._hub.past.room(call.identity, call.tree, "edit")  # as things are once it was read
        call.spend_ops(1)
        moments = self._hub.moments
        seq = await moments.seq_of(room, wanted.of) if isinstance(wanted.of, Moment) else room.seq
        version = TreeVersion(
            number=0,
            seq=seq,
            epoch=room.epoch,
            user=call.identity.user,
            name=wanted.name,
            description=wanted.description,
            mark=room.mark if seq == room.seq else "",
        )
        kept = await self._hub.keeper.name(room.key, version, await moments.state_at(room, seq))
        return Answer(_line(kept), 201, {"Location": f"/api/v1/trees/{room.key.tree}/versions/{kept.number}"})

    async def read(self, call: Call) -> Answer:
        room = await self._hub.past.room(call.identity, call.tree)
        version = await self._version(call)
        state = await self._hub.keeper.state_of(room.key, version)
        line = JSON.encode_value(_line(version))
        return Answer(b'{"version":%b,"state":%b}' % (line, state))  # as VersionView; 10,000 nodes are 5 MB

    async def rename(self, call: Call) -> Answer:
        await self._hub.past.room(call.identity, call.tree, "edit")
        wanted = await call.read(VersionChange)
        room = await self._hub.past.room(call.identity, call.tree, "edit")  # as things are once it was read
        version = await self._version(call)
        call.spend_ops(1)
        description = version.description if isinstance(wanted.description, UnsetType) else wanted.description
        named = msgspec.structs.replace(
            version, name=wanted.name, description=description, user=version.user or call.identity.user
        )
        return Answer(_line(await self._hub.keeper.rename(room.key, named)))

    async def unname(self, call: Call) -> Answer:
        room = await self._hub.past.room(call.identity, call.tree, "edit")
        version = await self._version(call)
        call.spend_ops(1)
        return Answer(_line(await self._hub.keeper.unname(room.key, version.number)))

    async def _version(self, call: Call) -> TreeVersion:
        """The version of the path. Raises NotFound, also for a number that none can have."""
        room = await self._hub.past.room(call.identity, call.tree)
        text = str(call.request.path_params["version"])
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else 0
        found = await self._store.version(room.key, number) if number in _NUMBERS and text == str(number) else None
        if found is None:
            raise NotFound("no such version")
        return found


def _line(version: TreeVersion) -> VersionLine:
    return VersionLine(
        number=version.number,
        seq=version.seq,
        kind=version.kind,
        name=version.name,
        description=version.description,
        user=version.user,
        nodes=version.nodes,
        at=version.at,
        authors=version.authors,
        thinned=version.thinned,
    )
