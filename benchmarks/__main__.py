"""`python -m benchmarks [B1 B2 …]`: measure the budgets of DESIGN §13 and write benchmarks/RESULTS.md.

Each budget is a ratio to a baseline measured in the same run, interleaved with it; medians of `--rounds` rounds are
shown with their spread. Everything runs on the loopback and ends by itself.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from statistics import median

import uvloop

from benchmarks import hot_path, replay, scenarios, text
from benchmarks.figures import percentile, spread
from benchmarks.machine import LOAD_CORE, describe, pin, postgres, redis, relay, treesync

RESULTS = Path(__file__).parent / "RESULTS.md"
Line = tuple[str, str, str, str]  # what, measured, budget, met


def verdict(met: bool) -> str:
    return "yes" if met else "**no**"


def b1(rounds: int, seconds: float) -> list[Line]:
    """One room, 8 writers, 64 edits in flight in all."""
    lines: list[Line] = []
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
        what = f"B1 one room, {clients} clients: {rates}"
        lines.append((what, f"{spread(ratios)} × relay", f"≥ {least:.0f} × relay", verdict(median(ratios) >= least)))
    return lines


def b2(rounds: int, seconds: float) -> list[Line]:
    """A steady 100 edits/s to 200 clients."""
    shares, seen, durable = [], [], []
    with postgres() as database, treesync(database) as server, relay() as baseline:
        for _ in range(rounds):
            mine = uvloop.run(scenarios.ours_steady(server, 200, 100, seconds))
            other = uvloop.run(scenarios.relay_steady(baseline, 200, 100, seconds))
            shares.append(mine.cpu_per_delivery / other.cpu_per_delivery)
            seen.append(percentile(mine.seen, 0.99))
            durable.append(percentile(mine.answered, 0.99))
    return [
        (
            "B2 steady 100/s to 200: CPU per delivery",
            f"{spread(shares, digits=2)} × relay",
            "≤ 0.4 × relay",
            verdict(median(shares) <= 0.4),
        ),
        ("B2 write → seen elsewhere, p99", spread(seen, " ms"), "≤ 5 ms", verdict(median(seen) <= 5)),
        ("B2 write → durable outcome, p99", spread(durable, " ms"), "≤ 5 ms", verdict(median(durable) <= 5)),
    ]


def b3(rounds: int, seconds: float) -> list[Line]:
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
    what = f"B3 200 rooms × 5: durable edits/s {spread(ours, digits=0)}"
    return [
        (what, f"{spread(ratios)} × relay", "≥ 3 × relay", verdict(median(ratios) >= 3)),
        ("B3 SQL statements per edit", spread(per_edit, digits=3), "≤ 0.1", verdict(median(per_edit) <= 0.1)),
    ]


def b5(rounds: int, seconds: float) -> list[Line]:
    """5,000 idle sockets in open rooms."""
    sizes = []
    with postgres() as database:
        for _ in range(rounds):
            with treesync(database) as server:
                sizes.append(uvloop.run(scenarios.idle_bytes(server, 5_000, 50)) / 1024)
    return [("B5 5,000 idle sockets, each", spread(sizes, " kB"), "≤ 8 kB", verdict(median(sizes) <= 8))]


def b6(rounds: int, seconds: float) -> list[Line]:
    """A queue comes back: 1,000 ops alone, 10,000 against 5,000; and one more delta on a long text."""
    lines: list[Line] = []
    many, cpu = [], []
    with postgres() as database, treesync(database) as server, relay() as baseline:
        for clients in (5, 2):
            ours, ratios = [], []
            for _ in range(rounds):
                ours.append(uvloop.run(replay.ours_thousand(server, clients)))
                ratios.append(ours[-1] / uvloop.run(replay.relay_thousand(baseline, clients)))
            what = f"B6 1,000 queued ops, {clients} clients: all durable and reported in {spread(ours, ' s', 3)}"
            lines.append((what, f"{spread(ratios)} × relay", "≤ 1 × relay", verdict(median(ratios) <= 1)))
        for _ in range(rounds):
            took, used, became = uvloop.run(replay.ours_ten_thousand(server))
            many.append(took)
            cpu.append(used)
    deltas = [text.measure() for _ in range(rounds)]
    newest, behind = [one.newest for one in deltas], [one.behind for one in deltas]
    results = ", ".join(f"{count} {status}" for status, count in became.most_common() if count)
    results += f"; the server's CPU {spread(cpu, ' s', 2)}"
    over_ten = f"over ten others {spread(behind, ' ms', 2)}"
    return [
        *lines,
        (f"B6 10,000 against 5,000: {results}", spread(many, " s", 2), "≤ 2 s", verdict(median(many) <= 2)),
        (
            f"A delta on a text of 100 kB with 10,000 edits behind it, judged and applied; {over_ten}",
            spread(newest, " ms", 2),
            "≤ 1 ms",
            verdict(median(behind) <= 1),
        ),
    ]


def b7(rounds: int, seconds: float) -> list[Line]:
    """1,000 concurrent saves over 10 trees."""
    with postgres() as database, treesync(database) as server:
        taken = [uvloop.run(scenarios.burst(server, 1_000, 10)) for _ in range(rounds)]
    return [("B7 1,000 concurrent saves, 10 trees", spread(taken, " s", 3), "≤ 0.2 s", verdict(median(taken) <= 0.2))]


def b10(rounds: int, seconds: float) -> list[Line]:
    """One update in a large tree against one in a small tree: CPU of the server, database and sockets included."""
    ratios, python, small, large = [], [], [], []
    rooms = {nodes: hot_path.room_of(nodes) for nodes in (50, 50_000)}
    gc.collect()
    gc.freeze()
    with postgres() as database, treesync(database) as server:
        for _ in range(rounds):
            in_small = uvloop.run(scenarios.ours_in_size(server, 50, seconds))
            in_large = uvloop.run(scenarios.ours_in_size(server, 49_999, seconds))
            ratios.append(in_large.cpu / in_large.edits / (in_small.cpu / in_small.edits))
            small.append(hot_path.measure(rooms[50], 6_400, 50).total)
            large.append(hot_path.measure(rooms[50_000], 6_400, 50_000).total)
            python.append(large[-1] / small[-1])
    alone = f"Python alone: {spread(large, ' µs')} in 50,000 nodes, {spread(small, ' µs')} in 50"
    met = verdict(median(ratios) <= 1.1)
    return [
        ("B10 server CPU of an update in 50,000 nodes against 50", f"{spread(ratios, digits=2)} ×", "≤ 1.1 ×", met),
        (f"B10 {alone}", f"{spread(python, digits=2)} ×", "", ""),
        (
            "Python per edit: decode, judge, settle, encode",
            spread(small, " µs"),
            "≤ 25 µs",
            verdict(median(small) <= 25),
        ),
    ]


def b11(rounds: int, seconds: float) -> list[Line]:
    """Two instances, one tree, 50 writers."""
    ratios, seen = [], []
    with ExitStack() as stack:
        database, url = stack.enter_context(postgres()), stack.enter_context(redis())
        one = stack.enter_context(treesync(database, url))
        two = stack.enter_context(treesync(database, url))
        for _ in range(rounds):
            alone, _ = uvloop.run(scenarios.ours_across([one], 50, 1, seconds))
            both, latencies = uvloop.run(scenarios.ours_across([one, two], 50, 1, seconds))
            ratios.append(both.edits / alone.edits)
            seen.append(percentile(latencies.seen, 0.99))
    return [
        (
            "B11 two instances, one tree, 50 writers: edits/s",
            f"{spread(ratios, digits=2)} × one instance",
            "≥ 0.7 ×",
            verdict(median(ratios) >= 0.7),
        ),
        ("B11 seen on the other instance, p99", spread(seen, " ms"), "≤ 20 ms", verdict(median(seen) <= 20)),
    ]


BUDGETS: dict[str, Callable[[int, float], list[Line]]] = {
    "B1": b1, "B2": b2, "B3": b3, "B5": b5, "B6": b6, "B7": b7, "B10": b10, "B11": b11,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("budgets", nargs="*", choices=[*BUDGETS, []], help="all, where none is named")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of measuring in each round")
    parser.add_argument("--dry", action="store_true", help="print only; leave RESULTS.md as it is")
    asked = parser.parse_args()
    pin(LOAD_CORE)
    lines: list[Line] = []
    for name in asked.budgets or BUDGETS:
        for line in BUDGETS[name](asked.rounds, asked.seconds):
            print(" | ".join(line), flush=True)
            lines.append(line)
    if not asked.dry:
        RESULTS.write_text(report(lines, asked.rounds), encoding="utf-8")


def report(lines: list[Line], rounds: int) -> str:
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return (
        "# Results\n\n"
        f"Measured on {date.today().isoformat()}: {describe()}; PostgreSQL 18 embedded, on the load's core.\n"
        f"`make bench` measures again. Medians of {rounds} rounds, lowest and highest in brackets; the server has\n"
        "one core, load and database the other; the baseline runs in the same round.\n\n"
        f"| what | measured | budget | met |\n|---|---|---|---|\n{table}\n"
    )


if __name__ == "__main__":
    main()
