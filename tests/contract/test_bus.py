"""The guarantees of `sync.ports.Bus`, over every implementation: several instances that share one exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from storage.bus_local import LocalExchange
from storage.bus_redis import RedisBus
from sync.identity import TreeKey
from sync.ports import Bus
from tests.clocks import RealClock
from tests.redis_server import RedisServer
from tests.waiting import until

TREE = TreeKey("acme", 7)
END = b"the end"


class Listener:
    """A bus with what it has received. `until_end` closes a test's messages: buses keep the order of a tree."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.received: list[tuple[TreeKey, bytes]] = []

    def receive(self, key: TreeKey, payload: bytes) -> None:
        self.received.append((key, payload))

    @property
    def payloads(self) -> list[bytes]:
        return [payload for _, payload in self.received]

    async def until_end(self) -> list[bytes]:
        await until(lambda: END in self.payloads, "the last message")
        return self.payloads[: self.payloads.index(END)]


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["local", "redis"])
def make_bus(request: pytest.FixtureRequest) -> Callable[[str], Bus]:
    if request.param == "local":
        exchange = LocalExchange()
        return lambda instance: exchange.bus()
    url = request.getfixturevalue("redis_server").url
    return lambda instance: RedisBus(url, instance=instance, clock=RealClock(), log=lambda *_, **__: None)


@pytest.fixture
async def listeners(make_bus: Callable[[str], Bus]) -> AsyncIterator[list[Listener]]:
    """Three instances; that one's name is the beginning of another's must not matter."""
    listeners = [Listener(make_bus(instance)) for instance in ("i-1", "i-11", "i-2")]
    for listener in listeners:
        await listener.bus.start(listener.receive)
    yield listeners
    for listener in listeners:
        await listener.bus.close()


async def test_a_message_reaches_every_other_subscribed_instance(listeners: list[Listener]) -> None:
    one, two, three = listeners
    for listener in listeners:
        await listener.bus.subscribe(TREE)
    one.bus.publish(TREE, b"\x00binary \xff")
    one.bus.publish(TREE, END)
    assert await two.until_end() == [b"\x00binary \xff"]
    assert await three.until_end() == [b"\x00binary \xff"]
    assert {key for key, _ in two.received} == {TREE}
    assert one.received == []


async def test_messages_of_one_instance_keep_their_order(listeners: list[Listener]) -> None:
    one, two, _ = listeners
    await two.bus.subscribe(TREE)
    expected = [b"%d" % number for number in range(1000)]
    for payload in expected:
        one.bus.publish(TREE, payload)
    one.bus.publish(TREE, END)
    assert await two.until_end() == expected


@pytest.mark.parametrize(
    "other",
    [
        TreeKey("acme", 8),
        TreeKey("acme2", 7),
        TreeKey("acme:7", 7),
        TreeKey("acme%3A7", 7),
        TreeKey("Acme", 7),
        TreeKey("", 7),
    ],
)
async def test_trees_and_tenants_are_kept_apart(listeners: list[Listener], other: TreeKey) -> None:
    one, two, three = listeners
    await two.bus.subscribe(TREE)
    await three.bus.subscribe(other)
    one.bus.publish(other, b"for the other")
    one.bus.publish(TREE, END)
    one.bus.publish(other, END)
    assert await two.until_end() == []
    assert await three.until_end() == [b"for the other"]


async def test_no_message_arrives_after_unsubscribing(listeners: list[Listener]) -> None:
    one, two, three = listeners
    for listener in (two, three):
        await listener.bus.subscribe(TREE)
    await two.bus.unsubscribe(TREE)
    await two.bus.unsubscribe(TREE)
    one.bus.publish(TREE, END)
    await three.until_end()
    assert two.received == []


async def test_subscribing_again_delivers_again(listeners: list[Listener]) -> None:
    one, two, _ = listeners
    for _ in range(5):
        await two.bus.subscribe(TREE)
        await two.bus.subscribe(TREE)
        await two.bus.unsubscribe(TREE)
    await two.bus.subscribe(TREE)
    one.bus.publish(TREE, END)
    assert await two.until_end() == []


async def test_what_is_published_after_subscribe_returned_is_received(listeners: list[Listener]) -> None:
    one, two, _ = listeners
    for number in range(1, 50):
        key = TreeKey("acme", number)
        await two.bus.subscribe(key)
        one.bus.publish(key, b"%d" % number)
    one.bus.publish(key, END)
    assert await two.until_end() == [b"%d" % number for number in range(1, 50)]


async def test_a_handler_that_fails_does_not_deafen_its_instance(
    listeners: list[Listener], make_bus: Callable[[str], Bus]
) -> None:
    one, two, _ = listeners
    heard = Listener(make_bus("i-3"))

    def fail_once(key: TreeKey, payload: bytes) -> None:
        heard.receive(key, payload)
        if payload == b"poison":
            raise ValueError("poison")

    await heard.bus.start(fail_once)
    await heard.bus.subscribe(TREE)
    await two.bus.subscribe(TREE)
    one.bus.publish(TREE, b"poison")
    one.bus.publish(TREE, END)
    assert await heard.until_end() == [b"poison"]
    assert await two.until_end() == [b"poison"]
    await heard.bus.close()


async def test_a_running_bus_is_healthy_and_a_closed_one_is_silent(listeners: list[Listener]) -> None:
    one, two, three = listeners
    for listener in (two, three):
        assert listener.bus.healthy()
        await listener.bus.subscribe(TREE)
    await two.bus.close()
    assert not two.bus.healthy()
    two.bus.publish(TREE, b"from the grave")
    one.bus.publish(TREE, END)
    assert await three.until_end() == []
    assert two.received == []
