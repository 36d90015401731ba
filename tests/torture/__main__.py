"""Tortures the real stack: `python -m tests.torture --schedules 20 [--seed 0] [--stages 2]`.

Each schedule is one seed: 8 peers, 300 ops, 4 faults; every tenth has two trees, and every tenth a backup that is
restored. What is wrong is named with its seed; a seed fixes what is done, not how the machine times it, so a schedule
that failed is worth repeating.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import traceback
from collections import Counter

from tests.torture.play import SETTLE_SECONDS
from tests.torture.restoring import restore
from tests.torture.schedule import Told, torture
from tests.torture.stage import Stage, staged


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the first one")
    parser.add_argument("--stages", type=int, default=1, help="whole stacks beside each other")
    parser.add_argument("--instances", type=int, default=2)
    asked = parser.parse_args(arguments)
    seeds = range(asked.seed, asked.seed + asked.schedules)
    told = asyncio.run(run(seeds, stages=asked.stages, instances=asked.instances, aloud=True))
    print(summary(told))
    return 1 if any(one.wrong for one in told) else 0


async def run(seeds: range, *, stages: int = 1, instances: int = 2, aloud: bool = False) -> list[Told]:
    """A schedule of each seed, spread over so many stacks that know nothing of each other."""
    shares = [seeds[place::stages] for place in range(stages)]
    told = await asyncio.gather(*(_share(share, instances, aloud) for share in shares))
    return sorted((one for share in told for one in share), key=lambda one: one.seed)


async def _share(seeds: range, instances: int, aloud: bool) -> list[Told]:
    told: list[Told] = []
    while len(told) < len(seeds):  # a stage that broke is left, and the next seeds get another one
        async with staged(instances) as stage:
            for seed in seeds[len(told) :]:
                began = time.monotonic()
                told.append(await _tried(stage, seed))
                if aloud:
                    say(told[-1], time.monotonic() - began)
                if told[-1].broke:
                    break
    return told


async def _tried(stage: Stage, seed: int) -> Told:
    try:
        return await one_of(stage, seed)
    except Exception as error:
        traceback.print_exc()
        ended = [f"an instance ended by itself: {said}" for said in stage.ended()]
        return Told(seed=seed, broke=True, wrong=[f"the schedule broke: {error!r}", *ended])


async def one_of(stage: Stage, seed: int) -> Told:
    """The schedule that this seed stands for."""
    if seed % 10 == 9:
        return await restore(stage, seed)
    return await torture(stage, seed, trees=2 if seed % 10 == 4 else 1)


def say(one: Told, seconds: float) -> None:
    print(
        f"seed {one.seed}: {one.acknowledged}/{one.ops} landed, {one.merged} merged, {one.reconnects} reconnects, "
        f"settled in {one.settled:.1f} s, {seconds:.1f} s in all; {', '.join(one.faults)}",
        flush=True,
    )
    for wrong in one.wrong[:20]:
        print(f"  WRONG {wrong}", flush=True)


def summary(told: list[Told]) -> str:
    """The totals, as docs/reliability.md gives them."""
    faults = Counter(fault for one in told for fault in one.faults)
    settled = sorted(one.settled for one in told)
    waited = sorted(seconds for one in told for seconds in one.waited)
    lines = [f"{len(told)} schedules, {sum(one.ops for one in told)} ops, {sum(faults.values())} faults"]
    lines += [f"  {times:4} {fault}" for fault, times in sorted(faults.items())]
    late = [one.seed for one in told if one.settled > SETTLE_SECONDS]
    middle, longest = settled[len(settled) // 2], settled[-1]
    lines.append(f"level after the last edit and fault: median {middle:.1f} s, longest {longest:.1f} s")
    lines.append(f"{len(late)} schedules later than {SETTLE_SECONDS:g} s {late[:20] or ''}")
    median, slow = waited[len(waited) // 2], waited[len(waited) * 99 // 100]
    lines.append(f"an answer, faults and all: median {median:.3f} s, p99 {slow:.1f} s")
    failed = [one.seed for one in told if one.wrong]
    lines.append(f"{sum(len(one.wrong) for one in told)} violations in {len(failed)} schedules {failed[:20] or ''}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
