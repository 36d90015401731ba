"""What the project asks for in pyproject.toml, and what of it is installed here, with all that stands below."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parent.parent


class Part(NamedTuple):
    """One installed distribution, and the names of those it needs itself."""

    distribution: Distribution
    needs: set[NormalizedName]


Parts = dict[NormalizedName, Part]


def project() -> dict[str, Any]:
    """The `project` table."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def asked(*extras: str) -> list[Requirement]:
    """The project's requirements with those extras; an extra may name another."""
    table = project()
    return [one for lines in (table["dependencies"], *_extras(table, extras)) for one in map(Requirement, lines)]


def _extras(table: dict[str, Any], names: Iterable[str]) -> Iterator[list[str]]:
    for name in names:
        lines: list[str] = table["optional-dependencies"][name]
        within = [one for one in lines if Requirement(one).name == table["name"]]
        yield [one for one in lines if one not in within]
        for one in within:
            yield from _extras(table, Requirement(one).extras)


def installed(requirements: Iterable[Requirement]) -> Parts:
    """These and everything below them. Raises PackageNotFoundError for what is missing."""
    parts: Parts = {}
    done: set[tuple[NormalizedName, frozenset[str]]] = set()
    waiting = [one for one in requirements if _applies(one, ())]
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in done:
            continue
        done.add((name, extras))
        part = parts.setdefault(name, Part(distribution(name), set()))
        below = [one for one in map(Requirement, part.distribution.requires or []) if _applies(one, extras)]
        part.needs.update(canonicalize_name(one.name) for one in below)
        waiting += below
    return parts


def _applies(requirement: Requirement, extras: Collection[str]) -> bool:
    """Whether it is needed on this machine, by a package that is wanted with those extras."""
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras))
