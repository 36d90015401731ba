"""Each drill, a few times over; `make drill DRILL=name TIMES=n SEED=s` for as many as a night allows."""

from __future__ import annotations

import pytest

from tests.torture.drills import DRILLS

SEED = 1
TIMES = {
    "activity": 2,
    "unknown-commits": 60,
    "lossy-bus": 100,
    "tail-loss": 80,
    "silent-bus": 1,
    "subscribe-race": 39,
    "bus-away": 5,
    "long-queue": 2_000,
    "spent-pool": 1,
    "slow-database": 1,
    "read-only-database": 1,
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", TIMES)
async def test_nothing_is_lost_and_all_is_well_in_time(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """[AC2] [AC3] [AC13] [ED3] [ED8] [ED19] [BR1] [BR2] [BR11] [OP1]"""
    report = await DRILLS[name](TIMES[name], SEED)
    with capsys.disabled():
        print(f"\n{report.line(name)}", end=" ")
    assert report.wrong == []
    assert report.times >= TIMES[name]
