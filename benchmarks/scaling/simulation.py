"""A discrete-event simulation of the commit path and the bus: what waits for what, with the measured costs.

One instance of many is simulated with its share of a database, and one neighbour that follows it: edits come at random
(Poisson), are judged on the instance's one core, wait in their room for a lane, go out as one statement with all that
wait, take a core of the database and the disk, are settled, written to every listener, and passed on by the bus.
Nothing is random but the seed's, so that a run can be repeated.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count

import msgspec

from benchmarks.scaling.arithmetic import PING_SECONDS, World
from benchmarks.scaling.costs import Costs

LANES = 2  # sync/hub.py
MOST_ROOMS = 256  # sync/commit.py: batches in one statement
_BUS_SECONDS = 0.0005  # from one instance through Redis to another, without any queue
_SPREAD = 0.5  # sigma of the logarithm of a flush: the slowest of a hundred takes 3.2 times the median


class Outcome(msgspec.Struct, kw_only=True, frozen=True):
    """Of the time after the warm-up."""

    durable_p50: float  # seconds from an edit's arrival to its outcome
    durable_p99: float
    seen_p99: float  # seconds from an edit's arrival to its delivery on another instance
    core_busy: float  # share of the time
    database_busy: float  # share of all its cores
    edits_per_statement: float
    edits: int
    waiting: int  # edits without an answer at the end


class Servers:
    """So many servers before one queue, first come first served."""

    def __init__(self, simulation: Simulation, number: int) -> None:
        self._simulation = simulation
        self._free = number
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self.busy_seconds = 0.0

    def ask(self, seconds: float, then: Callable[[], None]) -> None:
        self._waiting.append((seconds, then))
        self._begin()

    def _begin(self) -> None:
        while self._free and self._waiting:
            seconds, then = self._waiting.popleft()
            self._free -= 1
            self.busy_seconds += seconds

            def ended(then: Callable[[], None] = then) -> None:
                self._free += 1
                then()
                self._begin()

            self._simulation.after(seconds, ended)


class Simulation:
    """See the module. `database_cores`: this instance's share of its shard's cores, at least one."""

    def __init__(self, world: World, costs: Costs, *, database_cores: int, seed: int) -> None:
        self._world = world
        self._costs = costs
        self._random = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self.now = 0.0
        self._core = Servers(self, 1)
        self._neighbour = Servers(self, 1)  # as busy as this one: it does the same work for its own
        self._database = Servers(self, database_cores)
        self._database_cores = database_cores
        self._rooms: dict[int, list[float]] = {}  # what waits: the arrivals of its edits
        self._flying: set[int] = set()
        self._lanes = LANES
        self._durable: list[float] = []
        self._seen: list[float] = []
        self._statements = 0
        self._edits = 0
        self._accepted = 0
        self._answered = 0

    def after(self, seconds: float, then: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), then))

    def run(self, seconds: float, warm_up: float = 1.0) -> Outcome:
        """Simulate so many seconds after the warm-up."""
        self._arrive()
        self._ping(self._core)
        self._ping(self._neighbour)
        self._bother()
        began = False
        busy = (0.0, 0.0)
        while self._events and self._events[0][0] < warm_up + seconds:
            self.now, _, then = heapq.heappop(self._events)
            if not began and self.now >= warm_up:
                began = True
                busy = (self._core.busy_seconds, self._database.busy_seconds)
                self._durable.clear()
                self._seen.clear()
                self._statements = self._edits = 0
            then()
        return Outcome(
            durable_p50=quantile(self._durable, 0.5),
            durable_p99=quantile(self._durable, 0.99),
            seen_p99=quantile(self._seen, 0.99),
            core_busy=(self._core.busy_seconds - busy[0]) / seconds,
            database_busy=(self._database.busy_seconds - busy[1]) / seconds / self._database_cores,
            edits_per_statement=self._edits / max(self._statements, 1),
            edits=self._edits,
            waiting=self._accepted - self._answered,
        )

    # ---- what people do

    @property
    def _rate(self) -> float:
        """Edits a second at this instance."""
        return self._world.edits / self._world.instances

    def _arrive(self) -> None:
        room = self._random.randrange(max(int(self._world.rooms / self._world.instances), 1))
        came = self.now
        self._accepted += 1
        self._core.ask(self._costs.edit / 1e6, lambda: self._admitted(room, came))
        self.after(self._random.expovariate(self._rate), self._arrive)

    def _ping(self, core: Servers) -> None:
        """The pings of all sockets of an instance, in lots of a hundredth of a second."""
        each = self._world.sockets / self._world.instances / PING_SECONDS * 0.01
        core.ask(each * self._costs.ping / 1e6, lambda: None)
        self.after(0.01, lambda: self._ping(core))

    def _bother(self) -> None:
        """What the others' edits cost: commits to follow here, and the neighbour's own work."""
        here = self._follow_seconds
        own = self._costs.edit + self._here * self._costs.delivery + self._costs.statement / 4
        self._core.ask(here, lambda: None)
        self._neighbour.ask(own / 1e6, lambda: None)
        self.after(self._random.expovariate(self._rate * max(self._world.apart - 1, 1e-9)), self._bother)

    @property
    def _here(self) -> float:
        """Listeners of a room on each instance where it is open."""
        return self._world.per_room / self._world.apart

    @property
    def _follow_seconds(self) -> float:
        return (self._costs.follow + self._here * self._costs.delivery) / 1e6

    # ---- the commit path

    def _admitted(self, room: int, came: float) -> None:
        self._rooms.setdefault(room, []).append(came)
        self._claim()

    def _claim(self) -> None:
        """A lane that is free takes every room that waits and is in no other lane (sync/commit.py)."""
        if not self._lanes:
            return
        ready = [room for room in self._rooms if room not in self._flying][:MOST_ROOMS]
        if not ready:
            return
        self._lanes -= 1
        batch = {room: self._rooms.pop(room) for room in ready}
        self._flying.update(ready)
        edits = sum(map(len, batch.values()))
        self._statements += 1
        self._edits += edits
        self._core.ask(self._costs.statement / 1e6, lambda: self._send(batch, edits))

    def _send(self, batch: dict[int, list[float]], edits: int) -> None:
        work = (self._costs.database_statement + edits * self._costs.database_edit) / 1e6
        self._database.ask(work, lambda: self.after(self._flush(), lambda: self._durably(batch, edits)))

    def _flush(self) -> float:
        """What a commit takes beyond the database's CPU: the disk and the way there."""
        alone = (self._costs.database_statement + self._costs.database_edit) / 1e6
        median = max(self._costs.commit_seconds - alone, 0.0002)
        return median * math.exp(self._random.gauss(0.0, _SPREAD))

    def _durably(self, batch: dict[int, list[float]], edits: int) -> None:
        """The authors' outcomes go first, then the frames to everyone; what they cost is in `edit` and `delivery`."""
        self._core.ask(0.0, lambda: self._settled(batch))
        self._core.ask(edits * self._here * self._costs.delivery / 1e6, lambda: self._delivered(batch))

    def _settled(self, batch: dict[int, list[float]]) -> None:
        self._lanes += 1
        self._flying.difference_update(batch)
        for arrivals in batch.values():
            self._answered += len(arrivals)
            self._durable.extend(self.now - came for came in arrivals)
        self._claim()

    def _delivered(self, batch: dict[int, list[float]]) -> None:
        if self._world.apart > 1:
            for arrivals in batch.values():
                self.after(_BUS_SECONDS, partial(self._heard, arrivals))

    def _heard(self, arrivals: list[float]) -> None:
        def seen() -> None:
            self._seen.extend(self.now - came for came in arrivals)

        self._neighbour.ask(self._follow_seconds, seen)


def quantile(values: list[float], share: float) -> float:
    """0 where there are none."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else 0.0
