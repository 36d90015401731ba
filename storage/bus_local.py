"""The in-process bus: one instance alone, or several hubs of one process in tests and simulations."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable

from sync.identity import TreeKey

Receive = Callable[[TreeKey, bytes], None]


class LocalExchange:
    """What Redis is to the real bus: carries messages between the buses that join it, in order, on a later turn of the
    loop, so that a publisher is never entered again from its own call."""

    def __init__(self) -> None:
        self._subscribed: dict[TreeKey, dict[LocalBus, None]] = defaultdict(dict)  # insertion order: deterministic
        self._waiting: deque[tuple[LocalBus, TreeKey, bytes]] = deque()

    def bus(self) -> LocalBus:
        return LocalBus(self)

    def join(self, key: TreeKey, bus: LocalBus) -> None:
        self._subscribed[key][bus] = None

    def part(self, key: TreeKey, bus: LocalBus) -> None:
        members = self._subscribed.get(key, {})
        members.pop(bus, None)
        if not members:
            self._subscribed.pop(key, None)

    def send(self, sender: LocalBus, key: TreeKey, payload: bytes) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._deliver)
        self._waiting.append((sender, key, payload))

    def _deliver(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for sender, key, payload in waiting:
            for bus in list(self._subscribed.get(key, ())):
                if bus is not sender:
                    bus.take(key, payload)


class LocalBus:
    """`sync.ports.Bus` over a LocalExchange. Alone on its exchange it delivers to nobody, as it should."""

    def __init__(self, exchange: LocalExchange | None = None) -> None:
        self._exchange = exchange or LocalExchange()
        self._receive: Receive | None = None
        self._keys: set[TreeKey] = set()

    async def start(self, receive: Receive) -> None:
        self._receive = receive

    async def subscribe(self, key: TreeKey) -> None:
        self._keys.add(key)
        self._exchange.join(key, self)

    async def unsubscribe(self, key: TreeKey) -> None:
        self._keys.discard(key)
        self._exchange.part(key, self)

    def publish(self, key: TreeKey, payload: bytes) -> None:
        if self._receive is not None:
            self._exchange.send(self, key, payload)

    def healthy(self) -> bool:
        return self._receive is not None

    async def close(self) -> None:
        for key in sorted(self._keys):
            self._exchange.part(key, self)
        self._keys.clear()
        self._receive = None

    def take(self, key: TreeKey, payload: bytes) -> None:
        """A message from another bus of the exchange. What its handler raises goes to the loop's exception handler."""
        if self._receive is None:
            return
        try:
            self._receive(key, payload)
        except Exception as error:  # one bad message must not deafen an instance
            context = {"message": "bus handler failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
