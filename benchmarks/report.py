"""RESULTS.md and its plots, made from what was measured (results.json) and what people read in it (readings.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.plots import chart_svg, parts_svg
from benchmarks.results import Chart, Figure, Parts, Results, Topic

PLOTS = "plots"
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)

# heading -> the topics under it
HEADINGS = {
    "Budgets": ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12"),
    "A thousand users": ("users",),
    "Reads at hand": ("reads",),
    "Prompts": ("prompts",),
    "Cost of an edit": ("costs",),
    "Growth": ("growth",),
    "Peers": ("peers",),
}


def readings(text: str) -> dict[str, str]:
    """The sections of readings.md by heading, without it."""
    pieces = _HEADING.split(text)
    return {heading: body.strip() for heading, body in zip(pieces[1::2], pieces[2::2], strict=True)}


def markdown(results: Results, read: dict[str, str]) -> str:
    """RESULTS.md. A reading of what was not measured stands at its end: none is lost."""
    sections = [f"# Results\n\n{_preface(results)}"]
    left = dict(read)
    for heading, names in HEADINGS.items():
        topics = {name: results.topics[name] for name in names if name in results.topics}
        if topics:
            sections.append("\n\n".join(_section(heading, topics, left.pop(heading, ""))))
    sections += [f"## {heading}\n\n{body}" for heading, body in left.items()]
    return "\n\n".join(sections) + "\n"


def _preface(results: Results) -> str:
    met, missed = len(results.budgets) - len(results.missed), results.missed
    said = f"**{met} of {len(results.budgets)} budgets are met.**"
    if missed:
        said += " Missed: " + "; ".join(figure.what for figure in missed) + "."
    return (
        f"{said}\n\n`make bench` measures again and writes this file, `results.json` and the plots; `readings.md`\n"
        "holds the words. Medians of the rounds, lowest and highest in brackets; the server has one core, load and\n"
        "database the other; a baseline runs in the same round as what is compared with it. The relay is a plain\n"
        "Starlette relay that stores nothing and checks nothing."
    )


def _section(heading: str, topics: dict[str, Topic], reading: str) -> Iterator[str]:
    yield f"## {heading}"
    yield "\n".join(_origins(topics))
    figures = [figure for topic in topics.values() for figure in topic.figures]
    if figures:
        yield table(figures)
    for topic in topics.values():
        for parts in topic.parts:
            yield parts_table(parts)
            yield f"![{parts.title}]({PLOTS}/{parts.name}.svg)"
        for picture in topic.pictures:
            yield f"![{picture.title}]({PLOTS}/{picture.name}.svg)"
        for chart in topic.charts:
            yield f"![{chart.title}]({PLOTS}/{chart.name}.svg)\n\n{slopes(chart)}"
    if reading:
        yield reading


def _origins(topics: dict[str, Topic]) -> Iterator[str]:
    """Which run each topic is of: one line for topics of one run."""
    runs: dict[tuple[str, int, float, str], list[str]] = {}
    for name, topic in topics.items():
        runs.setdefault((topic.measured, topic.rounds, topic.seconds, topic.machine), []).append(name)
    for (measured, rounds, seconds, machine), names in runs.items():
        yield f"{', '.join(names)}: {measured}, {rounds} rounds of {seconds:g} s, on {machine}."


def table(figures: list[Figure]) -> str:
    """With the budgets' columns where there are any."""
    if all(figure.limit is None for figure in figures):
        rows = (figure.row.removesuffix(" |  |  |") + " |" for figure in figures)
        return "\n".join(["| what | measured |", "|---|---|", *rows])
    return "\n".join(["| what | measured | budget | met |", "|---|---|---|---|", *(figure.row for figure in figures)])


def parts_table(parts: Parts) -> str:
    """Each part with its value and its share, for each load."""
    lines = [f"| {parts.unit} | {' | '.join(parts.loads)} |", "|---|" + "---:|" * len(parts.loads)]
    totals = [parts.total(load) for load in range(len(parts.loads))]
    for name, values in parts.parts.items():
        cells = [f"{value:.1f} ({value / total:.0%})" for value, total in zip(values, totals, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append(f"| **in all** | {' | '.join(f'**{total:.1f}**' for total in totals)} |")
    return "\n".join(lines)


def slopes(chart: Chart) -> str:
    """What each curve's slope says, in a sentence."""
    said = []
    for curve in chart.curves:
        first, last = curve.points[0], curve.points[-1]
        trend = curve.trend
        said.append(
            f"{curve.label}: slope {trend.slope:+.2f} (R² {trend.fit:.2f}), {first.y:,.4g} at {first.x:,.0f} "
            f"and {last.y:,.4g} at {last.x:,.0f} {chart.x}; {_meaning(trend.slope)}."
        )
    return " ".join(said)


def _meaning(slope: float) -> str:
    factor = 10**slope
    if abs(slope) < 0.05:
        return "it does not depend on it"
    return f"ten times as many make it {factor:.2g} ×"


def draw(folder: Path, name: str, svg: str) -> None:
    """Keep a picture among the plots."""
    plots = folder / PLOTS
    plots.mkdir(parents=True, exist_ok=True)
    (plots / f"{name}.svg").write_text(svg, encoding="utf-8")


def write(results: Results, folder: Path, read: dict[str, str]) -> None:
    """RESULTS.md and its plots."""
    for topic in results.topics.values():
        for chart in topic.charts:
            draw(folder, chart.name, chart_svg(chart))
        for parts in topic.parts:
            draw(folder, parts.name, parts_svg(parts))
    (folder / "RESULTS.md").write_text(markdown(results, read), encoding="utf-8")
