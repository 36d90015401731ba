"""Asking the advisory databases about every version of `requirements.lock`, with pip-audit.

pip-audit says "No known vulnerabilities found" and ends with 0 also where its database knew none of the packages, or
could not be reached: all are "skipped" then. Here a package counts as clean only if the database has answered for it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from supply.installed import ROOT

LOCK = ROOT / "requirements.lock"
CLEAN, HOLES, NOT_AUDITED = 0, 1, 3
_SECONDS = 10  # for one answer of the database
_MOST_SECONDS = 600  # for all of them: one request for each of 120 packages
_TOLD = 5  # packages that an error names
_DATABASES = ("pypi", "osv")  # either will do; a network may reach one alone


class Verdict(NamedTuple):
    """What to print, and the exit status: CLEAN, HOLES or NOT_AUDITED."""

    text: str
    status: int


def audit(tool: str, lock: Path = LOCK) -> Verdict:
    """Ask with the pip-audit at `tool`, one database after the other until one answers for every package."""
    why: list[str] = []
    for database in _DATABASES:
        found = _asked(tool, lock, database)
        if found.status != NOT_AUDITED:
            return found
        why.append(f"{database}: {found.text}")
    return Verdict("NOT AUDITED. This says nothing about known holes.\n" + "\n".join(why), NOT_AUDITED)


def _asked(tool: str, lock: Path, database: str) -> Verdict:
    options = ["--format", "json", "--progress-spinner", "off", "--timeout", str(_SECONDS)]
    command = [tool, "--requirement", str(lock), "--no-deps", "--disable-pip", "--vulnerability-service", database]
    try:
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=_MOST_SECONDS, check=False)
        report = json.loads(done.stdout)
    except OSError as error:
        return Verdict(f"{tool} does not start: {error.strerror}", NOT_AUDITED)
    except subprocess.TimeoutExpired:
        return Verdict(f"no answer within {_MOST_SECONDS} s", NOT_AUDITED)
    except ValueError:
        return Verdict(f"no report: {_last_line(done.stderr)}", NOT_AUDITED)
    return verdict(report, names_of(lock))


def names_of(lock: Path) -> set[str]:
    """The packages that a lock file names."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return {line.partition("==")[0] for line in lines if line and not line.startswith("#")}


def verdict(report: dict[str, Any], wanted: set[str]) -> Verdict:
    """What a report of pip-audit says of the packages that were to be audited."""
    answered = {one["name"]: one["vulns"] for one in report["dependencies"] if "vulns" in one}
    holes = [f"{name}: {_said(one)}" for name, found in sorted(answered.items()) for one in found]
    missing = sorted(wanted - set(answered))
    if holes:
        return Verdict("\n".join(holes) + _unanswered(missing), HOLES)
    if missing or not wanted:
        return Verdict(f"answered for {len(wanted) - len(missing)} of {len(wanted)}{_unanswered(missing)}", NOT_AUDITED)
    return Verdict(f"no advisory is known for any of {len(wanted)} packages", CLEAN)


def _said(hole: dict[str, Any]) -> str:
    mended = ", ".join(hole.get("fix_versions") or ()) or "no version yet"
    return f"{hole['id']} (mended in {mended})"


def _unanswered(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return f"; nothing is known of {', '.join(names[:_TOLD])}{more}"


def _last_line(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
