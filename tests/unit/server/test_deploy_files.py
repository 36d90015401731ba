"""The alerts and the dashboard name only metrics that the server gives, and every alert is explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.applications import running

ROOT = Path(__file__).parents[3]
RULES = ROOT / "deploy" / "prometheus-rules.yaml"
DASHBOARD = ROOT / "deploy" / "grafana-dashboard.json"
NAMED = {path.name: set(re.findall(r"\btreesync_\w+", path.read_text("utf-8"))) for path in (RULES, DASHBOARD)}
_KINDS = re.compile(r"^# TYPE (\S+) (\w+)$", re.MULTILINE)


async def given() -> set[str]:
    """The names of the samples that a server gives."""
    async with running() as app:
        text = (await app.operator("GET", "/metrics")).text
    names: set[str] = set()
    for name, kind in _KINDS.findall(text):
        names |= {f"{name}_bucket", f"{name}_count", f"{name}_sum"} if kind == "histogram" else {name}
    return names


@pytest.mark.parametrize("name", sorted(NAMED))
async def test_it_names_only_metrics_that_there_are(name: str) -> None:
    assert len(NAMED[name]) >= 8
    assert NAMED[name] - await given() == set()


def test_every_alert_is_explained() -> None:
    alerts = re.findall(r"alert: (\w+)", RULES.read_text(encoding="utf-8"))
    explained = re.findall(r"^\| `(Treesync\w+)` \|", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    assert alerts == explained
