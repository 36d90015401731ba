"""Keeping a room level with the log: commits of other instances, gaps, restored databases, changed rights.

The bus is a hint (P4). The next commit in line is taken from it; anything else, and what a comparison of the heads
finds every two seconds, is read from the log. While a room's own batch is in flight nothing is taken in (SEMANTICS 7).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from sync.access import role_in
from sync.bus_messages import CommitShared
from sync.codec import JSON
from sync.delivery import Delivery
from sync.errors import BadMessage, NotFound, Unavailable
from sync.limits import Limits
from sync.open_room import OpenRoom
from sync.pending import Refusal
from sync.ports import Clock, Head, Missing, Rights, Store
from sync.protocol import Error, Notice, Ops, RoleChanged
from sync.room import Room
from sync.session import Participant
from sync.stats import HubStats

EPOCH_CHARACTERS = 8


class Follower:
    """See the module. `released` is called when a room that was busy reading may be committed to again, `followed`
    with every commit of another instance that was taken from the bus."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        delivery: Delivery,
        stats: HubStats,
        limits: Limits,
        *,
        spawn: Callable[[str, Coroutine[Any, Any, None]], object],
        released: Callable[[OpenRoom], None],
        followed: Callable[[OpenRoom], None],
        dropped: Callable[[OpenRoom], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._delivery = delivery
        self._stats = stats
        self._limits = limits
        self._spawn = spawn
        self._released = released
        self._followed = followed
        self._dropped = dropped

    # ---- commits of other instances

    def receive(self, place: OpenRoom, shared: CommitShared) -> None:
        """A commit arrived on the bus."""
        if shared.rights != place.room.rights.version:
            self._spawn(f"rights:{place.key.tree}", self.recheck(place))
        if place.busy:
            place.deferred.append(shared)
        else:
            self._follow(place, shared)

    def take_deferred(self, place: OpenRoom) -> None:
        """What came while the room was busy; what is confirmed by now is dropped."""
        while place.deferred and not place.busy:
            self._follow(place, place.deferred.popleft())

    def _follow(self, place: OpenRoom, shared: CommitShared) -> None:
        room = place.room
        if shared.epoch == room.epoch and shared.commit <= room.commit:
            return
        try:
            ops = _read_frame(shared)
        except BadMessage:  # another version's: the log has what it says
            self._stats.bad_bus_messages += 1
            self._refill_later(place)
            return
        in_line = shared.epoch == room.epoch and shared.commit == room.commit + 1
        if not in_line or shared.large or (ops is not None and ops.after != room.seq):
            self._refill_later(place)
            return
        counters = {(user, client): n for user, client, n in shared.counters}
        commit = room.follow(ops, {"json": shared.frame}, counters, shared.conflicts, shared.records)
        if commit is not None:
            self._delivery.commit(place, commit)
        self._delivery.conflicts(place, shared.records)
        self._followed(place)

    def _refill_later(self, place: OpenRoom) -> None:
        place.busy = True
        self._spawn(f"refill:{place.key.tree}", self._refill(place))

    async def _refill(self, place: OpenRoom) -> None:
        """Read what is missing; the room is marked busy by the caller. A failure leaves it to the next comparison."""
        try:
            missing = await self._store.missing(place.key, place.room.commit)
            self._stats.refills += 1
            if self.continues(place, missing.head):
                self.ingest(place, missing)
            else:
                await self.reset(place)
        except NotFound:
            self.lost_tree(place)
        except Unavailable:
            place.deferred.clear()  # they would only ask for the same again
        self._released(place)

    async def refill(self, place: OpenRoom) -> None:
        """Read what is missing now. Not while the room is busy."""
        assert not place.busy, "one batch, or one reading of the log, at a time"
        place.busy = True
        await self._refill(place)

    def continues(self, place: OpenRoom, head: Head) -> bool:
        """Whether the log goes on from what this room has confirmed."""
        room = place.room
        if head.epoch != room.epoch or head.commit < room.commit:
            return False
        return head.commit > room.commit or (head.seq, head.mark) == (room.seq, room.mark)

    def ingest(self, place: OpenRoom, missing: Missing) -> None:
        commit = place.room.ingest(missing)
        if commit is not None:
            self._delivery.commit(place, commit)
        self._delivery.conflicts(place, missing.conflicts)

    # ---- another history

    async def reset(self, place: OpenRoom) -> None:
        """The log is not the one this room knew: begin anew, and give everyone a snapshot (SEMANTICS 10).

        A database behind what was confirmed here, or at the same commit with another one, has been restored: its tree
        gets a new epoch, so that no client takes its positions for those of the lost history. Raises Unavailable,
        NotFound.
        """
        former = place.room
        head = (await self._store.heads([place.key])).get(place.key)
        if head is not None and head.epoch == former.epoch and not self.continues(place, head):
            await self._store.renew_epoch(place.key, former.epoch, self._clock.token(EPOCH_CHARACTERS))
        room = Room(await self._store.load(place.key), self._limits)
        room.adopt(former)
        place.room = room
        place.version_seq = room.seq
        place.deferred.clear()
        self._stats.resets += 1
        self._delivery.snapshot_for_all(place, "epoch")

    def lost_tree(self, place: OpenRoom) -> None:
        """The tree is gone: tell everyone, and leave their queues with them."""
        for participant in list(place.room.participants.values()):
            participant.session.send(Notice(code="tree_deleted", tree=place.key.tree))
            self.expel(place, participant)
        for edit, outcome in place.room.refuse_waiting(Refusal("forbidden", "the tree was deleted")):
            self._delivery.outcome(edit, outcome)
        place.contested = False
        self._dropped(place)

    def expel(self, place: OpenRoom, participant: Participant) -> None:
        place.room.participants.pop(participant.id, None)
        participant.session.opened.pop(place.key.tree, None)
        place.left.add(participant.id)

    # ---- comparing heads

    async def compare(self, places: Iterable[OpenRoom]) -> None:
        """One question for all open trees. An answer counts against what was confirmed when it was asked."""
        asked = {place.key: (place, place.room.commit) for place in places}
        if not asked:
            return
        heads = await self._store.heads(list(asked))
        for key, (place, commit) in asked.items():
            self._compare_one(place, commit, heads.get(key))

    def _compare_one(self, place: OpenRoom, commit: int, head: Head | None) -> None:
        room = place.room
        # rights are no part of the tree, and a room may be busy without end with edits that they forbid
        if head is not None and head.rights != room.rights.version:
            self._spawn(f"rights:{place.key.tree}", self.recheck(place))
        if place.busy:
            return
        if head is not None and commit <= head.commit < room.commit:
            return  # the room has moved on since it was asked
        if head is None or head.commit > room.commit or not self.continues(place, head):
            self._refill_later(place)

    # ---- rights

    async def recheck(self, place: OpenRoom) -> None:
        """Read the rights again and act on open sockets; a downgrade does not disconnect. Unavailable: next time."""
        try:
            rights = await self._store.rights(place.key)
        except NotFound:
            self.lost_tree(place)
        except Unavailable:
            return
        else:
            self._apply_rights(place, rights)

    def _apply_rights(self, place: OpenRoom, rights: Rights) -> None:
        if rights.version < place.room.rights.version:
            return
        place.room.rights = rights
        if rights.deleted:
            self.lost_tree(place)
            return
        for participant in list(place.room.participants.values()):
            self.apply_role(place, participant)

    def apply_role(self, place: OpenRoom, participant: Participant) -> None:
        """Bring one participant's role in line with the rights as they stand."""
        role = role_in(place.room.rights, participant.session.identity)
        if role is None:
            why = "no such tree"
            participant.session.send(Error(code="not_found", why=why, tree=place.key.tree))
            self.expel(place, participant)
        elif role != participant.role:
            participant.role = role
            participant.session.send(RoleChanged(tree=place.key.tree, role=role))


def _read_frame(shared: CommitShared) -> Ops | None:
    if not shared.frame:
        return None
    message = JSON.decode_server(shared.frame)
    if not isinstance(message, Ops):
        raise BadMessage("a commit's frame is an ops message")
    return message
