"""The audit of what is locked: clean only where the database has answered for every package."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from supply.audit import CLEAN, HOLES, LOCK, NOT_AUDITED, audit, names_of, verdict

HOLE = {"id": "CVE-2026-1", "fix_versions": ["2.0"], "description": "…"}


def answered(name: str, *holes: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": list(holes)}


def skipped(name: str) -> dict[str, Any]:
    return {"name": name, "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.mark.parametrize(
    ("dependencies", "status", "says"),
    [
        ([answered("one"), answered("two")], CLEAN, "any of 2 packages"),
        ([answered("one", HOLE), answered("two")], HOLES, "one: CVE-2026-1 (mended in 2.0)"),
        ([answered("one", HOLE | {"fix_versions": []}), skipped("two")], HOLES, "nothing is known of two"),
        ([answered("one"), skipped("two")], NOT_AUDITED, "answered for 1 of 2; nothing is known of two"),
        ([answered("one")], NOT_AUDITED, "nothing is known of two"),
        ([skipped("one"), skipped("two")], NOT_AUDITED, "answered for 0 of 2"),
        ([], NOT_AUDITED, "answered for 0 of 2"),
    ],
)
def test_what_a_report_says(dependencies: list[dict[str, Any]], status: int, says: str) -> None:
    found = verdict({"dependencies": dependencies}, {"one", "two"})
    assert found.status == status
    assert says in found.text


def test_an_empty_lock_is_not_clean() -> None:
    assert verdict({"dependencies": []}, set()).status == NOT_AUDITED


def tool(directory: Path, script: str) -> str:
    """An executable in the place of pip-audit."""
    made = directory / "pip-audit"
    made.write_text(f"#!{sys.executable}\nimport json, sys\n{script}\n", encoding="utf-8")
    made.chmod(0o755)
    return str(made)


def test_a_tool_that_calls_skipped_packages_clean_is_not_believed(tmp_path: Path) -> None:
    """As pip-audit does where its database cannot be had: exit status 0, everything skipped."""
    report = json.dumps({"dependencies": [skipped(name) for name in names_of(LOCK)], "fixes": []})
    found = audit(tool(tmp_path, f"sys.stdout.write({report!r})"))
    assert found.status == NOT_AUDITED
    assert found.text.startswith("NOT AUDITED")
    assert "pypi: answered for 0 of" in found.text
    assert "osv: answered for 0 of" in found.text


def test_the_second_database_is_asked_where_the_first_is_silent(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("# a lock\none==1.0\n", encoding="utf-8")
    report = json.dumps({"dependencies": [answered("one")]})
    script = f"sys.stdout.write({report!r}) if 'osv' in sys.argv else sys.exit('no route to host')"
    assert audit(tool(tmp_path, script), lock).status == CLEAN


@pytest.mark.parametrize("script", ["sys.exit('no route to host')", "print('not a report')"])
def test_a_tool_that_fails_is_no_audit(tmp_path: Path, script: str) -> None:
    assert audit(tool(tmp_path, script)).status == NOT_AUDITED


def test_a_tool_that_is_not_there_is_no_audit(tmp_path: Path) -> None:
    assert audit(str(tmp_path / "none")).status == NOT_AUDITED
