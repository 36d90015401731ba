"""What is made of measured values: medians with their spread, percentiles, ratios of interleaved runs, slopes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import msgspec


def spread(values: Sequence[float], unit: str = "", digits: int = 1) -> str:
    """A median with the lowest and highest value."""
    return f"{median(values):.{digits}f}{unit} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def percentile(values: Sequence[float], share: float) -> float:
    """By nearest rank; not a number where there are no values."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else math.nan


class Ratio(msgspec.Struct, frozen=True):
    """What one side is to the other, each round by itself: noise that lasts longer than a round meets both sides."""

    middle: float
    least: float
    most: float

    @property
    def is_clear(self) -> bool:
        """Whether every round points the same way."""
        return self.least > 1 or self.most < 1


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio | None:
    """Ours over theirs; None where theirs was zero or not measured."""
    each = [one / other for one, other in zip(ours, theirs, strict=True) if other and not math.isnan(one / other)]
    return Ratio(median(each), min(each), max(each)) if each else None


class Line(msgspec.Struct, frozen=True):
    """A straight line through the logarithms: y = factor · x ^ slope. `fit` is R²; 1 where every point lies on it."""

    slope: float
    factor: float
    fit: float

    def at(self, x: float) -> float:
        return float(self.factor * x**self.slope)


def log_log(points: Sequence[tuple[float, float]]) -> Line:
    """The least-squares line through (log x, log y); slope 1 is proportional growth, slope 0 none. Needs two x."""
    xs, ys = [math.log(x) for x, _ in points], [math.log(y) for _, y in points]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    across = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / across
    total = sum((y - mean_y) ** 2 for y in ys)
    left = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in zip(xs, ys, strict=True))
    return Line(slope, math.exp(mean_y - slope * mean_x), 1 - left / total if total else 1.0)
