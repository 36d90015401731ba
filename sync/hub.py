"""The hub: every open room of an instance, and the life of an edit told in one place.

    receive -> (decoded by the socket) -> offer to the room's inbox        sync/intake.py, synchronously
    commit loop -> room.cut: authorise, judge, apply -> store.commit       sync/commit.py, sync/cut.py
    settle -> outcomes to the authors, one frame to everyone -> bus        sync/delivery.py, sync/exchange.py

No other path writes a tree: sockets, HTTP edits and agents all come in through `receive` or `submit`. Beside it stand
the rooms (lobby), who enters them (entrance, joining), other instances (exchange, follow) and the clock (housekeeping).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sync import presence
from sync.access import role_in
from sync.bus_messages import Control
from sync.codec import Decoded
from sync.commit import CommitLoop
from sync.delivery import Delivery
from sync.entrance import Entrance
from sync.errors import Forbidden, NotFound
from sync.exchange import Exchange
from sync.follow import Follower
from sync.history import History
from sync.housekeeping import Housekeeping
from sync.identity import Author, Identity, Position, TreeKey
from sync.intake import Intake
from sync.interactions import Interactions
from sync.joining import Joining
from sync.judge_trash import PURGE
from sync.keeper import VersionKeeper
from sync.limits import Limits
from sync.lobby import Lobby
from sync.moments import Moments
from sync.node_templates import StandardTemplates
from sync.nodes import State
from sync.open_room import OpenRoom
from sync.operator import Operator
from sync.ops import Purge
from sync.owners import Ownings
from sync.past import Past
from sync.ports import Bus, Clock, Outbox, Store
from sync.progress_news import ProgressNews
from sync.protocol import (
    Activity,
    Close,
    Edit,
    Error,
    Open,
    Outcome,
    Ping,
    Pong,
    PresenceUpdate,
    Resolve,
    Resolved,
    Role,
)
from sync.session import Session
from sync.stats import HubStats
from sync.tallies import Counted, Tallies
from sync.tasks import Tasks
from sync.telling import WIDE, Telling
from sync.templates import TemplateSource
from sync.visits import Visits
from sync.writers import Writers

Log = Callable[..., None]
LANES = 2  # while one statement waits for the disk the other's batches are judged; more only make batches smaller
DRAIN_SECONDS = 5.0  # for what is in flight when the process stops; half of what a stop may take (DESIGN §12)


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
        templates: TemplateSource | None = None,
        ownings: Ownings | None = None,
        lanes: int = LANES,
        wide: int = WIDE,
    ) -> None:
        """`templates`: where tenants keep their own; None: everybody has the standard ones. `wide`: of how many people
        a room is told behind the next statement."""
        self.instance = instance
        self.limits = limits
        self.stats = stats = HubStats()
        self.draining = False
        self.on_task_death: Callable[[str, BaseException], None] = lambda name, error: None
        self._store = store
        self._bus = bus
        self._clock = clock
        self._lanes = lanes
        self._tasks = Tasks(lambda name, error: self.on_task_death(name, error))
        spawn = self._tasks.spawn
        self._writers = Writers(instance)
        self._history = History(store)
        self._lobby = Lobby(
            store, bus, clock, limits, stats, spawn=spawn, heard=lambda *message: self._exchange.hear(*message)
        )
        delivery = Delivery(stats)
        self._follower = follower = Follower(
            store,
            clock,
            delivery,
            stats,
            limits,
            spawn=spawn,
            released=lambda place: self._commits.release(place),
            followed=lambda place: self._commits.rivalry.heard(place),
            dropped=self._lobby.drop,
        )
        telling = Telling(clock, delivery, wide=wide, spawn=spawn)
        self._commits = CommitLoop(
            store,
            clock,
            delivery,
            telling,
            follower,
            stats,
            spawn=spawn,
            shared=lambda *commit: self._exchange.share(*commit),
        )
        self._housekeeping = Housekeeping(
            store, bus, clock, follower, self._lobby.places, instance, log, self._lobby.drop
        )
        self.tallies = Tallies(templates or StandardTemplates(), clock, self._lobby.places)
        self._progress = ProgressNews(self.tallies, clock, self._lobby.places, log, ownings)
        self.keeper = VersionKeeper(store, bus, clock, self._history, self._lobby.places, log)
        self._open_doors(delivery, log)

    def _open_doors(self, delivery: Delivery, log: Log) -> None:
        """The ways in: for sockets, edits, operators and other instances."""
        store, bus, clock, limits, spawn = self._store, self._bus, self._clock, self.limits, self._tasks.spawn
        self._visits = Visits(clock)
        self.visit_of = self._visits.of
        self.interactions = Interactions(store, clock, self._visits)
        joining = Joining(store, clock, self._follower, delivery, limits)
        self._entrance = Entrance(
            self.instance,
            self._lobby,
            joining,
            delivery,
            self._housekeeping,
            store,
            clock,
            limits,
            self.stats,
            spawn=spawn,
            entered=lambda *who: self._exchange.claim(*who),
        )
        self._intake = Intake(
            self._lobby,
            clock,
            delivery,
            self.stats,
            limits,
            visits=self._visits,
            wake=self._commits.wake,
            stopping=lambda: self.draining,
        )
        self._operator = Operator(clock, delivery, self._follower, self._housekeeping)
        self._exchange = Exchange(
            bus,
            clock,
            self._lobby,
            self._writers,
            self._follower,
            self._housekeeping,
            self._operator,
            self.keeper,
            self.stats,
            log=log,
            spawn=spawn,
        )

        self.moments = Moments(store, self._history, clock)
        self.past = Past(
            store,
            self._lobby,
            self._history,
            self.moments,
            limits,
            carry_out=self._intake.carry_out,
            visit_of=self.visit_of,
        )

    # ---- life of the process

    async def start(self) -> None:
        """Connect the bus and start the tasks; each has a name, and its death reaches `on_task_death`."""
        await self._bus.start(self._exchange.hear)
        for lane in range(self._lanes):
            self._tasks.spawn(f"commit:{lane}", self._commits.run())
        self._tasks.spawn("progress", self._progress.tell())
        if self._progress.owners is not None:
            self._tasks.spawn("owners", self._progress.owners.ask())
        self._tasks.spawn("versions", self.keeper.keep())
        for name, work in self._housekeeping.loops():
            self._tasks.spawn(name, work)

    async def drain(self) -> None:
        """Take no more edits, let what is in flight become durable and be told, then ask everyone to come back."""
        self.draining = True
        deadline = self._clock.monotonic() + DRAIN_SECONDS
        while any(place.room.inbox or place.room.flight or place.untold for place in self._lobby.places.values()):
            if self._clock.monotonic() > deadline:
                break
            await self._clock.sleep(0.01)
        self._operator.ask_back(list(self._writers.sessions))

    async def close(self) -> None:
        await self._tasks.close()
        await self._lobby.close()
        await self._bus.close()

    # ---- sockets

    def welcome(
        self, identity: Identity, client_id: str, outbox: Outbox, *, address: str = "", user_agent: str = ""
    ) -> Session:
        """A socket whose token was good. An older socket of the same client stops writing (SEMANTICS 4)."""
        visit = self.visit_of(identity)
        now = self._clock.now()
        session = Session(identity, client_id, outbox, since=now, visit=visit, address=address, user_agent=user_agent)
        self._writers.add(session)
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
            self._entrance.leave(session, tree)
        self._writers.remove(session)

    def drained(self, session: Session) -> None:
        """The outbox has room again: go on with what is owed."""
        for place in self._places(session):
            participant = session.opened.get(place.key.tree)
            if participant is not None and not participant.live:
                self._entrance.push(place, participant)
            elif participant is not None and participant.missed:
                self._housekeeping.presence_heard(place)

    def receive(self, session: Session, decoded: Decoded, size: int = 0) -> None:
        """One message of a welcomed socket. Answers go through its outbox; nothing is awaited."""
        message = decoded.message
        match message:
            case Edit():
                self._intake.receive(session, message, decoded.malformed, size)
            case Resolve():
                self._intake.resolve(session, message, size)
            case PresenceUpdate():
                self._presence(session, message)
            case Open():
                self._entrance.open(session, message)
            case Close():
                self._entrance.leave(session, message.tree)
            case Activity():
                self._tasks.spawn("activity", self.interactions.hear(session, message))
            case Ping():
                session.send(Pong(ref=message.ref))
            case _:
                session.send(Error(code="bad_message", why="this socket has said hello already", ref=message.ref))

    def _presence(self, session: Session, message: PresenceUpdate) -> None:
        participant = session.opened.get(message.tree)
        place = self._lobby.get(TreeKey(session.identity.tenant, message.tree))
        if participant is None or place is None:
            session.refuse(message, "not_open", "open the tree first, and await the answer", message.tree)
        elif presence.size(message.state) > presence.STATE_BYTES:
            why = f"a presence state has at most {presence.STATE_BYTES} bytes"
            session.refuse(message, "too_large", why, message.tree)
        else:
            participant.state = message.state
            place.presence_changed.add(participant.id)
            self._housekeeping.presence_changed(place)

    def _places(self, session: Session) -> list[OpenRoom]:
        rooms = (self._lobby.get(TreeKey(session.identity.tenant, tree)) for tree in session.opened)
        return [place for place in rooms if place is not None]

    # ---- without a socket

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
        """An edit by HTTP or of an agent; answers when it is durable.

        Raises NotFound, Forbidden, Clash (`epoch`: the tree's history is another one), TooMany, Unavailable.
        """
        author = Author(
            user=identity.user,
            client=client_id,
            via=via,
            visit=self.visit_of(identity),
            address=address,
            user_agent=user_agent,
        )
        return await self._intake.submit(identity, tree, author, decoded)

    async def resolve(
        self, identity: Identity, tree: int, decision: Resolve, *, address: str = "", user_agent: str = ""
    ) -> Resolved | Error:
        """A decision on a conflict record by HTTP; answers when it is durable. Raises NotFound, Unavailable."""
        visit = self.visit_of(identity)
        author = Author(user=identity.user, client="", visit=visit, address=address, user_agent=user_agent)
        return await self._intake.decide(identity, tree, author, decision)

    async def purge(self, identity: Identity, tree: int, nodes: Sequence[str], request: str) -> Outcome:
        """Remove for good what is in the trash, with the rights of that identity, once per request.

        Raises NotFound, Unavailable; what is live or not there at all is said by its result.
        """
        author = Author(user=identity.user, client=f"{PURGE}{request}", via="server")
        ops = [Purge(n=n, base=0, node=node) for n, node in enumerate(nodes, 1)]
        return await self._intake.order(identity, tree, author, ops)

    async def role(self, identity: Identity, tree: int) -> Role:
        """The role of a user in a tree. Raises NotFound where he may not even view it."""
        place = await self._lobby.enter(TreeKey(identity.tenant, tree))
        role = role_in(place.room.rights, identity)
        if role is None:
            raise NotFound("no such tree")
        return role

    async def progress(self, identity: Identity, tree: int) -> Counted:
        """How far a tree is, at its confirmed seq. Raises NotFound, Unavailable."""
        await self.role(identity, tree)
        return await self.tallies.of(await self._lobby.enter(TreeKey(identity.tenant, tree)))

    async def state(self, identity: Identity, tree: int, seq: int | None = None) -> tuple[State, Position, Role]:
        """The confirmed state now, or as it was at a past seq. Raises NotFound."""
        role = await self.role(identity, tree)
        place = await self._lobby.enter(TreeKey(identity.tenant, tree))
        room = place.room
        if seq is None or seq == room.seq:
            return room.state(), room.position, role
        if not 0 <= seq < room.seq:
            raise NotFound("the tree has not come to that seq")
        state, mark = await self._history.at(place.key, room.epoch, seq)
        return state, Position(room.epoch, seq, mark), role

    # ---- what operators and the directory cause, here and on every instance

    def rights_changed(self, key: TreeKey) -> None:
        """The rights of a tree were changed in the database: act on them."""
        self._exchange.order(key, Control(do="rights"))

    def kick(self, key: TreeKey, participant: str) -> None:
        """Put one participant out of a room, on whichever instance he is."""
        self._exchange.order(key, Control(do="kick", participant=participant))

    def resync(self, key: TreeKey) -> None:
        """Give everyone in a room a fresh snapshot."""
        self._exchange.order(key, Control(do="resync"))

    def drain_room(self, key: TreeKey) -> None:
        """Ask everyone in a room at this instance to come back later."""
        place = self._lobby.get(key)
        if place is not None:
            self._operator.drain(place)

    def places(self) -> list[OpenRoom]:
        """Every open room, for reports. Not to be changed."""
        return list(self._lobby.places.values())

    def sessions(self) -> int:
        """How many sockets have said hello and are still there."""
        return len(self._writers.sessions)
