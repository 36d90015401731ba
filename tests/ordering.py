"""Which files of tests begin first: those that take longest, so that no worker is left alone with one in the end.

A file stays with one worker (`--dist loadfile`), so the run takes as long as its last file. By itself pytest-xdist
begins with the files that have the most tests, and so ends with those that have few and long ones.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

# each is more than 1 % of the whole (`pytest --durations`); the rest follows in the order of its names
LONGEST_FIRST = (
    "tests/torture/test_torture.py",
    "tests/torture/test_kill_points.py",
    "tests/torture/test_drills.py",
    "tests/integration/test_openapi_fuzz.py",
    "tests/browser/test_page.py",
    "tests/simulation/test_simulation.py",
    "tests/integration/storage/test_isolation.py",
    "tests/reconnect/test_storm.py",
    "tests/simulation/test_planted_bugs.py",
    "tests/probes/test_probes.py",
    "tests/fuzz/test_whole.py",
    "tests/integration/test_revocation.py",
)
_PLACES = {name: place for place, name in enumerate(LONGEST_FIRST)}


class Test(Protocol):
    @property
    def nodeid(self) -> str: ...


AnyTest = TypeVar("AnyTest", bound=Test)


def place(test: Test) -> int:
    """For a stable sort: tests of one file keep their order."""
    return _PLACES.get(test.nodeid.partition("::")[0], len(LONGEST_FIRST))


def longest_first(tests: list[AnyTest]) -> None:
    tests.sort(key=place)
