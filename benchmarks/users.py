"""A thousand people at once on one instance, as `treesync load --users 1000` plays them: real clients with replicas."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.machine import CHECKOUT, SECRET, Server, postgres, treesync
from benchmarks.results import Figure, Measured

USERS = 1_000
_WITHIN = 180.0  # seconds; far above what connecting, driving and comparing take
_SECONDS = 3  # times as long as other topics measure: people are slow


def measure(rounds: int, seconds: float) -> Measured:
    """Half of the rounds of the other topics, three times as long each."""
    with postgres() as database, treesync(database) as server:
        reports = [_report(server, _SECONDS * seconds) for _ in range(max(rounds // 2, 1))]
    edits = ", ".join(f"{report['edits_per_second']:.0f}" for report in reports)
    what = f"{USERS:,} users on {reports[0]['rooms']} trees"
    errors = [float(report["unanswered"] + report["reconnects"] + report["divergence"]) for report in reports]
    return Measured(
        [
            _figure(f"{what}, autosave: edit → durable, p50", reports, "durable", "p50"),
            _figure(f"{what}, autosave: edit → durable, p99", reports, "durable", "p99", limit=200),
            _figure(f"{what}, sync: edit → seen elsewhere, p50", reports, "seen", "p50"),
            _figure(f"{what}, sync: edit → seen elsewhere, p99", reports, "seen", "p99", limit=1_000),
            Figure(what=f"{what}, errors", values=errors, digits=0, limit=0, beside=f"{edits} edits/s"),
        ]
    )


def _figure(what: str, reports: list[dict[str, Any]], kind: str, share: str, limit: float | None = None) -> Figure:
    return Figure(what=what, values=[float(report[kind][share]) for report in reports], unit=" ms", limit=limit)


def _report(server: Server, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "server", "load", "--users", str(USERS), "--seconds", str(seconds), "--json"]
    command += ["--url", f"http://127.0.0.1:{server.port}"]
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env={**os.environ, "TREESYNC_JWT_SECRET": SECRET},
        capture_output=True,
        timeout=_WITHIN,
        check=False,
    )
    if not done.stdout.strip():
        raise RuntimeError(f"treesync load: {done.stderr.decode(errors='replace')[-500:]}")
    report: dict[str, Any] = json.loads(done.stdout)  # printed too where replicas differ: that is a figure
    return report
