"""The clients of a storm: ours, each with a tree open, some of them typing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from random import Random
from typing import Any, NamedTuple

import msgspec

from server.auth import mint
from server.bodies import TreeView
from sync.codec import MSGPACK
from sync.errors import TreesyncError
from tests.clocks import RealClock
from tests.commands import SECRET, Command
from tests.reconnect.line import LightDial, LightLine
from tests.torture.oracles import LogRow
from treesync_client import Client, Landed, LiveTree
from treesync_client.backoff import LONGEST_SECONDS
from treesync_client.replica import Replica

TENANT = "acme"
PER_TREE = 20  # people of one tree
CONNECTING = 64  # that come in at once in the beginning, which is not what is measured
NODES = 20
NODE = {"type": "metric", "title": "t"}
TOKEN_SECONDS = 3600.0
WITHIN_SECONDS = 60.0


class Member(NamedTuple):
    client: Client
    tree: LiveTree
    dial: LightDial
    node: str  # which it writes, and nobody else


class Crowd:
    """Everybody, and every answer anybody was given."""

    def __init__(self, seed: int, longest_wait: float = LONGEST_SECONDS) -> None:
        self.members: list[Member] = []
        self.landed: dict[
            tuple[int, int], set[tuple[str, int]]
        ] = {}  # (tree, seq) -> (client, n) of what was acknowledged
        self.outcomes: Counter[str] = Counter()
        self.flying: set[asyncio.Future[Any]] = set()
        self._chance = Random(seed)
        self._longest_wait = longest_wait
        self._written = 0
        self._lines: list[LightLine | None] = []

    async def come(self, instance: Command, clients: int, stack: AsyncExitStack) -> None:
        """Connect everyone, in rooms of PER_TREE."""
        trees = [await make_tree(instance) for _ in range(-(-clients // PER_TREE))]
        gate = asyncio.Semaphore(CONNECTING)

        async def enter(number: int) -> None:
            async with gate:
                dial = LightDial(instance.url, MSGPACK)
                token = mint(SECRET, tenant=TENANT, user=f"user-{number}", expires_at=RealClock().now() + TOKEN_SECONDS)
                chance = Random(self._chance.getrandbits(64)).random
                client = Client(
                    instance.url, token, dial=dial, chance=chance, longest_wait=self._longest_wait, agent="storm"
                )
                await stack.enter_async_context(client)
                tree = await client.open(trees[number // PER_TREE])
                self.members.append(Member(client, tree, dial, f"n{number % PER_TREE}"))

        await asyncio.gather(*(enter(number) for number in range(clients)))

    # ---- writing

    def write(self, member: Member) -> None:
        """One edit. Its answer is kept when it comes."""
        self._written += 1
        tree = member.tree
        answer = tree.update(member.node, title=f"title {self._written}")
        self.flying.add(answer)
        answer.add_done_callback(lambda future: self._answered(member, future))

    def _answered(self, member: Member, future: asyncio.Future[Any]) -> None:
        self.flying.discard(future)
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or error is not None:
            self.outcomes["unanswered" if error is None else f"error {getattr(error, 'code', error)}"] += 1
            return
        result = future.result()
        self.outcomes[type(result).__name__] += 1
        if isinstance(result, Landed) and result.seq is not None:
            acknowledged = self.landed.setdefault((member.tree.number, result.seq), set())
            acknowledged.add((member.tree.core.client_id, result.n))

    async def keep_writing(self, per_second: float) -> None:
        """Somebody writes, again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._chance.expovariate(per_second))
            self.write(self._chance.choice(self.members))

    async def answered(self) -> None:
        async with asyncio.timeout(WITHIN_SECONDS):
            while self.flying:
                await asyncio.wait(list(self.flying))

    # ---- the storm

    def begin(self) -> None:
        """A storm begins: whoever comes back does so on another line."""
        self._lines = [member.dial.line for member in self.members]

    @property
    def back(self) -> int:
        """How many have their tree open again."""
        return sum(
            1
            for member, line in zip(self.members, self._lines, strict=True)
            if member.dial.line is not line and member.tree.core.status == "open"
        )

    def cut(self) -> None:
        """Every line is gone at once."""
        for member in self.members:
            if member.dial.line is not None:
                member.dial.line.cut()

    # ---- afterwards

    async def differing(self, instance: Command) -> list[str]:
        """O3: who has another tree than the server."""
        found: list[str] = []
        for tree in {member.tree.number for member in self.members}:
            view = msgspec.convert((await ask(instance, "GET", f"/api/v1/trees/{tree}")), TreeView)
            truth = Replica()
            truth.load(view.position, [view.state])
            for member in (one for one in self.members if one.tree.number == tree):
                try:
                    async with asyncio.timeout(WITHIN_SECONDS):
                        await member.tree.reached(truth.seq)
                except (TimeoutError, TreesyncError) as error:
                    found.append(f"tree {tree}, {member.client.client_id}: {error!r}")
                    continue
                if member.tree.digest != truth.digest:
                    found.append(f"tree {tree}, {member.client.client_id}: another tree at {truth.seq}")
        return found

    def lost(self, log: Mapping[int, Sequence[LogRow]]) -> list[str]:
        """O1: what was acknowledged and is not in the log, or not as what it was acknowledged as."""
        there = {(tree, row.seq): (row.client, row.n) for tree, rows in log.items() for row in rows}
        return [
            f"tree {place[0]} at {place[1]}: {sorted(told)} were acknowledged, {there.get(place)} is in the log"
            for place, told in self.landed.items()
            if told != {there.get(place)}
        ]


async def ask(instance: Command, method: str, path: str, body: Any = None) -> Any:
    answer = await instance.ask(method, path, body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def make_tree(instance: Command) -> int:
    nodes = [{"id": f"n{number}", **NODE} for number in range(NODES)]
    body = {"name": "Storm", "visibility": "tenant_edit", "nodes": nodes}
    return int((await ask(instance, "POST", "/api/v1/trees", body))["id"])
