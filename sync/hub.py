"""The hub: every open room of an instance, and the life of an edit told in one place.

    receive -> (decoded by the socket) -> offer to the room's inbox        here, synchronously
    commit loop -> room.cut: authorise, judge, apply -> store.commit       sync/commit.py, sync/cut.py
    settle -> outcomes to the authors, one frame to everyone -> bus        sync/delivery.py

No other path writes a tree: sockets, HTTP edits and agents all come in through `receive` or `submit`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from sync import bus_messages
from sync.access import role_in
from sync.bus_messages import CommitShared, Control, PresenceShared
from sync.codec import JSON, Decoded, Malformed
from sync.commit import CommitLoop
from sync.cut import PendingEdit, Refusal
from sync.delivery import Delivery
from sync.errors import BadMessage, Clash, ClientFault, Forbidden, NotFound, TooMany, TreesyncError, Unavailable
from sync.follow import Follower
from sync.history import History
from sync.housekeeping import Housekeeping
from sync.identity import Author, Identity, Position, TreeKey
from sync.joining import Joining
from sync.limits import Limits
from sync.nodes import State
from sync.open_room import OpenRoom
from sync.ops import Op
from sync.ports import Batch, Bus, Clock, Outbox, Receipt, Store
from sync.presence import STATE_BYTES, hear
from sync.protocol import (
    Activity,
    Close,
    Edit,
    Error,
    Logged,
    Notice,
    Open,
    Outcome,
    Ping,
    Pong,
    PresenceUpdate,
    Role,
)
from sync.room import Room
from sync.session import Participant, Session
from sync.stats import HubStats
from sync.tasks import Tasks
from sync.visits import Visits

Log = Callable[..., None]
LANES = 2  # while one statement waits for the disk the other's batches are judged; more only make batches smaller
DRAIN_SECONDS = 5.0  # for what is in flight when the process stops; half of what a stop may take (DESIGN §12)
DRAIN_RETRY_MS = (200, 2_000)  # clients come back spread over this, not all at once
OP_BYTES = 200  # what an op counts for where its size is not known


class Hub:
    """See the module. All methods that are not `async` finish at once and never wait for storage."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        *,
        instance: str,
        limits: Limits,
        log: Log,
        lanes: int = LANES,
    ) -> None:
        self.instance = instance
        self.limits = limits
        self.stats = HubStats()
        self.draining = False
        self.on_task_death: Callable[[str, BaseException], None] = lambda name, error: None
        self._store = store
        self._bus = bus
        self._clock = clock
        self._log = log
        self._lanes = lanes
        self._tasks = Tasks(lambda name, error: self.on_task_death(name, error))
        self._rooms: dict[TreeKey, OpenRoom] = {}
        self._loading: dict[TreeKey, asyncio.Task[OpenRoom]] = {}
        self._sessions: dict[tuple[str, str, str], Session] = {}
        self._visits = Visits(clock)
        self._delivery = Delivery(self.stats)
        self._follower = Follower(
            store,
            clock,
            self._delivery,
            self.stats,
            limits,
            spawn=self._tasks.spawn,
            released=lambda place: self._commits.release(place),
            dropped=self._drop,
        )
        self._commits = CommitLoop(
            store, clock, self._delivery, self._follower, self.stats, spawn=self._tasks.spawn, shared=self._share
        )
        self._joining = Joining(store, clock, self._follower, self._delivery, limits)
        self._history = History(store)
        self._housekeeping = Housekeeping(store, bus, clock, self._follower, self._rooms, instance, log, self._drop)

    # ---- life of the process

    async def start(self) -> None:
        """Connect the bus and start the tasks; each has a name, and its death reaches `on_task_death`."""
        await self._bus.start(self._hear)
        for lane in range(self._lanes):
            self._tasks.spawn(f"commit:{lane}", self._commits.run())
        for name, work in self._housekeeping.loops():
            self._tasks.spawn(name, work)

    async def drain(self) -> None:
        """Take no more edits, let what is in flight become durable and be told, then ask everyone to come back."""
        self.draining = True
        deadline = self._clock.monotonic() + DRAIN_SECONDS
        while any(place.room.inbox or place.room.flight for place in self._rooms.values()):
            if self._clock.monotonic() > deadline:
                break
            await self._clock.sleep(0.01)
        low, high = DRAIN_RETRY_MS
        for session in list(self._sessions.values()):
            spread = int(self._clock.token(4), 16) % (high - low)
            session.send(Notice(code="draining", retry_ms=low + spread))

    async def close(self) -> None:
        await self._tasks.close()
        await self._bus.close()

    # ---- sockets

    def welcome(
        self, identity: Identity, client_id: str, outbox: Outbox, *, address: str = "", user_agent: str = ""
    ) -> Session:
        """A socket whose token was good. An older socket of the same client stops writing (SEMANTICS 4)."""
        visit = self._visits.of(identity)
        session = Session(identity, client_id, outbox, visit=visit, address=address, user_agent=user_agent)
        key = (identity.tenant, identity.user, client_id)
        older = self._sessions.get(key)
        if older is not None:
            _replace(older)
        self._sessions[key] = session
        return session

    def refresh(self, session: Session, identity: Identity) -> None:
        """A new token for an open socket. Raises Forbidden where it is another person's."""
        known = session.identity
        if (identity.tenant, identity.user) != (known.tenant, known.user):
            raise Forbidden("a token of another person")
        session.identity = identity
        for place in self._places(session):
            for participant in list(place.room.participants.values()):
                if participant.session is session:
                    self._follower.apply_role(place, participant)

    def leave(self, session: Session) -> None:
        """The socket is gone. What it sent is still judged; its outcomes are found again by resending."""
        for tree in list(session.opened):
            self._leave_room(session, tree)
        key = (session.identity.tenant, session.identity.user, session.client_id)
        if self._sessions.get(key) is session:
            del self._sessions[key]

    def drained(self, session: Session) -> None:
        """The outbox has room again: go on with what is owed."""
        for place in self._places(session):
            participant = session.opened.get(place.key.tree)
            if participant is not None and not participant.live:
                self._push(place, participant)

    def receive(self, session: Session, decoded: Decoded, size: int = 0) -> None:
        """One message of a welcomed socket. Answers go through its outbox; nothing is awaited."""
        message = decoded.message
        match message:
            case Edit():
                self._edit(session, message, decoded.malformed, size)
            case PresenceUpdate():
                self._presence(session, message)
            case Open():
                self._open(session, message)
            case Close():
                self._leave_room(session, message.tree)
            case Activity():
                self._tasks.spawn("activity", self._activity(session, message))
            case Ping():
                session.send(Pong(ref=message.ref))
            case _:
                session.send(Error(code="bad_message", why="this socket has said hello already", ref=message.ref))

    # ---- edits

    def _edit(self, session: Session, message: Edit, malformed: tuple[Malformed, ...], size: int) -> None:
        tree = message.tree if isinstance(message.tree, int) else 0
        participant = session.opened.get(tree)
        place = self._rooms.get(TreeKey(session.identity.tenant, tree))
        if session.replaced:
            self._error(session, message, "replaced", "a newer socket of this client writes now", tree)
        elif participant is None or place is None:
            self._error(session, message, "not_open", "open the tree first, and await the answer", tree)
        elif len(message.ops) + len(malformed) > self.limits.edit_ops:
            self._error(session, message, "too_large", f"at most {self.limits.edit_ops} ops in one edit", tree)
        else:
            self._offer(
                place,
                self._pending(
                    session.identity,
                    session.author,
                    message,
                    malformed,
                    size=size,
                    participant=participant,
                    reply=session.send,
                ),
            )

    def _pending(
        self,
        identity: Identity,
        author: Author,
        message: Edit,
        malformed: tuple[Malformed, ...],
        *,
        size: int,
        participant: Participant | None,
        reply: Callable[[Outcome], None],
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
        self.stats.edits += 1
        refusal = Refusal("unavailable", "this server is stopping") if self.draining else place.room.offer(edit)
        if refusal is not None:
            self._delivery.outcome(edit, place.room.refused(edit, refusal))
            return
        self._commits.wake(place)

    async def submit(
        self,
        identity: Identity,
        tree: int,
        client_id: str,
        decoded: Decoded,
        *,
        via: str = "",
        address: str = "",
        user_agent: str = "",
    ) -> Outcome:
        """An edit that comes without a socket (HTTP, an agent); answers when it is durable.

        Raises NotFound, Forbidden, Clash (`epoch`: the tree's history is another one), TooMany, Unavailable.
        """
        message = decoded.message
        if not isinstance(message, Edit):
            raise BadMessage("an edit was expected")
        place = await self._room(TreeKey(identity.tenant, tree))
        if role_in(place.room.rights, identity) is None:
            raise NotFound("no such tree")
        if isinstance(message.epoch, str) and message.epoch != place.room.epoch:
            raise Clash("the tree was restored; read it again", code="epoch")
        if len(message.ops) > self.limits.resume_ops:
            raise TooMany(f"at most {self.limits.resume_ops} ops in one edit", code="too_large")
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        author = Author(
            user=identity.user,
            client=client_id,
            via=via,
            visit=self._visits.of(identity),
            address=address,
            user_agent=user_agent,
        )
        edit = self._pending(
            identity, author, message, decoded.malformed, size=0, participant=None, reply=_resolver(answer)
        )
        self._offer(place, edit)
        return await answer

    def _share(self, place: OpenRoom, batch: Batch, receipt: Receipt) -> None:
        """Tell the other instances what was committed here. After the commit, never before."""
        room = place.room
        if receipt.rights != room.rights.version:
            self._tasks.spawn(f"rights:{place.key.tree}", self._follower.recheck(place))
        frame = room.recent.newest_frame(JSON) if batch.ops else b""
        shared = CommitShared(
            epoch=room.epoch,
            commit=room.commit,
            conflicts=room.conflicts,
            rights=receipt.rights,
            frame=frame,
            counters=[(counter.user, counter.client, counter.last_n) for counter in batch.counters],
        )
        self._bus.publish(place.key, bus_messages.encode(shared))

    # ---- opening and leaving

    def _open(self, session: Session, message: Open) -> None:
        tree = message.tree
        if tree in session.opened and session.opened[tree] is None:
            self._error(session, message, "bad_message", "this tree is being opened already", tree)
            return
        if tree not in session.opened and len(session.opened) >= self.limits.trees_per_socket:
            why = f"at most {self.limits.trees_per_socket} trees on one socket"
            self._error(session, message, "too_many", why, tree)
            return
        self._leave_room(session, tree)
        session.opened[tree] = None
        self._tasks.spawn(f"open:{tree}", self._join(session, message))

    async def _join(self, session: Session, message: Open) -> None:
        tree = message.tree
        try:
            place = await self._enter(session, message)
        except TreesyncError as error:
            session.opened.pop(tree, None)
            self._error(session, message, error.code, error.why, tree)
        else:
            claim = Control(do="claim", user=session.identity.user, client=session.client_id, instance=self.instance)
            self._bus.publish(place.key, bus_messages.encode(claim))

    async def _enter(self, session: Session, message: Open) -> OpenRoom:
        key = TreeKey(session.identity.tenant, message.tree)
        identity = session.identity
        place = await self._room(key)
        if role_in(place.room.rights, identity) is None:
            raise NotFound("no such tree")
        recalled = await self._store.recall(key, identity.user, session.client_id, ())
        plan = await self._joining.plan(place, message)
        role = role_in(place.room.rights, session.identity)
        if role is None or self._rooms.get(key) is not place:
            raise NotFound("no such tree")
        place.room.know_client((identity.user, session.client_id), recalled.last_n)
        if message.tree in session.opened and session.opened[message.tree] is None:  # it has not left meanwhile
            participant = Participant(f"{self.instance}-{self._clock.token(6)}", session, role)
            session.opened[message.tree] = participant
            self._joining.answer(place, participant, plan, message)
            self._housekeeping.presence_changed(place)
            if not participant.live:
                self._push(place, participant)
        return place

    def _leave_room(self, session: Session, tree: int) -> None:
        participant = session.opened.pop(tree, None)
        place = self._rooms.get(TreeKey(session.identity.tenant, tree))
        if participant is not None and place is not None:
            place.room.participants.pop(participant.id, None)
            place.left.add(participant.id)
            place.last_used = self._clock.monotonic()
            self._housekeeping.presence_changed(place)

    def _push(self, place: OpenRoom, participant: Participant) -> None:
        if not self._delivery.push(place, participant) and not participant.session.outbox.full:
            self._tasks.spawn(f"catch-up:{place.key.tree}", self._catch_up(place, participant))

    async def _catch_up(self, place: OpenRoom, participant: Participant) -> None:
        """A reader so slow that its ops are no longer at hand: from the log, or a snapshot where that is shorter."""
        room = place.room
        if room.seq - participant.reached > self.limits.resume_ops:
            self._delivery.snapshot(place, participant, reason="too_far")
            return
        reached = participant.reached
        try:
            rows = await self._store.log(place.key, reached, room.seq)
        except Unavailable:
            await self._clock.sleep(1.0)
            rows = []
        if participant.reached == reached and not participant.live and place.room is room:
            self._delivery.rows(place, participant, rows)
            self._push(place, participant)

    # ---- rooms

    async def _room(self, key: TreeKey) -> OpenRoom:
        """The open room of a tree, loaded where it is not. Raises NotFound, Unavailable."""
        place = self._rooms.get(key)
        if place is not None:
            place.last_used = self._clock.monotonic()
            return place
        loading = self._loading.get(key)
        if loading is None:
            loading = asyncio.create_task(self._load(key), name=f"load:{key.tree}")
            self._loading[key] = loading
            loading.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(loading)

    async def _load(self, key: TreeKey) -> OpenRoom:
        """Subscribe first, then load, then serve: no commit falls between (DESIGN §7)."""
        await self._bus.subscribe(key)
        try:
            loaded = await self._store.load(key)
        except TreesyncError:
            await self._bus.unsubscribe(key)
            raise
        place = OpenRoom(Room(loaded, self.limits), self._clock.monotonic())
        self._rooms[key] = place
        return place

    def _drop(self, place: OpenRoom) -> None:
        if self._rooms.get(place.key) is place:
            del self._rooms[place.key]
            self._tasks.spawn(f"unsubscribe:{place.key.tree}", self._unsubscribe(place.key))

    async def _unsubscribe(self, key: TreeKey) -> None:
        if key not in self._rooms and key not in self._loading:
            await self._bus.unsubscribe(key)

    def _places(self, session: Session) -> list[OpenRoom]:
        keys = (TreeKey(session.identity.tenant, tree) for tree in session.opened)
        return [self._rooms[key] for key in keys if key in self._rooms]

    # ---- the bus

    def _hear(self, key: TreeKey, payload: bytes) -> None:
        place = self._rooms.get(key)
        if place is None:
            return
        self.stats.bus_messages += 1
        try:
            message = bus_messages.decode(payload)
            match message:
                case CommitShared():
                    self._follower.receive(place, message)
                case PresenceShared():
                    hear(place, message, self._clock.monotonic())
                    self._housekeeping.presence_heard(place)
                case Control():
                    self._obey(place, message)
        except BadMessage as error:
            self.stats.bad_bus_messages += 1
            self._log("bus.bad_message", why=error.why)

    def _obey(self, place: OpenRoom, control: Control) -> None:
        match control.do:
            case "rights":
                self._tasks.spawn(f"rights:{place.key.tree}", self._follower.recheck(place))
            case "claim":
                session = self._sessions.get((place.key.tenant, control.user, control.client))
                if session is not None and place.key.tree in session.opened:
                    _replace(session)
            case "resync":
                self._delivery.snapshot_for_all(place, "resync")
            case "kick":
                self._kick(place, control.participant)
            case "drain":
                self._drain_room(place)

    # ---- presence and activity

    def _presence(self, session: Session, message: PresenceUpdate) -> None:
        participant = session.opened.get(message.tree)
        place = self._rooms.get(TreeKey(session.identity.tenant, message.tree))
        if participant is None or place is None:
            self._error(session, message, "not_open", "open the tree first, and await the answer", message.tree)
            return
        try:
            if len(JSON.encode_value(message.state)) > STATE_BYTES:
                raise BadMessage(f"a presence state has at most {STATE_BYTES} bytes", code="too_large")
        except (TypeError, ValueError, RecursionError, ClientFault) as error:
            self._error(session, message, "too_large", str(error), message.tree)
            return
        participant.state = message.state
        place.presence_changed.add(participant.id)
        self._housekeeping.presence_changed(place)

    async def _activity(self, session: Session, message: Activity) -> None:
        if session.opened.get(message.tree) is None:
            self._error(session, message, "not_open", "open the tree first, and await the answer", message.tree)
            return
        try:
            key = TreeKey(session.identity.tenant, message.tree)
            await self._store.log_activity(key, session.author, message.events)
        except TreesyncError as error:
            self._error(session, message, error.code, error.why, message.tree)
        else:
            session.send(Logged(ref=message.ref, tree=message.tree))

    def _error(self, session: Session, message: Any, code: str, why: str, tree: int) -> None:
        ref = getattr(message, "ref", UNSET)
        session.send(Error(ref=ref, code=code, why=why, tree=tree))

    # ---- reading

    async def role(self, identity: Identity, tree: int) -> Role:
        """The role of a user in a tree. Raises NotFound where he may not even view it."""
        place = await self._room(TreeKey(identity.tenant, tree))
        role = role_in(place.room.rights, identity)
        if role is None:
            raise NotFound("no such tree")
        return role

    async def state(self, identity: Identity, tree: int, seq: int | None = None) -> tuple[State, Position, Role]:
        """The confirmed state now, or as it was at a past seq. Raises NotFound."""
        role = await self.role(identity, tree)
        place = await self._room(TreeKey(identity.tenant, tree))
        room = place.room
        if seq is None or seq == room.seq:
            return room.state(), room.position, role
        if not 0 <= seq < room.seq:
            raise NotFound("the tree has not come to that seq")
        state, mark = await self._history.at(place.key, room.epoch, seq)
        return state, Position(room.epoch, seq, mark), role

    # ---- what operators and the directory cause

    def rights_changed(self, key: TreeKey) -> None:
        """The rights of a tree were changed in the database: act on them here, and tell the others."""
        place = self._rooms.get(key)
        if place is not None:
            self._tasks.spawn(f"rights:{key.tree}", self._follower.recheck(place))
        self._bus.publish(key, bus_messages.encode(Control(do="rights")))

    def places(self) -> list[OpenRoom]:
        """Every open room, for reports. Not to be changed."""
        return list(self._rooms.values())

    def sessions(self) -> int:
        return len(self._sessions)

    def kick(self, key: TreeKey, participant: str) -> None:
        """Put one participant out of a room, on whichever instance he is."""
        place = self._rooms.get(key)
        if place is not None:
            self._kick(place, participant)
        self._bus.publish(key, bus_messages.encode(Control(do="kick", participant=participant)))

    def _kick(self, place: OpenRoom, participant_id: str) -> None:
        participant = place.room.participants.get(participant_id)
        if participant is not None:
            participant.session.send(Error(code="forbidden", why="put out by an operator", tree=place.key.tree))
            self._follower.expel(place, participant)
            self._housekeeping.presence_changed(place)

    def resync(self, key: TreeKey) -> None:
        """Give everyone in a room a fresh snapshot."""
        place = self._rooms.get(key)
        if place is not None:
            self._delivery.snapshot_for_all(place, "resync")
        self._bus.publish(key, bus_messages.encode(Control(do="resync")))

    def drain_room(self, key: TreeKey) -> None:
        """Ask everyone in a room to come back later, to another instance if the balancer says so."""
        place = self._rooms.get(key)
        if place is not None:
            self._drain_room(place)

    def _drain_room(self, place: OpenRoom) -> None:
        low, high = DRAIN_RETRY_MS
        for participant in list(place.room.participants.values()):
            spread = int(self._clock.token(4), 16) % (high - low)
            participant.session.send(Notice(code="draining", tree=place.key.tree, retry_ms=low + spread))
            self._follower.expel(place, participant)


def _replace(session: Session) -> None:
    if not session.replaced:
        session.replaced = True
        session.send(Notice(code="replaced"))


def _in_order(ops: list[Op], malformed: tuple[Malformed, ...]) -> list[Op | Malformed]:
    """The ops of an edit with those that could not be read put back where they stood."""
    if not malformed:
        return list(ops)
    ordered: list[Op | Malformed] = list(ops)
    for bad in malformed:
        ordered.insert(bad.place, bad)
    return ordered


def _resolver(answer: asyncio.Future[Outcome]) -> Callable[[Outcome], None]:
    def resolve(outcome: Outcome) -> None:
        if not answer.done():
            answer.set_result(outcome)

    return resolve
