"""PROTOCOL.md's rules and the tests that cite them, as `[ED3]` or `[ED3, RS1]` in a name, docstring or comment.

Every rule is cited by a test, every citation is a rule, and the tables name what the code has.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import get_args

from sync import close_codes, errors, protocol
from sync.limits import Limits

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "PROTOCOL.md").read_text(encoding="utf-8")
RULE = re.compile(r"^- \*\*([A-Z]{2}\d+)\*\* ", re.M)
CITATION = re.compile(r"\[([A-Z]{2}\d{1,2}(?:, ?[A-Z]{2}\d{1,2})*)\]")


def rules() -> list[str]:
    return RULE.findall(TEXT)


def citations() -> dict[str, set[str]]:
    """rule -> the test files that cite it"""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path == Path(__file__):
            continue
        for group in CITATION.findall(path.read_text(encoding="utf-8")):
            for rule in re.split(r", ?", group):
                found.setdefault(rule, set()).add(path.relative_to(ROOT).as_posix())
    return found


def column(heading: str) -> list[str]:
    """The names in the first column of the table whose first heading that is."""
    table = TEXT.partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    return [name for row in table.splitlines()[2:] for name in re.split(r"[`, ]+", row.split("|")[1]) if name]


def test_rules_have_one_number_each_and_stand_in_order() -> None:
    assert len(rules()) > 100
    assert [rule for rule, count in Counter(rules()).items() if count > 1] == []
    sections: dict[str, list[int]] = {}
    for rule in rules():
        sections.setdefault(rule[:2], []).append(int(rule[2:]))
    assert {name: numbers for name, numbers in sections.items() if numbers != list(range(1, len(numbers) + 1))} == {}


def test_every_rule_is_cited_by_a_test() -> None:
    assert sorted(set(rules()) - citations().keys()) == []


def test_no_test_cites_an_unknown_rule() -> None:
    assert {rule: files for rule, files in citations().items() if rule not in rules()} == {}


def test_the_tables_name_every_code() -> None:
    assert set(column("rejection code")) == set(get_args(protocol.RejectionCode))
    assert set(column("notice")) == set(get_args(protocol.NoticeCode))
    assert set(column("status")) | {"merged", "unknown"} == set(get_args(protocol.Status))
    closes = {value for name, value in vars(close_codes).items() if name.startswith("CLOSE_")}
    assert {str(code) for code in closes} <= set(column("code"))


def test_every_error_code_of_the_code_is_explained() -> None:
    explained = set(re.findall(r"^\| `([a-z_]+)` \|", TEXT.partition("## ER")[2], re.M))
    raised = {
        kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.TreesyncError)
    }
    assert raised <= explained


def test_the_table_of_what_consumes_n_is_the_codes() -> None:
    kept = set(re.findall(r"^\| `([a-z_]+)` \|[^|]*\| kept \|", TEXT, re.M))
    assert kept == protocol.UNCONSUMED


def test_welcome_shows_the_default_limits() -> None:
    shown = {
        name: int(value)
        for name, value in re.findall(r'"(\w+)":(\d+)[,}\s]', TEXT.partition('"limits":{')[2].partition("}}")[0] + "}")
    }
    assert shown == {name: getattr(Limits(), name) for name in Limits.__struct_fields__}
