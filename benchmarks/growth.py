"""How the speed grows with clients, rooms, nodes and instances: a chart each, with slopes on logarithmic axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack

import uvloop

from benchmarks import scenarios
from benchmarks.machine import Server, postgres, redis, treesync
from benchmarks.results import Chart, Curve, Measured, Point, rounded

CLIENTS = (10, 30, 100, 300, 1_000)
ROOMS = (1, 4, 16, 64, 200)
NODES = (10, 100, 1_000, 10_000, 49_999)  # a tree has at most 50,000, the root among them
INSTANCES = (1, 2, 4)
CLIENTS_IN_ROOM = 5
WRITERS_OF_ONE_TREE = 48  # a number that each of INSTANCES divides
MOST_SECONDS = 2.0  # of measuring at each point: a slope stands on as many measurements as there are points

Run = Callable[[int], scenarios.Sample]


def _points(xs: Iterable[int], rounds: int, run: Run) -> tuple[list[Point], list[Point], list[Point]]:
    """Edits/s, deliveries/s, and microseconds of the server's CPU per edit at each x."""
    edits, deliveries, costs = [], [], []
    for x in xs:
        samples = [run(x) for _ in range(max(rounds // 2, 1))]
        edits.append(Point(x, rounded(one.edits for one in samples)))
        deliveries.append(Point(x, rounded(one.deliveries for one in samples)))
        costs.append(Point(x, rounded(one.server_cost for one in samples)))
    return edits, deliveries, costs


def measure(rounds: int, seconds: float) -> Measured:
    """Half of the rounds of the other topics."""
    seconds = min(seconds, MOST_SECONDS)
    with postgres() as database, treesync(database) as server:
        charts = [
            _clients(server, rounds, seconds),
            _rooms(server, rounds, seconds),
            _nodes(server, rounds, seconds),
        ]
    return Measured(charts=[*charts, _instances(rounds, seconds)])


def _clients(server: Server, rounds: int, seconds: float) -> Chart:
    def run(clients: int) -> scenarios.Sample:
        window = scenarios.IN_FLIGHT // scenarios.WRITERS
        return uvloop.run(scenarios.ours_flood(server, 1, clients, scenarios.WRITERS, window, seconds))

    edits, deliveries, _ = _points(CLIENTS, rounds, run)
    return Chart(
        name="growth-clients",
        title="One room, 8 writers with 64 edits in flight: more clients",
        x="clients",
        y="per second",
        curves=[Curve("durable edits/s", edits), Curve("deliveries/s", deliveries)],
    )


def _rooms(server: Server, rounds: int, seconds: float) -> Chart:
    def run(rooms: int) -> scenarios.Sample:
        return uvloop.run(scenarios.ours_flood(server, rooms, CLIENTS_IN_ROOM, CLIENTS_IN_ROOM, 1, seconds))

    edits, _, _ = _points(ROOMS, rounds, run)
    return Chart(
        name="growth-rooms",
        title="Rooms of 5 clients, one edit of each in flight: more rooms",
        x="rooms",
        y="per second",
        curves=[Curve("durable edits/s", edits)],
    )


def _nodes(server: Server, rounds: int, seconds: float) -> Chart:
    def run(nodes: int) -> scenarios.Sample:
        return uvloop.run(scenarios.ours_in_size(server, nodes, seconds))

    edits, _, costs = _points(NODES, rounds, run)
    return Chart(
        name="growth-nodes",
        title="One room, 8 writers with one edit in flight each: a larger tree",
        x="nodes",
        y="per second, or µs",
        curves=[Curve("durable edits/s", edits), Curve("server CPU per edit, µs", costs)],
    )


def _instances(rounds: int, seconds: float) -> Chart:
    """All instances share the server's core: what is seen is what they cost each other, not what cores would add."""
    with ExitStack() as stack:
        database, url = stack.enter_context(postgres()), stack.enter_context(redis())
        servers = [stack.enter_context(treesync(database, url)) for _ in range(max(INSTANCES))]

        def shared(count: int) -> scenarios.Sample:
            return uvloop.run(scenarios.ours_together(servers[:count], WRITERS_OF_ONE_TREE, 1, seconds))

        def apart(count: int) -> scenarios.Sample:
            return uvloop.run(scenarios.ours_apart(servers[:count], WRITERS_OF_ONE_TREE, seconds))

        one_tree, _, _ = _points(INSTANCES, rounds, shared)
        own_trees, _, _ = _points(INSTANCES, rounds, apart)
    return Chart(
        name="growth-instances",
        title="48 writers over instances that share one core",
        x="instances",
        y="per second",
        curves=[Curve("one tree, durable edits/s", one_tree), Curve("trees apart, durable edits/s", own_trees)],
    )
