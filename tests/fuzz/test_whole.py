"""A whole instance under hostile frames: nobody else notices. `make fuzz` does it with 100,000."""

from __future__ import annotations

from tests.fuzz.whole import CODES, Attack

FRAMES = 4_000  # with the 5,000 of tests/integration/test_transport.py on real sockets


async def test_hostile_frames_are_answered_and_harm_nobody() -> None:
    """[CL4] No failure is logged, no task dies, only documented close codes; the tree stays one and others edit it."""
    attack = Attack(seed=28)
    await attack.run(FRAMES)
    assert attack.sent == FRAMES
    assert set(attack.codes) - {None} <= CODES
    assert {"applied", "conflict", "rejected invalid", "rejected gap"} <= set(attack.results), "too few came through"
