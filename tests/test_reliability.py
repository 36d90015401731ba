"""docs/reliability.md: every figure has a command that is there, and a date."""

from __future__ import annotations

import importlib.util
import re
from datetime import date
from pathlib import Path

import pytest

from tests.torture.drills import DRILLS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
HEADINGS = ["", "asked", "reached", "command", "date"]
COMMAND = re.compile(r"`((?:make|pytest|python -m) [^`]+)`")


def tables() -> list[list[list[str]]]:
    """The cells of each row of each table, its head first."""
    found = re.findall(r"(?:^\|.*\|\n)+", TEXT, re.M)
    return [[[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()] for table in found]


def rows() -> list[list[str]]:
    return [row for table in tables() for row in table[2:]]


def commands() -> list[str]:
    return sorted(set(COMMAND.findall(TEXT)))


def missing(command: str) -> list[str]:
    """What of a command is not there."""
    first, *rest = command.split()
    if first == "make":
        return missing_of_make(rest[0], rest[1:])
    if first == "python":
        return [] if importlib.util.find_spec(rest[1]) else [rest[1]]
    return missing_of_pytest(rest)


def missing_of_make(target: str, variables: list[str]) -> list[str]:
    found = [] if re.search(rf"^{target}:", MAKEFILE, re.M) else [target]
    for name, _, value in (one.partition("=") for one in variables):
        if not re.search(rf"^{name} \?=", MAKEFILE, re.M) or (name == "DRILL" and value not in {*DRILLS, "name"}):
            found.append(f"{name}={value}")
    return found


def missing_of_pytest(arguments: list[str]) -> list[str]:
    wanted = arguments[arguments.index("-k") + 1].strip("'") if "-k" in arguments else ""
    paths = [ROOT / one for one in arguments if one.startswith("tests/")]
    found = [str(path) for path in paths if not path.exists()]
    texts = "".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())
    beside = " ".join(one.name for path in paths for one in path.parent.iterdir())  # a file may be a parameter
    if wanted and wanted not in texts and wanted not in beside:
        found.append(f"-k {wanted}")
    return found


def test_each_topic_has_a_table_and_each_row_a_command_and_a_date() -> None:
    """Whatever has no command beside it has not been shown."""
    assert len(tables()) >= 4
    assert all(table[0] == HEADINGS for table in tables())
    assert [row for row in rows() if len(row) != len(HEADINGS)] == []
    assert [row[1] for row in rows() if not COMMAND.search(row[3]) and row[3] != "the same"] == []
    assert [row[1] for row in rows() if not row[2]] == []
    assert all(date.fromisoformat(row[4]) for row in rows())


@pytest.mark.parametrize("command", commands())
def test_the_command_is_there(command: str) -> None:
    assert missing(command) == []


def test_what_is_not_there_would_be_noticed() -> None:
    assert missing("make tortures SCHEDULE=3") == ["tortures", "SCHEDULE=3"]
    assert missing("make drill DRILL=fire TIMES=1") == ["DRILL=fire"]
    assert missing("pytest tests/nowhere.py") == [str(ROOT / "tests/nowhere.py")]
    assert missing("pytest tests/torture/test_torture.py -k nothing_like_it") == ["-k nothing_like_it"]
    assert missing("python -m tests.nowhere") == ["tests.nowhere"]


def test_the_bar_is_spoken_of_item_by_item() -> None:
    """Items 42 to 47 are those of what is not there yet: erasure and insights."""
    named: set[int] = set()
    for row in rows():
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", row[0]):
            named.update(range(int(first), int(last or first) + 1))
    assert set(range(1, 42)) | {48, 49, 50} <= named
