"""Tortures the real stack: `python -m tests.torture --schedules 20 [--seed 0] [--instances 2]`.

Each schedule is one seed: 8 peers, 300 ops, 4 faults. What is wrong is named with its seed; a seed fixes what is done,
not how the machine times it, so a schedule that failed is worth repeating.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter

from tests.torture.schedule import Told, torture
from tests.torture.stage import staged


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the first one")
    parser.add_argument("--instances", type=int, default=2)
    parser.add_argument("--faults", type=int, default=4, help="in each schedule")
    parser.add_argument("--ops", type=int, default=300)
    asked = parser.parse_args(arguments)
    told = asyncio.run(_run(asked.seed, asked.schedules, asked.instances, asked.faults, asked.ops))
    print(summary(told))
    return 1 if any(one.wrong for one in told) else 0


async def _run(first: int, schedules: int, instances: int, faults: int, ops: int) -> list[Told]:
    told: list[Told] = []
    async with staged(instances) as stage:
        for seed in range(first, first + schedules):
            began = time.monotonic()
            one = await torture(stage, seed, faults=faults, ops=ops)
            told.append(one)
            print(
                f"seed {seed}: {one.acknowledged}/{one.ops} landed, {one.merged} merged, {one.reconnects} reconnects, "
                f"settled in {one.settled:.1f} s, {time.monotonic() - began:.1f} s in all; "
                f"{', '.join(one.faults)}",
                flush=True,
            )
            for wrong in one.wrong[:20]:
                print(f"  WRONG {wrong}", flush=True)
    return told


def summary(told: list[Told]) -> str:
    """The totals, as docs/reliability.md gives them."""
    faults = Counter(fault for one in told for fault in one.faults)
    settled = sorted(one.settled for one in told)
    lines = [f"{len(told)} schedules, {sum(one.ops for one in told)} ops, {sum(faults.values())} faults"]
    lines += [f"  {times:4} {fault}" for fault, times in sorted(faults.items())]
    lines.append(
        f"settled after the last edit and fault: median {settled[len(settled) // 2]:.1f} s, longest {settled[-1]:.1f} s"
    )
    failed = [one.seed for one in told if one.wrong]
    lines.append(f"{sum(len(one.wrong) for one in told)} violations in {len(failed)} schedules {failed[:20] or ''}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
