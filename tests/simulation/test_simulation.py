"""The simulation: 500 seeds of 200 ops, and that a seed is a history.

TREESYNC_SIMULATION_SEEDS and TREESYNC_SIMULATION_OPS change how much is run; `make simulate SEEDS=50000` runs a night.
[ED2, ED3, ED6, ED7, ED8, ED9, ED15, ED19, RS1, TR11, TR12, TR26, BR1, BR2, BR3, BR5, BR8, BR10, BR11, OP2, OP6]
[PR1, PR3, RP1, RP2, RP5, RP6, AC3, AC4, CF14, HT2, HT6]
[TX1, TX2, TX3, TX4, TX5, TX7, TX8, TX9, TX10, TX13, TX15, TX16, CR1, CR2, CR5, CR6, CR8, CR9, CR11, CR13, CR14, CR16]
[CR17, CR19, TR19, TR27, TR30, OP12]
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation.__main__ import main, replay_command
from tests.simulation.plan import OPS, draw
from tests.simulation.world import simulate

SEEDS = int(os.environ.get("TREESYNC_SIMULATION_SEEDS", "500"))
PER_SEED = int(os.environ.get("TREESYNC_SIMULATION_OPS", str(OPS)))
SHARES = 10  # tests that the seeds are spread over, so that several workers can run them


@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", range(SHARES))
def test_every_seed_keeps_every_promise(share: int) -> None:
    for seed in range(share, SEEDS, SHARES):
        try:
            simulate(draw(seed, PER_SEED))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {replay_command(seed, PER_SEED)}") from error


def test_a_seed_is_a_history() -> None:
    first, again, other = (simulate(draw(seed)).history for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_a_seed_is_the_same_history_in_another_process() -> None:
    """Hashes of text differ between processes: no order may come from them."""
    here = simulate(draw(12)).history
    for hash_seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", "12"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"history {here}," in run.stdout


def test_the_seeds_meet_all_there_is() -> None:
    """What the plans of the first seeds draw, so that a change of the drawing cannot silently leave something out."""
    plans = [draw(seed) for seed in range(100)]
    assert {plan.clients for plan in plans} == set(range(2, 9))
    assert {plan.instances for plan in plans} == {1, 2, 3}
    assert {plan.trees for plan in plans} == {1, 2, 3}
    assert {event for plan in plans for event in plan.events} >= {"cut", "kill", "bus_down", "database_down", "drain"}
    assert {plan.bus_is_faultless and plan.store_is_faultless for plan in plans} == {True, False}


def test_the_runner_names_what_failed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["--seeds", "2", "--ops", "20"]) == 0
    assert "2 seeds x 20 ops" in capsys.readouterr().out

    def broken(*_: object) -> None:
        raise AssertionError("broken on purpose")

    monkeypatch.setattr("sync.room.Room.roll_back", broken)
    monkeypatch.setattr("sync.room.Room.settle", broken)
    assert main(["--seeds", "2", "--ops", "20"]) == 1
    assert "python -m tests.simulation --seed 1 --ops 20" in capsys.readouterr().out
