"""Edits on their way into a room's inbox: from sockets, from HTTP, from agents. The first step of an edit's life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from sync.access import role_in
from sync.codec import Decoded, Malformed
from sync.delivery import Delivery
from sync.errors import BadMessage, Clash, NotFound, TooMany
from sync.identity import Author, Identity, TreeKey
from sync.limits import Limits
from sync.lobby import Lobby
from sync.open_room import OpenRoom
from sync.ops import Op
from sync.pending import Answer, PendingEdit, PendingResolve, Refusal
from sync.planned import PendingPlan
from sync.planning import Plan
from sync.ports import Clock
from sync.protocol import Edit, Error, Outcome, Resolve, Resolved
from sync.resolution import RESOLVE
from sync.session import Participant, Session
from sync.stats import HubStats
from sync.visits import LOOK_SECONDS, Visits

OP_BYTES = 200  # what an op counts for where its size is not known


class Intake:
    """See the module. `wake` tells the commit loop that a room has work."""

    def __init__(
        self,
        lobby: Lobby,
        clock: Clock,
        delivery: Delivery,
        stats: HubStats,
        limits: Limits,
        *,
        visits: Visits,
        wake: Callable[[OpenRoom], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._lobby = lobby
        self._clock = clock
        self._delivery = delivery
        self._stats = stats
        self._limits = limits
        self._visits = visits
        self._wake = wake
        self._stopping = stopping

    def receive(self, session: Session, message: Edit, malformed: tuple[Malformed, ...], size: int) -> None:
        """An `edit` on a socket: its outcome, or an error, goes to that socket."""
        tree = message.tree if isinstance(message.tree, int) else 0
        participant = session.opened.get(tree)
        place = self._lobby.get(TreeKey(session.identity.tenant, tree))
        if session.replaced:
            session.refuse(message, "replaced", "a newer socket of this client writes now", tree)
        elif participant is None or place is None:
            session.refuse(message, "not_open", "open the tree first, and await the answer", tree)
        elif len(message.ops) + len(malformed) > self._limits.edit_ops:
            session.refuse(message, "too_large", f"at most {self._limits.edit_ops} ops in one edit", tree)
        else:
            edit = self._pending(
                session.identity,
                session.author,
                message,
                malformed,
                size=size,
                participant=participant,
                reply=session.send,
            )
            if edit.waiting_since - session.seen >= LOOK_SECONDS:
                edit.author = self._visits.renew(session, edit.waiting_since)
            self._offer(place, edit)

    def resolve(self, session: Session, message: Resolve, size: int) -> None:
        """A `resolve` on a socket: its answer goes to that socket."""
        tree = message.tree if isinstance(message.tree, int) else 0
        participant = session.opened.get(tree)
        place = self._lobby.get(TreeKey(session.identity.tenant, tree))
        if participant is None or place is None:
            session.refuse(message, "not_open", "open the tree first, and await the answer", tree)
            return
        author = self._visits.renew(session, self._clock.monotonic())
        edit = self._deciding(place, session.identity, author, message, size, participant, session.send)
        self._offer(place, edit)

    async def decide(self, identity: Identity, tree: int, author: Author, message: Resolve) -> Resolved | Error:
        """A decision that comes without a socket; answers when it is durable. Raises NotFound, Unavailable."""
        place = await self._enter(identity, tree)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._offer(place, self._deciding(place, identity, author, message, 0, None, _resolver(answer)))
        resolved: Resolved | Error = await answer
        return resolved

    def _deciding(
        self,
        place: OpenRoom,
        identity: Identity,
        author: Author,
        message: Resolve,
        size: int,
        participant: Participant | None,
        reply: Callable[[Answer], None],
    ) -> PendingResolve:
        by = msgspec.structs.replace(author, client=f"{RESOLVE}{message.conflict}", via="resolve")
        return PendingResolve(
            message,
            place.key.tree,
            identity=identity,
            author=by,
            size=size or OP_BYTES,
            participant=participant,
            reply=reply,
            waiting_since=self._clock.monotonic(),
        )

    async def submit(self, identity: Identity, tree: int, author: Author, decoded: Decoded) -> Outcome:
        """An edit that comes without a socket (HTTP, an agent); answers when it is durable.

        Raises NotFound, Forbidden, Clash (`epoch`: the tree's history is another one), TooMany, Unavailable.
        """
        message = decoded.message
        if not isinstance(message, Edit):
            raise BadMessage("an edit was expected")
        place = await self._enter(identity, tree)
        if isinstance(message.epoch, str) and message.epoch != place.room.epoch:
            raise Clash("the tree was restored; read it again", code="epoch")
        if len(message.ops) + len(decoded.malformed) > self._limits.resume_ops:
            raise TooMany(f"at most {self._limits.resume_ops} ops in one edit", code="too_large")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        edit = self._pending(
            identity, author, message, decoded.malformed, size=decoded.size, participant=None, reply=_resolver(answer)
        )
        self._offer(place, edit)
        outcome: Outcome = await answer
        return outcome

    async def order(self, identity: Identity, tree: int, author: Author, ops: Sequence[Op]) -> Outcome:
        """Ops that the server makes itself, with the rights of that identity; answers when they are durable.

        Raises NotFound, Unavailable.
        """
        place = await self._enter(identity, tree)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        message = Edit(mode="force", ops=list(ops))
        self._offer(
            place, self._pending(identity, author, message, (), size=0, participant=None, reply=_resolver(answer))
        )
        outcome: Outcome = await answer
        return outcome

    async def carry_out(
        self, identity: Identity, tree: int, author: Author, plan: Plan, expected: int | None
    ) -> PendingPlan:
        """Ops that are planned when the edit is cut; answers when they are durable, or why there are none.

        Raises NotFound, Unavailable.
        """
        place = await self._enter(identity, tree)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        edit = PendingPlan(
            plan,
            expected,
            identity=identity,
            author=author,
            size=OP_BYTES,
            participant=None,
            reply=_resolver(answer),
            waiting_since=self._clock.monotonic(),
        )
        self._offer(place, edit)
        await answer
        return edit

    async def _enter(self, identity: Identity, tree: int) -> OpenRoom:
        place = await self._lobby.enter(TreeKey(identity.tenant, tree))
        if role_in(place.room.rights, identity) is None:
            raise NotFound("no such tree")
        return place

    def _pending(
        self,
        identity: Identity,
        author: Author,
        message: Edit,
        malformed: tuple[Malformed, ...],
        *,
        size: int,
        participant: Participant | None,
        reply: Callable[[Answer], None],
    ) -> PendingEdit:
        return PendingEdit(
            identity=identity,
            author=author,
            ops=_in_order(message.ops, malformed),
            mode=message.mode or "live",
            policy=message.policy or "apply_clean",
            ref=message.ref,
            size=size or OP_BYTES * len(message.ops),
            participant=participant,
            reply=reply,
            waiting_since=self._clock.monotonic(),
        )

    def _offer(self, place: OpenRoom, edit: PendingEdit) -> None:
        self._stats.edits += 1
        refusal = Refusal("unavailable", "this server is stopping") if self._stopping() else place.room.offer(edit)
        if refusal is not None:
            self._delivery.outcome(edit, place.room.refused(edit, refusal))
            return
        self._wake(place)


def _in_order(ops: list[Op], malformed: tuple[Malformed, ...]) -> list[Op | Malformed]:
    """The ops of an edit with those that could not be read put back where they stood."""
    if not malformed:
        return list(ops)
    ordered: list[Op | Malformed] = list(ops)
    for bad in malformed:
        ordered.insert(bad.place, bad)
    return ordered


def _resolver(answer: asyncio.Future[Any]) -> Callable[[Answer], None]:
    def resolve(outcome: Answer) -> None:
        if not answer.done():
            answer.set_result(outcome)

    return resolve
