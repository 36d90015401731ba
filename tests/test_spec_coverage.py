"""docs/spec-coverage.md: every row has a verdict, and every verdict that can be checked is true."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
CAPABILITIES = {"conflicts", "proof", "history", "ai", "sessions"}
ROW = re.compile(r"^\|([^|]+)\|([^|]+)\|([^|]*)\|$")


@cache
def rows() -> list[tuple[str, str, str]]:
    """(kind, what, verdict) of every row of every table."""
    lines = (ROOT / "docs" / "spec-coverage.md").read_text(encoding="utf-8").splitlines()
    matches = [ROW.match(line) for line in lines if line.startswith("|") and not line.startswith(("| kind |", "|--"))]
    assert all(matches), "a row has three cells"
    return [(kind.strip(), what.strip(), verdict.strip()) for kind, what, verdict in (m.groups() for m in matches if m)]


@cache
def schema() -> tuple[dict[str, set[str]], set[str]]:
    """(table -> its columns, names of indexes) of schema.sql."""
    text = re.sub(r"--[^\n]*", "", (ROOT / "schema.sql").read_text(encoding="utf-8"))
    tables: dict[str, set[str]] = {}
    for name, body in re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(?:\w+\.)?(\w+) \((.*?)\n\)", text, re.S):
        tables[name] = set(re.findall(r"^\s+(\w+)\s+[a-z]", body, re.M))
    return tables, set(re.findall(r"CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?(\w+)", text))


def test_every_document_is_covered() -> None:
    text = (ROOT / "docs" / "spec-coverage.md").read_text(encoding="utf-8")
    assert {number for number in ("000", "001", "002", "003", "004") if f"\n## {number}: " not in text} == set()
    assert len(rows()) > 400


def test_no_row_is_empty() -> None:
    assert [row for row in rows() if not all(row)] == []


def test_every_verdict_is_one_of_the_four() -> None:
    known = re.compile(rf"(schema: `|test: `|comes with ({'|'.join(sorted(CAPABILITIES))})\b|dropped: \S)")
    assert [(what, verdict) for _, what, verdict in rows() if not known.match(verdict)] == []


def test_every_test_that_is_named_exists() -> None:
    missing = []
    for _, what, verdict in rows():
        for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", verdict):
            file = ROOT / path
            if not file.exists() or (name and f"def {name}(" not in file.read_text(encoding="utf-8")):
                missing.append(f"{what}: {path}::{name}")
    assert missing == []


def test_everything_said_to_be_in_the_schema_is() -> None:
    tables, indexes = schema()
    missing = []
    for _, what, verdict in rows():
        if not verdict.startswith("schema: "):
            continue
        named = re.match(r"schema: `(\w+)(?:\.(\w+))?`", verdict)
        assert named, what
        table, column = named.groups()
        if column is None and table not in tables and table not in indexes:
            missing.append(f"{what}: {table}")
        elif column is not None and column not in tables.get(table, set()):
            missing.append(f"{what}: {table}.{column}")
    assert missing == []
