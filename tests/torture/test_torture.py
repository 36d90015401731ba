"""A few schedules in every run; `make torture SCHEDULES=n SEED=s` runs as many as a night allows."""

from __future__ import annotations

import pytest

from tests.torture.__main__ import summary
from tests.torture.schedule import FAULTS, torture
from tests.torture.stage import staged

SCHEDULES = 8
SEED = 4_000
GAP_SECONDS = 5.0  # p99 of what a person sees of a rolling restart (reliability B25)


@pytest.mark.timeout(400)
async def test_nothing_acknowledged_is_lost_whatever_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    """[ED3] [ED8] [BR2] [BR11] O1 to O7 over real processes, with faults between all of them."""
    async with staged() as stage:
        told = [await torture(stage, seed) for seed in range(SEED, SEED + SCHEDULES)]
        deployed = await torture(stage, SEED, ops=600, faults=1, only="rolling restart")
    slow = deployed.waited[int(len(deployed.waited) * 0.99)]
    with capsys.disabled():
        print(f"\n{summary(told)}\nrolling restart: {deployed.ops} ops, p99 of an answer {slow:.1f} s")
    assert (deployed.wrong, slow < GAP_SECONDS) == ([], True)
    assert [(one.seed, one.wrong) for one in told if one.wrong] == []
    assert sum(one.merged for one in told) > 0
    assert len({fault for one in told for fault in one.faults}) > len(FAULTS) // 2
