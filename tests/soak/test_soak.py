"""The soak would notice a leak, and its people do what they are for."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from random import Random

import pytest

from tests.soak.__main__ import told
from tests.soak.picture import svg
from tests.soak.slope import blocks, slope
from tests.soak.stack import peopled, stacked
from tests.soak.watch import Series, Watch

Samples = list[tuple[float, float]]


def samples(minutes: float, per_hour: float, *, noise: float = 0.5, seed: int = 1) -> Samples:
    """A sample each 10 s of what grows so much an hour, with noise and a slow wave as an allocator makes it."""
    chance = Random(seed)
    return [
        (at, 100 + per_hour * at / 3600 + chance.gauss(0, noise) + 0.3 * math.sin(at / 90))
        for at in (10.0 * number for number in range(int(minutes * 6)))
    ]


def series(found: Samples, limit: float | None = 1.0) -> Series:
    return Series("server 1 memory", "MiB", limit, found)


@pytest.mark.parametrize("seed", range(20))
def test_a_leak_is_told_from_noise(seed: int) -> None:
    """12 MiB an hour is one byte in 300 of what 20 minutes of work allocate; after hours the tenth of it shows."""
    assert not told(series(samples(20, 12.0, seed=seed)), 0.0)
    assert told(series(samples(20, 0.0, seed=seed)), 0.0)
    assert not told(series(samples(480, 1.5, seed=seed)), 0.0)
    assert told(series(samples(480, 0.5, seed=seed)), 0.0)


def test_the_interval_holds_the_slope() -> None:
    found = [slope(samples(30, 2.0, seed=seed)) for seed in range(100)]
    assert sum(one.least <= 2.0 <= one.most for one in found) >= 85  # 95 but for the wave


def test_what_is_only_shown_is_never_a_leak_and_a_warm_up_is_left_out() -> None:
    assert told(series(samples(20, 60.0), limit=None), 0.0)
    warming = [(at, 10.0 * min(at / 360, 1.0)) for at, _ in samples(20, 0.0)]
    assert told(series(warming), 360.0)
    assert not told(series(warming), 0.0)


def test_a_block_is_its_median_and_too_few_are_no_slope() -> None:
    assert blocks([(0.0, 1.0), (10.0, 500.0), (20.0, 3.0), (60.0, 9.0)], 60.0) == [(10.0, 3.0)]
    with pytest.raises(ValueError, match="too few"):
        slope(samples(2, 0.0))


def test_the_picture_is_made_of_every_series() -> None:
    drawn = svg([series(samples(20, 1.0)), Series("rooms", "", None, [(0.0, 3.0), (10.0, 3.0)])], 360.0)
    assert drawn.count("<polyline") == 2
    assert "server 1 memory (MiB)" in drawn


async def test_people_work_and_are_looked_at(tmp_path: Path) -> None:
    async with stacked(tmp_path, instances=1) as stack:
        watch = Watch(stack.instances, stack.dsn, tmp_path / "samples.csv")
        async with peopled(stack, 12, seed=1) as counted:
            async with asyncio.timeout(60):
                while min(counted[kind] for kind in ("visits", "retitle", "write", "drag")) == 0:
                    await watch.run(0.5, every=0.2)
    assert watch.series["server 1 sockets"].samples[-1][1] > 0
    assert watch.series["server 1 tasks"].samples[-1][1] > 5
    assert watch.series["database connections"].samples[-1][1] > 0
    rows = (tmp_path / "samples.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + len(watch.series["server 1 memory"].samples)
    weight = json.loads((tmp_path / "server-1.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert weight["blocks"] > 10_000
    assert weight["types"]["builtins.dict"] > 100
