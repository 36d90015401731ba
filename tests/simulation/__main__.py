"""Runs many seeds of the simulation: `python -m tests.simulation --seeds 50000 --ops 200 [--first 0] [--seed S]`, or
one queue that is replayed from everywhere at once: `python -m tests.simulation --replay-storm --ops 100000 [--seed S]`.

A seed that fails is named with the one command that replays it. All seeds are run; the exit code says if any failed.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.simulation.moves import placement_races, random_moves
from tests.simulation.plan import OPS, draw
from tests.simulation.storm import replay_storm
from tests.simulation.world import simulate

_PROGRESS_SECONDS = 5.0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="how many, counted from --first")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--ops", type=int, default=OPS, help="of each seed")
    parser.add_argument("--seed", type=int, help="this one alone, with its history and what befell it")
    parser.add_argument("--replay-storm", action="store_true", help="one queue of --ops ops, sent from everywhere")
    parser.add_argument("--moves", type=int, help="so many in a tree of 1,000 nodes, and as many races for a place")
    asked = parser.parse_args(arguments)
    if asked.moves is not None:
        print(random_moves(asked.moves, asked.seed or 0), placement_races(asked.moves, asked.seed or 0))
        return 0
    if asked.replay_storm:
        print(replay_storm(asked.ops, asked.seed or 0))
        return 0
    if asked.seed is not None:
        return _replay(asked.seed, asked.ops)
    return _run(range(asked.first, asked.first + asked.seeds), asked.ops)


def _replay(seed: int, ops: int) -> int:
    try:
        world = simulate(draw(seed, ops))
    except AssertionError:
        traceback.print_exc()
        return 1
    print(f"seed {seed}: history {world.history}, {world.loop.time():.1f} virtual seconds")
    print(f"events {world.events}")
    print(f"answers {world.checks.statuses}, decisions {world.deciding.answers}")
    return 0


def _run(seeds: range, ops: int) -> int:
    began = told = time.monotonic()
    failed: list[int] = []
    for done, seed in enumerate(seeds, start=1):
        try:
            simulate(draw(seed, ops))
        except AssertionError as error:
            failed.append(seed)
            why = str(error).splitlines() or [repr(error)]
            print(f"\nseed {seed} failed: {why[0][:300]}\nreplay it: {replay_command(seed, ops)}", flush=True)
        now = time.monotonic()
        if now - told > _PROGRESS_SECONDS:
            told = now
            print(f"{done}/{len(seeds)} seeds, {done / (now - began):.1f}/s, {len(failed)} failed", flush=True)
    rate = len(seeds) / max(time.monotonic() - began, 1e-9)
    print(f"{len(seeds)} seeds x {ops} ops at {rate:.1f} seeds/s: {len(failed)} failed {failed[:20] or ''}")
    return 1 if failed else 0


def replay_command(seed: int, ops: int) -> str:
    return f"python -m tests.simulation --seed {seed} --ops {ops}"


if __name__ == "__main__":
    sys.exit(main())
