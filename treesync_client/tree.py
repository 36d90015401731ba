"""A tree to work with: its nodes with our own edits in them, and methods that wait until an edit is durable.

Every edit shows at once, before its method is awaited; awaiting gives the durable answer: `Landed`, or `Conflict` where
the op was set aside, or the exception `Rejected`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from sync import ops
from sync.errors import TreesyncError
from sync.identity import Position
from sync.nodes import Connection, Details, Node
from sync.protocol import (
    ClientMessage,
    ConflictNews,
    Edit,
    Mode,
    ParticipantView,
    Role,
)
from sync.tree import Held, HeldConnection, Tree
from treesync_client.answering import seen, settle
from treesync_client.editing import Editing
from treesync_client.errors import Disconnected, Rejected
from treesync_client.opened import OpenTree
from treesync_client.outside import News
from treesync_client.past import Past
from treesync_client.progressed import Progressed
from treesync_client.rescue import Rescue
from treesync_client.results import Answer, Change, Replaced
from treesync_client.streams import Stream, Subscription
from treesync_client.wire import checked

T = TypeVar("T")
SAVE_SECONDS = 0.2  # that what was heard may wait for the file: it can be asked for again, and frames come in crowds


class Live(Mapping[str, T], Generic[T]):
    """What is live in a tree, by id: a view, always of the newest state."""

    def __init__(
        self, get: Callable[[str], T | None], ids: Callable[[], Iterable[str]], count: Callable[[], int]
    ) -> None:
        self._get = get
        self._ids = ids
        self._count = count

    def __getitem__(self, key: str) -> T:
        found = self._get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._ids()))

    def __len__(self) -> int:
        return self._count()


class LiveTree(Editing, Rescue):
    """One open tree of a client; `Client.open` gives it."""

    def __init__(
        self,
        number: int,
        *,
        say: Callable[[ClientMessage], None],
        post: Callable[[LiveTree, Edit], None],
        wait: Callable[[int], float],
        measure: Callable[[Any], int],
        request: Callable[..., Awaitable[Any]],
    ) -> None:
        """`wait` answers how long to wait after so many failures, `measure` how many bytes an op is on the wire,
        `request` asks a route of HTTP."""
        super().__init__()
        self.number = number
        self.core = OpenTree(number, self, measure)
        self._say = say
        self._post = post
        self._wait = wait
        self._measure = measure
        self._request = request
        self.past = Past(number, request)
        self._saving: asyncio.TimerHandle | None = None
        self._changes: Stream[Change | Replaced] = Stream(_lagging)
        self._events: Stream[News] = Stream()
        self._opening: list[asyncio.Future[None]] = []
        self._moved: list[asyncio.Future[None]] = []
        self._flushing: asyncio.Handle | None = None
        self._pausing: asyncio.TimerHandle | None = None
        self.nodes: Mapping[str, Node] = Live(self.node, lambda: _live(self._view.nodes), lambda: self._view.live)
        self.connections: Mapping[str, Connection] = Live(
            self.connection, self._live_connections, lambda: sum(1 for _ in self._live_connections())
        )

    def _live_connections(self) -> Iterator[str]:
        return _live(self._view.connections)

    # ---- reading

    @property
    def _view(self) -> Tree:
        return self.core.view()

    def node(self, node_id: str) -> Node | None:
        """The live node of that id, our own edits in it."""
        return self._view.node(node_id)

    def children(self, parent: str | None = None) -> list[Node]:
        """The live children of a node, in order; of None: the roots."""
        view = self._view
        return [view.nodes[child].node for child in view.children(parent)]

    def connection(self, connection_id: str) -> Connection | None:
        held = self._view.connections.get(connection_id)
        return held.connection if held is not None and held.deleted is None else None

    @property
    def details(self) -> Details:
        """The tree's own fields."""
        return self._view.details.details

    @property
    def progress(self) -> Progressed:
        """How far the tree, its domains and its nodes are, as the server told last; each time is an event too."""
        return self.core.progress

    @property
    def role(self) -> Role | None:
        return self.core.role

    @property
    def position(self) -> Position | None:
        """The place in the tree's history up to which everything is confirmed here."""
        return self.core.replica.position

    @property
    def seq(self) -> int:
        return self.core.replica.seq

    @property
    def digest(self) -> str:
        """Of confirmed state; equal to the server's at the same seq."""
        return self.core.replica.digest

    @property
    def participants(self) -> dict[str, ParticipantView]:
        """Who else is here, by participant id."""
        return dict(self.core.people.others)

    @property
    def presence(self) -> dict[str, dict[str, Any]]:
        """What the others show of themselves, by participant id."""
        return {one.id: one.state for one in self.core.people.others.values()}

    # ---- following

    def changes(self) -> Subscription[Change | Replaced]:
        """Every op that becomes confirmed from now on, own and others'; `Replaced` where many came as one state."""
        return self._changes.follow()

    def events(self) -> Subscription[News]:
        """Roles, notices, presence, versions, errors of this tree, from now on."""
        return self._events.follow()

    async def reached(self, seq: int) -> None:
        """Wait until confirmed state has come to a seq."""
        while self.seq < seq:
            await self._move()

    async def _move(self) -> None:
        """Until the next message. Raises Disconnected where none will come."""
        if self.core.status == "gone":
            raise Disconnected("the tree is closed")
        moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._moved.append(moved)
        await moved

    # ---- editing (`Editing` has a method for each kind of op)

    def edit(self, op: ops.Op, mode: Mode = "live") -> asyncio.Future[Answer]:
        """Any op; its `n` is given when it is sent. The future may be dropped: the op goes on without it."""
        future, settle = _answering()
        try:
            op = checked(op)
            self.core.edit(op, mode, self._measure(op), settle)
        except Rejected as refused:
            settle(refused)
        self._flush_soon()
        return future

    def _refused(self, why: Rejected) -> asyncio.Future[Answer]:
        future, settle = _answering()
        settle(why)
        return future

    def discard_held(self) -> list[ops.Op]:
        """Give up the ops that were refused because we may not write; answers them."""
        return self.core.discard_held()

    def set_presence(self, state: Mapping[str, Any]) -> None:
        """Show the others a cursor, a selection, what is being edited. It is said again on each new socket."""
        self.core.present(dict(state))

    def close(self) -> None:
        """Let go of it: no more of it is received. What is unanswered is told `Disconnected`, and stays in the queue
        until the client opens it again."""
        self.core.close()

    async def drained(self) -> None:
        """Wait until nothing is unanswered."""
        while next(self.core.queue.unanswered(), None) is not None:
            await self._move()

    # ---- what the core needs done (`Outside`)

    def say(self, message: ClientMessage) -> None:
        self._say(message)

    def post(self, edit: Edit) -> None:
        self._post(self, edit)

    def pause(self, failures: int) -> None:
        self._pausing = asyncio.get_running_loop().call_later(self._wait(failures), self.core.resume)

    def tell(self, news: News) -> None:
        if isinstance(news, Change | Replaced):
            self._changes.put(news)
            return
        self._events.put(news)
        if isinstance(news, ConflictNews):
            self.tell_hooks(news.conflict)

    def gone(self, error: TreesyncError) -> None:
        _resolve(self._opening, error)
        _resolve(self._moved, error)
        self._changes.end()
        self._events.end()

    # ---- what the client does with it

    def reopened(self) -> LiveTree:
        """This tree, to be opened again after it was gone; queue and position are still here."""
        self._changes, self._events = Stream(_lagging), Stream()
        self.core.status = "away"
        return self

    def heard(self) -> None:
        """After each message: whoever waits for progress looks again."""
        if self._is_here:
            _resolve(self._opening)
        if self._moved:
            _resolve(self._moved)
        if self.core.keeping is not None and self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(SAVE_SECONDS, self._save)

    def _save(self) -> None:
        """Bring the file level with what was heard; a state that is written anew goes in parts."""
        self._saving = None
        keeping = self.core.keeping
        if self.core.save() and keeping is not None and keeping.is_behind:
            self._saving = asyncio.get_running_loop().call_later(0, self._save)

    async def wait_opened(self, *, offline: bool) -> None:
        """Until the tree is here: at once where there is no socket and it was here before. Raises what the server
        answered instead."""
        if self._is_here or (offline and self.position is not None):
            return
        opening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._opening.append(opening)
        await opening

    @property
    def _is_here(self) -> bool:
        return self.core.status == "open" and self.core.following.is_level

    def end(self, error: TreesyncError) -> None:
        """The client is closed or has given up."""
        for timer in (self._flushing, self._pausing, self._saving):
            if timer is not None:
                timer.cancel()
        self.core.save()
        self.core.end(error)

    def _flush_soon(self) -> None:
        """At the end of this turn of the loop, so that edits made in one go travel in one message."""
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = None
        self.core.flush()
        self.core.save()


def _answering() -> tuple[asyncio.Future[Answer], Callable[[Answer | TreesyncError], None]]:
    """A future, and what takes its answer; the first holds."""
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    future.add_done_callback(seen)
    return future, partial(settle, future)


def _lagging(newest: Change | Replaced) -> Change | Replaced:
    return Replaced(seq=newest.seq, reason="lagging")


def _live(held: Mapping[str, Held] | Mapping[str, HeldConnection]) -> Iterator[str]:
    return (one for one, what in held.items() if what.deleted is None)


def _resolve(waiting: list[asyncio.Future[None]], error: TreesyncError | None = None) -> None:
    for future in waiting:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
            future.add_done_callback(seen)
    waiting.clear()
