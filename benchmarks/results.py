"""What a run measured, kept as benchmarks/results.json: a later run of some topics replaces these and no others."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.figures import Line, log_log, spread


class Figure(msgspec.Struct, kw_only=True):
    """One measured quantity, a value for each round; with a limit it is a budget."""

    what: str
    values: list[float]
    unit: str = ""
    digits: int = 1
    limit: float | None = None
    at_most: bool = True  # the limit's kind
    beside: str = ""  # what was measured with it

    @property
    def met(self) -> bool | None:
        """None where there is no limit."""
        if self.limit is None:
            return None
        return median(self.values) <= self.limit if self.at_most else median(self.values) >= self.limit

    @property
    def row(self) -> str:
        """A row of the table of RESULTS.md."""
        limit = "" if self.limit is None else f"{'≤' if self.at_most else '≥'} {self.limit:g}{self.unit}"
        met = {None: "", True: "yes", False: "**no**"}[self.met]
        what = f"{self.what}: {self.beside}" if self.beside else self.what
        return f"| {what} | {spread(self.values, self.unit, self.digits)} | {limit} | {met} |"


class Point(msgspec.Struct):
    x: float
    values: list[float]

    @property
    def y(self) -> float:
        return median(self.values)


class Curve(msgspec.Struct):
    """One line of a chart."""

    label: str
    points: list[Point]

    @property
    def trend(self) -> Line:
        return log_log([(point.x, point.y) for point in self.points])


class Chart(msgspec.Struct, kw_only=True):
    """Curves over one quantity, both axes logarithmic. `name` is its file's."""

    name: str
    title: str
    x: str
    y: str
    curves: list[Curve]


class Parts(msgspec.Struct, kw_only=True):
    """Something split into parts, for each of several loads: a table, and a chart of stacked bars."""

    name: str
    title: str
    unit: str
    loads: list[str]
    parts: dict[str, list[float]]  # a value for each load

    def total(self, load: int) -> float:
        return sum(values[load] for values in self.parts.values())


class Picture(msgspec.Struct):
    """One that cannot be drawn from what is kept here."""

    name: str
    title: str
    svg: str = ""  # emptied when it has become a file of its own


class Topic(msgspec.Struct, kw_only=True):
    """All that was measured of one topic in one run."""

    measured: str  # the date, as 2026-11-21
    machine: str
    rounds: int
    seconds: float
    figures: list[Figure] = []
    charts: list[Chart] = []
    parts: list[Parts] = []
    pictures: list[Picture] = []


class Measured(msgspec.Struct):
    """What a topic's function answers."""

    figures: list[Figure] = []
    charts: list[Chart] = []
    parts: list[Parts] = []
    pictures: list[Picture] = []


class Results(msgspec.Struct):
    topics: dict[str, Topic] = {}

    def add(self, name: str, found: Measured, *, machine: str, rounds: int, seconds: float) -> None:
        self.topics[name] = Topic(
            measured=date.today().isoformat(),
            machine=machine,
            rounds=rounds,
            seconds=seconds,
            figures=found.figures,
            charts=found.charts,
            parts=found.parts,
            pictures=found.pictures,
        )

    @property
    def missed(self) -> list[Figure]:
        return [figure for figure in self.budgets if figure.met is False]

    @property
    def budgets(self) -> list[Figure]:
        return [figure for topic in self.topics.values() for figure in topic.figures if figure.met is not None]


def load(path: Path) -> Results:
    """Empty where nothing was measured yet."""
    return msgspec.json.decode(path.read_bytes(), type=Results) if path.exists() else Results()


def save(results: Results, path: Path) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def rounded(values: Iterable[float], digits: int = 4) -> list[float]:
    """To so many significant digits: what the file keeps of a measurement."""
    return [float(f"{value:.{digits}g}") for value in values]
