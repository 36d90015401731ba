"""The budgets of DESIGN §13, each a ratio to a baseline that is measured in the same round, or a bound.

A function takes how many rounds, and how many seconds of measuring each has, and answers its figures.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import ExitStack

import uvloop

from benchmarks import hot_path, lists, opening, replay, scenarios, structures, text
from benchmarks.figures import percentile, spread
from benchmarks.machine import postgres, redis, relay, treesync
from benchmarks.results import Figure, Measured

MEMORY_ROUNDS = 3  # each with a server of its own; they differ by a hundredth

STRUCTURE_ROUNDS = 2  # half a minute each
LIST_ROUNDS = 2  # a minute each, behind the minutes that 100,000 trees take to be made


def b1(rounds: int, seconds: float) -> Measured:
    """One room, 8 writers, 64 edits in flight in all."""
    figures = []
    for clients, least in ((200, 30.0), (1000, 70.0)):
        ratios, ours, theirs = [], [], []
        with postgres() as database, treesync(database) as server, relay() as baseline:
            for _ in range(rounds):
                args = (1, clients, scenarios.WRITERS, scenarios.IN_FLIGHT // scenarios.WRITERS, seconds)
                mine = uvloop.run(scenarios.ours_flood(server, *args))
                other = uvloop.run(scenarios.relay_flood(baseline, *args))
                ours.append(mine.edits)
                theirs.append(other.edits)
                ratios.append(mine.deliveries / other.deliveries)
        rates = f"durable edits/s {spread(ours, digits=0)}, relay {spread(theirs, digits=0)}"
        what = f"B1 one room, {clients} clients"
        figures.append(
            Figure(what=what, values=ratios, unit=" × relay", limit=least, at_most=False, beside=rates),
        )
    return Measured(figures)


def b2(rounds: int, seconds: float) -> Measured:
    """A steady 100 edits/s to 200 clients."""
    shares, seen, durable = [], [], []
    with postgres() as database, treesync(database) as server, relay() as baseline:
        for _ in range(rounds):
            mine = uvloop.run(scenarios.ours_steady(server, 200, 100, seconds))
            other = uvloop.run(scenarios.relay_steady(baseline, 200, 100, seconds))
            shares.append(mine.cpu_per_delivery / other.cpu_per_delivery)
            seen.append(percentile(mine.seen, 0.99))
            durable.append(percentile(mine.answered, 0.99))
    what = "B2 steady 100/s to 200: CPU per delivery"
    return Measured(
        [
            Figure(what=what, values=shares, unit=" × relay", digits=2, limit=0.4),
            Figure(what="B2 write → seen elsewhere, p99", values=seen, unit=" ms", limit=5),
            Figure(what="B2 write → durable outcome, p99", values=durable, unit=" ms", limit=5),
        ]
    )


def b3(rounds: int, seconds: float) -> Measured:
    """200 rooms of 5 clients, everyone with one edit in flight."""
    ratios, ours, per_edit = [], [], []
    with postgres() as database, treesync(database) as server, relay() as baseline:
        for _ in range(rounds):
            statements, ops = server.metric("treesync_statements_total"), server.metric("treesync_ops_total")
            mine = uvloop.run(scenarios.ours_flood(server, 200, 5, 5, 1, seconds))
            other = uvloop.run(scenarios.relay_flood(baseline, 200, 5, 5, 1, seconds))
            statements = server.metric("treesync_statements_total") - statements
            per_edit.append(statements / max(server.metric("treesync_ops_total") - ops, 1))
            ours.append(mine.edits)
            ratios.append(mine.edits / other.edits)
    rates = f"durable edits/s {spread(ours, digits=0)}"
    return Measured(
        [
            Figure(what="B3 200 rooms × 5", values=ratios, unit=" × relay", limit=3, at_most=False, beside=rates),
            Figure(what="B3 SQL statements per edit", values=per_edit, digits=3, limit=0.1),
        ]
    )


def b4(rounds: int, seconds: float) -> Measured:
    """A tree of 10,000 nodes: opened by somebody who finds it open, and from the database."""
    with postgres() as database, opening.watched(database) as (server, watch):
        cold, warm = uvloop.run(opening.openings(server, watch, rounds))
    size = f"{warm[0].size / 2**20:.1f} MiB of JSON to the last byte"
    blocked = [one.blocked for one in cold]
    what = f"B4 the loop's longest blocking while it is opened warm, {len(warm)} times"
    return Measured(
        [
            Figure(
                what="B4 open 10,000 nodes, warm", values=[one.took for one in warm], unit=" ms", limit=3, beside=size
            ),
            Figure(
                what="B4 open 10,000 nodes, cold", values=[one.took for one in cold], unit=" ms", digits=0, limit=250
            ),
            Figure(what=what, values=[max(one.blocked for one in warm)], unit=" ms", limit=20),
            Figure(what="B4 the loop's longest blocking, cold", values=blocked, unit=" ms", limit=20),
        ]
    )


def b5(rounds: int, seconds: float) -> Measured:
    """5,000 idle sockets in open rooms; and what an open room takes."""
    sizes, rooms = [], []
    with postgres() as database:
        for _ in range(min(rounds, MEMORY_ROUNDS)):
            with treesync(database) as server:
                sizes.append(uvloop.run(scenarios.idle_bytes(server, 5_000, 50)) / 1024)
            with treesync(database) as server:  # another one, that has no memory to use again
                rooms.append(uvloop.run(opening.room_bytes(server)) / 1024)
    return Measured(
        [
            Figure(what="B5 5,000 idle sockets, each", values=sizes, unit=" kB", limit=8),
            Figure(what="An open room of 10 nodes, its one socket included", values=rooms, unit=" kB"),
        ]
    )


def b6(rounds: int, seconds: float) -> Measured:
    """A queue comes back: 1,000 ops alone, 10,000 against 5,000; and one more delta on a long text."""
    figures = []
    many, cpu = [], []
    with postgres() as database, treesync(database) as server, relay() as baseline:
        for clients in (5, 2):
            ours, ratios = [], []
            for _ in range(rounds):
                ours.append(uvloop.run(replay.ours_thousand(server, clients)))
                ratios.append(ours[-1] / uvloop.run(replay.relay_thousand(baseline, clients)))
            what = f"B6 1,000 queued ops, {clients} clients"
            beside = f"all durable and reported in {spread(ours, ' s', 3)}"
            figures.append(Figure(what=what, values=ratios, unit=" × relay", limit=1, beside=beside))
        for _ in range(rounds):
            took, used, became = uvloop.run(replay.ours_ten_thousand(server))
            many.append(took)
            cpu.append(used)
    results = ", ".join(f"{count} {status}" for status, count in became.most_common() if count)
    results += f"; the server's CPU {spread(cpu, ' s', 2)}"
    what = "B6 10,000 against 5,000"
    figures.append(Figure(what=what, values=many, unit=" s", digits=2, limit=2, beside=results))
    return Measured([*figures, _delta(rounds)])


def _delta(rounds: int) -> Figure:
    deltas = [text.measure() for _ in range(rounds)]
    alone = spread([one.newest for one in deltas], " ms", 2)
    what = "A delta on a text of 100 kB with 10,000 edits behind it, judged and applied over ten others"
    behind = [one.behind for one in deltas]
    return Figure(what=what, values=behind, unit=" ms", digits=2, limit=1, beside=f"over none {alone}")


def b7(rounds: int, seconds: float) -> Measured:
    """1,000 concurrent saves over 10 trees."""
    with postgres() as database, treesync(database) as server:
        taken = [uvloop.run(scenarios.burst(server, 1_000, 10)) for _ in range(rounds)]
    return Measured([Figure(what="B7 1,000 concurrent saves, 10 trees", values=taken, unit=" s", digits=3, limit=0.2)])


def b8(rounds: int, seconds: float) -> Measured:
    """The structure of 10,000 trees."""
    return structures.b8(max(min(rounds // 2, STRUCTURE_ROUNDS), 1), seconds)


def b9(rounds: int, seconds: float) -> Measured:
    """An open tree of 10,000 nodes with the demo's content."""
    sizes = []
    with postgres() as database:
        for _ in range(min(rounds, MEMORY_ROUNDS)):
            with treesync(database) as server:
                sizes.append(uvloop.run(opening.node_bytes(server)) / 1024)
    what = "B9 an open tree of 10,000 nodes, each"
    beside = "resident memory, the encoded state included"
    return Measured([Figure(what=what, values=sizes, unit=" kB", digits=2, limit=2, beside=beside)])


def b10(rounds: int, seconds: float) -> Measured:
    """One update in a large tree against one in a small tree: CPU of the server, database and sockets included."""
    ratios, python, small, large = [], [], [], []
    rooms = {nodes: hot_path.room_of(nodes) for nodes in (50, 50_000)}
    gc.collect()
    gc.freeze()
    with postgres() as database, treesync(database) as server:
        for _ in range(rounds):
            in_small = uvloop.run(scenarios.ours_in_size(server, 50, seconds))
            in_large = uvloop.run(scenarios.ours_in_size(server, 49_999, seconds))
            ratios.append(in_large.server_cost / in_small.server_cost)
            small.append(hot_path.measure(rooms[50], 6_400, 50).total)
            large.append(hot_path.measure(rooms[50_000], 6_400, 50_000).total)
            python.append(large[-1] / small[-1])
    alone = f"{spread(large, ' µs')} in 50,000 nodes, {spread(small, ' µs')} in 50"
    what = "B10 server CPU of an update in 50,000 nodes against 50"
    return Measured(
        [
            Figure(what=what, values=ratios, unit=" ×", digits=2, limit=1.1),
            Figure(what="B10 Python alone", values=python, unit=" ×", digits=2, beside=alone),
            Figure(what="Python per edit: decode, judge, settle, encode", values=small, unit=" µs", limit=25),
        ]
    )


def b11(rounds: int, seconds: float) -> Measured:
    """Two instances, one tree, 50 writers."""
    ratios, seen, ours = [], [], []
    with ExitStack() as stack:
        database, url = stack.enter_context(postgres()), stack.enter_context(redis())
        one = stack.enter_context(treesync(database, url))
        two = stack.enter_context(treesync(database, url))
        for _ in range(rounds):
            alone, _ = uvloop.run(scenarios.ours_across([one], 50, 1, seconds))
            both, latencies = uvloop.run(scenarios.ours_across([one, two], 50, 1, seconds))
            ratios.append(both.edits / alone.edits)
            ours.append(both.edits)
            seen.append(percentile(latencies.seen, 0.99))
    what, beside = "B11 two instances, one tree, 50 writers", f"durable edits/s {spread(ours, digits=0)}"
    return Measured(
        [
            Figure(what=what, values=ratios, unit=" × one instance", digits=2, limit=0.7, at_most=False, beside=beside),
            Figure(what="B11 seen on the other instance, p99", values=seen, unit=" ms", limit=20),
        ]
    )


def b12(rounds: int, seconds: float) -> Measured:
    """Lists, search, progress and history among 100,000 trees."""
    return lists.b12(max(min(rounds // 2, LIST_ROUNDS), 1), seconds)


BUDGETS: dict[str, Callable[[int, float], Measured]] = {
    "B1": b1, "B2": b2, "B3": b3, "B4": b4, "B5": b5, "B6": b6, "B7": b7, "B8": b8, "B9": b9, "B10": b10, "B11": b11,
    "B12": b12,
}  # fmt: skip
