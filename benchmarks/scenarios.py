"""The budgets of DESIGN §13 that concern the live core, each measured against its baseline in the same run."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence

import msgspec

from benchmarks.machine import Server, make_tree, token
from benchmarks.peers import Counter, Peer, Writer, connect, edit, join

WRITERS = 8
IN_FLIGHT = 64
# of a result, where it follows n; progress begins with a status of its own
_RESULT = b',"status":'
_RELAYED = b'"op":"update"'


class Sample(msgspec.Struct):
    """One measurement: edits and deliveries per second, and the CPU seconds of server and database meanwhile."""

    edits: float
    deliveries: float
    cpu: float
    database: float
    seconds: float

    @property
    def server_cost(self) -> float:
        """Microseconds of the server's CPU for each edit."""
        return self.cpu / self.seconds / max(self.edits, 1) * 1e6

    @property
    def database_cost(self) -> float:
        """Microseconds of the database's CPU for each edit."""
        return self.database / self.seconds / max(self.edits, 1) * 1e6


async def flood(
    server: Server, peers: list[Peer], writers: list[Writer], seconds: float, begun: asyncio.Event | None = None
) -> Sample:
    """Let writers run in a closed loop, and count what everyone receives. `begun` is set when counting begins."""
    for writer in writers:
        writer.start()
    await asyncio.sleep(seconds * 0.2)
    if begun is not None:
        begun.set()
    before = sum(peer.count for peer in peers)
    answered = sum(writer.answered for writer in writers)
    stored = server.database.cpu_seconds() if server.database else 0.0
    cpu, began = server.cpu_seconds(), time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    delivered = sum(peer.count for peer in peers) - before
    edits = sum(writer.answered for writer in writers) - answered
    used = server.cpu_seconds() - cpu
    stored = server.database.cpu_seconds() - stored if server.database else 0.0
    for writer in writers:
        writer.stop()
    await asyncio.sleep(0.3)
    return Sample(edits=edits / took, deliveries=delivered / took, cpu=used, database=stored, seconds=took)


# ---- B1, B3: closed loops


async def ours_flood(
    server: Server,
    rooms: int,
    clients: int,
    writers: int,
    window: int,
    seconds: float,
    begun: asyncio.Event | None = None,
) -> Sample:
    """`rooms` trees with `clients` sockets each, of which `writers` write."""
    jwt = token("ada")
    trees = [make_tree(server, jwt, writers) for _ in range(rooms)]
    peers, writing = [], []
    for tree in trees:
        joined = await asyncio.gather(*(join(server.port, jwt, f"c{tree}-{one}", tree) for one in range(clients)))
        peers += joined
        writing += [_writer_of(peer, tree, number, window) for number, peer in enumerate(joined[:writers])]
    sample = await flood(server, peers, writing, seconds, begun)
    _close(peers)
    return sample


def _writer_of(peer: Peer, tree: int, number: int, window: int) -> Writer:
    def make(n: int) -> bytes:
        return edit(tree, n, f"n{number}", f"Grow by {n} per cent", base=2)

    return _answered(Writer(peer, make, window), Counter(_RESULT))


def _answered(writer: Writer, answers: Counter) -> Writer:
    """Let the answers in what a writer's peer receives start its next edits."""
    writer.peer.on_data = lambda data: writer.answers(found) if (found := answers.feed(data)) else None
    return writer


async def ours_in_size(server: Server, nodes: int, seconds: float) -> Sample:
    """One room of so many nodes, eight writers with one edit in flight each, over all of its nodes."""
    jwt = token("ada")
    tree = make_tree(server, jwt, nodes)
    peers = await asyncio.gather(*(join(server.port, jwt, f"z{one}", tree) for one in range(WRITERS)))
    await asyncio.sleep(1)  # what follows the opening of a large tree, as counting its progress, is no cost of an edit
    writers = [_wandering_writer(peer, tree, number, nodes) for number, peer in enumerate(peers)]
    sample = await flood(server, list(peers), writers, seconds)
    _close(peers)
    return sample


def _wandering_writer(peer: Peer, tree: int, number: int, nodes: int) -> Writer:
    def make(n: int) -> bytes:
        return edit(tree, n, f"n{(n * 7919 + number) % nodes}", f"Grow by {n} per cent", base=2)

    return _answered(Writer(peer, make, 1), Counter(_RESULT))


async def relay_flood(server: Server, rooms: int, clients: int, writers: int, window: int, seconds: float) -> Sample:
    """The same load on the relay: an edit is answered when its author hears it."""
    peers, writing = [], []
    for room in range(rooms):
        joined = await asyncio.gather(*(connect(server.port, f"/{room}", _RELAYED) for _ in range(clients)))
        peers += joined
        writing += [_relay_writer(peer, number, window) for number, peer in enumerate(joined[:writers])]
    sample = await flood(server, peers, writing, seconds)
    _close(peers)
    return sample


def _relay_writer(peer: Peer, number: int, window: int) -> Writer:
    writer = Writer(peer, lambda n: edit(1, n, f"n{number}", f"Grow by {n} per cent", base=2), window, opcode=0x82)
    return _answered(writer, Counter(f'"node":"n{number}"'.encode()))


def _close(peers: Sequence[Peer]) -> None:
    for peer in peers:
        peer.transport.abort()


# ---- B2, B11: a steady stream, and how long an edit takes


class Latencies(msgspec.Struct):
    """Milliseconds from writing to the answer and to being seen elsewhere; server CPU in microseconds per delivery."""

    answered: list[float]
    seen: list[float]
    cpu_per_delivery: float


_STAMP = re.compile(rb'"title":"@(\d+)"')


class Stream:
    """One writer at a steady rate, one observer that reads the stamps; everyone else only counts."""

    def __init__(self, writer: Peer, observer: Peer, make: Callable[[int], bytes], answer: bytes, opcode: int) -> None:
        self._writer = writer
        self._make = make
        self._opcode = opcode
        self._sent: dict[int, int] = {}
        self._answers = Counter(answer)
        self._answered = 0
        self.answered: list[float] = []
        self.seen: list[float] = []
        writer.on_data = self._heard_by_writer
        observer.on_data = self._heard_by_observer

    def _heard_by_writer(self, data: bytes) -> None:
        now = time.perf_counter_ns()
        for _ in range(self._answers.feed(data)):
            self._answered += 1
            self.answered.append((now - self._sent[self._answered]) / 1e6)

    def _heard_by_observer(self, data: bytes) -> None:
        now = time.perf_counter_ns()
        self.seen += [
            (now - self._sent[int(stamp)]) / 1e6 for stamp in _STAMP.findall(data) if int(stamp) in self._sent
        ]

    async def run(self, server: Server, everyone: Sequence[Peer], rate: float, seconds: float) -> Latencies:
        before, cpu = sum(peer.count for peer in everyone), server.cpu_seconds()
        began = time.perf_counter()
        for number in range(1, int(rate * seconds) + 1):
            await asyncio.sleep(max(began + number / rate - time.perf_counter(), 0))
            self._sent[number] = time.perf_counter_ns()
            self._writer.send(self._make(number), self._opcode)
        await asyncio.sleep(0.5)
        delivered = sum(peer.count for peer in everyone) - before
        return Latencies(self.answered, self.seen, (server.cpu_seconds() - cpu) / max(delivered, 1) * 1e6)


async def ours_steady(server: Server, clients: int, rate: float, seconds: float) -> Latencies:
    jwt = token("ada")
    tree = make_tree(server, jwt, 1)
    peers = await asyncio.gather(*(join(server.port, jwt, f"s{one}", tree) for one in range(clients)))
    stream = Stream(peers[0], peers[-1], lambda n: edit(tree, n, "n0", f"@{n}", base=2), _RESULT, 0x81)
    measured = await stream.run(server, peers, rate, seconds)
    _close(peers)
    return measured


async def relay_steady(server: Server, clients: int, rate: float, seconds: float) -> Latencies:
    peers = await asyncio.gather(*(connect(server.port, "/steady", _RELAYED) for _ in range(clients)))
    stream = Stream(peers[0], peers[-1], lambda n: edit(1, n, "n0", f"@{n}", base=2), _RELAYED, 0x82)
    measured = await stream.run(server, peers, rate, seconds)
    _close(peers)
    return measured


async def ours_together(writing: list[Server], clients: int, window: int, seconds: float) -> Sample:
    """One tree on several instances, all clients writing."""
    jwt = token("ada")
    tree = make_tree(writing[0], jwt, clients)
    peers = [await join(writing[one % len(writing)].port, jwt, f"x{one}", tree) for one in range(clients)]
    writers = [_writer_of(peer, tree, number, window) for number, peer in enumerate(peers)]
    sample = await flood(writing[0], peers, writers, seconds)
    _close(peers)
    return sample


async def ours_apart(writing: list[Server], clients: int, seconds: float) -> Sample:
    """A tree for each instance, the clients spread over them."""
    jwt = token("ada")
    trees = [make_tree(server, jwt, clients) for server in writing]
    peers, writers = [], []
    for one in range(clients):
        server, tree = writing[one % len(writing)], trees[one % len(writing)]
        peers.append(await join(server.port, jwt, f"y{one}", tree))
        writers.append(_writer_of(peers[-1], tree, one, 1))
    sample = await flood(writing[0], peers, writers, seconds)
    _close(peers)
    return sample


async def ours_across(writing: list[Server], clients: int, window: int, seconds: float) -> tuple[Sample, Latencies]:
    """One tree on several instances, all clients writing; then a steady stream from the first to the last."""
    sample = await ours_together(writing, clients, window, seconds)
    jwt = token("ada")
    tree = make_tree(writing[0], jwt, 1)
    here = await join(writing[0].port, jwt, "here", tree)
    there = await join(writing[-1].port, jwt, "there", tree)
    stream = Stream(here, there, lambda n: edit(tree, n, "n0", f"@{n}", base=2), _RESULT, 0x81)
    latencies = await stream.run(writing[0], [there], 100, seconds)
    _close([here, there])
    return sample, latencies


# ---- B5: idle sockets


async def idle_bytes(server: Server, sockets: int, per_room: int) -> float:
    """Resident bytes of the server per idle socket in an open room."""
    jwt = token("ada")
    trees = [make_tree(server, jwt, 5) for _ in range(max(sockets // per_room, 1))]
    warm = [await join(server.port, jwt, f"warm{tree}", tree) for tree in trees]
    await asyncio.sleep(1)
    before = server.memory_bytes()
    peers: list[Peer] = []
    for start in range(0, sockets, 100):
        batch = range(start, min(start + 100, sockets))
        peers += await asyncio.gather(*(join(server.port, jwt, f"i{one}", trees[one % len(trees)]) for one in batch))
    await asyncio.sleep(2)
    used = (server.memory_bytes() - before) / sockets
    _close(peers + warm)
    await asyncio.sleep(1)
    return used


# ---- B7: a thousand saves at once


async def burst(server: Server, saves: int, trees: int) -> float:
    """Seconds until `saves` edits, sent at once over `trees` trees by as many clients, are all durable."""
    jwt = token("ada")
    numbers = [make_tree(server, jwt, saves // trees) for _ in range(trees)]
    peers: list[Peer] = []
    for start in range(0, saves, 100):
        batch = range(start, start + 100)
        peers += await asyncio.gather(
            *(join(server.port, jwt, f"b{one}-{start}", numbers[one % trees]) for one in batch)
        )
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    durable = 0

    def answered(count: int) -> None:
        nonlocal durable
        durable += count
        if durable == saves and not done.done():
            done.set_result(None)

    for peer in peers:
        results = Counter(_RESULT)
        peer.on_data = _feeding(results, answered)
    frames = [edit(numbers[one % trees], 1, f"n{one // trees}", "Saved", base=2) for one in range(saves)]
    began = time.perf_counter()
    for peer, frame in zip(peers, frames, strict=True):
        peer.send(frame)
    await asyncio.wait_for(done, 30)
    took = time.perf_counter() - began
    _close(peers)
    await asyncio.sleep(0.5)
    return took


def _feeding(counter: Counter, then: Callable[[int], None]) -> Callable[[bytes], None]:
    def feed(data: bytes) -> None:
        found = counter.feed(data)
        if found:
            then(found)

    return feed
