"""`python -m benchmarks.compare OTHER_CHECKOUT [B1 B3 …]`: this checkout's server against another's, interleaved.

Each side has its own PostgreSQL and its own server; both servers share one core and both databases the load's, and only
one side is under load at a time. Every round runs both, the order changes each round, and what is printed is each
measure's ratio (this checkout over the other) round by round: its median, lowest and highest. A ratio is marked where
all rounds point the same way. CPU per edit is the measure to trust on a busy machine; edits/s the one that users feel.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import msgspec
import uvloop

from benchmarks import replay, scenarios
from benchmarks.figures import percentile, ratio
from benchmarks.machine import (
    CHECKOUT,
    LOAD_CORE,
    SERVER_CORE,
    Server,
    pin,
    postgres,
    redis,
    treesync,
    unwind_when_stopped,
)

Measures = dict[str, float]
# run in the checkout that is measured, with its own modules
_HOT_PATH = (
    "import json, msgspec, gc; from benchmarks.hot_path import measure, room_of; room = room_of(50); gc.freeze(); "
    "measure(room, 6400, 50); print(json.dumps(msgspec.to_builtins(measure(room, 12800, 50))))"
)


class Side(msgspec.Struct):
    """One checkout and its servers; two, where two instances are compared."""

    checkout: Path
    servers: list[Server]


def _flooded(found: scenarios.Sample) -> Measures:
    return {
        "edits/s": found.edits,
        "server µs/edit": found.server_cost,
        "database µs/edit": found.database_cost,
    }


async def _one_room(side: Side, clients: int, seconds: float) -> Measures:
    window = scenarios.IN_FLIGHT // scenarios.WRITERS
    return _flooded(await scenarios.ours_flood(side.servers[0], 1, clients, scenarios.WRITERS, window, seconds))


async def _b1(side: Side, seconds: float) -> Measures:
    return await _one_room(side, 200, seconds)


async def _b1_thousand(side: Side, seconds: float) -> Measures:
    return await _one_room(side, 1_000, seconds)


async def _b2(side: Side, seconds: float) -> Measures:
    found = await scenarios.ours_steady(side.servers[0], 200, 100, seconds)
    return {
        "server µs/delivery": found.cpu_per_delivery,
        "seen p50 ms": percentile(found.seen, 0.5),
        "seen p99 ms": percentile(found.seen, 0.99),
        "durable p50 ms": percentile(found.answered, 0.5),
        "durable p99 ms": percentile(found.answered, 0.99),
    }


async def _b3(side: Side, seconds: float) -> Measures:
    return _flooded(await scenarios.ours_flood(side.servers[0], 200, 5, 5, 1, seconds))


async def _b6(side: Side, seconds: float) -> Measures:
    return {"1,000 queued ops, ms": await replay.ours_thousand(side.servers[0], 5) * 1e3}


async def _b7(side: Side, seconds: float) -> Measures:
    cpu = side.servers[0].cpu_seconds()
    took = await scenarios.burst(side.servers[0], 1_000, 10)
    return {"1,000 saves, ms": took * 1e3, "server CPU ms, joins included": (side.servers[0].cpu_seconds() - cpu) * 1e3}


async def _b10(side: Side, seconds: float) -> Measures:
    small = await scenarios.ours_in_size(side.servers[0], 50, seconds)
    large = await scenarios.ours_in_size(side.servers[0], 49_999, seconds)
    return {"50 nodes, server µs/edit": small.server_cost, "50,000 nodes, server µs/edit": large.server_cost}


async def _b11(side: Side, seconds: float) -> Measures:
    alone, _ = await scenarios.ours_across(side.servers[:1], 50, 1, seconds)
    both, latencies = await scenarios.ours_across(side.servers, 50, 1, seconds)
    return {
        "one instance, edits/s": alone.edits,
        "two instances, edits/s": both.edits,
        "two over one": both.edits / max(alone.edits, 1),
        "database µs/edit, two": both.database_cost,
        "seen on the other p99 ms": percentile(latencies.seen, 0.99),
    }


async def _python(side: Side, seconds: float) -> Measures:
    command = [sys.executable, "-c", _HOT_PATH]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=side.checkout, preexec_fn=lambda: pin(SERVER_CORE), check=True, capture_output=True
    )
    found: Measures = json.loads(done.stdout)
    return {f"{step}, µs/edit": cost for step, cost in found.items()} | {"in all, µs/edit": sum(found.values())}


COMPARED: dict[str, Callable[[Side, float], Awaitable[Measures]]] = {
    "B1": _b1, "B1-1000": _b1_thousand, "B2": _b2, "B3": _b3, "B6": _b6, "B7": _b7, "B10": _b10, "B11": _b11,
    "python": _python,
}  # fmt: skip


@contextmanager
def sides(checkouts: list[Path], instances: int) -> Iterator[list[Side]]:
    """So many instances of each checkout's server, each checkout with a database of its own; none for no instance."""
    with ExitStack() as stack:
        made = []
        for checkout in checkouts:
            servers: list[Server] = []
            if instances:
                database = stack.enter_context(postgres())
                url = stack.enter_context(redis()) if instances > 1 else ""
                servers = [stack.enter_context(treesync(database, url, checkout)) for _ in range(instances)]
            made.append(Side(checkout, servers))
        yield made


def compare(name: str, pair: list[Side], rounds: int, seconds: float) -> Iterator[str]:
    """Lines of text: a measure, both medians, the ratio."""
    values: list[dict[str, list[float]]] = [defaultdict(list), defaultdict(list)]
    for number in range(rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            for measure, value in uvloop.run(_measured(name, pair[which], seconds)).items():
                values[which][measure].append(value)
    for measure, ours in values[0].items():
        theirs = values[1].get(measure)
        if theirs is not None:
            yield _line(name, measure, ours, theirs)


async def _measured(name: str, side: Side, seconds: float) -> Measures:
    return await COMPARED[name](side, seconds)


def _line(name: str, measure: str, ours: list[float], theirs: list[float]) -> str:
    each = ratio(ours, theirs)
    said = f"{each.middle:6.3f} ({each.least:.3f}-{each.most:.3f}){' *' if each.is_clear else ''}" if each else "-"
    return f"{name:8} {measure:32} {median(ours):12.2f} {median(theirs):12.2f}   {said}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the checkout to compare with, for example a git worktree")
    parser.add_argument("names", nargs="*", choices=[*COMPARED, []], help="B1, B3 and python where none is named")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of measuring on each side in each round")
    asked = parser.parse_args()
    if not (asked.other / "server").is_dir():
        parser.error(f"{asked.other} is no checkout")
    pin(LOAD_CORE)
    unwind_when_stopped()
    names = asked.names or ["B1", "B3", "python"]
    instances = 2 if "B11" in names else 0 if names == ["python"] else 1
    print(f"{'':8} {'':32} {'this':>12} {'other':>12}   this / other, median (lowest-highest); * every round agrees")
    with sides([CHECKOUT, asked.other.resolve()], instances) as pair:
        for name in names:
            for line in compare(name, pair, asked.rounds, asked.seconds):
                print(line, flush=True)


if __name__ == "__main__":
    main()
