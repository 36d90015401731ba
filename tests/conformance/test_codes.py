"""The tables of codes, held against what the source sends and what the clients do with it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from sync import errors
from treesync_client.link import keeper

ROOT = Path(__file__).parent.parent.parent
PROTOCOL = (ROOT / "PROTOCOL.md").read_text(encoding="utf-8")
NOT_SENT = {"not_migrated"}  # ends a process that starts, never a conversation


def table(section: str) -> dict[str, str]:
    """First cell -> last cell of the rows of a section's tables."""
    body = PROTOCOL.partition(f"\n## {section}:")[2].partition("\n## ")[0]
    rows = [
        [cell.strip("` ") for cell in line.strip("|").split("|")] for line in body.splitlines() if line.startswith("|")
    ]
    return {row[0]: row[-1].strip() for row in rows}


def sent_codes() -> set[str]:
    """Every code that the source gives an error, a refusal or a rejection."""
    found = {
        kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.TreesyncError)
    }
    for path in [*(ROOT / "sync").rglob("*.py"), *(ROOT / "server").rglob("*.py"), *(ROOT / "storage").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found |= _codes_of(node)
    return found - NOT_SENT


def _codes_of(call: ast.Call) -> set[str]:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    place = {"refuse": 1, "_say_error": 0, "Refused": 0, "Refusal": 0}.get(name)
    if place is not None and len(call.args) > place:
        given.append(call.args[place])
    return {one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def test_every_code_that_is_sent_is_explained() -> None:
    """[ER1, RS6]"""
    explained = {*table("ER"), *table("RS"), *table("CL")}
    assert {"not_open", "rate", "cycle", "epoch", "draining"} <= sent_codes()
    assert sent_codes() <= explained


def test_both_clients_stay_away_after_the_same_codes() -> None:
    """[CL2]"""
    stays_away = {
        int(code)
        for codes, does in table("CL").items()
        for code in re.findall(r"\d{4}", codes)
        if "does not come back" in does
    }
    browser = (ROOT / "web" / "sync" / "link.js").read_text(encoding="utf-8")
    final = re.search(r"FINAL = new Set\(\[([\d, ]+)\]\)", browser)
    assert final is not None
    assert {int(code) for code in final[1].split(",")} == stays_away
    assert stays_away == keeper._FINAL
