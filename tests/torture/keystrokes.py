"""Operational transformation by single keystrokes: slow, plain, and nothing of `sync.text`, so that the two check each
other. A keystroke is (place, what): `what` is one character typed before that place, None one taken away there.

Which of two texts stands left is decided by deltas in normal form, so keystrokes that are to agree with a server's
delta are brought into it (`settled`) before each crossing.
"""

from __future__ import annotations

from collections.abc import Sequence

Keystroke = tuple[int, str | None]


def of_delta(delta: Sequence[int | str]) -> list[Keystroke]:
    """The keystrokes of a delta of the wire, from the left."""
    strokes: list[Keystroke] = []
    place = 0
    for part in delta:
        if isinstance(part, str):
            for character in part:
                strokes.append((place, character))
                place += 1
        elif part > 0:
            place += part
        else:
            strokes += [(place, None)] * -part
    return strokes


def settled(length: int, strokes: Sequence[Keystroke]) -> list[Keystroke]:
    """The keystrokes of the one delta that does the same to a text of that length."""
    return of_delta(delta_of(length, strokes))


def played(text: str, strokes: Sequence[Keystroke]) -> str:
    """The text after the keystrokes."""
    characters = list(text)
    for place, what in strokes:
        if what is None:
            del characters[place]
        else:
            characters.insert(place, what)
    return "".join(characters)


def _past(stroke: Keystroke, other: Keystroke, *, other_is_earlier: bool) -> Keystroke | None:
    """A keystroke behind another one; None: nothing of it is left. At one place the earlier one's text stands left."""
    place, what = stroke
    at, typed = other
    if typed is None:
        if what is None and at == place:
            return None
        return (place - 1, what) if at < place else stroke
    if at < place or (at == place and (what is None or other_is_earlier)):
        return place + 1, what
    return stroke


def crossed(earlier: Sequence[Keystroke], later: Sequence[Keystroke]) -> tuple[list[Keystroke], list[Keystroke]]:
    """Two sequences on one text, each behind the other."""
    before = list(earlier)
    after: list[Keystroke] = []
    for first in later:
        stroke: Keystroke | None = first
        behind: list[Keystroke] = []
        for other in before:
            moved = other if stroke is None else _past(other, stroke, other_is_earlier=False)
            stroke = None if stroke is None else _past(stroke, other, other_is_earlier=True)
            if moved is not None:
                behind.append(moved)
        before = behind
        if stroke is not None:
            after.append(stroke)
    return before, after


def delta_of(length: int, strokes: Sequence[Keystroke]) -> list[int | str]:
    """One delta that does what the keystrokes do to a text of that length."""
    # (what was typed there, or None for a character that was there; whether it stands)
    cells: list[tuple[str | None, bool]] = [(None, True)] * length
    for place, what in strokes:
        standing = [at for at, (_, stands) in enumerate(cells) if stands]
        if what is None:
            cells[standing[place]] = (cells[standing[place]][0], False)
        else:
            cells.insert(standing[place] if place < len(standing) else len(cells), (what, True))
    delta: list[int | str] = []
    typed, taken = "", 0
    for what, stands in [*cells, (None, True)]:
        if what is not None:
            typed += what if stands else ""
        elif not stands:
            taken += 1
        else:
            delta += [typed] if typed else []
            delta += [-taken] if taken else []
            typed, taken = "", 0
            if delta and isinstance(last := delta[-1], int) and last > 0:
                delta[-1] = last + 1
            else:
                delta.append(1)
    if isinstance(last := delta[-1], int) and last > 1:
        delta[-1] = last - 1  # what was added to end the last run
    else:
        delta.pop()
    return delta[:-1] if delta and isinstance(last := delta[-1], int) and last > 0 else delta
