"""`python -m benchmarks.scaling`: the arithmetic for many sockets, checked by the simulation; draws its plot.

`--measure` takes the costs anew first (three minutes) and writes costs.json. Everything else is computed: the same seed
gives the same figures on any machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from benchmarks.plots import chart_svg
from benchmarks.results import Chart, Curve, Point, rounded
from benchmarks.scaling import costs as measured
from benchmarks.scaling.arithmetic import Need, World, instances_for, need
from benchmarks.scaling.costs import Costs
from benchmarks.scaling.simulation import Outcome, Simulation

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "scaling.svg"
BUSY = 0.6  # of a core, at most: above it the slowest of a hundred wait several times as long
SEEDS = (1, 2, 3)
SECONDS = 10.0
DATABASE_CORES = 2  # an instance's share of its shard
_SOCKETS_PER_INSTANCE = (1_000, 2_500, 5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 40_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="the costs, anew")
    parser.add_argument("--sockets", type=int, default=1_000_000)
    parser.add_argument("--dry", action="store_true", help="print only")
    asked = parser.parse_args()
    if asked.measure:
        measured.save(measured.measure(seconds=3.0, rounds=3))
    costs = measured.load()
    for together, name in ((0.0, "sockets spread at random"), (1.0, "people of one tree on one instance")):
        print(f"\n{name}\n\n" + "\n".join(table(World(sockets=asked.sockets, together=together), costs)))
    if not asked.dry:
        PICTURE.write_text(chart_svg(chart(costs)), encoding="utf-8")


def simulated(world: World, costs: Costs, seeds: Iterable[int] = SEEDS, seconds: float = SECONDS) -> list[Outcome]:
    return [Simulation(world, costs, database_cores=DATABASE_CORES, seed=seed).run(seconds) for seed in seeds]


def sized(world: World, costs: Costs) -> tuple[World, Need, list[Outcome]]:
    """The number of instances and the edits that share a statement depend on each other: found by turns."""
    each = 1.0
    for _ in range(4):
        found = need(world, costs, each)
        world = msgspec.structs.replace(world, instances=max(instances_for(found, BUSY), 2))
        each = simulated(world, costs, seeds=SEEDS[:1], seconds=2.0)[0].edits_per_statement
    outcomes = simulated(world, costs)
    each = sum(one.edits_per_statement for one in outcomes) / len(outcomes)
    return world, need(world, costs, each), outcomes


def table(world: World, costs: Costs) -> Iterator[str]:
    world, found, outcomes = sized(world, costs)
    share = found.instance_cores / world.instances
    yield "| what | arithmetic | simulation |"
    yield "|---|---|---|"
    yield f"| sockets, rooms, edits/s | {world.sockets:,}, {world.rooms:,.0f}, {world.edits:,.0f} | |"
    yield f"| instances a room is open on | {world.apart:.2f} | |"
    yield f"| cores of instances | {found.instance_cores:.1f} ({parts(found)}) | |"
    yield f"| instances of one core, each at most {BUSY:.0%} busy | {world.instances} | |"
    yield f"| an instance's core, busy | {share:.1%} | {spread(outcomes, 'core_busy', 100, '%')} |"
    yield f"| memory of all instances | {found.instance_gb:.1f} GB | |"
    yield f"| edits a statement | | {spread(outcomes, 'edits_per_statement', 1, '')} |"
    yield f"| cores of PostgreSQL | {found.database_cores:.1f} | |"
    busy = found.database_cores / world.instances / DATABASE_CORES
    yield f"| an instance's two of them, busy | {busy:.1%} | {spread(outcomes, 'database_busy', 100, '%')} |"
    yield f"| bus messages/s, cores of Redis | {found.bus_messages:,.0f}, {found.relay_cores:.1f} | |"
    yield f"| durable, median | | {spread(outcomes, 'durable_p50', 1000, ' ms')} |"
    yield f"| durable, p99 | | {spread(outcomes, 'durable_p99', 1000, ' ms')} |"
    yield f"| seen on another instance, p99 | | {spread(outcomes, 'seen_p99', 1000, ' ms')} |"


def parts(found: Need) -> str:
    return ", ".join(f"{name} {cores:.1f}" for name, cores in found.by.items())


def spread(outcomes: list[Outcome], name: str, factor: float, unit: str) -> str:
    values = sorted(getattr(one, name) * factor for one in outcomes)
    return f"{values[len(values) // 2]:.1f}{unit} ({values[0]:.1f}-{values[-1]:.1f})"


def chart(costs: Costs) -> Chart:
    """How long an edit takes as an instance takes more sockets: where the core fills up, the line turns upwards."""
    durable, seen = [], []
    for sockets in _SOCKETS_PER_INSTANCE:
        world = World(sockets=sockets * 20, instances=20)
        outcomes = simulated(world, costs, seconds=5.0)
        durable.append(Point(sockets, rounded(one.durable_p99 * 1000 for one in outcomes)))
        seen.append(Point(sockets, rounded(one.seen_p99 * 1000 for one in outcomes)))
    return Chart(
        name="scaling",
        title="Simulated: milliseconds of the slowest of a hundred edits",
        x="sockets on each of 20 instances",
        y="ms",
        curves=[Curve("durable", durable), Curve("seen elsewhere", seen)],
    )


if __name__ == "__main__":
    main()
