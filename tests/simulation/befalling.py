"""What happens beside edits, by the names that plans use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sync.identity import TreeKey
from tests.simulation.plan import TENANT
from tests.simulation.replica import Record

if TYPE_CHECKING:
    from tests.simulation.client import Client
    from tests.simulation.copies import Copy
    from tests.simulation.world import Instance, World


class Befalling:
    """See the module."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.random

    def befall(self, event: str) -> None:
        self._world.record("event", event)
        getattr(self, "_" + event)()

    def _later(self, least: float, most: float) -> float:
        return least + self._random.random() * (most - least)

    def _client(self) -> Client:
        return self._random.choice(self._world.clients)

    def _copy(self) -> Copy:
        return self._random.choice([*self._client().copies.values()])

    def _instance(self) -> Instance | None:
        living = self._world.living()
        return self._random.choice(living) if living else None

    def _key(self) -> TreeKey:
        return TreeKey(TENANT, self._random.randint(1, self._world.plan.trees))

    # ---- sockets

    def _cut(self) -> None:
        late = self._later(0, 3)
        server, client = self._random.choice([(0.0, 0.0), (late, 0.0), (0.0, late)])
        self._client().hang_up(server, client)

    def _leave(self) -> None:
        self._client().stay_away(self._later(3, 30))

    def _reopen(self) -> None:
        copy = self._copy()
        if not copy.gone:
            copy.reopen()

    def _slow_reader(self) -> None:
        connection = self._client().connection
        if connection is not None:
            connection.pause(self._later(0.3, 3))

    def _presence(self) -> None:
        self._copy().tell_presence({"cursor": {"x": self._random.randint(0, 9)}})

    def _garbage(self) -> None:
        copy = self._copy()
        if copy.client.connection is not None:
            messages: list[Record] = [
                {"type": "edit", "tree": copy.tree, "ops": [{"n": 0, "base": 0, "op": "delete", "node": "root"}]},
                {"type": "edit", "tree": copy.tree, "ops": [{"n": -1, "base": 0, "op": "delete", "node": "a"}]},
                {"type": "edit", "tree": copy.tree, "ops": [{"base": 0, "op": "delete", "node": "root"}]},
                {"type": "explode"},
                {"type": "open", "tree": "one"},
                {"type": "presence", "tree": copy.tree},
            ]
            copy.client.connection.send(self._random.choice(messages))

    # ---- instances

    def _kill(self) -> None:
        instance = self._instance()
        if instance is None:
            return
        instance.owner.kill()
        self._forsake(instance)
        if self._random.random() < 0.8:
            self._start_later()

    def _forsake(self, instance: Instance) -> None:
        for client in self._world.clients:
            connection = client.connection
            if connection is not None and connection.instance is instance:
                self._world.loop.call_later(self._later(0, 0.1), connection.client_leaves)

    def _start_later(self) -> None:
        world = self._world

        def start() -> None:
            world.loop.create_task(world.start_instance(), name="start")

        world.loop.call_later(self._later(0.05, 2), start)

    def _start(self) -> None:
        if len(self._world.living()) < self._world.plan.instances:
            self._start_later()

    def _drain(self) -> None:
        instance = self._instance()
        if instance is not None and not instance.draining:
            instance.draining = True
            with instance.owner.acting():
                self._world.loop.create_task(self._drained(instance), name="drain")
            self._start_later()

    async def _drained(self, instance: Instance) -> None:
        await instance.hub.drain()
        for client in self._world.clients:
            if client.connection is not None and client.connection.instance is instance:
                client.connection.close(1012, "restart")
        await self._world.clock.sleep(0.05)
        await instance.bus.close()
        self._world.loop.call_soon(instance.owner.kill)

    # ---- what they depend on

    def _bus_down(self) -> None:
        weather = self._world.weather
        weather.bus_down = not weather.fair
        self._world.loop.call_later(self._later(0.3, 6), setattr, weather, "bus_down", False)

    def _database_down(self) -> None:
        weather = self._world.weather
        weather.database_down = not weather.fair
        self._world.loop.call_later(self._later(0.1, 4), setattr, weather, "database_down", False)

    # ---- people

    def _rights(self) -> None:
        key = self._key()
        user = self._client().identity.user
        role = self._random.choice(["viewer", None, "editor"])
        if user not in ("u0", "eve"):
            self._change(key, user, role)
            self._world.loop.call_later(self._later(0.2, 4), self._change, key, user, "editor")

    def _change(self, key: TreeKey, user: str, role: Any) -> None:
        rows = self._world.database.trees[key]
        members = {name: held for name, held in rows.rights.members.items() if name != user}
        rows.set_rights(members=members if role is None else {**members, user: role})
        self._tell_rights(key)

    def _tell_rights(self, key: TreeKey) -> None:
        """The instance that changed them tells the others; or the change was made in the database by hand."""
        instance = self._instance()
        if instance is not None and self._random.random() < 0.7:
            with instance.owner.acting():
                instance.hub.rights_changed(key)

    def _decide(self) -> None:
        copy = self._copy()
        if copy.replica is not None and not copy.gone:
            self._world.deciding.decide(copy)

    def _purge(self) -> None:
        key = self._key()
        if key.tree not in self._world.doomed:
            self._world.deciding.purge(key)

    def _go_back(self) -> None:
        key = self._key()
        if key.tree not in self._world.doomed:
            self._world.going_back.go_back(key)

    def _freeze(self) -> None:
        key = self._key()
        self._set_frozen(key, True)
        self._world.loop.call_later(self._later(0.2, 3), self._set_frozen, key, False)

    def _set_frozen(self, key: TreeKey, frozen: bool) -> None:
        self._world.database.trees[key].set_rights(frozen=frozen)
        self._tell_rights(key)

    def _doom(self) -> None:
        """A tree is deleted; one is always left."""
        key = self._key()
        if len(self._world.doomed) < self._world.plan.trees - 1 and key.tree not in self._world.doomed:
            self._world.doomed.add(key.tree)
            rows = self._world.database.trees[key]
            rows.deleted_at = self._world.clock.now()
            rows.set_rights(deleted=True)
            self._tell_rights(key)

    def _resync(self) -> None:
        instance = self._instance()
        if instance is not None:
            with instance.owner.acting():
                instance.hub.resync(self._key())

    def _kick(self) -> None:
        instance = self._instance()
        if instance is not None:
            for place in instance.hub.places()[:1]:
                people = [*place.room.participants]
                if people:
                    with instance.owner.acting():
                        instance.hub.kick(place.key, self._random.choice(people))
