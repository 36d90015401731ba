"""A flame graph as SVG: how wide a frame is tells how often it was on the stack (Gregg, "The Flame Graph", 2016)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

import msgspec

from benchmarks.plots import document, text
from benchmarks.sampling import Stack

WIDTH, ROW = 1200, 17
NARROWEST = 1.2  # units of the picture; what is narrower is left out: it could not be seen, and the file stays small
_CHARACTER = 6.6  # width of a character of the font below, about
# by the first part of a frame's file: what is ours, what is the driver's, what is native
_COLOURS = {"sync": "#d55e00", "server": "#e69f00", "storage": "#cc79a7", "asyncpg": "#56b4e9"}
_OTHER = "#9aa3ad"


class Frame(msgspec.Struct):
    """A frame with how many samples had it here, and those it called."""

    name: str
    count: int = 0
    called: dict[str, Frame] = {}


def tree_of(stacks: Mapping[Stack, int], start: str = "") -> Frame:
    """The stacks merged from the outermost frame on. What stands outside the last frame with `start` in it is left
    out: it is the same in all."""
    root = Frame("all")
    for stack, count in stacks.items():
        root.count += count
        here = root
        for name in _within(stack, start):
            here = here.called.setdefault(name, Frame(name))
            here.count += count
    return root


def _within(stack: Stack, start: str) -> Stack:
    places = [place for place, name in enumerate(stack) if start and start in name]
    return stack[places[-1] + 1 :] if places else stack


def depth_of(frame: Frame, least: float) -> int:
    """Rows that it takes, where frames of fewer samples than `least` are left out."""
    return 1 + max((depth_of(one, least) for one in frame.called.values() if one.count >= least), default=0)


def flame_svg(root: Frame, title: str) -> str:
    """Callers below, what they call above them."""
    least = NARROWEST * root.count / WIDTH
    height = depth_of(root, least) * ROW + 60
    return document(WIDTH, height, title, _content(root, title, height, least))


def _content(root: Frame, title: str, height: int, least: float) -> Iterator[str]:
    yield text(12, 24, title, of="title")
    named = {**_COLOURS, "Python, native code and kernel": _OTHER}
    for number, (name, colour) in enumerate(named.items()):
        yield f'<rect x="{12 + number * 100}" y="33" width="10" height="10" fill="{colour}"/>'
        yield text(26 + number * 100, 42, name, of="quiet")
    yield '<g font-size="11" font-family="ui-monospace, monospace">'
    yield from _rows(root, 0.0, height - ROW - 6, WIDTH / root.count, least, root.count)
    yield "</g>"


def _rows(frame: Frame, x: float, y: float, scale: float, least: float, total: int) -> Iterator[str]:
    width = frame.count * scale
    said = f"{frame.name}: {frame.count / total:.1%}"
    yield (
        f'<g><title>{escape(said)}</title><rect x="{x:.1f}" y="{y:.0f}" width="{max(width - 0.4, 0.4):.1f}" '
        f'height="{ROW - 1}" fill="{_colour(frame.name)}"/>'
    )
    room = int((width - 6) / _CHARACTER)
    if room >= 3:
        label = frame.name if len(frame.name) <= room else frame.name[: room - 1] + "…"
        yield f'<text x="{x + 3:.1f}" y="{y + 12:.0f}" style="fill:#000">{escape(label)}</text>'
    yield "</g>"
    for one in sorted(frame.called.values(), key=lambda one: one.name):
        if one.count >= least:
            yield from _rows(one, x, y - ROW, scale, least, total)
            x += one.count * scale


def _colour(name: str) -> str:
    place = name.rpartition(" (")[2]
    return _COLOURS.get(place.split("/", 1)[0], _OTHER)
