"""The progress of open rooms, kept level with what is confirmed there: from scratch once, then commit by commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sync.identity import TreeKey
from sync.open_room import OpenRoom
from sync.ports import Clock
from sync.progress import Tally, domain_parent, live_nodes, named_by
from sync.room import Room
from sync.templates import TemplateSet, TemplateSource

TEMPLATES_SECONDS = 60.0  # how long a change of a tenant's templates by another instance may go unnoticed
_FOLLOWED_AT_ONCE = 2_000  # nodes; 5 µs each: more are a large share of their tree, which is then counted anew
_TIMES = 5  # that a tree is counted a share at a time while it changes that much again; then in one piece
_PAUSE_SECONDS = 0.01  # between looks at what somebody else is counting just now: a tree of 10,000 takes 50 ms


class Counted:
    """The progress of a room's tree at `seq`. `touched`: whose came out differently since it was last told; with
    `anew`, anybody's may have. `told` are the tree's sums as they were told: a root that went touches nobody who stays,
    and yet the tree is another. `shown` is another object whenever summary and domains are other ones."""

    __slots__ = ("anew", "domain_parent", "room", "seq", "shown", "tally", "told", "touched")

    def __init__(self, room: Room, tally: Tally, seq: int) -> None:
        self.room = room
        self.tally = tally
        self.seq = seq
        self.domain_parent: str | None = None
        self.touched: set[str] = set()
        self.anew = True
        self.told = tally.sums
        self.shown = object()

    @property
    def changed(self) -> bool:
        """Whether there is anything to tell those who were told all before."""
        return self.anew or bool(self.touched) or self.told != self.tally.sums

    def was_told(self) -> None:
        self.touched, self.anew, self.told = set(), False, self.tally.sums


class Tallies:
    """One per hub. `hits` and `asked` count how often what is asked for was at hand."""

    def __init__(self, templates: TemplateSource, clock: Clock, places: Mapping[TreeKey, OpenRoom]) -> None:
        self._templates = templates
        self._clock = clock
        self._places = places
        self._counted: dict[TreeKey, Counted] = {}
        self._counting: set[TreeKey] = set()  # by somebody, just now
        self._kept: dict[str, tuple[float, TemplateSet]] = {}  # tenant -> until when, its templates
        self._changes = 0  # of anybody's templates, here
        self.hits = 0
        self.asked = 0

    def known(self, place: OpenRoom) -> Counted | None:
        """What is known of a room's progress, if that is all there is to know now."""
        counted = self._counted.get(place.key)
        if counted is None or counted.room is not place.room or counted.seq != place.room.seq:
            return None
        return counted if counted.tally.templates is self._fresh(place.key.tenant) else None

    async def of(self, place: OpenRoom) -> Counted:
        """The progress of a room's confirmed tree. Raises Unavailable."""
        self.asked += 1
        known = self.known(place)
        if known is not None:
            self.hits += 1
            return known
        while place.key in self._counting:  # once for all who wait
            await self._clock.sleep(_PAUSE_SECONDS)
        self._counting.add(place.key)
        try:
            counted = await self._level(place)
        finally:
            self._counting.discard(place.key)
        self._counted[place.key] = counted
        return counted

    async def _level(self, place: OpenRoom) -> Counted:
        templates = await self.templates_of(place.key.tenant)
        room, counted = place.room, self._counted.get(place.key)
        if counted is not None and (counted.room is not room or counted.tally.templates is not templates):
            counted = None
        for _ in range(_TIMES):
            if counted is not None and _follow(counted):
                return counted
            counted, filling = _anew(room, templates, counted)
            for _ in filling:
                await self._clock.sleep(0)
        if counted is None or not _follow(counted):
            counted, filling = _anew(room, templates, counted)
            for _ in filling:
                pass
            _follow(counted)
        return counted

    def forget_closed(self) -> None:
        """Rooms that are not open any more, and templates that no open room is counted by."""
        for key in self._counted.keys() - self._places.keys():
            del self._counted[key]
        tenants, now = {key.tenant for key in self._places}, self._clock.monotonic()
        for tenant in [one for one, (until, _) in self._kept.items() if until <= now and one not in tenants]:
            del self._kept[tenant]

    # ---- templates

    async def templates_of(self, tenant: str) -> TemplateSet:
        """The tenant's templates, as new as TEMPLATES_SECONDS. Raises Unavailable."""
        fresh = self._fresh(tenant)
        while fresh is None:
            changes = self._changes
            read = await self._templates.node_templates(tenant)
            if changes != self._changes:
                continue  # it may have been read before that, and be the old one
            known = self._kept.get(tenant)
            fresh = known[1] if known is not None and known[1] == read else read  # one object stands for one set
            self._kept[tenant] = (self._clock.monotonic() + TEMPLATES_SECONDS, fresh)
        return fresh

    def templates_changed(self, tenant: str) -> None:
        """Here, and the change is durable; other instances notice within TEMPLATES_SECONDS."""
        self._changes += 1
        _, templates = self._kept.get(tenant, (0.0, None))
        if templates is not None:
            self._kept[tenant] = (0.0, templates)

    def _fresh(self, tenant: str) -> TemplateSet | None:
        until, templates = self._kept.get(tenant, (0.0, None))
        return templates if self._clock.monotonic() < until else None


def _anew(room: Room, templates: TemplateSet, former: Counted | None) -> tuple[Counted, Iterator[None]]:
    """From scratch, and what is to be gone through for that: a share at a time. The tree may go on meanwhile; the
    commits since are followed afterwards."""
    counted = Counted(room, Tally(templates), room.seq)
    with room.confirmed() as tree:
        nodes = live_nodes(tree)
    if former is None:
        return counted, counted.tally.filling(nodes)
    return counted, counted.tally.filling(nodes, former.tally, former.seq)


def _follow(counted: Counted) -> bool:
    """Take the commits since the tally's seq; False: they are not at hand, or so much that nobody should be held up."""
    room, tally = counted.room, counted.tally
    if counted.seq < room.seq and (counted.seq < room.recent.seq or tally.bloated):
        return False
    named = named_by(effect for commit in room.recent.after(counted.seq) for effect in commit.ops.ops)
    if named is None or len(named) > _FOLLOWED_AT_ONCE:
        return False
    with room.confirmed() as tree:
        before, touched = tally.sums, tally.change(tree, named) if named else set[str]()
        counted.touched |= touched
        counted.seq = room.seq
        parent = domain_parent(tree)
        renamed = any(node is not None and node.parent == parent for node in map(tree.node, named))
    if touched or renamed or tally.sums != before or parent != counted.domain_parent:
        counted.shown = object()
    if parent != counted.domain_parent:
        counted.domain_parent, counted.anew = parent, True
    return True
