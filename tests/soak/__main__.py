"""Ordinary work for as long as asked, and whether anything grew: `python -m tests.soak --minutes 20 [--people 60]`.

Two servers, PostgreSQL and Redis are started for it and ended afterwards. The verdict is by the slope after the
warm-up; the samples are written beside it as CSV and SVG.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from pathlib import Path

from tests.soak.picture import svg
from tests.soak.slope import slope
from tests.soak.stack import peopled, stacked
from tests.soak.watch import Series, Watch

# until every busy room keeps as much of its newest history as it ever will, and the heap has all the holes it will have
WARM_UP_MINUTES = 35.0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--instances", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(".cache/soak"), help="folder of the samples and the picture")
    asked = parser.parse_args(arguments)
    warm_up = 60.0 * min(WARM_UP_MINUTES, asked.minutes / 2)
    asked.out.mkdir(parents=True, exist_ok=True)
    for old in asked.out.glob("server-*.jsonl"):
        old.unlink()
    watch, counted = asyncio.run(_run(asked))
    (asked.out / "samples.svg").write_text(svg(list(watch.series.values()), warm_up), encoding="utf-8")
    print(
        f"{asked.minutes:g} minutes, {asked.people} people: " + ", ".join(f"{n} {k}" for k, n in counted.most_common())
    )
    grown = [one.name for one in watch.series.values() if not told(one, warm_up)]
    print(f"grown: {', '.join(grown)}" if grown else "nothing has grown")
    return 1 if grown else 0


async def _run(asked: argparse.Namespace) -> tuple[Watch, Counter[str]]:
    async with stacked(asked.out.resolve(), asked.instances) as stack:
        watch = Watch(stack.instances, stack.dsn, asked.out / "samples.csv")
        async with peopled(stack, asked.people, asked.seed) as counted:
            await watch.run(asked.minutes * 60)
        return watch, counted


def told(series: Series, warm_up: float) -> bool:
    """Print a series' line; whether it has not grown. It has where even the least slope of the interval is beyond the
    limit: a short soak has a wide interval, and says how wide."""
    found = slope([sample for sample in series.samples if sample[0] >= warm_up])
    grown = series.limit is not None and found.least > series.limit
    unit = series.unit or "1"
    asked = "" if series.limit is None else f", asked at most {series.limit:g}" + (" GROWN" if grown else "")
    spread = f"{found.per_hour:+.2f} ± {found.spread:.2f} {unit}/h"
    print(f"{series.name:<24} {found.level:9.1f}  {spread}{asked}")
    return not grown


if __name__ == "__main__":
    sys.exit(main())
