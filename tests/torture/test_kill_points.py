"""Servers that die at each named point of a commit's way."""

from __future__ import annotations

import pytest

from tests.torture.doomed import POINTS
from tests.torture.drill_kills import kill_points


@pytest.mark.timeout(600)
async def test_a_server_may_die_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    """[ED3] [ED8] [OP2] [RP6] `make drill DRILL=kill-points` for more."""
    report = await kill_points(len(POINTS), seed=1)
    with capsys.disabled():
        print(f"\n{report.line('kill points')}", end=" ")
    assert report.wrong == []
    assert report.times == len(POINTS)
