"""Keeping versions: every 200 ops or 10 minutes of editing, and before much is deleted (DESIGN §9).

A room is not held up: what is encoded are values that no edit changes in place, a thousand at a time, and a version of
before a delete is read from the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from sync import bus_messages
from sync.bus_messages import VersionShared
from sync.codec import JSON
from sync.effects import Delete
from sync.errors import Clash, NotFound, TreesyncError, Unavailable
from sync.history import History
from sync.identity import TreeKey
from sync.nodes import State
from sync.open_room import OpenRoom
from sync.ports import Batch, Bus, Clock, Store
from sync.protocol import VersionKept
from sync.version_words import authors, described
from sync.versions import TreeVersion

LOOK_SECONDS = 1.0
VERSION_OPS = 200
VERSION_SECONDS = 600.0
MOST_DELETES = 1_000  # trees in which much was deleted and that wait for their version; more lose it, and it is logged
LARGE_DELETE = 20  # nodes: more than one takes by mistake and puts back by hand
_SLICE = 1_000  # nodes encoded at once; 1 ms
_PAUSE_SECONDS = 0.001  # between slices


class _Deleted(NamedTuple):
    """A moment before so many nodes were deleted."""

    epoch: str
    seq: int
    nodes: int


class VersionKeeper:
    """See the module. One tree after the other, so that it costs little at any time."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        history: History,
        rooms: dict[TreeKey, OpenRoom],
        log: Callable[..., None],
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._history = history
        self._rooms = rooms
        self._log = log
        self._newest: dict[TreeKey, tuple[OpenRoom, int, float]] = {}  # (room, seq, when) of each tree's last version
        self._deleted: dict[TreeKey, _Deleted] = {}  # before the first large delete since the last look

    def committed(self, place: OpenRoom, batch: Batch) -> None:
        """A commit was made here. Cheap: nearly all change a few nodes."""
        if len(batch.nodes) < LARGE_DELETE:
            return
        for op in batch.ops:
            if type(op.effect) is Delete and (nodes := len(op.inverse.get("nodes", ()))) >= LARGE_DELETE:
                self._wait_for(place.key, _Deleted(batch.epoch, op.seq - 1, nodes))
                return

    def _wait_for(self, key: TreeKey, deleted: _Deleted) -> None:
        """One a tree: what was deleted a moment later is read from that version and the log."""
        if len(self._deleted) < MOST_DELETES:
            self._deleted.setdefault(key, deleted)
        elif key not in self._deleted:
            self._log("version.not_kept", tree=key.tree, why="too many trees wait for a version")

    async def keep(self) -> None:
        """For ever."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            deleted, self._deleted = self._deleted, {}
            for key, one in deleted.items():
                await self._keep_before(key, one)
            for key in [key for key in self._newest if key not in self._rooms]:
                del self._newest[key]
            for place in list(self._rooms.values()):
                await self._look(place)

    async def _look(self, place: OpenRoom) -> None:
        room, now = place.room, self._clock.now()
        known = self._newest.get(place.key)
        try:
            if known is None or known[0] is not place:
                if room.seq == place.version_seq:
                    return  # nobody has edited here yet
                known = self._newest[place.key] = (place, *await self._last(place))
            _, seq, at = known
            if room.seq // VERSION_OPS <= seq // VERSION_OPS and (room.seq <= seq or now - at < VERSION_SECONDS):
                return
            due = room.seq
            version = TreeVersion(number=0, seq=due, epoch=room.epoch, mark=room.mark)
            await self._store_version(place.key, version, room.state())
            self._newest[place.key] = (place, due, now)
        except TreesyncError as error:
            self._log("version.not_kept", tree=place.key.tree, why=error.why)

    async def _last(self, place: OpenRoom) -> tuple[int, float]:
        """(seq, time) of the newest version; editing since counts from there, in whichever rooms. Of a tree without one
        from when it was opened here."""
        lines = await self._store.versions(place.key, limit=1)
        if not lines or lines[0].epoch != place.room.epoch or lines[0].seq > place.room.seq:
            return place.version_seq, self._clock.now() - (self._clock.monotonic() - place.version_at)
        return lines[0].seq, datetime.fromisoformat(lines[0].at).timestamp()

    async def _keep_before(self, key: TreeKey, deleted: _Deleted) -> None:
        """Unless a version lies so near that what is there is read from it as fast as from any other; failing, it is
        tried again at the next look."""
        epoch, seq = deleted.epoch, deleted.seq
        try:
            near = await self._store.version_before(key, epoch, seq)
            if near is not None and seq - near.seq < VERSION_OPS and near.kind == "before_delete":
                return
            state, _ = await self._history.at(key, epoch, seq)
            why = f"before {deleted.nodes} nodes were deleted"
            version = TreeVersion(number=0, seq=seq, epoch=epoch, kind="before_delete", description=why)
            await self._store_version(key, version, state)
        except TreesyncError as error:
            self._log("version.not_kept", tree=key.tree, why=error.why)
            if isinstance(error, Unavailable):
                self._wait_for(key, deleted)

    async def _store_version(self, key: TreeKey, version: TreeVersion, state: State) -> None:
        kept = await self._store.keep_version(key, await self._whole(key, version, state))
        if kept is not None:
            self.announce(key, kept)

    async def _whole(self, key: TreeKey, version: TreeVersion, state: State) -> TreeVersion:
        """A version with all that is stored of it."""
        edits = await self._store.edited(key, version.epoch, version.seq)
        told = [] if version.kind == "named" else [version.description, described(edits)]
        return msgspec.structs.replace(
            version,
            state=await self.encoded(state),
            nodes=len(state.nodes),
            authors=authors(edits),
            description="; ".join(filter(None, told)) if told else version.description,
        )

    async def name(self, key: TreeKey, version: TreeVersion, state: State) -> TreeVersion:
        """Keep a version with a name, or give a name to what is kept of that moment. Raises Clash where a person has
        given that one a name already, and where the tree has too many of them."""
        whole = await self._whole(key, msgspec.structs.replace(version, kind="named"), state)
        kept = await self._store.keep_version(key, whole)
        if kept is None:
            there = await self._store.version_at(key, version.epoch, version.seq)
            if there is None:
                raise Clash("the tree was restored; look at it again", code="stale")
            again = msgspec.structs.replace(whole, number=there.number)
            kept = await self._store.rename_version(key, again, first=True)
            if kept is None:
                raise Clash(f"version {there.number} is of that moment already")
        self.announce(key, kept)
        return msgspec.structs.replace(kept, state=b"")

    async def rename(self, key: TreeKey, version: TreeVersion) -> TreeVersion:
        """Give a version another name. Raises NotFound."""
        state = await self.state_of(key, version) if version.thinned else b""
        kept = await self._store.rename_version(key, msgspec.structs.replace(version, state=state))
        if kept is None and not state:  # it was thinned meanwhile
            state = await self.state_of(key, version)
            kept = await self._store.rename_version(key, msgspec.structs.replace(version, state=state))
        if kept is None:
            raise NotFound("no such version")
        self.announce(key, kept)
        return kept

    async def unname(self, key: TreeKey, number: int) -> TreeVersion:
        """Take a version's name away. Raises NotFound."""
        kept = await self._store.unname_version(key, number)
        if kept is None:
            raise NotFound("no such version")
        self.announce(key, kept)
        return kept

    async def state_of(self, key: TreeKey, version: TreeVersion) -> bytes:
        """The state of a version of an open tree, encoded. Raises NotFound for a thinned one of a history that the tree
        has no more."""
        kept = await self._store.version_before(key, version.epoch, version.seq)
        if kept is not None and kept.seq == version.seq:
            return kept.state
        place = self._rooms.get(key)
        if place is not None and place.room.epoch != version.epoch:
            raise NotFound("that version was thinned, and is of a history that the tree has no more")
        return await self.encoded((await self._history.at(key, version.epoch, version.seq))[0])

    async def encoded(self, state: State) -> bytes:
        """A state as a version holds it; a large one in slices, between which others go on."""
        nodes, connections = state.nodes, state.connections
        whole = JSON.encode_value(msgspec.structs.replace(state, nodes=[], connections=[]))
        head, _, tail = whole.rpartition(b'"nodes":[]')
        middle, _, end = tail.rpartition(b'"connections":[]')
        parts = [head, b'"nodes":[', await self._items(nodes), b"]", middle]
        return b"".join([*parts, b'"connections":[', await self._items(connections), b"]", end])

    async def _items(self, values: Sequence[msgspec.Struct]) -> bytes:
        slices = []
        for start in range(0, len(values), _SLICE):
            if start:
                await self._clock.sleep(_PAUSE_SECONDS)
            slices.append(JSON.encode_value(values[start : start + _SLICE])[1:-1])
        return b",".join(slices)

    def announce(self, key: TreeKey, version: TreeVersion) -> None:
        """Tell everyone in the tree, on every instance, of a version that was kept or named here."""
        shared = VersionShared(version=msgspec.structs.replace(version, state=b""))
        place = self._rooms.get(key)
        if place is not None:
            self.told(place, shared)
        self._bus.publish(key, bus_messages.encode(shared))

    def told(self, place: OpenRoom, shared: VersionShared) -> None:
        """Tell everyone here."""
        version = shared.version
        message = VersionKept(
            tree=place.key.tree,
            number=version.number,
            seq=version.seq,
            kind=version.kind,
            name=version.name,
            description=version.description,
            user=version.user,
            nodes=version.nodes,
            at=version.at,
            authors=version.authors,
        )
        for participant in place.room.participants.values():
            participant.session.send(message)
