"""One queue, replayed from two tabs and by HTTP on two instances at once, each op several times: one row per op, one
answer. `python -m tests.simulation --replay-storm --ops 100000 [--seed S]`.

The tabs share a client_id, so that each takes the pen from the other again and again; statements get lost on their way
to the database and answers on their way back; somebody else writes to the same tree meanwhile.
"""

from __future__ import annotations

import time
from collections import Counter
from random import Random

import msgspec

from sync.codec import JSON
from sync.errors import TreesyncError
from sync.identity import Identity, TreeKey
from sync.protocol import UNCONSUMED
from tests.simulation.network import Connection
from tests.simulation.plan import TENANT, Plan
from tests.simulation.replica import Record
from tests.simulation.world import Instance, World, bounds

MESSAGE_OPS = 100
WINDOW = 3  # messages that are under way at a time; one that overtakes another is answered `gap`, and sent again
RECONNECTS = 0.1  # of a tab, each quarter of AGAIN_SECONDS: so the pen goes to and fro
MOST_COPIES = 5
AGAIN_SECONDS = 0.3
NODES = 300  # that the queue makes; the ops after them change, move and delete
CLIENT = "one-queue"
USER = "u0"


class Tab:
    """A socket of the queue's client_id on one instance, which comes back whenever it has been replaced or cut."""

    def __init__(self, storm: Storm, instance: Instance) -> None:
        self.name = CLIENT
        self.identity = Identity(tenant=TENANT, user=USER, expires_at=2e9)
        self._storm = storm
        self._instance = instance
        self._connection: Connection | None = None
        self._open = False
        self.times_replaced = 0

    def come(self) -> None:
        self._connection = Connection(self._storm.world, self, self._instance, JSON)  # type: ignore[arg-type]  # a client
        self._connection.welcome(self.identity, self.name)
        self._connection.send({"type": "open", "ref": 0, "tree": self._storm.tree})

    def hang_up(self) -> None:
        if self._connection is not None:
            self._connection.cut(0.0, 0.0)

    def send(self, message: Record) -> bool:
        if self._open and self._connection is not None:
            self._connection.send(message)
        return self._open

    def receive(self, connection: Connection, message: Record) -> None:
        if connection is not self._connection:
            return
        kind = message["type"]
        if kind in ("snapshot", "resumed"):
            self._open = True
        elif kind == "outcome":
            self._storm.answered(message)
        elif kind == "notice" or (kind == "error" and message["code"] in ("replaced", "unavailable")):
            self.times_replaced += kind == "notice"
            connection.client_leaves()
            connection.server_leaves()

    def lost(self, connection: Connection) -> None:
        if connection is self._connection:
            self._connection, self._open = None, False
            self._storm.world.loop.call_later(self._storm.random.random() * 0.5, self.come)


class Storm:
    """See the module."""

    def __init__(self, ops: int, seed: int) -> None:
        plan = Plan(seed=seed, clients=0, instances=2, bus_loss=0.1, store_fails=0.01, store_forgets=0.02)
        self.world = World(plan)
        self.random = Random(f"storm:{seed}")
        self.tree = 1
        self.queue = [self._op(n) for n in range(1, ops + 1)]
        self.answers: dict[int, Record] = {}
        self.sent: Counter[int] = Counter()
        self.told: Counter[str] = Counter()
        self._tabs: list[Tab] = []

    # ---- the queue

    def _op(self, n: int) -> Record:
        made = min(n - 1, NODES)
        if n <= NODES:
            parent = f"q{self.random.randint(1, made)}" if made and self.random.random() < 0.7 else "root"
            return {
                "n": n,
                "base": 2,
                "op": "insert",
                "node": f"q{n}",
                "parent": parent,
                "type": "metric",
                "title": f"{n}",
            }
        node = f"q{self.random.randint(1, NODES)}"
        kind = self.random.choices(["title", "value", "drag", "shared", "nothing"], [6, 6, 3, 0.2, 1])[0]
        op: Record = {"n": n, "base": 2, "op": "update", "node": node}
        if kind == "drag":
            return {"n": n, "base": 2, "op": "move", "node": node, "position": {"x": n, "y": 0}}
        if kind == "nothing":
            return {"n": n, "base": 2, "op": "delete", "node": "nobody"}
        if kind == "shared":  # what somebody else changes too: set aside
            return {**op, "node": "a", "set": {"title": f"{n}"}, "was": {"title": "A"}}
        return {**op, "set": {"title": f"{n}"} if kind == "title" else {f"template_data.k{n % 7}": n}}

    def answered(self, outcome: Record) -> None:
        """Results, whichever way they came: the first that is final stays the only one."""
        for result in outcome["results"]:
            self.told[result["status"]] += 1
            if result.get("code") in UNCONSUMED:
                continue
            first = result["first"] if result["status"] == "duplicate" else result
            essence = {field: first[field] for field in ("status", "seq", "code") if field in first}
            known = self.answers.setdefault(result["n"], essence)
            assert known == essence, f"op {result['n']} was answered {known} and {essence} [ED3]"

    # ---- sending

    async def run(self) -> None:
        world = self.world
        await world.make_tree([USER, "u1"])
        for _ in range(2):
            await world.start_instance()
        self._tabs = [Tab(self, instance) for instance in world.instances]
        for tab in self._tabs:
            tab.come()
        foreign = world.loop.create_task(self._somebody_else(), name="somebody else")
        messages = [self.queue[start : start + MESSAGE_OPS] for start in range(0, len(self.queue), MESSAGE_OPS)]
        waiting: list[list[Record]] = []
        while messages or waiting:
            while messages and len(waiting) < WINDOW:
                waiting.append(messages.pop(0))
                self._send(waiting[-1], self.random.randint(1, MOST_COPIES))
            await world.clock.sleep(AGAIN_SECONDS / 4)
            waiting = [ops for ops in waiting if any(op["n"] not in self.answers for op in ops)]
            if self.random.random() < RECONNECTS:
                self.random.choice(self._tabs).hang_up()
            if waiting and self.random.random() < 0.25:  # what got lost, or came before what stands before it
                self._send(waiting[0], 1)
        foreign.cancel()
        world.weather.clear_up()
        await world.clock.sleep(6.0)
        self._check()
        for instance in world.living():
            with instance.owner.acting():
                await instance.hub.close()
            instance.owner.kill()
        world.checks.no_failure()

    def _send(self, ops: list[Record], copies: int) -> None:
        message: Record = {"type": "edit", "tree": self.tree, "mode": "replay", "ops": ops}
        for _ in range(copies):
            self.world.loop.call_later(self.random.random() * AGAIN_SECONDS, self._send_once, message)

    def _send_once(self, message: Record) -> None:
        for op in message["ops"]:
            self.sent[op["n"]] += 1
        if self.random.random() < 0.6 and self.random.choice(self._tabs).send({**message, "ref": 1}):
            return
        instance = self.random.choice(self.world.living())
        with instance.owner.acting():
            self.world.loop.create_task(self._submit(instance, message), name="http")

    async def _submit(self, instance: Instance, message: Record) -> None:
        who = Identity(tenant=TENANT, user=USER, expires_at=2e9)
        try:
            outcome = await instance.hub.submit(who, self.tree, CLIENT, JSON.decode(msgspec.json.encode(message)))
        except TreesyncError:
            return
        self.answered(msgspec.json.decode(JSON.encode(outcome)))

    async def _somebody_else(self) -> None:
        """Contends for the head, and now and then for a field."""
        who, n = Identity(tenant=TENANT, user="u1", expires_at=2e9), 0
        while True:
            await self.world.clock.sleep(0.05)
            n += 1
            op = {"n": 1, "base": 2, "op": "update", "node": "a", "set": {"title": f"theirs {n}"}}
            decoded = JSON.decode(msgspec.json.encode({"type": "edit", "ops": [op]}))
            instance = self.random.choice(self.world.living())
            with instance.owner.acting():
                self.world.loop.create_task(_unheard(instance, who, self.tree, f"x{n}", decoded), name="foreign")

    # ---- the end

    def _check(self) -> None:
        """One row or one result for each op, one answer that says so, and no difference between the instances."""
        rows = self.world.database.trees[TreeKey(TENANT, self.tree)]
        log = [op for op in rows.ops(0, len(rows.log)) if op.author.client == CLIENT]
        logged = {op.n: op.seq for op in log}
        results = {n for user, client, n in rows.results if (user, client) == (USER, CLIENT)}
        assert len(logged) == len(log), "an op stands in the log twice"
        assert not logged.keys() & results, "an op has a row and a result"
        assert logged.keys() | results == {op["n"] for op in self.queue}, "an op has neither a row nor a result"
        assert rows.counters[USER, CLIENT][0] == len(self.queue)
        for op in self.queue:
            answer = self.answers[op["n"]]
            assert answer.get("seq") == logged.get(op["n"]), f"{op} was answered {answer}"
        digests = {place.room.tree.digest for one in self.world.living() for place in one.hub.places()}
        assert len(digests) == 1, "the instances differ"


async def _unheard(instance: Instance, who: Identity, tree: int, client: str, decoded: object) -> None:
    try:
        await instance.hub.submit(who, tree, client, decoded)  # type: ignore[arg-type]
    except TreesyncError:
        return


def replay_storm(ops: int, seed: int = 0) -> str:
    """Run one; what it met, in a line. Raises AssertionError where an op has more or less than one row and answer."""
    began = time.perf_counter()
    storm = Storm(ops, seed)
    with bounds(storm.world.plan):
        storm.world.loop.run(storm.run())
    seconds = time.perf_counter() - began
    stats = [instance.hub.stats for instance in storm.world.instances]
    kinds = Counter(answer["status"] for answer in storm.answers.values())
    sent = storm.sent.values()
    return (
        f"{ops} ops sent {sum(sent)} times ({min(sent)} to {max(sent)} each) from 2 tabs and by HTTP on 2 instances, "
        f"{len(storm.answers)} answers: {dict(sorted(kinds.items()))}; told again "
        f"{storm.told['duplicate']} times; tabs replaced {sum(tab.times_replaced for tab in storm._tabs)} times; "
        f"{sum(one.commits for one in stats)} commits, {sum(one.lost for one in stats)} lost to the other instance, "
        f"{sum(one.unavailable for one in stats)} unanswered; {seconds:.1f} s, {ops / seconds:.0f} ops/s"
    )
