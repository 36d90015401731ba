"""The Redis bus against a real server that is stopped, flushed, frozen and cut. Nothing is restarted by hand (P4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from storage.bus_publisher import QUEUE_MESSAGES, BusStats, Publisher, end_tasks
from storage.bus_redis import RedisBus
from sync.errors import Invalid
from sync.identity import TreeKey
from tests.clocks import RealClock
from tests.redis_server import RedisServer
from tests.waiting import until

TREE = TreeKey("acme", 7)
# shorter than in service, so that a test takes a second: the proportions are the same
PROBE_SECONDS = 0.1
PATIENCE_SECONDS = 0.5


class Instance:
    """A bus with what it received and logged."""

    def __init__(self, url: str, name: str) -> None:
        self.received: list[bytes] = []
        self.logged: list[str] = []
        self.deaths: list[str] = []
        self.bus = RedisBus(
            url,
            instance=name,
            clock=RealClock(),
            log=self._log,
            probe_seconds=PROBE_SECONDS,
            patience_seconds=PATIENCE_SECONDS,
        )
        self.bus.on_task_death = lambda task, _error: self.deaths.append(task)

    def _log(self, event: str, **fields: Any) -> None:
        self.logged.append(f"{event} {fields}")

    def receive(self, _key: TreeKey, payload: bytes) -> None:
        self.received.append(payload)

    async def start(self) -> None:
        await self.bus.start(self.receive)

    async def hears(self, other: Instance, payload: bytes, *, seconds: float = 10.0) -> None:
        """Messages of the other instance arrive; it sends until one does, as edits go on in service."""

        def sent_and_heard() -> bool:
            other.bus.publish(TREE, payload)
            return payload in self.received

        await until(sent_and_heard, f"{payload!r} from the other instance", seconds=seconds)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def pair(server: RedisServer) -> AsyncIterator[tuple[Instance, Instance]]:
    one, two = Instance(server.url, "i-1"), Instance(server.url, "i-2")
    for instance in (one, two):
        await instance.start()
        await instance.bus.subscribe(TREE)
    yield one, two
    for instance in (one, two):
        await instance.bus.close()
        assert instance.deaths == []


async def test_after_a_stop_and_a_start_messages_flow_again(
    server: RedisServer, pair: tuple[Instance, Instance]
) -> None:
    one, two = pair
    server.stop()
    await until(lambda: not one.bus.healthy() and not two.bus.healthy(), "both know that the server is gone")
    later = TreeKey("acme", 8)
    await asyncio.wait_for(two.bus.subscribe(later), 0.5)
    one.bus.publish(TREE, b"lost")
    await until(lambda: one.bus.stats.dropped > 0, "the message is dropped and counted")
    server.start()
    await until(lambda: one.bus.healthy() and two.bus.healthy(), "both are back", seconds=5)
    await two.hears(one, b"old subscription")
    await one.hears(two, b"both ways")
    one.bus.publish(later, b"subscribed while down")
    await until(lambda: b"subscribed while down" in two.received, "the new subscription")
    assert one.bus.stats.reconnects >= 1
    assert b"lost" not in two.received


async def test_an_instance_may_start_before_its_server(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    one, two = Instance(server.url, "i-1"), Instance(server.url, "i-2")
    for instance in (one, two):
        await asyncio.wait_for(instance.start(), 3)
        assert not instance.bus.healthy()
        await instance.bus.subscribe(TREE)
    server.start()
    try:
        await two.hears(one, b"at last", seconds=5)
        assert one.bus.stats.reconnects == 0
    finally:
        for instance in (one, two):
            await instance.bus.close()
        server.stop()


async def test_a_flush_changes_nothing(server: RedisServer, pair: tuple[Instance, Instance]) -> None:
    one, two = pair
    assert server.command("FLUSHALL") == b"+OK\r\n"
    one.bus.publish(TREE, b"after the flush")
    await until(lambda: b"after the flush" in two.received, "a message after the flush", seconds=2)
    assert (one.bus.stats.reconnects, two.bus.stats.reconnects) == (0, 0)


async def test_a_connection_that_is_up_and_silent_is_noticed_by_the_probe(
    server: RedisServer, pair: tuple[Instance, Instance]
) -> None:
    one, two = pair
    await until(lambda: one.bus.healthy() and two.bus.healthy(), "both probes are back")
    server.freeze()
    await until(lambda: not one.bus.healthy() and not two.bus.healthy(), "silence is noticed", seconds=5)
    await until(lambda: two.bus.stats.starvations > 0, "the connection is given up", seconds=5)
    started = asyncio.get_running_loop().time()
    for number in range(1000):
        one.bus.publish(TREE, b"%d" % number)
    assert asyncio.get_running_loop().time() - started < 0.5, "publishing waited for a server that stands"
    server.thaw()
    await until(lambda: one.bus.healthy() and two.bus.healthy(), "both are back", seconds=10)
    await two.hears(one, b"after the thaw")


async def test_a_subscriber_that_is_cut_off_comes_back(server: RedisServer, pair: tuple[Instance, Instance]) -> None:
    one, two = pair
    assert server.command("CLIENT", "KILL", "TYPE", "pubsub").startswith(b":")
    await until(lambda: one.bus.stats.reconnects == two.bus.stats.reconnects == 1, "both have a new connection")
    await two.hears(one, b"after the cut")
    assert server.command("CLIENT", "KILL", "TYPE", "normal").startswith(b":")
    await two.hears(one, b"after the publisher was cut")


async def test_silent_delivery_is_noticed_though_the_server_answers(
    server: RedisServer, pair: tuple[Instance, Instance]
) -> None:
    """CLIENT PAUSE holds commands back while every connection stays up."""
    _, two = pair
    await until(two.bus.healthy, "the probe is back")
    assert server.command("CLIENT", "PAUSE", "1500", "ALL") == b"+OK\r\n"
    await until(lambda: not two.bus.healthy(), "silence is noticed", seconds=5)
    await until(two.bus.healthy, "the instance is back", seconds=10)
    assert two.bus.stats.starvations >= 1


async def test_the_queue_is_bounded_and_drops_are_counted(tmp_path: Path) -> None:
    nowhere = Instance(RedisServer(tmp_path).url, "i-1")
    await nowhere.start()
    for number in range(QUEUE_MESSAGES + 500):
        nowhere.bus.publish(TREE, b"%d" % number)
    nowhere.bus.publish(TREE, bytes(64 * 1024 * 1024))
    assert nowhere.bus.waiting <= QUEUE_MESSAGES
    assert nowhere.bus.stats.dropped >= 500
    await nowhere.bus.close()


async def test_a_connection_may_be_given_up_at_any_moment(server: RedisServer) -> None:
    """redis-py writes on to a connection that is closed beneath it, and raises what is no error of a connection: that
    ended the publisher, and with it the instance."""
    stats = BusStats()
    publisher = Publisher(Redis.from_url(server.url, protocol=2), stats, RealClock())
    sending = asyncio.create_task(publisher.run(), name="publisher")
    for turns in range(60):
        publisher.put("channel", b"message")
        for _ in range(turns):
            await asyncio.sleep(0)
        publisher.give_up()
        assert not sending.done(), sending.exception()
    publisher.put("channel", b"the last")
    await until(lambda: publisher.waiting == 0 and stats.published > 0, "messages flow")
    assert stats.published + stats.dropped <= 61
    await end_tasks([sending])
    await publisher.close()


async def test_many_subscriptions_survive_a_new_connection(
    server: RedisServer, pair: tuple[Instance, Instance]
) -> None:
    one, two = pair
    keys = [TreeKey("acme", number) for number in range(1000, 2500)]
    await asyncio.gather(*(two.bus.subscribe(key) for key in keys))
    server.command("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: two.bus.stats.reconnects == 1, "a new connection")

    def heard() -> list[bytes]:
        return [payload for payload in two.received if payload != b"ready?"]

    def is_ready() -> bool:
        one.bus.publish(keys[-1], b"ready?")  # the channel that is asked for last
        return b"ready?" in two.received

    await until(is_ready, "the channels are subscribed again")
    for key in keys:
        one.bus.publish(key, b"%d" % key.tree)
    await until(lambda: len(heard()) >= len(keys), "a message on every tree")
    assert heard() == [b"%d" % key.tree for key in keys]


async def test_installations_that_share_a_server_do_not_hear_each_other(server: RedisServer) -> None:
    heard: list[bytes] = []
    buses = [
        RedisBus(server.url, instance=f"i-{number}", clock=RealClock(), log=lambda *_, **__: None, prefix=prefix)
        for number, prefix in enumerate(("staging", "live", "live"))
    ]
    for bus in buses:
        await bus.start(lambda _key, payload: heard.append(payload))
        await bus.subscribe(TREE)
    buses[0].publish(TREE, b"staging")
    buses[1].publish(TREE, b"live")
    await until(lambda: b"live" in heard, "the message of the same installation")
    assert heard == [b"live"]
    for bus in buses:
        await bus.close()


async def test_no_secret_of_the_url_is_logged(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    instance = Instance(f"redis://somebody:canary-password@127.0.0.1:{server.port}/0", "i-1")
    await instance.start()
    await until(lambda: bool(instance.logged), "the failure is logged")
    server.start()
    try:
        await until(lambda: any("Auth" in line for line in instance.logged), "the refusal is logged")
    finally:
        await instance.bus.close()
        server.stop()
    assert not any("canary" in line for line in instance.logged)
    with pytest.raises(Invalid) as caught:
        RedisBus("mysql://x:canary@h", instance="i-1", clock=RealClock(), log=lambda *_, **__: None)
    assert "canary" not in str(caught.value)
