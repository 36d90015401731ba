"""A client: one socket that comes back by itself, and the trees that are open on it.

async with connect("ws://127.0.0.1:8000/ws", token) as client:
    tree = await client.open(7)
    await tree.update("n1", title="Grow 20%")      # returns when it is durable
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from sync.close_codes import CLOSE_TOO_BIG
from sync.codec import JSON, MSGPACK, CodecName
from sync.errors import TreesyncError, Unavailable
from sync.identity import ParticipantKind
from sync.limits import Limits
from sync.nodes import Details
from sync.ops import ImportedConnection, ImportedNode
from sync.ports import Visibility
from sync.protocol import (
    PROTOCOL_VERSION,
    ConflictDetail,
    Edit,
    Error,
    Hello,
    Notice,
    Outcome,
    ServerMessage,
    Welcome,
)
from treesync_client.backoff import LONGEST_SECONDS, Backoff
from treesync_client.errors import Disconnected
from treesync_client.finding import hits
from treesync_client.link.connection import websocket_dial
from treesync_client.link.http import Api, addresses
from treesync_client.link.keeper import Keeper, Redial, Token
from treesync_client.link.line import Dial, LineLost
from treesync_client.store.file import KeptAside
from treesync_client.store.kept import Copied, Store
from treesync_client.streams import Stream, Subscription
from treesync_client.tree import LiveTree

AGENT = "treesync-python/0.1"
LINGER_SECONDS = 5.0  # for what is unanswered when a client is left
RETRY_SECONDS = 2.0  # at most between tries on a living socket: a database that is back is used within 5 s (DESIGN §4)
_LEAST_MESSAGE_BYTES = 1024  # below this no message is halved any more


class Connected(msgspec.Struct, frozen=True):
    """A socket is there."""

    instance: str


class Lost(msgspec.Struct, frozen=True):
    """The socket is gone; the client comes back by itself in `wait` seconds."""

    why: str
    close_code: int | None
    wait: float


Event = Connected | Lost | Notice | Error | KeptAside | Copied


class Client:
    """One socket of one person or agent; everything it does runs on the loop that entered it.

    `token` is text, or an async callable that answers a fresh one. `longest_wait` bounds the waits between attempts to
    come back, `open_timeout` is for the first socket. `client_id` names a queue that is kept elsewhere. `store` is the
    path of a file in which queue and trees are kept: then nothing that was done is lost with the process, and a tree
    that was open before opens without network. One file is for one server, tenant and user, and one process at a time.
    A copy goes on under a client_id of its own. What had been sent before it was made is the original's to finish
    (`LiveTree.uncertain`). What had no number yet goes from both, as two people's edits would: a text typed is there
    twice, a second insert of one id is rejected as `exists`, an update to the same value changes nothing. So
    move a file rather than copy it, or `discard` in one of the two before it connects.
    """

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        codec: CodecName = "msgpack",
        kind: ParticipantKind = "human",
        client_id: str | None = None,
        store: Path | None = None,
        agent: str = AGENT,
        longest_wait: float = LONGEST_SECONDS,
        open_timeout: float = 30.0,
        dial: Dial | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        socket_url, web = addresses(url)
        self.client_id = client_id or secrets.token_hex(8)
        self.limits = Limits()
        self.tenant = self.user = self.instance = ""
        self.failure: TreesyncError | None = None  # why it has given up
        self._own_id = client_id is None
        self._path = store
        self._store: Store | None = None
        self._server = web
        self._codec = MSGPACK if codec == "msgpack" else JSON
        self._kind = kind
        self._agent = agent
        self._open_timeout = open_timeout
        backoff = Backoff(chance, longest=longest_wait)
        self._retries = Backoff(chance, longest=min(longest_wait, RETRY_SECONDS))
        self._api = Api(web)
        self._keeper = Keeper(
            self,
            dial=dial or websocket_dial(socket_url, self._codec, agent),
            codec=self._codec,
            token=token,
            backoff=backoff,
        )
        self._trees: dict[int, LiveTree] = {}
        self._events: Stream[Event] = Stream()
        self._entered: asyncio.Future[None] | None = None
        self._running: asyncio.Task[None] | None = None
        self._posting: set[asyncio.Task[None]] = set()
        self._message_bytes = 2**31  # what the way to the server was seen to bear

    # ---- life

    async def __aenter__(self) -> Self:
        self._entered = asyncio.get_running_loop().create_future()
        if self._path is not None:
            self._take_up(Store.open(self._path))
        self._running = asyncio.create_task(self._run(), name=f"treesync-client:{self.client_id}")
        try:
            async with asyncio.timeout(self._open_timeout):
                await self._entered
        except TimeoutError:
            if not self._has_owner:
                await self.close()
                raise Unavailable(f"no server within {self._open_timeout:g} s") from None
        except BaseException:
            await self.close()
            raise
        return self

    def _take_up(self, store: Store) -> None:
        """Go on where the file ends: under its client_id, with every tree that has something to send."""
        self._store = store
        self.client_id, self.tenant, self.user = store.client_id, store.tenant, store.user
        for news in store.news:
            self._events.put(news)
        for number in [tree.number for tree in store.trees.values() if tree.entries]:
            self._tree(number)

    @property
    def store_news(self) -> list[KeptAside | Copied]:
        """What was found wrong with the file when it was opened, and what was done about it."""
        return [] if self._store is None else list(self._store.news)

    @property
    def _has_owner(self) -> bool:
        """Whether a file says who we are, so that there is something to work on without a server."""
        return self._store is not None and bool(self._store.user)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close(linger=LINGER_SECONDS if kind is None else 0.0)

    async def close(self, *, linger: float = 0.0) -> None:
        """Wait up to `linger` seconds for answers, then close. What has none by then is told `Disconnected`; with a
        file it is kept there, and without a server nothing is waited for."""
        if linger > 0 and self.failure is None and (self._store is None or self._keeper.is_open):
            with contextlib.suppress(TimeoutError, TreesyncError):
                async with asyncio.timeout(linger):
                    for tree in list(self._trees.values()):
                        if tree.core.status != "gone":
                            await tree.drained()
        tasks = [task for task in (self._running, *self._posting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._give_up(Disconnected("the client was closed"))
        if self._store is not None:
            self._store.close()

    @contextlib.asynccontextmanager
    async def offline(self) -> AsyncIterator[None]:
        """Let go of the socket: edits show and queue, and go when the block ends. Trees that are here can be opened."""
        await self._keeper.let_go()
        try:
            yield
        finally:
            self._keeper.come_back()

    async def _run(self) -> None:
        try:
            await self._keeper.run()
        except TreesyncError as final:
            self._give_up(final)
        except Exception as error:  # nobody awaits this task: its death is told to whoever waits for an answer
            self._give_up(Disconnected(f"a fault of the client: {error!r}"))
            raise

    def _give_up(self, error: TreesyncError) -> None:
        if self.failure is None:
            self.failure = error
            for tree in self._trees.values():
                tree.end(error)
            self._events.end()
        if self._entered is not None and not self._entered.done():
            self._entered.set_exception(error)

    # ---- trees

    async def open(self, number: int) -> LiveTree:
        """Open a tree, or answer it where it is open. Raises NotFound, Forbidden, TooMany, Disconnected."""
        if self.failure is not None:
            raise self.failure
        tree = self._trees.get(number)
        if tree is None or tree.core.status == "gone":
            tree = self._tree(number) if tree is None else tree.reopened()
            if self._keeper.is_open:
                self._welcome_tree(tree)
        try:
            await tree.wait_opened(offline=not self._keeper.is_open)
        except TreesyncError:
            if not len(tree.core.queue):
                self._trees.pop(number, None)
            raise
        return tree

    @property
    def trees(self) -> dict[int, LiveTree]:
        """Those that are open here, and those whose queue goes on from the file, by number."""
        return dict(self._trees)

    def export(self) -> dict[str, Any]:
        """All that has not reached the server, of every tree, as values for JSON (`LiveTree.export`)."""
        return {
            "server": self._server,
            "tenant": self.tenant,
            "user": self.user,
            "client_id": self.client_id,
            "trees": [tree.export() for tree in self._trees.values()],
        }

    async def conflicts(self) -> list[ConflictDetail]:
        """Our open conflict records in all trees."""
        page = await self.request("GET", "/conflicts")
        return msgspec.convert(page["conflicts"], list[ConflictDetail])

    def _tree(self, number: int) -> LiveTree:
        tree = LiveTree(
            number,
            say=self._keeper.say,
            post=self._post,
            wait=self._retries.wait,
            measure=lambda op: len(self._codec.encode_value(op)),
            request=self.request,
        )
        if self._store is not None:
            tree.core.keep(self._store)
            tree.core.following.become(self.user, self.client_id)
        self._trees[number] = tree
        return tree

    async def create_tree(
        self,
        name: str,
        *,
        visibility: Visibility = "private",
        nodes: Iterable[ImportedNode] = (),
        connections: Iterable[ImportedConnection] = (),
        details: Details | None = None,
    ) -> int:
        """Make a tree with its first nodes; answers its number. `details` are its other fields."""
        body: dict[str, Any] = {} if details is None else msgspec.to_builtins(details)
        body |= {
            "name": name,
            "visibility": visibility,
            "nodes": msgspec.to_builtins(list(nodes)),
            "connections": msgspec.to_builtins(list(connections)),
        }
        made = await self.request("POST", "/trees", body)
        return int(made["id"])

    def search(self, words: str, **only: Any) -> AsyncIterator[dict[str, Any]]:
        """What we may see that has all the words, the best first; `only` of a `tree`, `type` or `status`."""
        return hits(self.request, words, only)

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        """Any route of /api/v1, with this client's token: `await client.request("GET", "/trees")`."""
        return await self._api.request(method, path, await self._keeper.fresh_token(), body)

    def events(self) -> Subscription[Event]:
        """The socket's coming and going, notices and errors that name no tree, from now on."""
        return self._events.follow()

    @property
    def reconnects(self) -> int:
        """How often it came back, or tried to."""
        return self._keeper.reconnects

    @property
    def is_connected(self) -> bool:
        return self._keeper.is_open

    # ---- what the keeper tells (`Owner`)

    def hello(self, token: str) -> Hello:
        return Hello(
            protocol=PROTOCOL_VERSION, token=token, client_id=self.client_id, client=self._agent, kind=self._kind
        )

    def welcomed(self, welcome: Welcome) -> None:
        if self._store is not None:
            self._store.claim(self._server, welcome.tenant, welcome.user)
        self.tenant, self.user, self.instance = welcome.tenant, welcome.user, welcome.instance
        self.limits = welcome.limits
        self._events.put(Connected(welcome.instance))
        for tree in self._trees.values():
            self._welcome_tree(tree)
        if self._entered is not None and not self._entered.done():
            self._entered.set_result(None)

    def _welcome_tree(self, tree: LiveTree) -> None:
        tree.core.welcomed(self.user, self.client_id, self.limits, self._message_bytes)

    def take(self, message: ServerMessage) -> None:
        number = getattr(message, "tree", None)
        tree = self._trees.get(number) if isinstance(number, int) else None
        if tree is not None:
            tree.core.hear(message)
            tree.heard()
            if tree.core.queue.worn_out:
                self._renew()
        elif isinstance(message, Notice | Error):
            self._events.put(message)
            if isinstance(message, Notice) and message.code == "replaced":
                self._replaced()

    def _replaced(self) -> None:
        if not self._own_id:  # another process has the same queue: one of the two must stop (SEMANTICS 4)
            raise Disconnected("a newer socket of this client_id writes now")
        raise LineLost("replaced by a newer socket of this client")

    def _renew(self) -> None:
        """A queue whose client_id cannot go on. It is the socket's, so every tree first has its answers under the old
        one, sends nothing new meanwhile, and goes on under a new one (SEMANTICS 11)."""
        queues = [tree.core.queue for tree in self._trees.values() if tree.core.status != "gone"]
        for queue in queues:
            queue.worn_out = True
        if not any(queue.has_numbered for queue in queues):
            self.client_id = secrets.token_hex(8) if self._store is None else self._store.renew()
            raise Redial("a new client_id is needed")

    def lost(self, lost: LineLost) -> None:
        for tree in self._trees.values():
            tree.core.lost()
        if lost.code == CLOSE_TOO_BIG:
            known = min(self._message_bytes, self.limits.message_bytes)
            self._message_bytes = max(_LEAST_MESSAGE_BYTES, known // 2)

    def waits(self, lost: LineLost, seconds: float) -> None:
        self._events.put(Lost(lost.why, lost.code, seconds))
        if self._has_owner and self._entered is not None and not self._entered.done():
            self._entered.set_result(None)  # there is no server now, and there is work to go on with

    # ---- edits by HTTP

    def _post(self, tree: LiveTree, edit: Edit) -> None:
        task = asyncio.create_task(self._post_edit(tree, edit), name=f"treesync-client:post:{tree.number}")
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def _post_edit(self, tree: LiveTree, edit: Edit) -> None:
        """One edit too large for a message. Its answer goes where a socket's would."""
        answer: Outcome | Error
        try:
            answer = await self._api.edit(edit, await self._keeper.fresh_token())
        except TreesyncError as error:
            answer = Error(code=error.code, why=error.why, tree=tree.number)
        except Exception as error:  # whatever it was: an edit without any answer would hold up its queue for ever
            answer = Error(code="unavailable", why=repr(error), tree=tree.number)
        answer.ref = edit.ref
        tree.core.hear(answer)
        tree.heard()


connect = Client  # reads better where it is used: `async with connect(url, token) as client`
