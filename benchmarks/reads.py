"""How often what people read is at hand: a replay of reads, with edits among them, against a server and its own counts.

What is asked for how often is drawn from a seed, so that each run asks the same in the same order:

- A thousand people are at work at once, as spec 000 asks, on 250 trees of 15 nodes; each does one thing in 5 seconds.
- 5 % of what they do are edits, and which tree it is about follows Zipf's law with 0.99: both are those of YCSB's
  workload B, "read mostly" (Cooper et al., Benchmarking Cloud Serving Systems with YCSB, SoCC 2010). Who does it
  follows the same law: few people do much. One edit in five says how far a node is, the others change its title.
- What is read is what our own clients ask. Most of it is the page, which opens trees on a socket, shows a tree at the
  seqs of its versions (here every 20th) and one's own numbers on the dashboard; the rest are programs that read
  progress, trees and structures by HTTP.

Counted is what the server says of itself in /health, after a third of that time again to warm up. Beside it: what an
answer costs that is at hand, that is made of an open tree, and that Redis would be asked for.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import accumulate
from random import Random
from typing import NamedTuple

import httpx2
import msgspec
import redis.asyncio
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket

from benchmarks.machine import OPERATOR, Server, post_tree, postgres, token, treesync
from benchmarks.machine import redis as redis_server
from benchmarks.opening import realistic
from benchmarks.results import Figure, Measured
from server.cached import Cache
from sync.codec import JSON
from sync.node_templates import standard_templates
from sync.nodes import Node
from sync.progress import Tally

PEOPLE, TREES, NODES = 1_000, 250, 15
PER_SECOND = 200  # a thousand people, one thing each in 5 seconds
EDITS, SKEW = 0.05, 0.99
# of a hundred reads
KINDS = {"open": 60, "past": 6, "user_progress": 2, "analytics": 4, "tree_progress": 14, "state": 8, "structure": 6}
# what of /health answers which read; `open_trees` is under all of them and counts for none
COUNTED = ("snapshots", "states", "tree_progress", "user_progress", "structures")
_SEED = 80
_FIRST_SEQ = 2  # of a tree that was just made
_WORKERS = 8
_SETTLED = 20  # edits: a seq so far back was committed when it is asked for
_VERSION_OPS = 20
_CALLS = 2_000


class Action(NamedTuple):
    """`kind` is `edit` or one of KINDS; `tree` and `person` count from 0."""

    kind: str
    tree: int
    person: int
    seq: int


def drawn(count: int, seed: int = _SEED) -> list[Action]:
    """What is done, in its order."""
    chance = Random(seed)
    trees, people = _zipf(TREES), _zipf(PEOPLE)
    edits: Counter[int] = Counter()
    found = []
    for _ in range(count):
        tree = chance.choices(range(TREES), cum_weights=trees)[0]
        person = chance.choices(range(PEOPLE), cum_weights=people)[0]
        kind = "edit" if chance.random() < EDITS else chance.choices(list(KINDS), weights=list(KINDS.values()))[0]
        seq = _FIRST_SEQ + _VERSION_OPS * chance.randint(0, max(edits[tree] - _SETTLED, 0) // _VERSION_OPS)
        edits[tree] += kind == "edit"
        found.append(Action(kind, tree, person, seq))
    return found


def _zipf(count: int) -> list[float]:
    return list(accumulate(1 / rank**SKEW for rank in range(1, count + 1)))


class Replay:
    """Plays actions against a server; each person has a token of his own."""

    def __init__(self, server: Server, http: httpx2.AsyncClient, trees: list[int]) -> None:
        self._server = server
        self._http = http
        self._trees = trees
        self._tokens = [token(f"u{person}") for person in range(PEOPLE)]
        self._edits = 0

    async def play(self, actions: list[Action]) -> None:
        """At PER_SECOND, or as fast as the server goes."""
        waiting, began = iter(enumerate(actions)), time.perf_counter()

        async def work() -> None:
            async with websocket(f"ws://127.0.0.1:{self._server.port}/ws", proxy=None, max_size=None) as socket:
                await self._greet(socket)
                for number, action in waiting:
                    await asyncio.sleep(began + number / PER_SECOND - time.perf_counter())
                    await self._do(action, socket)

        await asyncio.gather(*(work() for _ in range(_WORKERS)))

    async def _do(self, action: Action, socket: ClientConnection) -> None:
        tree = f"/api/v1/trees/{self._trees[action.tree]}"
        user = f"/api/v1/users/u{action.person}"
        match action.kind:
            case "open":
                await self._open(socket, self._trees[action.tree])
            case "edit":
                await self._edit(action, tree)
            case "tree_progress":
                await self._get(action, f"{tree}/progress")
            case "state":
                await self._get(action, tree)
            case "past":
                await self._get(action, f"{tree}?seq={action.seq}")
            case "structure":
                await self._get(action, f"{tree}/structure")
            case "user_progress":
                await self._get(action, f"{user}/progress")
            case _:
                await self._get(action, f"{user}/analytics")

    def _bearer(self, action: Action) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens[action.person]}"}

    async def _get(self, action: Action, path: str) -> None:
        (await self._http.get(path, headers=self._bearer(action))).raise_for_status()

    async def _edit(self, action: Action, tree: str) -> None:
        self._edits += 1
        status = ("not_started", "in_progress", "complete")[self._edits % 3]
        said = {"template_data.completion_status": status} if self._edits % 5 == 0 else {}
        changed = {"title": f"Grow {self._edits}", **said}
        op = {"op": "update", "n": 1, "base": 0, "node": f"n{self._edits % (NODES - 1)}", "set": changed}
        body = {"client_id": f"c{self._edits}", "mode": "force", "ops": [op]}
        (await self._http.post(f"{tree}/edits", json=body, headers=self._bearer(action))).raise_for_status()

    async def _greet(self, socket: ClientConnection) -> None:
        hello = {"type": "hello", "protocol": 1, "token": self._tokens[0], "client_id": f"s{id(socket)}"}
        await socket.send(json.dumps(hello))
        await _until(socket, "welcome")

    async def _open(self, socket: ClientConnection, tree: int) -> None:
        await socket.send(json.dumps({"type": "open", "ref": 1, "tree": tree}))
        await _until(socket, "snapshot")
        await socket.send(json.dumps({"type": "close", "tree": tree}))


async def _until(socket: ClientConnection, kind: str) -> None:
    while json.loads(await socket.recv())["type"] != kind:
        pass


class Count(NamedTuple):
    asked: int
    hits: int

    @property
    def percent(self) -> float:
        return 100 * self.hits / max(self.asked, 1)


async def replayed(server: Server, count: int) -> dict[str, Count]:
    """What /health counts of so many actions, behind a third of that to warm up."""
    trees = [post_tree(server, token(f"u{tree}"), realistic(NODES)) for tree in range(TREES)]
    actions, warming = drawn(count + count // 3), count // 3
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as http:
        replay = Replay(server, http, trees)
        await replay.play(actions[:warming])
        before = await _counts(http)
        await replay.play(actions[warming:])
        after = await _counts(http)
    return {name: Count(*(b - a for a, b in zip(before[name], after[name], strict=True))) for name in after}


async def _counts(http: httpx2.AsyncClient) -> dict[str, Count]:
    answer = await http.get("/health", headers={"Authorization": f"Bearer {OPERATOR}"})
    return {name: Count(one["asked"], one["hits"]) for name, one in answer.json()["caches"].items()}


# ---- what an answer costs


async def costs() -> dict[str, float]:
    """Microseconds: of an answer at hand, of one made out of an open tree's sums, of one that Redis is asked for."""
    nodes = [msgspec.convert({"order": "a0", "parent": None, **node}, Node) for node in realistic(1_000)]
    tally = Tally(standard_templates())
    for _ in tally.filling(nodes):
        pass
    below = [node for node in nodes if node.parent == "root"]

    async def made() -> bytes:
        return JSON.encode_value([tally.summary(), [tally.domain(node) for node in below]])

    answer = await made()
    cache: Cache[bytes] = Cache(time.monotonic, len)
    with redis_server() as url:
        kept = redis.asyncio.from_url(url)
        await kept.set("progress", answer, ex=60)
        found = {
            "at hand": await _timed(lambda: cache.get("tree", 1, made)),
            "made": await _timed(made),
            "Redis": await _timed(lambda: kept.get("progress")),
        }
        await kept.aclose()
    return found


async def _timed(call: Callable[[], Awaitable[object]]) -> float:
    await call()
    began = time.perf_counter()
    for _ in range(_CALLS):
        await call()
    return (time.perf_counter() - began) / _CALLS * 1e6


def measure(rounds: int, seconds: float) -> Measured:
    """One replay of 100 seconds; a third of that for each second asked for."""
    count = int(PER_SECOND * 100 * seconds / 3)
    with postgres() as database, treesync(database) as server:
        caches = asyncio.run(replayed(server, count))
    total = Count(*map(sum, zip(*(caches[name] for name in COUNTED), strict=True)))
    of_each = ", ".join(f"{name} {caches[name].percent:.0f} % of {caches[name].asked:,}" for name in COUNTED)
    what = f"{count:,} reads and edits of {PEOPLE:,} people"
    hits = [total.percent]
    cost = asyncio.run(costs())
    named = {"at hand": "at hand", "made": "made of an open tree of 1,000 nodes", "Redis": "asked of Redis"}
    return Measured(
        [
            Figure(what=f"{what}: hit rate", values=hits, unit=" %", limit=80, at_most=False, beside=of_each),
            Figure(what=f"{what}: trees found open", values=[caches["open_trees"].percent], unit=" %"),
            *(Figure(what=f"A tree's progress, {named[one]}", values=[took], unit=" µs") for one, took in cost.items()),
        ]
    )


if __name__ == "__main__":
    for figure in measure(1, 3.0).figures:
        print(figure.row)
