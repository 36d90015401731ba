"""What goes wrong between a hub and its ports: calls that fail, answers that get lost, messages that do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import TypeVar

import msgspec

from storage.bus_local import LocalBus
from storage.memory import MemoryStore
from sync.errors import Unavailable, Unstorable
from sync.identity import TreeKey
from sync.ports import Batch, Receipt, Turn
from tests import faults
from tests.simulation.loop import Owner, SimulatedClock, SimulatedLoop
from tests.simulation.plan import Plan

Answer = TypeVar("Answer")
POISON = "\u2620"  # stands for what a database cannot hold and the codec lets through
_POISON_BYTES = POISON.encode()
FAIR_STORE_SECONDS = 0.004
FAIR_BUS_SECONDS = 0.002


class Weather:
    """Which faults there are now. `clear_up` ends them all."""

    def __init__(self, plan: Plan, random: Random, loop: SimulatedLoop) -> None:
        self.database_down = False
        self.bus_down = False
        self.fair = False
        self.database_troubled_at = 0.0
        self.bus_troubled_at = 0.0
        self.poisons = plan.poison > 0
        self._plan = plan
        self._random = random
        self._loop = loop

    def clear_up(self) -> None:
        self.fair = True
        self.database_down = self.bus_down = False

    def _happens(self, chance: float) -> bool:
        return not self.fair and chance > 0 and self._random.random() < chance

    def store_seconds(self) -> float:
        return self._random.random() * (FAIR_STORE_SECONDS if self.fair else self._plan.store_delay)

    def ask_store(self) -> None:
        """Raises Unavailable where a call does not get through."""
        if self.database_down or self._happens(self._plan.store_fails):
            self.database_troubled_at = self._loop.time()
            raise Unavailable("the database does not answer")

    def hear_store(self) -> None:
        """Raises Unavailable where the answer to a call gets lost."""
        if self.database_down or self._happens(self._plan.store_forgets):
            self.database_troubled_at = self._loop.time()
            raise Unavailable("the answer was lost")

    def deliveries(self) -> list[float]:
        """When a message of the bus arrives: never, once, or more often, in seconds from now."""
        if self.bus_down or self._happens(self._plan.bus_loss):
            self.bus_troubled_at = self._loop.time()
            return []
        times = 2 if self._happens(self._plan.bus_double) else 1
        most = FAIR_BUS_SECONDS if self.fair else self._plan.bus_delay
        return [self._random.random() * most for _ in range(times)]


class FaultyStore(faults.FaultyStore):
    """`sync.ports.Store` over the in-memory one: every call takes time, may fail before and may be lost after."""

    def __init__(
        self, store: MemoryStore, weather: Weather, loop: SimulatedLoop, clock: SimulatedClock, random: Random
    ) -> None:
        super().__init__(store, lambda name: "none")
        self._weather = weather
        self._loop = loop
        self._clock = clock
        self._random = random

    async def call(self, name: str, made: Callable[[], Awaitable[Answer]]) -> Answer:
        await self._clock.sleep(self._weather.store_seconds())
        self._weather.ask_store()
        answer = await made()
        await self._clock.sleep(self._weather.store_seconds())
        self._weather.hear_store()
        return answer

    async def commit(self, batches: Sequence[Batch]) -> list[Receipt]:
        """Of an instance that dies while its statement is on the way, the statement may still arrive."""
        arrived = False

        async def arrive() -> list[Receipt]:
            nonlocal arrived
            arrived = True
            self.refuse_poison(batches)
            return await self._store.commit(batches)

        try:
            return await self.call("commit", arrive)
        except BaseException as error:
            if not arrived and not isinstance(error, Unavailable) and self._random.random() < 0.5:
                self._loop.call_later(self._weather.store_seconds(), self._posthumous, batches)
            raise

    def _posthumous(self, batches: Sequence[Batch]) -> None:
        if self._weather.database_down:
            return
        statement = self._store.commit(batches)
        assert isinstance(statement, Coroutine)
        try:
            self.refuse_poison(batches)
            statement.send(None)
        except (StopIteration, Unstorable):
            statement.close()
            return
        raise AssertionError("the in-memory database answers at once")

    def refuse_poison(self, batches: Sequence[Batch]) -> None:
        if self._weather.poisons and _POISON_BYTES in msgspec.json.encode(batches):
            raise Unstorable("a value cannot be stored")

    @asynccontextmanager
    async def exclusive(self, key: TreeKey) -> AsyncIterator[Turn]:
        await self._clock.sleep(self._weather.store_seconds())
        self._weather.ask_store()
        async with self._store.exclusive(key) as turn:
            yield FaultyTurn(turn, self)
        await self._clock.sleep(self._weather.store_seconds())
        self._weather.hear_store()


class FaultyTurn(faults.FaultyTurn):
    """A transaction of several statements, any of which may be the last."""

    def __init__(self, turn: Turn, store: FaultyStore) -> None:
        super().__init__(turn, store)
        self._refuse = store.refuse_poison

    async def rehearse(self, batch: Batch) -> None:
        async def rehearse() -> None:
            self._refuse([batch])
            await self._turn.rehearse(batch)

        await self._store.call("turn.rehearse", rehearse)

    async def commit(self, batch: Batch) -> Receipt:
        async def commit() -> Receipt:
            self._refuse([batch])
            return await self._turn.commit(batch)

        return await self._store.call("turn.commit", commit)


class FaultyBus:
    """`sync.ports.Bus` over the in-process one: messages get lost, doubled, delayed and overtaken on the way in."""

    def __init__(
        self, inner: LocalBus, weather: Weather, loop: SimulatedLoop, clock: SimulatedClock, owner: Owner
    ) -> None:
        self._inner = inner
        self._weather = weather
        self._loop = loop
        self._clock = clock
        self._owner = owner
        self._receive: Callable[[TreeKey, bytes], None] = lambda key, payload: None

    async def start(self, receive: Callable[[TreeKey, bytes], None]) -> None:
        self._receive = receive
        await self._inner.start(self._arrive)

    def _arrive(self, key: TreeKey, payload: bytes) -> None:
        if not self._owner.alive:
            return
        for seconds in self._weather.deliveries():
            self._loop.call_later(seconds, self._deliver, key, payload)

    def _deliver(self, key: TreeKey, payload: bytes) -> None:
        if self._owner.alive:
            with self._owner.acting():
                self._receive(key, payload)

    async def subscribe(self, key: TreeKey) -> None:
        await self._clock.sleep(self._weather.store_seconds())
        await self._inner.subscribe(key)

    async def unsubscribe(self, key: TreeKey) -> None:
        await self._clock.sleep(self._weather.store_seconds())
        await self._inner.unsubscribe(key)

    def publish(self, key: TreeKey, payload: bytes) -> None:
        if self._owner.alive and not self._weather.bus_down:
            self._inner.publish(key, payload)

    def healthy(self) -> bool:
        return not self._weather.bus_down

    async def close(self) -> None:
        await self._inner.close()
