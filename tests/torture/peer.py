"""A client of the wire, written from PROTOCOL.md: nothing of `sync/` or `treesync_client/` is in it.

It types into one description that everybody shares, one unconfirmed delta at a time (SEMANTICS 14), and sends other ops
blindly; what has no answer goes again as `replay` whenever the tree is opened, under the numbers it had.
"""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.torture.history import History
from tests.torture.keystrokes import Keystroke, crossed, delta_of, of_delta, played, settled
from tests.torture.replica import Replica

SHARED = "shared"  # the node whose description everybody types into
PING_SECONDS = 0.5
SILENCE_SECONDS = 2.0  # without any message for so long the line counts as dead
LONGEST_WAIT = 1.0  # seconds between attempts to come back
DIAL_SECONDS = 3.0
REFUSED_SECONDS = 0.05  # before what was refused for now is sent again
_KEPT = frozenset({"gap", "rate", "unavailable", "stale", "forbidden"})  # the op stays queued (ED6)
_LANDED = frozenset({"applied", "merged"})


class Typing:
    """The delta that is sent and not confirmed, and its keystrokes as they stand behind what came meanwhile."""

    def __init__(self, n: int, strokes: list[Keystroke]) -> None:
        self.n = n
        self.strokes = strokes
        self.seen = False  # it came back in `ops`
        self.answered = False


class Peer:
    """One client of one user. `ports` are where it may connect: another one at each attempt."""

    def __init__(self, user: str, ports: list[int], token: str, history: History, chance: Random) -> None:
        self.user = user
        self.client = f"{user}-{history.tree}"
        self.replica: Replica | None = None
        self.position: dict[str, Any] | None = None
        self.unanswered: dict[int, dict[str, Any]] = {}
        self.drafts: list[dict[str, Any]] = []  # ops without a number yet
        self.reconnects = 0
        self.told_of_restore = False  # the log is not the one it knew
        self.ports = ports
        self._token = token
        self._history = history
        self._chance = chance
        self._n = 0
        self._answered = 0  # the highest n that was
        self._typing: Typing | None = None
        self._typed: list[Keystroke] = []  # what no delta carries yet
        self._flying: set[int] = set()
        self._refused = False
        self._forgets = False  # where it was, and asks for a snapshot
        self._head = 0  # where the tree stood at its snapshot, which may be older: up to here nothing is new (OP13)
        self._entering: dict[str, Any] | None = None  # the answer to its `open`, until it has come so far
        self._socket: ClientConnection | None = None
        self._open = False
        self._task: asyncio.Task[None] | None = None

    # ---- its life

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"peer:{self.user}")

    async def stop(self) -> None:
        assert self._task is not None
        if self._task.done():
            self._task.result()  # raises what ended it
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def connected(self) -> bool:
        return self._socket is not None

    @property
    def settled(self) -> bool:
        """Everything it did has its answer, and is seen."""
        assert self._task is not None
        if self._task.done():
            self._task.result()
        return self._open and not (self.unanswered or self.drafts or self._typed or self._typing)

    def forget(self) -> None:
        """Come back as one who has never been here; while everything is settled."""
        self._forgets = True
        self.reconnect()

    def reconnect(self) -> None:
        """Come back on another socket, as to other `ports`."""
        self._open = False
        if self._socket is not None:
            self._socket.transport.abort()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(DIAL_SECONDS):
                    socket = await self._dial()
                await self._converse(socket)
            except (OSError, WebSocketException, TimeoutError):
                pass
            self._open, self._socket, self._entering = False, None, None
            self._flying.clear()
            self.reconnects += 1
            await asyncio.sleep(self._chance.random() * LONGEST_WAIT)

    async def _dial(self) -> ClientConnection:
        port = self._chance.choice(self.ports)
        socket = await connect(
            f"ws://127.0.0.1:{port}/ws",
            subprotocols=["treesync.v1.json"],  # type: ignore[list-item]  # a NewType of text
            compression=None,
            max_size=None,
            proxy=None,
            ping_interval=None,
            close_timeout=0.1,
        )
        self._socket = socket
        await self._say(type="hello", protocol=1, token=self._token, client_id=self.client)
        return socket

    async def _converse(self, socket: ClientConnection) -> None:
        """Until the line is lost, or silent for too long."""
        pings = asyncio.create_task(self._ping(), name=f"peer:{self.user}:ping")
        try:
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    message = json.loads(await socket.recv())
                await self._hear(message)
        finally:
            pings.cancel()
            await asyncio.gather(pings, return_exceptions=True)
            socket.transport.abort()

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            await self._say(type="ping")

    async def _say(self, **message: Any) -> None:
        try:
            if self._socket is not None:
                await self._socket.send(json.dumps(message))
        except WebSocketException:
            pass  # the reading side notices

    # ---- its hands

    def type(self, character: str) -> None:
        if self.replica is not None:
            self._typed.append((self._chance.randrange(len(self._text) + 1), character))
            self._history.typed[character] = self.client

    def erase(self) -> None:
        """Take away something it typed itself."""
        if self.replica is None:
            return
        own = [at for at, one in enumerate(self._text) if self._history.typed.get(one) == self.client]
        if own:
            at = self._chance.choice(own)
            self._history.erased.add(self._text[at])
            self._typed.append((at, None))

    def do(self, **op: Any) -> None:
        """Any other op."""
        self.drafts.append(op)

    @property
    def _text(self) -> str:
        """The shared text as it stands on its screen."""
        assert self.replica is not None
        text: str = self.replica.nodes[SHARED]["description"]
        if self._typing is not None and not self._typing.seen:
            text = played(text, self._typing.strokes)
        return played(text, self._typed)

    async def push(self) -> None:
        """Send what may go."""
        if not self._open or self._refused:
            return
        assert self.replica is not None
        if self._typing is None and self._typed:
            strokes, self._typed = self._typed, []
            delta = delta_of(len(self.replica.nodes[SHARED]["description"]), strokes)
            if delta:
                n = self._numbered(op="text", node=SHARED, path="description", delta=delta)
                self._typing = Typing(n, of_delta(delta))
        self._number_drafts()
        await self._send("live", [n for n in self.unanswered if n not in self._flying])

    def _number_drafts(self) -> None:
        for op in self.drafts:
            self._numbered(**op)
        self.drafts.clear()

    def _numbered(self, **op: Any) -> int:
        assert self.position is not None
        self._n += 1
        op = {"base": self.position["seq"], **op, "n": self._n}
        self.unanswered[self._n] = op
        self._history.invoked(self.user, self.client, self._n, op)
        return self._n

    async def _send(self, mode: str, numbers: list[int]) -> None:
        if numbers:
            self._flying.update(numbers)
            ops = [self.unanswered[n] for n in numbers]
            await self._say(type="edit", tree=self._history.tree, mode=mode, ops=ops)

    # ---- its ears

    async def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "welcome":
                position = {} if self.position is None or self._forgets else {"position": self.position}
                await self._say(type="open", ref=1, tree=self._history.tree, **position)
            case "snapshot":
                self._forgets = False
                if message.get("reason") in ("epoch", "ahead"):
                    self.told_of_restore = True
                    self._begin_anew(message["last_n"])
                self._load(message)
                await self._enter(message)
            case "resumed":
                await self._enter(message)
            case "ops":
                self._ops(message)
                if self._entering is not None:
                    await self._enter(self._entering)
                await self.push()
            case "outcome":
                await self._outcome(message)
            case "error" if message["code"] not in ("unavailable", "rate", "replaced", "not_open"):
                self._wrong(f"was told {message}")
            case "error" | "notice":
                assert self._socket is not None
                self._socket.transport.abort()

    def _wrong(self, what: str) -> None:
        self._history.wrong.append(f"{self.client}: {what}"[:500])

    def _load(self, message: dict[str, Any]) -> None:
        if message["parts"] != 1:
            self._wrong("a snapshot in parts")
        self.replica, self.position = Replica(message["state"]), message["position"]
        self._head = message.get("head", 0)
        if self._typing is not None or self._typed:  # typed on a text that nobody here knows any more
            self._history.erased.update(what for _, what in self._typed if what is not None)
            self._typed = []
            if self._typing is not None:
                self._history.erased.update(what for _, what in self._typing.strokes if what is not None)
                self._typing.seen = True

    def _begin_anew(self, last_n: int) -> None:
        """What the other history does not have goes over it without a base, the text whole, with what its author saw
        (RP12, SEMANTICS 11)."""
        waiting = [op for n, op in self.unanswered.items() if n > last_n] + self.drafts
        for n in [n for n in self.unanswered if n > last_n]:
            del self.unanswered[n]
            self._history.invocations.pop((self.client, n))
        self._n = max([self._answered, *self.unanswered])
        self.drafts = [{**op, "base": 0} for op in waiting if op["op"] != "text"]
        for op in self.drafts:
            op.pop("n", None)
        typing = self._typing
        if self.replica is None or (typing is not None and typing.n <= last_n):
            return
        saw = self.replica.nodes[SHARED]["description"]
        if self._text != saw:
            whole = {"set": {"description": self._text}, "was": {"description": saw}}
            self.drafts.append({"op": "update", "node": SHARED, "base": 0, **whole})
        self._typing, self._typed = None, []

    def _is_asked_for_what_is_gone(self, last_n: int) -> bool:
        """The log went back behind numbers that were answered: another client_id counts from 1 (RP7)."""
        if not self._history.went_back or last_n + 1 >= min(self.unanswered, default=self._n + 1):
            return False
        self._begin_anew(last_n)
        self.client, self._n, self._answered, self.position = f"{self.client}+", 0, 0, None
        return True

    async def _enter(self, message: dict[str, Any]) -> None:
        assert self.position is not None
        self._entering = message
        if self.position["seq"] >= self._head:
            self._entering = None
            await self._entered(message)

    async def _entered(self, message: dict[str, Any]) -> None:
        if self._is_asked_for_what_is_gone(message["last_n"]):
            raise ConnectionAbortedError("says hello under another client_id")
        if message["last_n"] > self._n:
            self._wrong(f"last_n {message['last_n']} was never sent")
        self._open, self._refused = True, False
        self._flying.clear()
        self._number_drafts()
        await self._send("replay", list(self.unanswered))
        await self.push()

    def _ops(self, frame: dict[str, Any]) -> None:
        assert self.replica is not None
        assert self.position is not None
        if frame["seq"] <= self.position["seq"]:
            return
        if frame["after"] != self.position["seq"] or len(frame["ops"]) != frame["seq"] - frame["after"]:
            self._wrong(f"a frame after {frame['after']} at {self.position['seq']}")
        for seq, op in enumerate(frame["ops"], start=frame["after"] + 1):
            if op["op"] == "text" and op["node"] == SHARED:
                own = frame["authors"][op["by"]]["client"] == self.client
                self._transform(op, own=own and seq > self._head)
            self.replica.apply(op, seq)
        self.position = {"epoch": self.position["epoch"], "seq": frame["seq"], "mark": frame["mark"]}
        if "digest" in frame and frame["digest"] != self.replica.digest:
            self._wrong(f"digest {frame['digest']} at {frame['seq']} is {self.replica.digest} here: {frame['ops']}")
        self._confirm()

    def _transform(self, op: dict[str, Any], *, own: bool) -> None:
        """Bring what is typed here behind an effective delta."""
        assert self.replica is not None
        strokes, text = of_delta(op["delta"]), self.replica.nodes[SHARED]["description"]
        typing = self._typing
        if not own:
            if typing is not None and not typing.seen:
                after = len(played(text, strokes))
                strokes, over = crossed(strokes, typing.strokes)
                typing.strokes = settled(after, over)
            _, self._typed = crossed(strokes, self._typed)
        elif typing is None or typing.n != op["n"] or typing.seen:
            self._wrong(f"own delta {op} came unasked")
        else:
            if played(text, strokes) != played(text, typing.strokes):
                self._wrong(f"own delta {op} was transformed another way here: {typing.strokes}")
            typing.seen = True

    async def _outcome(self, message: dict[str, Any]) -> None:
        for result in message["results"]:
            n = result["n"]
            self._flying.discard(n)
            if result["status"] == "rejected" and result["code"] in _KEPT:
                self._refused = True
                if result["code"] == "gap" and result["expected"] < min(self.unanswered, default=self._n + 1):
                    self._wrong(f"asked for {result['expected']}, which was answered")
                continue
            first = result["first"] if result["status"] == "duplicate" else result
            self._history.answered(self.client, n, first)
            self._answered = max(self._answered, n)
            if self.unanswered.pop(n, None) is not None and self._typing is not None and self._typing.n == n:
                self._typing.answered = True
                self._typing.seen = self._typing.seen or first["status"] not in _LANDED
        self._confirm()
        if self._refused and not self._flying:
            await asyncio.sleep(REFUSED_SECONDS)
            self._refused = False
            await self._send("live", list(self.unanswered))
        await self.push()

    def _confirm(self) -> None:
        if self._typing is not None and self._typing.seen and self._typing.answered:
            self._typing = None
