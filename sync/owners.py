"""Telling the owner of an open tree how far he is in all: the mean over the trees he owns, this one as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from sync.identity import TreeKey
from sync.open_room import OpenRoom
from sync.ports import Clock
from sync.progress_message import Progress, UserCompletion
from sync.session import Participant
from sync.tallies import Counted

OTHERS_SECONDS = 15.0  # as old as this may be what the other trees are taken for; one query per owner and open tree


class OtherTrees(NamedTuple):
    """The trees somebody owns beside one: how many; of how many it is known how far they are; the sum of that."""

    trees: int
    known: int
    completion: float


class Ownings(Protocol):
    """Where that is known."""

    async def others(self, tenant: str, user: str, *, but: int) -> OtherTrees:
        """As each was when it was last looked at, a minute after its last edit. Raises Unavailable."""
        ...


class _Kept(NamedTuple):
    until: float
    owner: str
    others: OtherTrees


class OwnerNews:
    """One per hub. Only the owner is told: his other trees are nobody else's business."""

    def __init__(self, ownings: Ownings, clock: Clock) -> None:
        self._ownings = ownings
        self._clock = clock
        self._kept: dict[TreeKey, _Kept] = {}
        self._told: dict[TreeKey, dict[str, UserCompletion]] = {}  # participant -> what he was told last

    def waits(self, place: OpenRoom) -> bool:
        """Whether an owner is here who was told nothing yet: he came just now, or read slowly."""
        told = self._told.get(place.key, {})
        return any(one.id not in told and one.listens for one in _owners(place))

    async def tell(self, place: OpenRoom, counted: Counted) -> None:
        """Raises Unavailable."""
        if not _owners(place):
            return
        others = await self._others(place.key, place.room.rights.owner)
        summary = counted.tally.summary()
        completion = (others.completion + summary.completion_rate) / (others.known + 1)
        mine = UserCompletion(trees=others.trees + 1, completion_rate=round(completion, 4))
        before, now = self._told.get(place.key, {}), dict[str, UserCompletion]()
        for one in _owners(place):
            if not one.listens:
                continue
            now[one.id] = mine
            if before.get(one.id) != mine:
                one.session.send(Progress(tree=place.key.tree, seq=counted.seq, summary=summary, mine=mine))
        self._told[place.key] = now

    async def _others(self, key: TreeKey, owner: str) -> OtherTrees:
        kept = self._kept.get(key)
        if kept is None or kept.owner != owner or self._clock.monotonic() >= kept.until:
            others = await self._ownings.others(key.tenant, owner, but=key.tree)
            kept = self._kept[key] = _Kept(self._clock.monotonic() + OTHERS_SECONDS, owner, others)
        return kept.others

    def forget_closed(self, places: Mapping[TreeKey, OpenRoom]) -> None:
        """Rooms that are not open any more."""
        for key in (self._kept.keys() | self._told.keys()) - places.keys():
            self._kept.pop(key, None)
            self._told.pop(key, None)


def _owners(place: OpenRoom) -> list[Participant]:
    room = place.room
    return [one for one in room.participants.values() if one.session.identity.user == room.rights.owner]
