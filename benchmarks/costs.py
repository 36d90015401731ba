"""What an edit costs: the CPU of server and database, split into the steps of its life (ARCHITECTURE).

The server is measured as it runs: py-spy takes its stacks under load, each stack belongs to the step whose code is
innermost in it, and a step's share of the stacks is its share of the CPU. So the parts add up to what was measured, and
nothing is timed that would not run otherwise.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from statistics import median

import msgspec
import uvloop

from benchmarks import hot_path, scenarios
from benchmarks.figures import percentile
from benchmarks.flame import flame_svg, tree_of
from benchmarks.machine import Server, postgres, treesync
from benchmarks.results import Figure, Measured, Parts, Picture, rounded
from benchmarks.sampling import Stack, record

READ, DECODE, ADMIT, JUDGE = "read frames", "decode", "authorise and admit", "judge and apply"
COLUMNS, DRIVER, LOOP, SETTLE = "commit: columns", "commit: driver", "commit loop", "settle and encode"
WRITE, BESIDE, REST, DATABASE = "write to sockets", "beside edits", "event loop and rest", "PostgreSQL"
STEPS = (READ, DECODE, ADMIT, JUDGE, COLUMNS, DRIVER, LOOP, SETTLE, WRITE, BESIDE, REST)

_LOOP_TURNS = "uv_run (core.c)"  # libuv's loop: what is outside it is the same in all stacks

# Where a frame's code belongs: (file or folder, function or None for all, step); the first that fits. Modules that
# several steps stand on (nodes, marks, effects) are in no rule: they belong to whoever called them.
_RULES: tuple[tuple[str, str | None, str], ...] = (
    ("server/transport.py", "write", WRITE),
    ("server/transport.py", None, READ),
    ("server/frames.py", "frame", SETTLE),
    ("server/frames.py", None, READ),
    ("sync/codec.py", "decode", DECODE),
    ("sync/codec.py", None, SETTLE),
    ("sync/recent.py", None, SETTLE),
    ("sync/answers.py", None, SETTLE),
    ("sync/delivery.py", None, SETTLE),
    ("sync/telling.py", None, SETTLE),
    ("server/connection.py", "send", SETTLE),
    ("server/connection.py", None, ADMIT),
    ("server/limits.py", None, ADMIT),
    ("sync/intake.py", None, ADMIT),
    ("sync/access.py", None, ADMIT),
    ("sync/inbox.py", None, ADMIT),
    ("sync/room.py", "settle", SETTLE),
    ("sync/room.py", None, JUDGE),
    ("sync/cut.py", None, JUDGE),
    ("sync/judge", None, JUDGE),
    ("sync/apply.py", None, JUDGE),
    ("sync/keeping.py", None, JUDGE),
    ("sync/records.py", None, JUDGE),
    ("sync/rows.py", None, JUDGE),
    ("sync/reach.py", None, JUDGE),
    ("sync/commit.py", None, LOOP),
    ("sync/exchange.py", None, LOOP),
    ("sync/progress", None, BESIDE),
    ("sync/tallies.py", None, BESIDE),
    ("sync/keeper.py", None, BESIDE),
    ("sync/housekeeping.py", None, BESIDE),
    ("storage/commits.py", None, COLUMNS),
    ("storage/array_literals.py", None, COLUMNS),
    ("storage/json_values.py", None, COLUMNS),
    ("storage/", None, DRIVER),
    ("asyncpg/", None, DRIVER),
    ("protocol.c", None, DRIVER),  # asyncpg's own, without a caller in Python where an answer arrives
)


def step_of(stack: Stack) -> str:
    """The step whose code is innermost in a stack."""
    for frame in reversed(stack):
        name, _, place = frame.rpartition(" (")
        called = name.rsplit(".", 1)[-1]
        for file, function, step in _RULES:
            if place.startswith(file) and function in (None, called):
                return step
    return REST


def shares(stacks: Mapping[Stack, int]) -> dict[str, float]:
    """The share of each step in the samples; they add up to 1."""
    counted: Counter[str] = Counter()
    for stack, count in stacks.items():
        counted[step_of(stack)] += count
    total = max(counted.total(), 1)
    return {step: counted[step] / total for step in STEPS}


class Load(msgspec.Struct, frozen=True):
    """What `scenarios.ours_flood` takes."""

    name: str
    rooms: int
    clients: int
    writers: int
    window: int


LOADS = (
    Load("one room, 200 clients", 1, 200, scenarios.WRITERS, scenarios.IN_FLIGHT // scenarios.WRITERS),
    Load("200 rooms of 5", 200, 5, 5, 1),
)


async def _flood(server: Server, load: Load, seconds: float, begun: asyncio.Event | None = None) -> scenarios.Sample:
    return await scenarios.ours_flood(server, load.rooms, load.clients, load.writers, load.window, seconds, begun)


async def _sampled(server: Server, load: Load, seconds: float) -> Counter[Stack]:
    """Stacks of the server under a load that lasts longer than the sampling."""
    begun = asyncio.Event()
    running = asyncio.create_task(_flood(server, load, seconds + 3, begun), name="load")
    await begun.wait()
    stacks = await asyncio.to_thread(record, server.process.pid, seconds)
    await running
    return stacks


def measure(rounds: int, seconds: float) -> Measured:
    """The split of each load, and a flame graph of the first."""
    parts: dict[str, list[float]] = {step: [] for step in (*STEPS, DATABASE)}
    figures, graph = [], Counter[Stack]()
    with postgres() as database, treesync(database) as server:
        figures += uvloop.run(_alone(server, rounds, seconds))  # first, so that the newest commits are its own
        for load in LOADS:
            samples = [uvloop.run(_flood(server, load, seconds)) for _ in range(rounds)]
            stacks = uvloop.run(_sampled(server, load, 2 * seconds))
            graph = graph or stacks
            cost = median(one.server_cost for one in samples)
            for step, share in shares(stacks).items():
                parts[step] += rounded([share * cost])
            parts[DATABASE] += rounded([median(one.database_cost for one in samples)])
            figures += _figures(load, samples)
    figures += _in_process(rounds)
    title = "CPU of one edit, by step"
    split = Parts(name="cost-per-edit", title=title, unit="µs/edit", loads=[one.name for one in LOADS], parts=parts)
    drawn = Picture("hot-path", f"The server's CPU by call: {LOADS[0].name}")
    drawn.svg = flame_svg(tree_of(graph, _LOOP_TURNS), drawn.title)
    return Measured(figures, parts=[split], pictures=[drawn])


def _figures(load: Load, samples: list[scenarios.Sample]) -> list[Figure]:
    return [
        Figure(what=f"Server CPU per edit, {load.name}", values=[one.server_cost for one in samples], unit=" µs"),
        Figure(what=f"PostgreSQL CPU per edit, {load.name}", values=[one.database_cost for one in samples], unit=" µs"),
        Figure(
            what=f"Share of the server's core in use, {load.name}",
            values=[100 * one.cpu / one.seconds for one in samples],
            unit=" %",
            digits=0,
        ),
    ]


async def _alone(server: Server, rounds: int, seconds: float) -> list[Figure]:
    """One edit at a time: what it waits for."""
    answered, commits = [], []
    for _ in range(rounds):
        found = await scenarios.ours_steady(server, 2, 50, seconds)
        answered.append(percentile(found.answered, 0.5))
        commits.append(server.quantile("treesync_commit_quantile_seconds", "0.5") * 1e3)
    what = "One edit at a time, write → durable, p50"
    return [
        Figure(what=what, values=answered, unit=" ms", digits=2),
        Figure(what="of it waiting for the commit statement", values=commits, unit=" ms", digits=2),
    ]


def _in_process(rounds: int) -> list[Figure]:
    """The same steps in this process, without sockets, loop and database: what Python alone takes."""
    room = hot_path.room_of(50)
    costs = [hot_path.measure(room, 6_400, 50) for _ in range(rounds)]
    return [
        Figure(what=f"In one process: {step}", values=[getattr(one, step) for one in costs], unit=" µs")
        for step in ("decode", "judge", "settle", "encode")
    ]
