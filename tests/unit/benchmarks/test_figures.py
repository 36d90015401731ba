"""What is made of measured values."""

from __future__ import annotations

import math

import pytest

from benchmarks.figures import log_log, percentile, ratio, spread


def test_a_spread_shows_median_lowest_and_highest() -> None:
    assert spread([3.0, 1.0, 2.0], " ms") == "2.0 ms (1.0-3.0)"
    assert spread([0.125], digits=2) == "0.12 (0.12-0.12)"


def test_percentiles_are_by_nearest_rank() -> None:
    values = [float(one) for one in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (51.0, 100.0, 100.0)
    assert math.isnan(percentile([], 0.5))


def test_a_ratio_is_taken_round_by_round() -> None:
    slower_machine_later = ratio([10.0, 20.0, 40.0], [5.0, 10.0, 20.0])
    assert slower_machine_later is not None
    assert (slower_machine_later.middle, slower_machine_later.least, slower_machine_later.most) == (2.0, 2.0, 2.0)
    assert slower_machine_later.is_clear
    unclear = ratio([1.0, 3.0], [2.0, 2.0])
    assert unclear is not None
    assert not unclear.is_clear


def test_what_was_not_measured_has_no_ratio() -> None:
    assert ratio([1.0], [0.0]) is None
    assert ratio([math.nan], [1.0]) is None
    one = ratio([1.0, math.nan], [2.0, 2.0])
    assert one is not None
    assert one.middle == 0.5


@pytest.mark.parametrize(("power", "factor"), [(1.0, 3.0), (0.5, 2.0), (-1.0, 7.0)])
def test_the_slope_of_a_power_law_is_its_exponent(power: float, factor: float) -> None:
    line = log_log([(x, factor * x**power) for x in (1.0, 4.0, 50.0, 1000.0)])
    assert line.slope == pytest.approx(power)
    assert line.factor == pytest.approx(factor)
    assert line.fit == pytest.approx(1.0)
    assert line.at(10.0) == pytest.approx(factor * 10**power)


def test_what_does_not_grow_has_slope_zero() -> None:
    line = log_log([(1.0, 5.0), (10.0, 5.0), (100.0, 5.0)])
    assert line.slope == pytest.approx(0.0)
    assert line.fit == 1.0


def test_a_fit_tells_how_far_the_points_are_off() -> None:
    assert log_log([(1.0, 1.0), (10.0, 100.0), (100.0, 10.0), (1000.0, 1000.0)]).fit < 0.9
