"""People who edit a real server through the Python client, what they were told, and whether it is true.

Every op of theirs carries a text of its own (its *mark*), so that it can be found again in the log, in what others saw
and in what its author was told, under whatever number and client it went.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any

import asyncpg
import msgspec

from tests.commands import Command
from tests.waiting import until
from treesync_client import Client, Conflict, Landed, LiveTree, Lost
from treesync_client.client import Event
from treesync_client.streams import Subscription

ROOT = "root"
TREE = {"name": "Strategy", "visibility": "tenant_edit", "nodes": [{"id": ROOT, "type": "objective", "title": "Grow"}]}
SETTLE_SECONDS = 20.0  # for the last answers and the last frames, on a machine that does much else
_LONGEST_WAIT = 0.5  # seconds between attempts to come back: people wait up to 30 s, tests do not
_INSERT_EVERY = 5  # of a writer's ops
_SHARED_EVERY = 3


class Writer:
    """One client with the tree open. It edits a node of its own, one that all share, and makes nodes."""

    def __init__(self, user: str, client: Client, tree: LiveTree) -> None:
        self.user = user
        self.client = client
        self.tree = tree
        self.sent: dict[str, float] = {}  # mark: when, by the monotonic clock
        self.acknowledged: dict[str, int] = {}  # mark: the seq its author was told
        self.answered: dict[str, float] = {}  # mark: when
        self.set_aside: set[str] = set()  # marks of conflicts
        self.events: Subscription[Event] = client.events()
        self._numbers = count(1)

    @property
    def node(self) -> str:
        """The node that is this writer's own."""
        return f"of-{self.user}"

    def send(self) -> asyncio.Future[None]:
        """One more op; the future is there when its answer is."""
        number = next(self._numbers)
        mark = f"{self.user}:{number}"
        self.sent[mark] = time.monotonic()
        if number == 1:
            answer = self.tree.insert(self.node, parent=ROOT, type="opportunity", title=mark)
        elif number % _INSERT_EVERY == 0:
            answer = self.tree.insert(f"{self.node}-{number}", parent=self.node, type="solution", title=mark)
        elif number % _SHARED_EVERY == 0:
            answer = self.tree.update(ROOT, description=mark, mode="force")
        else:
            answer = self.tree.update(self.node, title=mark, mode="force")
        return asyncio.ensure_future(self._note(mark, answer))

    async def _note(self, mark: str, answer: asyncio.Future[Any]) -> None:
        told = await answer
        self.answered[mark] = time.monotonic()
        if isinstance(told, Conflict):  # sent again as `replay` after others had changed what all share (SEMANTICS 12)
            assert (told.node, [path.mine for path in told.paths.values()]) == (ROOT, [mark])
            self.set_aside.add(mark)
            return
        assert isinstance(told, Landed), told
        assert told.status == "applied", told
        assert told.seq is not None
        self.acknowledged[mark] = told.seq

    async def write_until(self, enough: asyncio.Event, *, pause: float) -> None:
        """A pause of about that many seconds, which stands for a person's hands, an op, its answer, and again."""
        hands = random.Random(self.user)  # so that they do not all write in the same moment, yet alike in each run
        while not enough.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause * hands.uniform(0.0, 2.0)):
                    await enough.wait()
            await self.send()

    def losses(self) -> list[Lost]:
        """The sockets it has lost since it was last asked."""
        lost = []
        while self.events._waiting:
            event = self.events._waiting.popleft()
            if isinstance(event, Lost):
                lost.append(event)
        return lost


class Writers:
    """All of them, and the tree they edit."""

    def __init__(self, tree: int, everyone: list[Writer]) -> None:
        self.tree = tree
        self.everyone = everyone
        self._enough = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def answers(self) -> int:
        return sum(len(writer.answered) for writer in self.everyone)

    def start(self, *, pause: float) -> None:
        for writer in self.everyone:
            work = writer.write_until(self._enough, pause=pause)
            self._tasks.append(asyncio.create_task(work, name=f"writer {writer.user}"))

    def check(self) -> None:
        """Raise what has stopped a writer."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def until_answers(self, more: int, *, each: bool = False, seconds: float = SETTLE_SECONDS) -> None:
        """Wait for so many more answers; `each`: for every writer."""
        before = {writer.user: len(writer.answered) for writer in self.everyone}

        def fewest() -> int:
            gained = [len(writer.answered) - before[writer.user] for writer in self.everyone]
            return min(gained) if each else sum(gained)

        def enough() -> bool:
            self.check()
            return fewest() >= more

        await until(enough, f"{more} more answers", seconds=seconds)

    async def stop(self) -> None:
        """Let everybody finish the op at hand, and hear of its answer."""
        self._enough.set()
        async with asyncio.timeout(SETTLE_SECONDS):
            await asyncio.gather(*self._tasks)

    async def abandon(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settle(self) -> int:
        """Wait until every replica has come to the newest seq that anybody was told; answers it."""
        head = max(seq for writer in self.everyone for seq in writer.acknowledged.values())
        async with asyncio.timeout(SETTLE_SECONDS):
            await asyncio.gather(*(writer.tree.reached(head) for writer in self.everyone))
        return head


@asynccontextmanager
async def writers(instances: Sequence[Command], tree: int, number: int) -> AsyncIterator[Writers]:
    """So many writers, spread over the instances, who come back by themselves."""
    async with AsyncExitStack() as stack:
        everyone = []
        for place in range(number):
            user = f"u{place}"
            instance = instances[place % len(instances)]
            url = f"ws://127.0.0.1:{instance.port}/ws"
            client = Client(url, instance.token(user), longest_wait=_LONGEST_WAIT)
            await stack.enter_async_context(client)
            everyone.append(Writer(user, client, await client.open(tree)))
        all_of_them = Writers(tree, everyone)
        stack.push_async_callback(all_of_them.abandon)
        yield all_of_them


async def made(instance: Command) -> int:
    """A new tree that everybody in the tenant may edit."""
    answer = await instance.ask("POST", "/api/v1/trees", TREE)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


async def logged(dsn: str, tree: int) -> list[tuple[int, str]]:
    """(seq, mark) of the tree's log, straight from its table. An op that no writer made has the mark ''."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT seq, op FROM tree_ops WHERE tree_id = $1 ORDER BY seq", tree)
    finally:
        await connection.close()
    return [(row["seq"], mark_of(msgspec.json.decode(row["op"]))) for row in rows]


async def told_the_truth(group: Writers, dsn: str) -> None:
    """The log has no gap, each acknowledged op stands in it exactly once, at the seq its author was told, and nothing
    stands in it twice (P1, P2, P3)."""
    log = await logged(dsn, group.tree)
    assert [seq for seq, _ in log] == list(range(1, len(log) + 1))
    times = Counter(mark for _, mark in log if mark)
    assert {mark: found for mark, found in times.items() if found != 1} == {}
    places = {mark: seq for seq, mark in log}
    for writer in group.everyone:
        assert writer.acknowledged == {mark: places.get(mark) for mark in writer.acknowledged}
        assert writer.set_aside.isdisjoint(places)


async def all_replicas_agree(group: Writers, instances: Sequence[Command]) -> None:
    """Every client holds what every instance answers to GET, byte for byte where it counts (RP1, RP5, BR2)."""
    digests = {(writer.tree.seq, writer.tree.digest) for writer in group.everyone}
    assert len(digests) == 1, digests
    held = [msgspec.to_builtins(node) for node in group.everyone[0].tree.nodes.values()]
    for instance in instances:
        view = (await instance.ask("GET", f"/api/v1/trees/{group.tree}")).json()
        assert view["position"]["seq"] == group.everyone[0].tree.seq
        assert sorted(view["state"]["nodes"], key=_by_id) == sorted(held, key=_by_id)


def _by_id(node: dict[str, Any]) -> str:
    return str(node["id"])


def mark_of(op: dict[str, Any]) -> str:
    """The mark of an effective op as it is logged or framed."""
    changed = op.get("set") or {}
    mark = op.get("title") or changed.get("title") or changed.get("description") or ""
    return mark if ":" in mark else ""
