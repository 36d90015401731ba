"""The progress of open rooms, kept level with what is confirmed there: from scratch once, then commit by commit."""

from __future__ import annotations

from collections.abc import Mapping

from sync.identity import TreeKey
from sync.open_room import OpenRoom
from sync.ports import Clock
from sync.progress import Own, Tally, domain_parent, judge, named_by
from sync.room import Room
from sync.templates import Templates, TemplateSet

TEMPLATES_SECONDS = 60.0  # how long a change of a tenant's templates by another instance may go unnoticed
_JUDGED_AT_ONCE = 500  # nodes; 3 µs each, so that nobody is held up (B4: 20 ms)
_FOLLOWED_AT_ONCE = 2_000  # nodes; 5 µs each: more are a large share of their tree, which is then counted anew


class Counted:
    """The progress of a room's tree at `seq`. `touched`: whose came out differently since it was last told; with
    `anew`, anybody's may have. `told` are the tree's sums as they were told: a root that went touches nobody who stays,
    and yet the tree is another."""

    __slots__ = ("anew", "domain_parent", "room", "seq", "tally", "told", "touched")

    def __init__(self, room: Room, tally: Tally, seq: int) -> None:
        self.room = room
        self.tally = tally
        self.seq = seq
        self.domain_parent: str | None = None
        self.touched: set[str] = set()
        self.anew = True
        self.told = tally.sums

    @property
    def changed(self) -> bool:
        """Whether there is anything to tell those who were told all before."""
        return self.anew or bool(self.touched) or self.told != self.tally.sums

    def was_told(self) -> None:
        self.touched, self.anew, self.told = set(), False, self.tally.sums


class Tallies:
    """One per hub. `hits` and `asked` count how often what is asked for was at hand."""

    def __init__(self, templates: Templates, clock: Clock, places: Mapping[TreeKey, OpenRoom]) -> None:
        self._templates = templates
        self._clock = clock
        self._places = places
        self._counted: dict[TreeKey, Counted] = {}
        self._kept: dict[str, tuple[float, TemplateSet]] = {}  # tenant -> until when, its templates
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
        templates = await self.templates_of(place.key.tenant)
        counted = self._counted.get(place.key)
        if counted is None or counted.room is not place.room or counted.tally.templates is not templates:
            counted = await self._count(place.room, templates, None)
        elif not _in_one_go(counted):
            counted = await self._count(place.room, templates, counted)
        self._counted[place.key] = counted
        _follow(counted)
        return counted

    def forget_closed(self) -> None:
        """Rooms that are not open any more."""
        for key in self._counted.keys() - self._places.keys():
            del self._counted[key]

    # ---- templates

    async def templates_of(self, tenant: str) -> TemplateSet:
        """The tenant's templates, as new as TEMPLATES_SECONDS. Raises Unavailable."""
        fresh = self._fresh(tenant)
        if fresh is None:
            fresh = await self._templates.node_templates(tenant)
            known = self._kept.get(tenant)
            if known is not None and known[1] == fresh:
                fresh = known[1]  # one object stands for one set: a tally is asked whose it is
            self._kept[tenant] = (self._clock.monotonic() + TEMPLATES_SECONDS, fresh)
        return fresh

    def templates_changed(self, tenant: str) -> None:
        """Here; other instances notice within TEMPLATES_SECONDS."""
        _, templates = self._kept.get(tenant, (0.0, None))
        if templates is not None:
            self._kept[tenant] = (0.0, templates)

    def _fresh(self, tenant: str) -> TemplateSet | None:
        until, templates = self._kept.get(tenant, (0.0, None))
        return templates if self._clock.monotonic() < until else None

    # ---- counting

    async def _count(self, room: Room, templates: TemplateSet, former: Counted | None) -> Counted:
        """From scratch, a share at a time; the tree may go on meanwhile. What `former` judged, and still stands, is
        not judged again."""
        began = room.seq
        with room.confirmed() as tree:
            nodes = [held.node for held in tree.nodes.values() if held.deleted is None]
        owns: dict[str, Own] = {} if former is None else former.tally.standing(nodes, former.seq)
        left = [node for node in nodes if node.id not in owns]
        for start in range(0, len(left), _JUDGED_AT_ONCE):
            if start:
                await self._clock.sleep(0)
            owns |= {node.id: judge(node, templates) for node in left[start : start + _JUDGED_AT_ONCE]}
        tally = Tally(templates)
        with room.confirmed() as tree:
            tally.fill(tree, owns)
        if len(left) > _JUDGED_AT_ONCE:
            await self._clock.sleep(0)
        # what was judged before the tree went on is judged again with the commits since
        return Counted(room, tally, began)


def _continues(counted: Counted) -> bool:
    """Whether the commits since are at hand, and worth following."""
    return counted.seq >= counted.room.recent.seq and not counted.tally.bloated


def _named_since(counted: Counted) -> set[str] | None:
    """The nodes that the commits since name, as `named_by` tells them."""
    return named_by(effect for commit in counted.room.recent.after(counted.seq) for effect in commit.ops.ops)


def _in_one_go(counted: Counted) -> bool:
    """Whether the commits since are followed, or the tree is counted anew, without holding anybody up."""
    if not _continues(counted):
        return False
    named = _named_since(counted)
    return named is None or len(named) <= _FOLLOWED_AT_ONCE


def _follow(counted: Counted) -> None:
    """Take the commits since the tally's seq."""
    room, tally = counted.room, counted.tally
    with room.confirmed() as tree:
        if counted.seq < room.seq:
            named = None
            if _continues(counted):
                named = _named_since(counted)
            if named is not None:
                counted.touched |= tally.change(tree, named)
            else:
                nodes = [held.node for held in tree.nodes.values() if held.deleted is None]
                tally.fill(tree, tally.standing(nodes, counted.seq))
                counted.anew = True
            counted.seq = room.seq
        parent = domain_parent(tree)
    if parent != counted.domain_parent:
        counted.domain_parent, counted.anew = parent, True
