"""A moment in a tree's history as people name it: a version, a seq, or a time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sync.errors import Invalid, NotFound
from sync.history import History
from sync.nodes import State
from sync.ports import Clock, LoggedOp, Store
from sync.room import Room

_SKEW_SECONDS = 60.0  # that a person's clock may run ahead of the database's


class Moment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of the three. `at` is RFC 3339, with its offset."""

    version: Annotated[int, Meta(ge=1, lt=2**31)] | UnsetType = UNSET
    seq: Annotated[int, Meta(ge=0, lt=2**53)] | UnsetType = UNSET
    at: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET


def moment_of(text: str) -> Moment:
    """`version:3`, `seq:120` or `at:2026-01-05T10:00:00Z`. Raises Invalid."""
    kind, _, value = text.partition(":")
    try:
        return msgspec.convert({kind: value}, Moment, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid("a moment is `version:3`, `seq:120` or `at:2026-01-05T10:00:00Z`") from error


class Moments:
    """Finds moments, and what the tree was then. All raise NotFound where there is no such moment, Invalid where it
    cannot be read."""

    def __init__(self, store: Store, history: History, clock: Clock) -> None:
        self._store = store
        self._history = history
        self._clock = clock

    async def seq_of(self, room: Room, moment: Moment) -> int:
        """The seq of a moment, in the history that the tree has now."""
        named = [value for value in (moment.version, moment.seq, moment.at) if value is not UNSET]
        if len(named) != 1:
            raise Invalid("a moment is named by `version`, `seq` or `at`, and by one of them")
        if isinstance(moment.seq, int):
            if moment.seq > room.seq:
                raise NotFound(f"the tree has come to seq {room.seq}, not to {moment.seq}")
            return moment.seq
        if isinstance(moment.version, int):
            return await self._seq_of_version(room, moment.version)
        return await self._seq_at(room, str(moment.at))

    async def _seq_of_version(self, room: Room, number: int) -> int:
        version = await self._store.version(room.key, number)
        if version is None:
            raise NotFound(f"the tree has no version {number}")
        if version.epoch != room.epoch or version.seq > room.seq:
            raise NotFound(f"version {number} is of a history that the tree has no more; it can only be read")
        return version.seq

    async def _seq_at(self, room: Room, text: str) -> int:
        moment = time_of(text)
        if moment.timestamp() > self._clock.now() + _SKEW_SECONDS:
            raise NotFound("that time has not come yet")
        seq = min(await self._store.seq_at(room.key, moment), room.seq)
        if seq == 0:
            raise NotFound("the tree was not there at that time")
        return seq

    async def op_at(self, room: Room, seq: int) -> LoggedOp | None:
        """The op that brought the tree to a seq; None: it had none yet."""
        rows = await self._store.log(room.key, seq - 1, seq) if seq else []
        return rows[0] if rows else None

    async def state_at(self, room: Room, seq: int) -> State:
        if seq == room.seq:
            return room.state()
        return (await self._history.at(room.key, room.epoch, seq))[0]


def time_of(text: str) -> datetime:
    """Raises Invalid."""
    try:
        moment = datetime.fromisoformat(text)
        moment.timestamp()
    except (ValueError, OverflowError) as error:
        raise Invalid("a time is RFC 3339, as 2026-01-05T10:00:00Z") from error
    if moment.tzinfo is None:
        raise Invalid("a time names its offset from UTC, or Z")
    return moment
