"""Attempts to reach another tenant's things: `python -m tests.probes --probes 100000 [--seed 0]`.

Half of them by HTTP, over every route of /openapi.json, half by socket, over every message; each is made twice, see
`tests.probes.attack`. A server and its PostgreSQL are started for it and ended afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from tests.probes.attack import Attack
from tests.probes.victim import attacked

ROUND = 2_000  # probes between two lines of progress


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.probes", description=__doc__)
    parser.add_argument("--probes", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    began = time.monotonic()
    attack, changed = asyncio.run(_run(asked.probes, asked.seed))
    print(f"{attack.probes} probes of {len(attack.reached)} routes and messages in {time.monotonic() - began:.0f} s")
    print(f"  statuses {dict(sorted(attack.statuses.items()))}")
    print(f"  messages {dict(attack.codes.most_common())}")
    print(f"{len(attack.leaks)} leaks; the victim's rows were {'CHANGED' if changed else 'not changed'}")
    for leak in attack.leaks[:10]:
        print(f"  LEAK {leak}")
    return 1 if attack.leaks or changed else 0


async def _run(probes: int, seed: int) -> tuple[Attack, bool]:
    async with attacked() as scene:
        before = await scene.fingerprint()
        attack = Attack(scene.instance, scene.victim, await scene.described(), seed)
        while attack.probes < probes:
            await attack.by_http(ROUND // 2)
            await attack.by_socket(ROUND // 2)
            print(f"{attack.probes} probes, {len(attack.leaks)} leaks", flush=True)
        return attack, await scene.fingerprint() != before


if __name__ == "__main__":
    sys.exit(main())
