"""Whether a series of samples grows: least squares, with the spread of the slope. Pure.

Samples of one process are not independent (what an allocator took it keeps for a while), so that the spread of a fit
through all of them would be far too small. They are put together in blocks first, and the fit goes through the blocks'
medians: a peak that passes does not move it.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median
from typing import NamedTuple

BLOCK_SECONDS = 60.0  # longer than a room or a collection of garbage takes to come and go
# two-sided 95 % quantiles of Student's t by degrees of freedom; beyond the last the normal one
_STUDENT = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 8: 2.31, 10: 2.23, 15: 2.13, 20: 2.09, 30: 2.04}


class Slope(NamedTuple):
    """Units per hour, and half the width of its 95 % interval; `level` is the median of all samples."""

    per_hour: float
    spread: float
    level: float

    @property
    def least(self) -> float:
        return self.per_hour - self.spread

    @property
    def most(self) -> float:
        return self.per_hour + self.spread


def slope(samples: Sequence[tuple[float, float]], block: float = BLOCK_SECONDS) -> Slope:
    """Of (seconds, value). Raises ValueError with fewer than three blocks: no spread can be told from two."""
    points = blocks(samples, block)
    if len(points) < 3:
        raise ValueError(f"{len(points)} blocks of {block:g} s are too few")
    middle, mean = fmean(at for at, _ in points), fmean(value for _, value in points)
    width = sum((at - middle) ** 2 for at, _ in points)
    steepness = sum((at - middle) * (value - mean) for at, value in points) / width
    left = sum((value - mean - steepness * (at - middle)) ** 2 for at, value in points)
    freedom = len(points) - 2
    spread = _student(freedom) * (left / freedom / width) ** 0.5
    return Slope(steepness * 3600, spread * 3600, median(value for _, value in samples))


def blocks(samples: Sequence[tuple[float, float]], block: float) -> list[tuple[float, float]]:
    """The median of each stretch of `block` seconds, at its mean time; a last one that is not half full is left out."""
    found: dict[int, list[tuple[float, float]]] = {}
    for at, value in samples:
        found.setdefault(int((at - samples[0][0]) // block), []).append((at, value))
    full = max((len(members) for members in found.values()), default=0)
    return [
        (fmean(at for at, _ in members), median(value for _, value in members))
        for members in found.values()
        if len(members) * 2 >= full
    ]


def _student(freedom: int) -> float:
    known = [number for number in _STUDENT if number <= freedom]
    return 1.96 if freedom > 30 else _STUDENT[max(known)]
