"""Schedules in every run; `make torture SCHEDULES=n SEED=s` runs as many as a night allows."""

from __future__ import annotations

import pytest

from tests.torture.__main__ import run, summary
from tests.torture.befalling import FAULTS
from tests.torture.restoring import RESTORED
from tests.torture.schedule import torture
from tests.torture.stage import staged

SCHEDULES = 20
STAGES = 2  # beside each other: a schedule mostly waits
SEED = 4_000
GAP_SECONDS = 5.0  # p99 of what a person sees of a rolling restart (reliability B25)


@pytest.mark.timeout(400)
async def test_nothing_acknowledged_is_lost_whatever_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    """[ED3] [ED8] [BR2] [BR11] [OP3] [OP5] [RP7] O1 to O7 over real processes, with faults between all of them."""
    told = await run(range(SEED, SEED + SCHEDULES), stages=STAGES)
    with capsys.disabled():
        print(f"\n{summary(told)}")
    assert [(one.seed, one.wrong) for one in told if one.wrong] == []
    assert sum(one.merged for one in told) > 0
    befell = {fault for one in told for fault in one.faults}
    assert len(befell & FAULTS.keys()) > 0.8 * len(FAULTS)
    assert RESTORED in befell


@pytest.mark.timeout(200)
async def test_a_deploy_loses_nothing_and_is_hardly_seen(capsys: pytest.CaptureFixture[str]) -> None:
    """[CL1] Instance after instance is stopped and started again under constant edits."""
    async with staged() as stage:
        deployed = await torture(stage, SEED, ops=600, faults=1, only="rolling restart")
    slow = deployed.waited[int(len(deployed.waited) * 0.99)]
    with capsys.disabled():
        print(f"\nrolling restart: {deployed.ops} ops, p99 of an answer {slow:.1f} s")
    assert (deployed.wrong, slow < GAP_SECONDS) == ([], True)
