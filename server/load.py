"""`treesync load`, the part that drives: real clients on many trees, what they saw, and whether they agree at the end.

Every client holds a replica. A write's first latency is to its durable answer, its second to each other client that
sees it; both are read on this process's one clock.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from random import Random
from typing import Any

import msgspec

from server.bodies import TreeView
from server.bots import Bot
from server.demo import demo_tree
from server.load_report import Report, latency
from sync.codec import CodecName
from sync.errors import TreesyncError
from treesync_client import Change, Client, LiveTree, Rejected, connect
from treesync_client.replica import Replica

CONNECTING = 32  # sockets opened at once: a handshake is about 1 ms of one core, and a storm is not what is measured
ANSWER_SECONDS = 30.0  # for what is still unanswered when the time is up: a database may have been restarted under it
CLIENT_FLIGHT = 64  # ops of one client under way; beyond that a client at a fixed rate has fallen behind and skips
# People who work on one tree together, and how often each of them changes something. An edit is a title, a field or a
# card dragged, so five seconds is somebody who does nothing else; it is what `--users` is measured by.
USERS_PER_TREE = 10
SECONDS_BETWEEN_EDITS = 5.0
SAMPLES = 200_000  # latencies kept of each kind; beyond that the newest


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do. `rate` is edits per second in all; 0: every client sends its next edit when the last is durable."""

    url: str
    tenants: int = 1
    rooms: int = 4
    clients: int = 5  # in each room
    users: int = 0  # in all, in place of `clients`: they need not divide by the rooms
    seconds: float = 10.0
    rate: float = 100.0
    seed: int = 1
    codec: CodecName = "msgpack"

    @property
    def sockets(self) -> int:
        return self.users or self.rooms * self.clients


def of_users(url: str, users: int, seconds: float, *, tenants: int, seed: int, codec: CodecName) -> Plan:
    """So many people at the pace of people, ten on each tree."""
    return Plan(
        url=url,
        tenants=tenants,
        rooms=math.ceil(users / USERS_PER_TREE),
        users=users,
        seconds=seconds,
        rate=users / SECONDS_BETWEEN_EDITS,
        seed=seed,
        codec=codec,
    )


class Room:
    """One tree and who is in it. Writes and sightings meet by seq, whichever comes first."""

    def __init__(self, number: int, tenant: str) -> None:
        self.number = number
        self.tenant = tenant
        self.trees: list[tuple[Client, LiveTree]] = []
        self._written: dict[int, tuple[float, int]] = {}  # seq -> when it was written, and who has not seen it yet
        self._seen: dict[int, list[float]] = {}

    def written(self, seq: int, at: float) -> list[float]:
        """A write got its seq; answers the seconds after which others have seen it already."""
        early = self._seen.pop(seq, [])
        unseen = len(self.trees) - 1 - len(early)
        if unseen > 0:
            self._written[seq] = (at, unseen)
        return [one - at for one in early]

    def sighted(self, seq: int, at: float) -> float | None:
        """Another client has seen it: seconds after the write, None where the write's answer is not here yet."""
        if seq not in self._written:
            self._seen.setdefault(seq, []).append(at)
            return None
        written, unseen = self._written.pop(seq)
        if unseen > 1:
            self._written[seq] = (written, unseen - 1)
        return at - written


class Load:
    """One run. `token` answers a token for a user of a tenant."""

    def __init__(self, plan: Plan, token: Callable[[str, str], str]) -> None:
        self.plan = plan
        self.rooms: list[Room] = []
        self.outcomes: Counter[str] = Counter()
        self.durable: deque[float] = deque(maxlen=SAMPLES)
        self.seen: deque[float] = deque(maxlen=SAMPLES)
        self.edits = 0
        self.skipped = 0
        self.waiting = 0
        self.started = 0.0
        self._token = token
        self._chance = Random(plan.seed)
        self._progress: Callable[[], None] = lambda: None

    async def run(self, progress: Callable[[], None] = lambda: None) -> Report:
        """Open, drive, let everything be answered, compare. `progress` is called a few times a second."""
        self._progress = progress
        async with AsyncExitStack() as stack:
            await self._open(stack)
            followers = [
                asyncio.create_task(self._follow(room, tree), name=f"load:follow:{room.number}")
                for room in self.rooms
                for _, tree in room.trees
            ]
            try:
                seconds = await self._drive()
                differing = await self._compare()
            finally:
                for follower in followers:
                    follower.cancel()
                await asyncio.gather(*followers, return_exceptions=True)
            return self._report(seconds, differing)

    # ---- opening

    async def _open(self, stack: AsyncExitStack) -> None:
        plan = self.plan
        for number in range(plan.rooms):
            self.rooms.append(await self._make_room(f"load-{number % plan.tenants}"))
        gate = asyncio.Semaphore(CONNECTING)

        async def enter(room: Room, place: int) -> None:
            async with gate:
                client = await stack.enter_async_context(self._client(room.tenant, f"user-{place}"))
                room.trees.append((client, await client.open(room.number)))

        await asyncio.gather(*(enter(self.rooms[place % plan.rooms], place) for place in range(plan.sockets)))

    def _client(self, tenant: str, user: str) -> Client:
        async def token() -> str:
            return self._token(tenant, user)

        return connect(self.plan.url, token, codec=self.plan.codec, longest_wait=2.0, agent="treesync-load")

    async def _make_room(self, tenant: str) -> Room:
        details, nodes, connections = demo_tree()
        async with self._client(tenant, "user-0") as client:
            number = await client.create_tree(
                "Load", visibility="tenant_edit", nodes=nodes, connections=connections, details=details
            )
        return Room(number, tenant)

    # ---- driving

    async def _drive(self) -> float:
        everyone = [(room, tree) for room in self.rooms for _, tree in room.trees]
        pause = len(everyone) / self.plan.rate if self.plan.rate > 0 else 0.0
        self.started = time.monotonic()
        stop = self.started + self.plan.seconds
        workers = [
            self._work(room, tree, place, pause, stop, Random(self._chance.getrandbits(64)))
            for place, (room, tree) in enumerate(everyone)
        ]
        await self._while_watching(asyncio.gather(*workers))
        seconds = time.monotonic() - self.started
        answered = asyncio.gather(*(tree.drained() for _, tree in everyone), return_exceptions=True)
        await self._while_watching(answered, ANSWER_SECONDS)
        return seconds

    async def _while_watching(self, work: asyncio.Future[Any], most: float | None = None) -> None:
        deadline = None if most is None else time.monotonic() + most
        while not work.done():
            self._progress()
            await asyncio.wait([work], timeout=0.2)
            if deadline is not None and time.monotonic() > deadline:
                work.cancel()
        if not work.cancelled():
            await work

    async def _work(self, room: Room, tree: LiveTree, place: int, pause: float, stop: float, chance: Random) -> None:
        """One client's edits until `stop`: at its pace, or one after another."""
        bot = Bot(tree, f"b{place}", chance)
        flying: set[asyncio.Future[Any]] = set()
        due = time.monotonic() + chance.random() * pause
        while (now := time.monotonic()) < stop:
            if pause and due > now:
                await asyncio.sleep(min(due, stop) - now)
                continue
            due += pause * chance.uniform(0.5, 1.5)  # nobody keeps time, and nobody with the others
            if len(flying) >= CLIENT_FLIGHT:
                self.skipped += 1
                await asyncio.sleep(0)
                continue
            answer = bot.act()
            flying.add(answer)
            answer.add_done_callback(flying.discard)
            self._count(room, answer, time.monotonic())
            if not pause:
                await asyncio.wait([answer], timeout=max(stop - now, 0.0))

    def _count(self, room: Room, answer: asyncio.Future[Any], sent: float) -> None:
        self.edits += 1
        self.waiting += 1

        def answered(future: asyncio.Future[Any]) -> None:
            self.waiting -= 1
            error = None if future.cancelled() else future.exception()
            if error is not None or future.cancelled():
                self.outcomes[f"rejected {error.code}" if isinstance(error, Rejected) else "unanswered"] += 1
                return
            result = future.result()
            self.outcomes[result.status] += 1
            self.durable.append(time.monotonic() - sent)
            if getattr(result, "seq", None) is not None:
                self.seen.extend(room.written(result.seq, sent))

        answer.add_done_callback(answered)

    async def _follow(self, room: Room, tree: LiveTree) -> None:
        async for change in tree.changes():
            if isinstance(change, Change) and not change.own:
                after = room.sighted(change.seq, time.monotonic())
                if after is not None:
                    self.seen.append(after)

    # ---- comparing

    async def _compare(self) -> list[str]:
        """Every replica against the server's tree. The answer names those that differ."""
        return [one for found in await asyncio.gather(*map(self._compare_room, self.rooms)) for one in found]

    async def _compare_room(self, room: Room) -> list[str]:
        for client, _ in room.trees[:1]:
            try:
                view = msgspec.convert(await client.request("GET", f"/trees/{room.number}"), TreeView)
            except TreesyncError as error:
                return [f"tree {room.number}: {error.why}"] * len(room.trees)
            truth = Replica()
            truth.load(view.position, [view.state])
            results = (self._differs(room, tree, truth) for _, tree in room.trees)
            return [one for one in await asyncio.gather(*results) if one is not None]
        return []

    async def _differs(self, room: Room, tree: LiveTree, truth: Replica) -> str | None:
        name = f"tree {room.number}, client {tree.core.client_id}"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await tree.reached(truth.seq)
        except (TimeoutError, TreesyncError) as error:
            return f"{name}: at seq {tree.seq} of {truth.seq} ({error!r})"
        if tree.seq != truth.seq:
            return f"{name}: beyond seq {truth.seq} although nobody writes"
        return None if tree.digest == truth.digest else f"{name}: another tree at seq {tree.seq}"

    # ---- reporting

    def _report(self, seconds: float, differing: list[str]) -> Report:
        clients = [one for room in self.rooms for one in room.trees]
        answered = sum(self.outcomes.values()) - self.outcomes["unanswered"]
        return Report(
            seconds=round(seconds, 2),
            rooms=len(self.rooms),
            clients=len(clients),
            edits=self.edits,
            edits_per_second=round(answered / seconds, 1),
            durable=latency(self.durable),
            seen=latency(self.seen),
            outcomes=dict(self.outcomes.most_common()),
            unanswered=self.edits - answered,
            skipped=self.skipped,
            reconnects=sum(client.reconnects for client, _ in clients),
            resyncs=sum(tree.core.resyncs for _, tree in clients),
            divergence=len(differing),
            differing=differing,
        )
