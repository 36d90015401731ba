"""Typing over a bad line: every replica reads the same and nothing typed is lost, in 10,000 schedules."""

from __future__ import annotations

import pytest

from sync.values import Refused
from tests.pipelining import Typing

SEEDS, PARTS, STEPS = 10_000, 20, 120


def fails(seed: int, *, forgetful: bool, patient: bool) -> bool:
    try:
        Typing(seed, forgetful=forgetful, patient=patient).run(STEPS)
    except (AssertionError, KeyError, Refused):
        return True
    return False


@pytest.mark.parametrize("part", range(PARTS))
def test_replicas_agree_and_every_character_that_nobody_deleted_is_there(part: int) -> None:
    for seed in range(part, SEEDS, PARTS):
        try:
            Typing(seed, clients=2 + seed % 3).run(STEPS)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_a_long_run() -> None:
    Typing(14, clients=5).run(3_000)


@pytest.mark.parametrize("patient", [True, False])
def test_transforming_over_others_ops_only_is_found_out(patient: bool) -> None:
    """What the rule forbids, with one message unconfirmed and with several: the simulation notices."""
    assert any(fails(seed, forgetful=True, patient=patient) for seed in range(200))
    assert not any(fails(seed, forgetful=False, patient=True) for seed in range(200))


def test_there_is_something_to_transform() -> None:
    """Of what is sent, a good part meets something concurrent, and some of it several deltas."""
    runs = [Typing(seed) for seed in range(50)]
    for run in runs:
        run.run(STEPS)
    assert sum(len(run.server.log) for run in runs) > 500
    assert sum(run.server.met > 0 for run in runs) == 50
    assert sum(run.server.met for run in runs) > 500
