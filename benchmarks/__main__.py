"""`python -m benchmarks [B1 B2 … costs growth]`: measure, and write benchmarks/RESULTS.md with its plots.

Everything runs on the loopback and ends by itself. What is not asked for keeps the figures of its last run. With
`--quick` the rounds are few and short, and what comes of them goes to .cache/benchmarks: to try, not to quote.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from benchmarks import costs, growth, prompts, reads, report, results, users
from benchmarks.budgets import BUDGETS
from benchmarks.machine import CHECKOUT, LOAD_CORE, describe, pin, unwind_when_stopped
from benchmarks.results import Measured, Results

HERE = Path(__file__).parent
QUICK = CHECKOUT / ".cache" / "benchmarks"

TOPICS: dict[str, Callable[[int, float], Measured]] = {
    **BUDGETS,
    "users": users.measure,
    "reads": reads.measure,
    "prompts": prompts.measure,
    "costs": costs.measure,
    "growth": growth.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topics", nargs="*", choices=[*TOPICS, []], help="all, where none is named")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of measuring in each round")
    parser.add_argument("--quick", action="store_true", help="1 round of 1 s, written to .cache/benchmarks")
    parser.add_argument("--dry", action="store_true", help="print only")
    parser.add_argument("--render", action="store_true", help="write RESULTS.md anew from readings.md, measure nothing")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a budget is missed")
    asked = parser.parse_args()
    if asked.quick:
        asked.rounds, asked.seconds = 1, 1.0
    pin(LOAD_CORE)
    unwind_when_stopped()
    folder = QUICK if asked.quick else HERE
    folder.mkdir(parents=True, exist_ok=True)
    found = results.load(folder / "results.json")
    failed = []
    if asked.render:
        write(found, folder)
    for name in () if asked.render else asked.topics or TOPICS:
        if not measure(name, asked.rounds, asked.seconds, found):
            failed.append(name)
        elif not asked.dry:
            keep(found, name, folder)
    for figure in found.missed:
        print(f"MISSED {figure.row}")
    print(f"{len(found.budgets) - len(found.missed)} of {len(found.budgets)} budgets met")
    if failed:
        print(f"NOT MEASURED, for an error above: {', '.join(failed)}")
    sys.exit(1 if failed or (asked.strict and found.missed) else 0)


def measure(name: str, rounds: int, seconds: float, known: Results) -> bool:
    """Measure a topic and tell it; whether that could be done. One that fails leaves the others their figures."""
    began = time.monotonic()
    print(f"---- {name}", file=sys.stderr, flush=True)
    try:
        found = TOPICS[name](rounds, seconds)
    except Exception:  # whatever a topic meets, hours of others must not be lost
        traceback.print_exc()
        return False
    known.add(name, found, machine=describe(), rounds=rounds, seconds=seconds)
    for figure in found.figures:
        print(figure.row, flush=True)
    for parts in found.parts:
        print(report.parts_table(parts), flush=True)
    for chart in found.charts:
        print(f"{chart.title}: {report.slopes(chart)}", flush=True)
    print(f"---- {name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return True


def keep(known: Results, name: str, folder: Path) -> None:
    """Write what is known after each topic."""
    for picture in known.topics[name].pictures:
        report.draw(folder, picture.name, picture.svg)
        picture.svg = ""
    results.save(known, folder / "results.json")
    write(known, folder)


def write(known: Results, folder: Path) -> None:
    """RESULTS.md and its plots."""
    report.write(known, folder, report.readings((HERE / "readings.md").read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
