"""One queue from two tabs and two instances at once, each op several times; `make storm OPS=100000` runs a night.
[ED2, ED3, ED6, ED7, HS10, HT2]
"""

from __future__ import annotations

from typing import Any

import pytest

from storage.memory_rows import TreeRows
from sync.cut import Cut
from tests.simulation.__main__ import main
from tests.simulation.storm import replay_storm


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_row_per_op_and_one_answer(seed: int) -> None:
    told = replay_storm(1_500, seed)
    assert "1500 answers" in told


def test_a_storm_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--replay-storm", "--ops", "300", "--seed", "3"]) == 0
    assert "300 ops sent" in capsys.readouterr().out


def test_an_op_that_counts_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(self: Cut, edit: Any, place: int, op: Any) -> Any:
        self.used[edit.client] = op.n
        return self._judge(edit, place, op)

    monkeypatch.setattr(Cut, "_answer", answer)
    monkeypatch.setattr(TreeRows, "_check_numbers", lambda self, batch: None)
    with pytest.raises(AssertionError):
        replay_storm(500)
