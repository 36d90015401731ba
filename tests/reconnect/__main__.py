"""2,000 clients that lose their server at once: `python -m tests.reconnect --clients 2000`.

A server and its PostgreSQL are started for it and ended afterwards. Server and clients share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack

import msgspec
import uvloop

from tests.reconnect.crowd import Crowd
from tests.reconnect.storm import Storm, Told, stacked


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reconnect", description=__doc__)
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        wrong, crowd = runner.run(_run(asked.clients, asked.seed))
    outcomes = ", ".join(f"{times} {name}" for name, times in crowd.outcomes.most_common())
    print(f"{sum(crowd.outcomes.values())} edits: {outcomes}; {len(wrong)} violations")
    for one in wrong[:20]:
        print(f"  WRONG {one}")
    return 1 if wrong else 0


async def _run(clients: int, seed: int) -> tuple[list[str], Crowd]:
    async with stacked() as stack, AsyncExitStack() as people:
        crowd = Crowd(seed)
        await crowd.come(stack.instance, clients, people)
        storm = Storm(stack, crowd, show)
        wrong = await storm.run()
        return wrong + storm.late(), crowd


def show(told: Told) -> None:
    """One storm, on a line for each thing to know."""
    fields = msgspec.structs.asdict(told)
    name, clients = fields.pop("name"), fields.pop("clients")
    print(f"{name}, {clients} clients")
    for field, value in fields.items():
        print(
            f"  {field.replace('_', ' '):<24}{value:10.1f}"
            if isinstance(value, float)
            else f"  {field.replace('_', ' '):<24}{value:8}"
        )


if __name__ == "__main__":
    sys.exit(main())
