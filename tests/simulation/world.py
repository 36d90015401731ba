"""One simulated deployment: instances with the real hub over one in-memory database, clients, and what befalls them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from random import Random
from typing import Any

import msgspec

from storage.bus_local import LocalExchange
from storage.memory import MemoryDatabase, MemoryStore
from storage.memory_directory import MemoryDirectory
from sync.codec import JSON
from sync.creation import first_batch
from sync.errors import TreesyncError
from sync.hub import Hub
from sync.identity import Author, Identity, TreeKey
from sync.nodes import Details
from sync.ops import ImportedNode
from sync.ports import Head
from tests.simulation.asking import Asker
from tests.simulation.befalling import Befalling
from tests.simulation.checks import Checks
from tests.simulation.client import Client
from tests.simulation.copies import Copy
from tests.simulation.deciding import Deciding
from tests.simulation.faults import FaultyBus, FaultyStore, Weather
from tests.simulation.going_back import GoingBack
from tests.simulation.loop import Owner, SimulatedClock, SimulatedLoop
from tests.simulation.network import codec_of
from tests.simulation.plan import SMALL, TENANT, Plan
from tests.simulation.progressing import FixedTemplates
from tests.simulation.replica import Record

QUIET_SECONDS = 10.0  # within which everything has converged once the faults have ended (reliability B9)
LOOK_SECONDS = 0.2
PRESENCE_SECONDS = 90.0  # a dead instance's people fade after 60, and others are named every 20
PROGRESS_SECONDS = 5.0  # [PG8] a second, and what a socket that was paused takes to be read
MODES = {"live": 6, "replay": 2, "force": 1}


class Instance:
    """A server process."""

    def __init__(self, world: World, number: int) -> None:
        self.owner = Owner(f"i{number}")
        self.draining = False
        loop, clock, random = world.loop, world.clock, world.random
        store = FaultyStore(MemoryStore(world.database), world.weather, loop, clock, random)
        self.bus = FaultyBus(world.exchange.bus(), world.weather, loop, clock, self.owner)
        self.hub = Hub(
            store,
            self.bus,
            clock,
            instance=self.owner.name,
            limits=world.plan.limits,
            log=lambda *_, **__: None,
            templates=FixedTemplates(),
            wide=world.plan.wide,
        )
        self.hub.on_task_death = lambda name, error: loop.failures.append(f"{self.owner.name} {name} died: {error!r}")


class World:
    """See the module. `random` is the one source of chance, asked in the one order in which things happen."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.random = Random(plan.seed)
        self.loop = SimulatedLoop()
        self.clock = SimulatedClock(self.loop, self.random)
        self.weather = Weather(plan, self.random, self.loop)
        self.database = MemoryDatabase(self.clock)
        self.exchange = LocalExchange()
        self.directory = MemoryDirectory(self.database)
        self.checks = Checks(self)
        self.deciding = Deciding(self)
        self.going_back = GoingBack(self)
        self.instances: list[Instance] = []
        self.clients: list[Client] = []
        self.askers: dict[str, Asker] = {}
        self.doomed: set[int] = set()
        self.events: dict[str, int] = {}
        self._history = hashlib.blake2b(digest_size=16)
        self._instances_made = 0
        self._typed = count(1)

    # ---- what the others ask

    def record(self, *what: Any) -> None:
        """Part of the history: two runs of a seed must have the same."""
        self._history.update(msgspec.json.encode((self.loop.time(), what)))

    @property
    def history(self) -> str:
        return self._history.hexdigest()

    def happens(self, chance: float) -> bool:
        return not self.weather.fair and chance > 0 and self.random.random() < chance

    def head(self, tree: int) -> Head:
        return self.database.trees[TreeKey(TENANT, tree)].head

    def is_doomed(self, tree: int) -> bool:
        return tree in self.doomed

    def living(self) -> list[Instance]:
        return [instance for instance in self.instances if instance.owner.alive]

    def any_instance(self) -> Instance | None:
        """Where the balancer sends a client; None: nobody listens."""
        open_ones = [instance for instance in self.living() if not instance.draining]
        return self.random.choice(open_ones) if open_ones else None

    def copies(self) -> Iterator[Copy]:
        for client in self.clients:
            yield from client.copies.values()

    # ---- the run

    async def run(self) -> None:
        """Everything from the first instance to the last check."""
        await self._set_up()
        made = 0
        while made < self.plan.ops:
            event = self.random.choices(["op", *self.plan.events], [1.0, *self.plan.events.values()])[0]
            self.events[event] = self.events.get(event, 0) + 1
            if event == "op":
                made += 1
                self._op()
            else:
                self.befall(event)
            await self._rest(self._gap())
        await self._quiet()
        await self.checks.end()
        await self._close()

    async def _rest(self, seconds: float) -> None:
        """Let time pass, and look at what it does."""
        while True:
            await self.clock.sleep(min(seconds, LOOK_SECONDS))
            self.checks.step()
            seconds -= LOOK_SECONDS
            if seconds <= 0:
                return

    def _gap(self) -> float:
        if self.random.random() < self.plan.pause:
            return self.random.random() * 3
        return self.random.choice([0.0, 0.0, 0.001, 0.01, 0.05])

    def befall(self, event: str) -> None:
        """One event of the plan, now."""
        Befalling(self).befall(event)

    async def _set_up(self) -> None:
        users = [f"u{number if number % 4 != 1 else number - 1}" for number in range(self.plan.clients)]
        for _ in range(self.plan.trees):
            await self.make_tree(users)
        for _ in range(self.plan.instances):
            await self.start_instance()
        trees = list(range(1, self.plan.trees + 1))
        for number, user in enumerate(users):
            name = f"{user}-{number}"
            mine = sorted(self.random.sample(trees, self.random.randint(1, len(trees))))
            self._make_client(name, user, mine, number)
        if self.random.random() < 0.3:
            self._make_client("eve", "eve", trees[:1], 0, viewer=True)
        for client in self.clients:
            client.come(self.random.random() * 0.1)

    def _make_client(self, name: str, user: str, trees: list[int], number: int, *, viewer: bool = False) -> None:
        identity = Identity(tenant=TENANT, user=user, expires_at=2e9, name=user)
        self.askers[name] = Asker(name, self.plan, self.random, self._typed)
        self.clients.append(Client(self, name, identity, trees, codec_of(number), viewer=viewer))

    async def make_tree(self, users: list[str]) -> None:
        owner = Identity(tenant=TENANT, user="u0", expires_at=2e9)
        author = Author(user="u0", client="create:1")
        nodes = [
            ImportedNode(id="root", type="objective", title="Root"),
            ImportedNode(id="a", parent="root", type="outcome", title="A"),
            ImportedNode(id="b", parent="root", type="outcome", title="B"),
        ]
        batch = first_batch(TreeKey(TENANT, 0), "e1", "m0", author, Details(name="Tree"), nodes, [])
        key = await self.directory.create(owner, batch, "private", author)
        for user in users:
            await self.directory.set_member(key, user, "editor")
        await self.directory.set_member(key, "eve", "viewer")

    async def start_instance(self) -> None:
        instance = Instance(self, self._instances_made)
        self._instances_made += 1
        with instance.owner.acting():
            await instance.hub.start()
        self.instances.append(instance)

    def _op(self) -> None:
        client = self.random.choice(self.clients)
        copy = self.random.choice([*client.copies.values()])
        if copy.replica is None or copy.gone:
            return
        asker, mode = self.askers[client.name], self.mode()
        op = asker.ask(copy.replica)
        if op["op"] == "type":
            copy.drafts.type((op["node"], op["path"]), asker, mode)
        elif op["op"] == "mistype":
            copy.drafts.misuse((op["node"], op["path"]), op["delta"], mode)
        elif not copy.drafts.holds(op):
            copy.ask(op, mode)

    def mode(self) -> str:
        """How the next op is sent."""
        return self.random.choices([*MODES], [*MODES.values()])[0]

    def send_by_http(self, copy: Copy, message: Record) -> None:
        """The same edit once more, on another way, to any instance."""
        instance = self.any_instance()
        if instance is not None:
            with instance.owner.acting():
                self.loop.create_task(self._submit(instance, copy, message), name="http")

    async def _submit(self, instance: Instance, copy: Copy, message: Record) -> None:
        client = copy.client
        await self.clock.sleep(self.random.random() * 0.05)
        try:
            outcome = await instance.hub.submit(
                client.identity, copy.tree, client.name, JSON.decode(msgspec.json.encode(message))
            )
        except TreesyncError:
            return
        answer: Record = msgspec.json.decode(JSON.encode(outcome))
        self.checks.written(client, instance, answer)
        self.record("http", client.name, answer)
        copy.take_results(answer)

    # ---- the end

    async def _quiet(self) -> None:
        """No more faults: within bounded time everything is as it should be [BR11]."""
        self.weather.clear_up()
        for tree in range(1, self.plan.trees + 1):
            if tree not in self.doomed:
                await self._give_rights_back(TreeKey(TENANT, tree))
        if self.any_instance() is None:
            await self.start_instance()
        for client in self.clients:
            client.come_back()
            if client.connection is not None:
                client.connection.resume()
        began = self.loop.time()
        while not self.settled:
            await self.clock.sleep(0.1)
            self.checks.step()
            self.checks.bounded(self.loop.time() - began < QUIET_SECONDS)
        told = self.loop.time()
        while not self.checks.progress_agrees() and self.loop.time() - told < PROGRESS_SECONDS:
            await self.clock.sleep(0.1)
        self.checks.progress()
        if self.plan.check_presence:
            while not self.checks.presence_agrees() and self.loop.time() - began < PRESENCE_SECONDS:
                await self.clock.sleep(1.0)
            self.checks.presence()

    async def _give_rights_back(self, key: TreeKey) -> None:
        for client in self.clients:
            if not client.viewer and client.identity.user != "u0":
                await self.directory.set_member(key, client.identity.user, "editor")
        await self.directory.set_frozen(key, False)

    @property
    def settled(self) -> bool:
        clients = all(client.settled for client in self.clients)
        return clients and all(self.is_level(instance) for instance in self.living())

    def is_level(self, instance: Instance) -> bool:
        """Whether every room of an instance stands where the database does, with nothing to do."""
        for place in instance.hub.places():
            head = self.database.trees[place.key].head
            room = place.room
            if place.busy or room.inbox or (room.commit, room.rights.version) != (head.commit, head.rights):
                return False
        return True

    async def _close(self) -> None:
        for instance in self.living():
            with instance.owner.acting():
                await instance.hub.close()
            instance.owner.kill()
        self.checks.no_failure()


@contextmanager
def bounds(plan: Plan) -> Iterator[None]:
    """The server's bounds as the plan wants them."""
    kept = [(module, name, getattr(module, name)) for module, name, _ in SMALL]
    try:
        if plan.small:
            for module, name, value in SMALL:
                setattr(module, name, value)
        yield
    finally:
        for module, name, value in kept:
            setattr(module, name, value)


def simulate(plan: Plan) -> World:
    """Run a plan to its end; raises AssertionError where a promise was broken."""
    world = World(plan)
    with bounds(plan):
        world.loop.run(world.run())
    return world
