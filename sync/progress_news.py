"""Telling everyone in an open tree how far it is: what changed, a moment after the edit that changed it.

Nothing of this is on an edit's way. A few times a second each room that somebody is in is looked at; what its commits
named has been judged anew (`sync.tallies`), and only what came out differently is told, once per codec. Who has just
come, and who reads slowly, is given the state as it is then, some nodes at a time, as far as his socket takes it:
progress may be dropped, for it is told again as current state (SEMANTICS 9).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sync.codec import CodecName
from sync.errors import TreesyncError, Unavailable
from sync.identity import TreeKey
from sync.open_room import OpenRoom
from sync.owners import OwnerNews, Ownings
from sync.ports import Clock
from sync.progress import domains
from sync.progress_message import Progress
from sync.session import Participant
from sync.tallies import Counted, Tallies
from sync.tree import Tree

TELL_SECONDS = 0.4  # within a second of the edit, twice over; and a hundred edits in that time are told as one
PART_NODES = 1_000  # in one message: 100 kB
MOST_DOMAINS = 100  # in one message; HTTP has more

Owed = dict[str, list[str]]  # participant -> the nodes he has still to be told of, the next ones last


class ProgressNews:
    """One per hub; the tallies are read by others too."""

    def __init__(
        self,
        tallies: Tallies,
        clock: Clock,
        places: Mapping[TreeKey, OpenRoom],
        log: Callable[..., None],
        ownings: Ownings | None,
    ) -> None:
        """`ownings`: None: nobody is told how far he is in all."""
        self._tallies = tallies
        self._clock = clock
        self._places = places
        self._log = log
        self._owed: dict[TreeKey, Owed] = {}
        self.owners = None if ownings is None else OwnerNews(ownings, clock)

    async def tell(self) -> None:
        """A loop without an end."""
        while True:
            await self._clock.sleep(TELL_SECONDS)
            for place in list(self._places.values()):
                if place.room.participants and self._has_news(place):
                    await self._tell_room(place)
                    self._tell_owner(place)
            self._tallies.forget_closed()
            for key in self._owed.keys() - self._places.keys():
                del self._owed[key]
            if self.owners is not None:
                self.owners.forget_closed(self._places)

    def _has_news(self, place: OpenRoom) -> bool:
        counted, owed = self._tallies.known(place), self._owed.get(place.key)
        if counted is None or owed is None or counted.changed:
            return True
        if self.owners is not None and self.owners.waits(place):
            return True
        return owed.keys() != place.room.participants.keys() or any(owed.values())

    async def _tell_room(self, place: OpenRoom) -> None:
        try:
            counted = await self._tallies.of(place)
        except Unavailable:
            return  # the next round asks again
        except TreesyncError as error:
            self._log("progress.not_told", tree=place.key.tree, why=error.why)
            return
        while counted.room is place.room and counted.seq == counted.room.seq:
            with counted.room.confirmed() as tree:
                self._give(place, counted, tree)
            if not self._could_go_on(place):
                return
            await self._clock.sleep(0)  # a part at a time, with others' turns between them
            known = self._tallies.known(place)
            if known is None:
                return  # the tree has gone on: what is left is told with what is new
            counted = known

    def _tell_owner(self, place: OpenRoom) -> None:
        counted = self._tallies.known(place)
        if self.owners is not None and counted is not None:
            self.owners.tell(place, counted)

    def _could_go_on(self, place: OpenRoom) -> bool:
        """Whether somebody is owed more, and takes it."""
        participants = place.room.participants
        return any(
            nodes and one in participants and participants[one].listens
            for one, nodes in self._owed.get(place.key, {}).items()
        )

    def _give(self, place: OpenRoom, counted: Counted, tree: Tree) -> None:
        participants, before = place.room.participants, self._owed.get(place.key, {})
        if counted.anew or len(counted.touched) > PART_NODES:
            before = {}
        owed = self._owed[place.key] = {one: before[one] for one in participants if one in before}
        if counted.changed and owed:
            self._tell_change(counted, tree, owed, participants)
        counted.was_told()
        for one, nodes in owed.items():
            if nodes and participants[one].listens:
                _give_part(counted, tree, nodes, participants[one])
        newcomers = [one for one in participants.values() if one.id not in owed and one.listens]
        everything = _begun(counted, tree) if newcomers else []
        for newcomer in newcomers:
            owed[newcomer.id] = list(everything)
            _give_part(counted, tree, owed[newcomer.id], newcomer, whole=True)

    def _tell_change(self, counted: Counted, tree: Tree, owed: Owed, participants: Mapping[str, Participant]) -> None:
        """One frame per codec to everyone who was told all before; the others are owed these nodes too."""
        frames: dict[CodecName, bytes] = {}
        touched = sorted(counted.touched)  # a set's order is another in every process
        message = _message(counted, tree, touched)
        for one, nodes in list(owed.items()):
            outbox = participants[one].session.outbox
            if nodes or not participants[one].listens:
                known = set(nodes)
                nodes.extend(node for node in touched if node not in known)
                if not nodes:  # no node to remember it by: he is told the whole, as if he had just come
                    del owed[one]
                continue
            name = outbox.wire.codec.name
            if name not in frames:
                frames[name] = outbox.wire.frame(outbox.wire.codec.encode(message))
            outbox.write(frames[name])


def _give_part(counted: Counted, tree: Tree, owed: list[str], participant: Participant, *, whole: bool = False) -> None:
    """Some of what one is owed, as it is now. `whole`: this is the first of all."""
    some = [owed.pop() for _ in range(min(PART_NODES, len(owed)))]
    participant.session.send(_message(counted, tree, some, whole=whole))


def _begun(counted: Counted, tree: Tree) -> list[str]:
    """The nodes of which there is anything to tell."""
    return [one for one, held in tree.nodes.items() if held.deleted is None and counted.tally.tells(one)]


def _message(counted: Counted, tree: Tree, nodes: Iterable[str], *, whole: bool = False) -> Progress:
    tally = counted.tally
    live = [node for node_id in nodes if (node := tree.node(node_id)) is not None]
    if whole:
        shown = domains(tree, tally, MOST_DOMAINS)
    else:
        shown = [tally.domain(node) for node in live if node.parent == counted.domain_parent][:MOST_DOMAINS]
    return Progress(
        tree=counted.room.key.tree,
        seq=counted.seq,
        summary=tally.summary(),
        domains=shown,
        nodes={node.id: tally.node(node.id) for node in live},
        whole=whole,
    )
