"""Hostile input by the hundred thousand: `python -m tests.fuzz --frames 100000 [--seed 0] [--guided 300]`.

So many frames go through a whole instance, and as many inputs through each reader by itself. `--guided` spends so many
seconds on each reader with a fuzzer that follows coverage, where atheris is installed (`pip install atheris`).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import subprocess
import sys
import time
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import psutil
import uvloop

from tests.fuzz.seeds import inputs, seeds
from tests.fuzz.targets import TARGETS
from tests.fuzz.whole import Attack

GROWTH_MIBIBYTES = 20.0  # reliability B 28
KEPT = Path(".cache/fuzz")
ROOT = Path(__file__).parent.parent.parent


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", type=int, default=0, help="seconds for each reader")
    asked = parser.parse_args(arguments)
    good = _attack(asked.frames, asked.seed)
    for target in TARGETS:
        good &= _aim(target, asked.frames, asked.seed)
    if asked.guided and find_spec("atheris") is None:
        print("not guided by coverage: atheris is not installed")
    elif asked.guided:
        for target in TARGETS:
            good &= _guide(target, asked.guided)
    return 0 if good else 1


def _attack(frames: int, seed: int) -> bool:
    """The whole instance. Its memory is looked at once it is warm."""
    memory: list[float] = []

    async def run() -> Attack:
        warm = Attack(seed - 1)
        await warm.run(min(frames, 5_000))
        gc.collect()
        memory.append(_memory())
        attack = Attack(seed)
        await attack.run(frames)
        gc.collect()
        memory.append(_memory())
        return attack

    began = time.monotonic()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            attack = runner.run(run())
    except AssertionError as error:
        print(f"instance: seed {seed}: FOUND {error}")
        return False
    growth = memory[1] - memory[0]
    print(
        f"instance: {attack.sent} frames in {time.monotonic() - began:.0f} s, memory {growth:+.1f} MiB; closed with "
        f"{dict(attack.codes.most_common())}; results {dict(attack.results.most_common())}"
    )
    return growth <= GROWTH_MIBIBYTES


def _memory() -> float:
    return float(psutil.Process().memory_info().rss) / 2**20


def _aim(target: str, runs: int, seed: int) -> bool:
    """One reader. What it fails on is kept."""
    began, slowest = time.monotonic(), 0.0
    for data in islice(inputs(target, seed), runs):
        started = time.perf_counter()
        try:
            TARGETS[target](data)
        except Exception as error:
            KEPT.mkdir(parents=True, exist_ok=True)
            kept = KEPT / f"{target}-{hashlib.sha256(data).hexdigest()[:8]}.bin"
            kept.write_bytes(data)
            print(f"{target}: FOUND {error!r}, kept as {kept}")
            return False
        slowest = max(slowest, time.perf_counter() - started)
    print(f"{target}: {runs} inputs in {time.monotonic() - began:.0f} s, the slowest took {slowest * 1000:.1f} ms")
    return True


def _guide(target: str, seconds: int) -> bool:
    corpus = KEPT / f"corpus-{target}"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(target)):
        (corpus / f"seed-{number}").write_bytes(data)
    command = [sys.executable, "-m", "tests.fuzz.guided", target, str(corpus), f"-max_total_time={seconds}"]
    command += ["-max_len=4096", "-timeout=5", "-rss_limit_mb=1024", f"-artifact_prefix={KEPT}/{target}-"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = [line for line in done.stderr.splitlines() if "cov:" in line or "ERROR" in line or "Uncaught" in line][-3:]
    print(f"{target}, guided by coverage: {' | '.join(last)}")
    if done.returncode:
        print(done.stderr[-3000:])
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
