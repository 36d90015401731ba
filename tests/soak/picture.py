"""The samples as small plots over one another, in one SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tests.soak.watch import Series

WIDTH, HEIGHT, GAP, LEFT = 640, 90, 34, 70  # in user units: of one plot, between two, and for what stands left of it


def svg(series: Sequence[Series], warm_up: float) -> str:
    """One plot for each series; what lies before the end of the warm-up is shaded."""
    height = (HEIGHT + GAP) * len(series) + GAP
    plots = "".join(_plot(one, warm_up, GAP + place * (HEIGHT + GAP)) for place, one in enumerate(series))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} {height}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="#fff"/>{plots}</svg>\n'
    )


def _plot(series: Series, warm_up: float, top: float) -> str:
    values = [value for _, value in series.samples]
    low, high = min(values), max(values)
    room = max((high - low) * 0.1, abs(high) * 0.02, 1.0)  # a flat line is shown as one
    low, high = low - room, high + room
    last = max(series.samples[-1][0], 1.0)

    def place(at: float, value: float) -> str:
        return f"{LEFT + at / last * WIDTH:.1f},{top + (high - value) / (high - low) * HEIGHT:.1f}"

    line = " ".join(place(at, value) for at, value in series.samples)
    shade = min(warm_up, last) / last * WIDTH
    return (
        f'<rect x="{LEFT}" y="{top}" width="{shade:.1f}" height="{HEIGHT}" fill="#eee"/>'
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>'
        f'<text x="{LEFT}" y="{top - 5}">{escape(series.name)}{f" ({series.unit})" if series.unit else ""}</text>'
        f'<text x="{LEFT - 5}" y="{top + 10}" text-anchor="end">{high:.1f}</text>'
        f'<text x="{LEFT - 5}" y="{top + HEIGHT}" text-anchor="end">{low:.1f}</text>'
        f'<text x="{LEFT + WIDTH}" y="{top + HEIGHT + 13}" text-anchor="end">{last / 60:.0f} min</text>'
        f'<polyline points="{line}" fill="none" stroke="#1f5fbf" stroke-width="1.2"/>'
    )
