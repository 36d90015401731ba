"""Going back: a tree or a subtree restored, and some of its ops taken back, through the room as any edit (DESIGN §9).

What is to be done is worked out by `restoring` and `reverting`; the ops are made when the edit is cut, so that they are
right for the tree as it stands then, and all of them land or none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sync.access import Action, allows, role_in
from sync.errors import Clash, Forbidden, Invalid, NotFound, TooMany, TreesyncError, Unavailable
from sync.history import History
from sync.identity import Author, Identity, TreeKey
from sync.limits import Limits
from sync.lobby import Lobby
from sync.moments import Moment, Moments
from sync.ops import Id, Op
from sync.pending import Refusal
from sync.planned import PendingPlan
from sync.planning import Collision, Plan, Planning
from sync.ports import Store
from sync.rehearsing import as_rehearsed, rehearsed
from sync.restoring import aim_at, restore
from sync.reverting import Behind, revert
from sync.room import Room
from sync.tasks import give_way
from sync.unmaking import Selection, Unmaking
from sync.values import Refused

RESTORE, REVERT = "restore:", "revert:"  # begin the client of such ops; behind it stands the request's id
MOST_ROWS = 100_000  # of the log are read for one revert; 2 s
_LOOKED_UP = 50  # deletions whose authors are looked up for one answer; 30 ms
_REHEARSALS = 3  # where the room goes on meanwhile; then it is worked out in one piece when it is cut
_ATTEMPTS = 20  # to plan over a log that goes on meanwhile; each reads only what is new
Request = Annotated[str, Meta(min_length=1, max_length=40, pattern="^[^:]+$")]


class Restoring(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bring the tree, or the subtree of `node`, back to what it was at a moment.

    `request`: asked again with the same one, it is done once. `seq`: only if the tree stands there, where the dry run
    was made. `parent`: where to put a node that is in the trash; absent: where it stood.
    """

    request: Request
    to: Moment
    node: Id | UnsetType = UNSET
    parent: Id | UnsetType | None = UNSET
    seq: Annotated[int, Meta(ge=0, lt=2**53)] | UnsetType = UNSET
    dry_run: bool = False


class Reverting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take back what `user` did, or what was done after `since` and up to `until`, or both; or the `op` of that seq;
    or one restore or revert (`undo`: its client, as its answer names it) of `user`, absent: of who asks."""

    request: Request
    user: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET
    op: Annotated[int, Meta(ge=1, lt=2**53)] | UnsetType = UNSET
    undo: Annotated[str, Meta(pattern="^(restore|revert):[^:]{1,40}$")] | UnsetType = UNSET
    seq: Annotated[int, Meta(ge=0, lt=2**53)] | UnsetType = UNSET
    dry_run: bool = False


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask for, besides a request's id, to take back exactly this."""

    undo: str
    user: str


class Rewritten(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, or in a dry run would be: `count` ops, of which a dry run lists each. `seq` is the tree's then.
    `repeated`: this request had been carried out before, and only that is told."""

    request: str
    seq: int
    count: int
    dry_run: bool = False
    repeated: bool = False
    ops: list[Op] = []
    collisions: list[Collision] = []
    undo: Undo | None = None


CarryOut = Callable[[Identity, int, Author, Plan, "int | None"], Awaitable[PendingPlan]]


class Past:
    """See the module. All raise NotFound, Forbidden, Invalid, Clash (it meets the tree as it is), Unavailable."""

    def __init__(
        self,
        store: Store,
        lobby: Lobby,
        history: History,
        moments: Moments,
        limits: Limits,
        *,
        carry_out: CarryOut,
        visit_of: Callable[[Identity], str],
    ) -> None:
        self._store = store
        self._lobby = lobby
        self._history = history
        self._moments = moments
        self._limits = limits
        self._carry_out = carry_out
        self._visit_of = visit_of

    async def restore(self, author: Author, identity: Identity, tree: int, wanted: Restoring) -> Rewritten:
        room = await self.room(identity, tree, "edit")
        by = self._by(author, identity, RESTORE, wanted.request)
        done = await self._done(room, by, wanted.request, wanted.dry_run)
        if done is not None:
            return done
        seq = await self._moments.seq_of(room, wanted.to)
        node = None if isinstance(wanted.node, UnsetType) else wanted.node
        state = await self._moments.state_at(room, seq)
        await give_way()
        with _answered():
            aim = aim_at(state, seq, node, wanted.parent)
        await give_way()

        def plan(making: Planning) -> Iterator[None]:
            role = role_in(self._current(room).rights, identity)
            return restore(making, aim, anew=allows(role, "share"))  # who may purge (TR30)

        if wanted.dry_run:
            return await self._foreseen(room, by, wanted.request, plan)
        going = await self._worked_out(room, by, wanted.request, plan)
        if isinstance(going, Rewritten):
            return going
        edit = await self._carry_out(identity, tree, by, going, wanted.seq if isinstance(wanted.seq, int) else None)
        return await self._told(room, by, wanted.request, edit)

    async def revert(self, author: Author, identity: Identity, tree: int, wanted: Reverting) -> Rewritten:
        room = await self.room(identity, tree, "edit")
        by = self._by(author, identity, REVERT, wanted.request)
        done = await self._done(room, by, wanted.request, wanted.dry_run)
        if done is not None:
            return done
        expected = wanted.seq if isinstance(wanted.seq, int) else None
        unmaking = await self._unmaking(room, await self._selected(room, wanted, by.user))

        def plan(making: Planning) -> Iterator[None]:
            self._current(room)
            return revert(making, unmaking)

        for _ in range(_ATTEMPTS if wanted.dry_run else 0):
            with suppress(Behind):
                return await self._foreseen(room, by, wanted.request, plan)
            await self._follow(room, unmaking)
        going: Plan | Rewritten = plan
        with suppress(Behind):
            going = await self._worked_out(room, by, wanted.request, plan)
        for _ in range(_ATTEMPTS):
            if isinstance(going, Rewritten):
                return going
            edit = await self._carry_out(identity, tree, by, going, expected)
            if not edit.behind:
                return await self._told(room, by, wanted.request, edit)
            await self._follow(room, unmaking)
            going = plan  # at once: while it was worked out beside the room, what it touches would change again
        raise Unavailable("what is to be taken back is being edited all the time; try again")

    async def _worked_out(self, room: Room, by: Author, request: str, plan: Plan) -> Plan | Rewritten:
        """The plan as rehearsed, again where the room goes on meanwhile. One that is refused is never carried out:
        raises the refusal, unless the same request was carried out by then."""
        try:
            for _ in range(_REHEARSALS):
                done = await rehearsed(room, plan, by, self._limits)
                if done.seq == room.seq:
                    break
        except Refused as refused:
            told = await self._done(room, by, request, dry_run=False)
            if told is None:
                raise _fault(Refusal(refused.code, refused.why)) from refused  # type: ignore[arg-type]
            return told
        return as_rehearsed(room, plan, done)

    # ---- what is asked for

    async def room(self, identity: Identity, tree: int, action: Action = "view") -> Room:
        """An open tree, to read what is confirmed of it. Raises Forbidden where its reader may not do so much."""
        place = await self._lobby.enter(TreeKey(identity.tenant, tree))
        role = role_in(place.room.rights, identity)
        if role is None:
            raise NotFound("no such tree")
        if not allows(role, action):
            raise Forbidden("editing needs the role of an editor")
        return place.room

    def _current(self, room: Room) -> Room:
        """The room as it is open now. What was worked out of a history that the tree has no more, as a database was
        restored, is not carried out: raises Refused."""
        place = self._lobby.places.get(room.key)
        current = room if place is None else place.room
        if current.epoch != room.epoch:
            raise Refused("stale", "the tree was restored; look at it again")
        return current

    def _by(self, author: Author, identity: Identity, kind: str, request: str) -> Author:
        client, via = f"{kind}{request}", kind.rstrip(":")
        return msgspec.structs.replace(author, client=client, via=via, visit=self._visit_of(identity))

    async def _selected(self, room: Room, wanted: Reverting, asker: str) -> Selection:
        ways = [
            wanted.op is not UNSET,
            wanted.undo is not UNSET,
            wanted.since is not UNSET or wanted.until is not UNSET,
        ]
        if sum(ways) > 1 or not (any(ways) or wanted.user is not UNSET):
            raise Invalid("name a `user`, `since` and `until`, or an `op`, or what to `undo`")
        user = wanted.user if isinstance(wanted.user, str) else ""
        if isinstance(wanted.op, int):
            if wanted.op > room.seq or user:
                raise (
                    NotFound(f"the tree has come to seq {room.seq}") if not user else Invalid("an `op` has one author")
                )
            return Selection(first=wanted.op, last=wanted.op)
        first, last = 1, room.seq
        if isinstance(wanted.since, Moment):
            first = await self._moments.seq_of(room, wanted.since) + 1
        if isinstance(wanted.until, Moment):
            last = await self._moments.seq_of(room, wanted.until)
        client = wanted.undo if isinstance(wanted.undo, str) else ""
        if client:  # two people may have used the same request
            user = user or asker
        if user or client:
            earliest, latest, _ = await self._store.ops_span(room.key, user, client)
            first, last = max(first, earliest or first), min(last, latest)
        if first > last:
            raise NotFound("there is nothing of that to take back")
        return Selection(first=first, last=last, user=user, client=client)

    async def _unmaking(self, room: Room, selection: Selection) -> Unmaking:
        if room.seq - selection.first >= MOST_ROWS:
            why = f"that reaches back over more than {MOST_ROWS} ops; take back a part that is not so old"
            raise Invalid(why, code="too_large")
        tree, _ = await self._history.tree_at(room.key, room.epoch, selection.first - 1)
        unmaking = Unmaking(tree, selection)
        unmaking.through = selection.first - 1
        await self._follow(room, unmaking)
        if not unmaking.count:
            raise NotFound("there is nothing of that to take back")
        return unmaking

    async def _follow(self, room: Room, unmaking: Unmaking) -> None:
        """Read the log as far as it has come."""
        with _answered():
            async for row in self._history.rows(room.key, unmaking.through, room.seq):
                unmaking.feed(row)
        unmaking.end()

    # ---- what is answered

    async def _foreseen(self, room: Room, by: Author, request: str, plan: Plan) -> Rewritten:
        with _answered():
            done = await rehearsed(room, plan, by, self._limits)
        made = done.planned
        met = await self._attributed(room, made.collisions, by.user)
        return Rewritten(request=request, seq=done.seq, count=len(made.ops), dry_run=True, ops=made.ops, collisions=met)

    async def _attributed(self, room: Room, collisions: list[Collision], user: str) -> list[Collision]:
        """Who deleted what would come back stands in the log alone; what the asker did himself is none."""
        authors: dict[int, str] = {}
        with suppress(Unavailable):  # then it is told without names: what was to be done is done
            for seq in sorted({met.seq for met in collisions if met.seq and not met.by})[:_LOOKED_UP]:
                rows = await self._store.log(room.key, seq - 1, seq)
                authors |= {row.seq: row.author.user for row in rows}
        named = [msgspec.structs.replace(met, by=met.by or authors.get(met.seq, "")) for met in collisions]
        return [met for met in named if met.by != user or met.kept]

    async def _told(self, room: Room, by: Author, request: str, edit: PendingPlan) -> Rewritten:
        if edit.refusal is not None:
            raise _fault(edit.refusal)
        if edit.repeated:
            done = await self._done(room, by, request, dry_run=False)
            return done or Rewritten(request=request, seq=room.seq, count=0, repeated=True)
        undo = Undo(undo=by.client, user=by.user) if edit.ops else None
        collisions = await self._attributed(room, edit.collisions, by.user)
        return Rewritten(request=request, seq=room.seq, count=len(edit.ops), collisions=collisions, undo=undo)

    async def _done(self, room: Room, by: Author, request: str, dry_run: bool) -> Rewritten | None:
        """What this request did before."""
        if dry_run:
            return None
        _, last, count = await self._store.ops_span(room.key, by.user, by.client)
        if not count:
            return None
        undo = Undo(undo=by.client, user=by.user)
        return Rewritten(request=request, seq=last, count=count, repeated=True, undo=undo)


_FAULTS: dict[str, type[TreesyncError]] = {
    "forbidden": Forbidden,
    "unavailable": Unavailable,
    "rate": TooMany,
    "too_large": Invalid,
    "invalid": Invalid,
    "node_missing": NotFound,
}


@contextmanager
def _answered() -> Iterator[None]:
    """What is refused in here is told as an error."""
    try:
        yield
    except Refused as refused:
        raise _fault(Refusal(refused.code, refused.why)) from refused  # type: ignore[arg-type]


def _fault(refusal: Refusal) -> TreesyncError:
    return _FAULTS.get(refusal.code, Clash)(refusal.why, code=refusal.code)
