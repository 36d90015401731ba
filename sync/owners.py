"""Telling the owner of an open tree how far he is in all: the mean over the trees he owns, this one as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple, Protocol

from sync.errors import TreesyncError
from sync.identity import TreeKey
from sync.open_room import OpenRoom
from sync.ports import Clock
from sync.progress_message import Progress, UserCompletion
from sync.session import Participant
from sync.tallies import Counted

OTHERS_SECONDS = 15.0  # as old as this may be what the other trees are taken for; one query per owner and open tree
ASK_SECONDS = 0.2  # how soon it is asked for when it is wanted


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
    """One per hub. Only the owner is told: his other trees are nobody else's business. Telling waits for nothing: what
    is not known yet, or is old, is asked for beside it, one tree after the other (`ask`)."""

    def __init__(self, ownings: Ownings, clock: Clock) -> None:
        self._ownings = ownings
        self._clock = clock
        self._kept: dict[TreeKey, _Kept] = {}
        self._told: dict[TreeKey, dict[str, UserCompletion]] = {}  # participant -> what he was told last
        self._wanted: dict[TreeKey, str] = {}  # and their owners

    def waits(self, place: OpenRoom) -> bool:
        """Whether an owner is here who was told nothing yet: he came just now, or read slowly."""
        told = self._told.get(place.key, {})
        return any(one.id not in told and one.listens for one in _owners(place))

    def tell(self, place: OpenRoom, counted: Counted) -> None:
        """Tell what is known; who is told nothing waits."""
        others = self._others(place.key, place.room.rights.owner) if _owners(place) else None
        if others is None:
            return
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

    def _others(self, key: TreeKey, owner: str) -> OtherTrees | None:
        """As it was last known; None: of this owner it is not yet."""
        kept = self._kept.get(key)
        if kept is None or kept.owner != owner or self._clock.monotonic() >= kept.until:
            self._wanted[key] = owner
        return kept.others if kept is not None and kept.owner == owner else None

    async def ask(self) -> None:
        """A loop without an end."""
        while True:
            await self._clock.sleep(ASK_SECONDS)
            for key, owner in list(self._wanted.items()):
                del self._wanted[key]
                with suppress(TreesyncError):  # whoever waits is looked at again, and it is wanted again
                    others = await self._ownings.others(key.tenant, owner, but=key.tree)
                    self._kept[key] = _Kept(self._clock.monotonic() + OTHERS_SECONDS, owner, others)

    def forget_closed(self, places: Mapping[TreeKey, OpenRoom]) -> None:
        """Rooms that are not open any more."""
        for known in (self._kept, self._told, self._wanted):
            for key in known.keys() - places.keys():
                known.pop(key)


def _owners(place: OpenRoom) -> list[Participant]:
    room = place.room
    return [one for one in room.participants.values() if one.session.identity.user == room.rights.owner]
