"""Charts as SVG: small files, without script, whose colours follow the reader's light or dark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.results import Chart, Curve, Parts

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 76, 24, 52, 56  # around the field of a chart
_BAR, _GAP = 46, 26  # of stacked bars
# Okabe and Ito's colours ("Color Universal Design", 2008), which people with any colour vision tell apart; black and
# yellow, which one of the two grounds swallows, are left out; five of other hues follow for charts of many parts
COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#8a6fdf",
    "#999999",
    "#117733",
    "#aa4466",
    "#6b8e9e",
    "#b8860b",
)
_STYLE = """<style>
svg { font: 13px system-ui, sans-serif; }
.ground { fill: #ffffff; } text { fill: #1f2328; } .quiet { fill: #59636e; } .grid { stroke: #d1d9e0; }
.trend { stroke-dasharray: 2 4; opacity: 0.8; } .title { font-size: 15px; font-weight: 600; }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #9198a1; } .grid { stroke: #3d444d; }
}
</style>"""


def document(width: int, height: int, title: str, content: Iterator[str]) -> str:
    """An SVG with a ground of its own, so that it can be read on any page."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            _STYLE,
            f'<rect class="ground" width="{width}" height="{height}" rx="6"/>',
            *content,
            "</svg>\n",
        ]
    )


def text(x: float, y: float, said: str, *, of: str = "", anchor: str = "start", turned: bool = False) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}"' + (f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else "")
    named = f' class="{of}"' if of else ""
    return f'<text {place} text-anchor="{anchor}"{named}>{escape(said)}</text>'


# ---- curves over two logarithmic axes


class Axis:
    """A logarithmic axis: values to places."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._low, self._high = math.log10(min(values)), math.log10(max(values))
        if self._high - self._low < 0.5:  # what hardly changes is not blown up to fill the field
            middle = (self._low + self._high) / 2
            self._low, self._high = middle - 0.25, middle + 0.25
        margin = (self._high - self._low) * 0.06
        self._low, self._high = self._low - margin, self._high + margin
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> list[float]:
        """1, 2 and 5 of each power of ten where there is room for them, else the powers alone."""
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        steps = (1, 2, 5) if self._high - self._low < 2.5 else (1,)
        found = [step * 10.0**power for power in powers for step in steps]
        return [one for one in found if self._low <= math.log10(one) <= self._high]


def chart_svg(chart: Chart) -> str:
    """Points with the spread of their rounds, joined by lines; the trend of each curve dotted."""
    points = [point for curve in chart.curves for point in curve.points]
    across = Axis([point.x for point in points], LEFT, WIDTH - RIGHT)
    up = Axis([value for point in points for value in point.values], HEIGHT - BOTTOM, TOP)
    return document(WIDTH, HEIGHT, chart.title, _chart(chart, across, up))


def _chart(chart: Chart, across: Axis, up: Axis) -> Iterator[str]:
    yield text(16, 26, chart.title, of="title")
    for tick in up.ticks():
        y = up.at(tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield text(LEFT - 8, y + 4, _short(tick), of="quiet", anchor="end")
    for tick in across.ticks():
        yield text(across.at(tick), HEIGHT - BOTTOM + 20, _short(tick), of="quiet", anchor="middle")
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, f"{chart.x} (logarithmic)", of="quiet", anchor="middle")
    yield text(18, (TOP + HEIGHT - BOTTOM) / 2, chart.y, of="quiet", anchor="middle", turned=True)
    for number, curve in enumerate(chart.curves):
        yield from _curve(curve, COLOURS[number % len(COLOURS)], across, up)
        place = LEFT + number * (WIDTH - LEFT - RIGHT) / len(chart.curves)
        yield f'<rect x="{place:.1f}" y="36" width="10" height="10" fill="{COLOURS[number % len(COLOURS)]}"/>'
        yield text(place + 15, 45, f"{curve.label}, slope {curve.trend.slope:+.2f}")


def _curve(curve: Curve, colour: str, across: Axis, up: Axis) -> Iterator[str]:
    places = [(across.at(point.x), up.at(point.y)) for point in curve.points]
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for point, (x, y) in zip(curve.points, places, strict=True):
        low, high = up.at(min(point.values)), up.at(max(point.values))
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{colour}"/>'
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
    trend, first, last = curve.trend, curve.points[0].x, curve.points[-1].x
    ends = f'x1="{places[0][0]:.1f}" y1="{up.at(trend.at(first)):.1f}" x2="{places[-1][0]:.1f}"'
    yield f'<line class="trend" {ends} y2="{up.at(trend.at(last)):.1f}" stroke="{colour}"/>'


def _short(value: float) -> str:
    """1,500 as 1.5k."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


# ---- stacked bars


def parts_svg(parts: Parts) -> str:
    """A bar for each load, as long as its total, and a legend."""
    rows = math.ceil(len(parts.parts) / 3)
    height = 44 + len(parts.loads) * (_BAR + _GAP) + rows * 20 + 14
    return document(WIDTH, height, parts.title, _bars(parts))


def _bars(parts: Parts) -> Iterator[str]:
    yield text(16, 26, parts.title, of="title")
    scale = (WIDTH - 32) / max(parts.total(load) for load in range(len(parts.loads)))
    for load, name in enumerate(parts.loads):
        y = 60 + load * (_BAR + _GAP)
        yield text(16, y - 5, f"{name}: {parts.total(load):.0f} {parts.unit}")
        x = 16.0
        for number, (part, values) in enumerate(parts.parts.items()):
            width = values[load] * scale
            colour = COLOURS[number % len(COLOURS)]
            said = escape(f"{part}: {values[load]:.1f} {parts.unit}")
            size = f'width="{width:.1f}" height="{_BAR - 8}"'
            yield f'<rect x="{x:.1f}" y="{y}" {size} fill="{colour}"><title>{said}</title></rect>'
            x += width
    for number, part in enumerate(parts.parts):
        x, y = 16 + number % 3 * (WIDTH - 32) / 3, 64 + len(parts.loads) * (_BAR + _GAP) + number // 3 * 20
        yield f'<rect x="{x:.1f}" y="{y - 20}" width="10" height="10" fill="{COLOURS[number % len(COLOURS)]}"/>'
        yield text(x + 15, y - 11, part)
