"""`treesync demo --offline-story`, as a person runs it: with nothing but the command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands import treesync


@pytest.mark.timeout(240)
async def test_an_hour_offline_is_told_decided_and_ends_equal(tmp_path: Path) -> None:
    """[RP10] [RP5] [CF11] 300 edits against 500 on a server of its own, every conflict decided, three equal digests."""
    async with treesync("demo", "--offline-story", "--seed", "3", directory=tmp_path) as command:
        status = await command.ended(200)
    said = command.said()
    assert status == 0, said
    assert "against 500 foreign edits" in said
    (sums,) = [line for line in said.splitlines() if re.match(r" *all +\d", line)]
    counts = [int(number) for number in re.findall(r"\d+", sums)]
    assert len(counts) == 7  # applied, merged, unchanged, superseded, conflict, rejected, and their sum
    assert all(counts), "every status occurs"
    assert sum(counts[:-1]) == counts[-1]
    assert re.search(r"conflicts open now +0", said)
    assert re.search(r"rejected: invalid, title must have 1 to 500 characters", said)
    assert re.search(r"both replicas and the server are equal: digest [0-9a-f]{16}", said)
