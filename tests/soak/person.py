"""Somebody who works on trees for as long as the soak lasts: comes, edits, loses the network, decides conflicts, goes
to another tree.

What is made is taken away again for good, so that the trees stay as large as they were: whatever then grows is a leak.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random

from sync.errors import TreesyncError
from treesync_client import Client, LiveTree, connect

TITLES = ("Ask ten customers", "Measure it for a month", "A smaller step", "Try it in one region", "Half the scope")
PAUSE_SECONDS = 1.0  # between two edits of one person, on average
STAY_EDITS = 40  # of one visit, on average
AWAY_SECONDS = 2.0  # without a network, on average
LONGEST_TEXT = 600  # characters; a longer one is written anew
ANSWER_SECONDS = 30.0
WEIGHTS = {
    "retitle": 30,
    "write": 25,
    "drag": 20,
    "reparent": 5,
    "come_and_go": 3,
    "offline": 4,
    "decide": 4,
    "look": 9,
}


class Person:
    """One user. `trees` answers the tree of the next visit, `counted` takes what was done."""

    def __init__(
        self,
        user: str,
        url: str,
        token: Callable[[], Awaitable[str]],
        trees: Callable[[Random], int],
        chance: Random,
        counted: Counter[str],
    ) -> None:
        self.user = user
        self._url = url
        self._token = token
        self._trees = trees
        self._chance = chance
        self._counted = counted
        self._made = 0
        self._client: Client
        self._tree: LiveTree

    async def live(self) -> None:
        """Until cancelled. An error is counted and the visit goes on, and so is an answer that does not come."""
        while True:
            await asyncio.sleep(self._chance.uniform(0.0, 2.0))
            codec = self._chance.choice(("json", "msgpack"))
            async with connect(self._url, self._token, codec=codec, longest_wait=2.0, agent="soak") as self._client:  # type: ignore[arg-type]
                self._tree = await self._client.open(self._trees(self._chance))
                self._counted["visits"] += 1
                for _ in range(self._chance.randint(1, 2 * STAY_EDITS)):
                    await asyncio.sleep(self._chance.uniform(0.0, 2 * PAUSE_SECONDS))
                    await self._act()
                await self._leave()

    async def _act(self) -> None:
        (kind,) = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
        await self._do(kind)

    async def _leave(self) -> None:
        """Leave no conflict behind, for they are kept until somebody decides them."""
        while self._tree.open_conflicts:
            left = self._tree.open_conflicts
            await self._do("decide")
            if self._tree.open_conflicts >= left:
                break

    async def _do(self, kind: str) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await getattr(self, f"_{kind}")()
        except TreesyncError as error:
            self._counted[f"{kind}: {error.code}"] += 1
        except TimeoutError:
            self._counted[f"{kind}: no answer within {ANSWER_SECONDS:g} s"] += 1
        else:
            self._counted[kind] += 1

    def _node(self) -> str:
        return self._chance.choice(list(self._tree.nodes))

    async def _retitle(self) -> None:
        await self._tree.update(self._node(), title=f"{self._chance.choice(TITLES)} · {self._chance.randrange(10**6)}")

    async def _write(self) -> None:
        node = self._node()
        shown = self._tree.nodes[node].description
        if len(shown) > LONGEST_TEXT:
            await self._tree.update(node, description=shown[:40])
        else:
            await self._tree.splice(node, "description", self._chance.randint(0, len(shown)), insert=f"{self.user} ")

    async def _drag(self) -> None:
        self._tree.set_presence({"cursor": {"x": self._chance.randrange(999), "y": 7}})
        await self._tree.move(self._node(), position=(self._chance.randrange(2000), self._chance.randrange(2000)))

    async def _reparent(self) -> None:
        await self._tree.move(self._node(), parent=self._chance.choice([None, self._node()]))

    async def _come_and_go(self) -> None:
        """A node from its making to its end: inserted, connected, deleted, restored, deleted, purged."""
        self._made += 1
        made = f"{self.user}-{self._made}-{self._chance.getrandbits(32):08x}"
        await self._tree.insert(made, parent=None, type="metric", title="For a while")
        await self._tree.connect_nodes(f"c-{made}", made, self._node())
        await self._tree.delete(made)
        await self._tree.restore(made)
        await self._tree.delete(made)
        await self._tree.purge(made)

    async def _offline(self) -> None:
        """What was made meanwhile is replayed, and may be in conflict."""
        async with self._client.offline():
            answers = [
                self._tree.update(self._node(), title=f"{self.user}, offline {self._chance.randrange(10**6)}")
                for _ in range(self._chance.randint(1, 8))
            ]
            await asyncio.sleep(self._chance.uniform(0.0, 2 * AWAY_SECONDS))
        await asyncio.gather(*answers, return_exceptions=True)

    async def _decide(self) -> None:
        for record in await self._tree.conflicts():
            if record.user == self.user:
                await self._tree.resolve(record.id, "mine" if self._chance.random() < 0.5 else "theirs")
                self._counted["decided"] += 1

    async def _look(self) -> None:
        """The tree by HTTP, and close and open it again."""
        await self._client.request("GET", f"/trees/{self._tree.number}")
        self._tree.close()
        self._tree = await self._client.open(self._tree.number)
