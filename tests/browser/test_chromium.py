"""Where there is no Chromium the browser's tests are skipped and say so, except where they are required, as in CI."""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.outcomes import Failed, Skipped

from tests.browser import chromium as place

ROOT = Path(__file__).parent.parent.parent


def test_its_path_is_one_of_debians(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "chromium").touch()
    monkeypatch.setattr(place, "_PLACES", (str(tmp_path / "missing"), str(tmp_path / "chromium")))
    assert place.chromium() == str(tmp_path / "chromium")


def test_without_one_a_test_is_skipped_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "_PLACES", ())
    monkeypatch.delenv("BROWSER_TESTS", raising=False)
    with pytest.raises(Skipped, match="NO CHROMIUM HERE"):
        place.chromium()


def test_where_it_is_required_a_test_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "_PLACES", ())
    monkeypatch.setenv("BROWSER_TESTS", "required")
    with pytest.raises(Failed, match="no Chromium"):
        place.chromium()


def test_ci_requires_one_and_installs_it() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    required, installed, run = (
        script.index(step)
        for step in (
            "export BROWSER_TESTS=required",
            "apt-get install -y -qq --no-install-recommends chromium",
            "make test",
        )
    )
    assert max(required, installed) < run
