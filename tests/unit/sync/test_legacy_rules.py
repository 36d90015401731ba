"""The page of import-legacy has every rule by which rows are mended."""

from __future__ import annotations

from pathlib import Path

from sync.legacy.notes import RULES

PAGE = Path(__file__).parents[3] / "docs" / "import-legacy.md"


def test_each_rule_is_on_its_page() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert rows == [f"| `{rule}` | {what} |" for rule, what in RULES.items()]
