"""Drills: one kind of trouble, many times over, on the real stack; what a schedule meets by chance, a drill seeks out.

`python -m tests.torture.drills NAME [--times N] [--seed S]` runs one for as long as a night allows; each is in the
test suite with a few. What came of it is a `Report`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from tests.torture.drill_activity import counted_activity
from tests.torture.drill_backups import rehearsal
from tests.torture.drill_bus import bus_away, lossy_bus, silent_bus, tail_loss
from tests.torture.drill_commits import steady, unknown_commits
from tests.torture.drill_crowd import crowded_tree
from tests.torture.drill_database import read_only_database, slow_database, spent_pool
from tests.torture.drill_handshakes import half_handshakes
from tests.torture.drill_joins import subscribe_race
from tests.torture.drill_kills import kill_points
from tests.torture.drill_offline import long_queue
from tests.torture.drill_readers import slow_readers
from tests.torture.report import Report

Drill = Callable[[int, int], Coroutine[Any, Any, Report]]  # times, seed

DRILLS: dict[str, Drill] = {
    "activity": counted_activity,
    "unknown-commits": unknown_commits,
    "steady": steady,
    "lossy-bus": lossy_bus,
    "tail-loss": tail_loss,
    "silent-bus": silent_bus,
    "bus-away": bus_away,
    "long-queue": long_queue,
    "subscribe-race": subscribe_race,
    "kill-points": kill_points,
    "spent-pool": spent_pool,
    "slow-database": slow_database,
    "read-only-database": read_only_database,
    "half-handshakes": half_handshakes,
    "rehearsal": rehearsal,
    "crowded-tree": crowded_tree,
    "slow-readers": slow_readers,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.drills", description=__doc__)
    parser.add_argument("name", choices=sorted(DRILLS))
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    report = asyncio.run(DRILLS[asked.name](asked.times, asked.seed))
    print(report.line(asked.name))
    for wrong in report.wrong[:20]:
        print(f"  WRONG {wrong}")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
