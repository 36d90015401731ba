"""The pictures: well-formed, for readers of light and of dark pages, and true to their values."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree

import pytest

from benchmarks.flame import flame_svg, tree_of
from benchmarks.plots import Axis, chart_svg, parts_svg
from benchmarks.results import Chart, Curve, Parts, Point
from benchmarks.sampling import Stack

SVG = "{http://www.w3.org/2000/svg}"


def chart() -> Chart:
    one = Curve("edits/s", [Point(1, [90.0, 100.0, 110.0]), Point(10, [1000.0]), Point(100, [10_000.0])])
    return Chart(name="growth", title="More & more", x="rooms", y="per second", curves=[one])


def parts() -> Parts:
    return Parts(
        name="cost", title="Cost", unit="µs", loads=["a", "b"], parts={"decode": [1.0, 2.0], "write": [3.0, 4.0]}
    )


STACKS: Counter[Stack] = Counter(
    {("main (a.py)", "loop (b.c)", "cut (sync/cut.py)"): 3, ("main (a.py)", "loop (b.c)", "<write>"): 1}
)


@pytest.mark.parametrize("svg", [chart_svg(chart()), parts_svg(parts()), flame_svg(tree_of(STACKS), "All & each")])
def test_pictures_are_svg_that_follows_the_reader_without_script(svg: str) -> None:
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert "prefers-color-scheme: dark" in svg
    assert root.find(f"{SVG}rect[@class='ground']") is not None
    assert "script" not in svg
    assert "href" not in svg


def test_an_axis_puts_equal_ratios_at_equal_distances() -> None:
    axis = Axis([1.0, 1000.0], 0.0, 300.0)
    assert axis.at(10.0) - axis.at(1.0) == pytest.approx(axis.at(1000.0) - axis.at(100.0))
    assert 0 < axis.at(1.0) < axis.at(1000.0) < 300
    assert axis.ticks() == [1.0, 10.0, 100.0, 1000.0]


def test_an_axis_does_not_blow_up_what_hardly_changes() -> None:
    axis = Axis([100.0, 101.0], 0.0, 300.0)
    assert axis.at(101.0) - axis.at(100.0) < 10
    assert Axis([5.0], 0.0, 300.0).at(5.0) == pytest.approx(150.0)


def test_points_of_a_power_law_stand_on_a_straight_line() -> None:
    circles = list(ElementTree.fromstring(chart_svg(chart())).iter(f"{SVG}circle"))
    xs, ys = [float(one.get("cx", "")) for one in circles], [float(one.get("cy", "")) for one in circles]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)
    assert ys[1] - ys[0] == pytest.approx(ys[2] - ys[1], abs=0.2)
    assert ys[2] < ys[0]


def test_bars_are_as_long_as_their_values() -> None:
    widths = [float(one) for one in re.findall(r'width="([\d.]+)" height="38"', parts_svg(parts()))]
    assert len(widths) == 4
    assert [width / widths[0] for width in widths] == pytest.approx([1.0, 3.0, 2.0, 4.0], rel=0.01)


def test_stacks_are_merged_from_the_outside() -> None:
    root = tree_of(STACKS)
    assert root.count == 4
    loop = root.called["main (a.py)"].called["loop (b.c)"]
    assert {name: one.count for name, one in loop.called.items()} == {"cut (sync/cut.py)": 3, "<write>": 1}
    assert list(tree_of(STACKS, "loop").called) == ["cut (sync/cut.py)", "<write>"]


def test_a_flame_graph_names_frames_and_their_shares() -> None:
    svg = flame_svg(tree_of(STACKS, "loop"), "All")
    titles = [one.text for one in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert titles == ["All", "all: 100.0%", "<write>: 25.0%", "cut (sync/cut.py): 75.0%"]


def test_frames_too_narrow_to_be_seen_are_left_out() -> None:
    many: Counter[Stack] = Counter({(f"one{number} (a.py)",): 1 for number in range(5_000)} | {("wide (b.py)",): 5_000})
    svg = flame_svg(tree_of(many), "All")
    assert "wide" in svg
    assert "one7 " not in svg
