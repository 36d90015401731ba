"""Text that merges: deltas on one string, and how two that were made at the same time are brought together.

A delta walks its text from the left: n keeps n code points, text is inserted, -n deletes n; what is left is kept.
Operational transformation after Ellis & Gibbs, "Concurrency control in groupware systems" (SIGMOD 1989,
doi:10.1145/67544.66963), with the property TP1 of Ressel et al., "An integrating, transformation-oriented approach to
concurrency control and undo in group editors" (CSCW 1996, doi:10.1145/240080.240305): of two concurrent deltas
`applied(applied(text, earlier), later') == applied(applied(text, later), earlier')`. TP2 is not needed: the log gives
every tree one order of commits, and server and clients walk the same ladder along it (SEMANTICS 14).

`web/text.js` is the twin; both answer the same for `tests/vectors/text.json`. Deltas go in and come out in normal form
(`checked`): it decides ties, so whoever transforms must hold it. No delta is changed in place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sync.values import Refused

Delta = list[int | str]

STEP = 8  # what a step of a ladder takes besides its parts, in the time of one of them
_BEYOND = 2**53  # JavaScript counts exactly below it
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # U+0000, which PostgreSQL does not hold, and half surrogate pairs


def checked(delta: Delta) -> Delta:
    """The delta in normal form: like parts joined, an insert before a delete at one place, no keep at the end.

    Raises Refused (`invalid`) for a part that is neither text nor a number, and for what counts or inserts nothing.
    """
    out: Delta = []
    for part in delta:
        if isinstance(part, str):
            if not part:
                raise Refused("invalid", "a delta may not insert an empty text")
            if _UNSTORABLE.search(part):
                raise Refused("invalid", "a delta may insert neither U+0000 nor half of a surrogate pair")
        elif type(part) is not int:
            raise Refused("invalid", "a delta is made of numbers and texts")
        elif not 0 < abs(part) < _BEYOND:
            raise Refused("invalid", f"a delta may not count {part} code points")
        _add(out, part)
    return _ended(out)


def span(delta: Delta) -> int:
    """How many code points a delta walks over; its text must have at least as many."""
    return sum(abs(part) for part in delta if not isinstance(part, str))


def applied(text: str, delta: Delta) -> str:
    """The text after the delta. Raises Refused (`invalid`) where the delta is longer than the text."""
    out: list[str] = []
    at = 0
    for part in delta:
        if isinstance(part, str):
            out.append(part)
        elif part > 0:
            out.append(text[at : at + part])
            at += part
        else:
            at -= part
    if at > len(text):
        raise Refused("invalid", f"the delta walks over {at} code points of a text that has {len(text)}")
    out.append(text[at:])
    return "".join(out)


def composed(first: Delta, second: Delta) -> Delta:
    """One delta that does what `first` and then `second` do."""
    out: Delta = []
    made = _Made(first)
    for part in second:
        if isinstance(part, str):
            _add(out, part)
            continue
        for piece in made.taken(abs(part)):
            if part > 0 or (not isinstance(piece, str) and piece < 0):
                _add(out, piece)
            elif not isinstance(piece, str):
                _add(out, -piece)  # kept by the first, deleted by the second; what the first had inserted is no more
    for piece in made.rest():
        _add(out, piece)
    return _ended(out)


class _Made:
    """The text a delta has made, read from the left in pieces: inserted text, code points kept, deletes between."""

    __slots__ = ("_delta", "_offset", "_part")

    def __init__(self, delta: Delta) -> None:
        self._delta = delta
        self._part = self._offset = 0

    def taken(self, count: int) -> Iterator[int | str]:
        """The pieces of the next `count` code points of the text, and the deletes that stand before them."""
        while count:
            part: int | str = self._delta[self._part] if self._part < len(self._delta) else _BEYOND
            if not isinstance(part, str) and part < 0:
                self._part += 1
                yield part
                continue
            size = len(part) if isinstance(part, str) else part
            end = min(self._offset + count, size)
            yield part[self._offset : end] if isinstance(part, str) else end - self._offset
            count -= end - self._offset
            self._offset = end
            if end == size:
                self._part, self._offset = self._part + 1, 0

    def rest(self) -> Iterator[int | str]:
        """What was not taken."""
        if self._offset and self._part < len(self._delta):
            part = self._delta[self._part]
            yield part[self._offset :] if isinstance(part, str) else part - self._offset
            self._part, self._offset = self._part + 1, 0
        yield from self._delta[self._part :]


def transformed(earlier: Delta, later: Delta) -> tuple[Delta, Delta]:
    """Two deltas on one text, each over the other: (earlier to apply behind later, later to apply behind earlier).

    Inserts at one place: the earlier one, which has the lower seq, stands left.
    """
    first, second = earlier[::-1], later[::-1]  # read from their ends; what is left of a part goes back
    over_later: Delta = []
    over_earlier: Delta = []
    while first and second:
        one = first.pop()
        if isinstance(one, str):
            _add(over_later, one)
            _add(over_earlier, len(one))
            continue
        other = second.pop()
        if isinstance(other, str):
            first.append(one)
            _add(over_later, len(other))
            _add(over_earlier, other)
            continue
        shared = min(abs(one), abs(other))
        if abs(one) > shared:
            first.append(one - shared if one > 0 else one + shared)
        elif abs(other) > shared:
            second.append(other - shared if other > 0 else other + shared)
        if other > 0:  # what only one of them deletes; what both delete is gone already
            _add(over_later, shared if one > 0 else -shared)
        if one > 0:
            _add(over_earlier, shared if other > 0 else -shared)
    for part in reversed(first):
        _add(over_later, part)
    for part in reversed(second):
        _add(over_earlier, part)
    return _ended(over_later), _ended(over_earlier)


def inverted(text: str, delta: Delta) -> Delta:
    """The delta that takes `applied(text, delta)` back to text."""
    out: Delta = []
    at = 0
    for part in delta:
        if isinstance(part, str):
            _add(out, -len(part))
        elif part > 0:
            _add(out, part)
            at += part
        else:
            _add(out, text[at : at - part])
            at -= part
    return _ended(out)


def difference(old: str, new: str) -> Delta:
    """The delta between two texts that replaces what lies between their common beginning and end (SEMANTICS 15)."""
    before, after = common_ends(old, new)
    out: Delta = []
    if before:
        out.append(before)
    if len(new) > before + after:
        out.append(new[before : len(new) - after])
    if len(old) > before + after:
        out.append(before + after - len(old))
    return _ended(out)


def common_ends(old: str, new: str) -> tuple[int, int]:
    """How many code points two texts have in common at their beginning, and behind that at their end."""
    shorter = min(len(old), len(new))
    before = _alike(old, new, shorter)
    return before, _alike(old[::-1], new[::-1], shorter - before)


def _alike(one: str, other: str, limit: int) -> int:
    """How many code points two texts have in common at their beginning, at most limit; compared in halves, not one by
    one: 0.1 ms for 256 kB."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class Exhausted(Exception):
    """A ladder takes more work than is allowed."""


def ladder(delta: Delta, concurrent: Sequence[Delta], left: list[int] | None = None) -> tuple[Delta, list[Delta]]:
    """The delta over each of the concurrent ones, which are earlier and follow one another; each of them over it.

    The next delta of the same author takes the list that comes out. A step's work is the parts of both, and STEP; it is
    taken from `left`. Raises Exhausted where nothing is left.
    """
    over: list[Delta] = []
    for earlier in concurrent:
        if left is not None:
            left[0] -= STEP + len(earlier) + len(delta)
            if left[0] < 0:
                raise Exhausted
        rung, delta = transformed(earlier, delta)
        over.append(rung)
    return delta, over


def _add(out: Delta, part: int | str) -> None:
    """Append a part in normal form."""
    last = out[-1] if out else 0
    if isinstance(part, str):
        if isinstance(last, str):
            out[-1] = last + part
        elif last >= 0:
            out.append(part)
        elif len(out) > 1 and isinstance(before := out[-2], str):
            out[-2] = before + part
        else:
            out.insert(-1, part)
    elif not isinstance(last, str) and (last > 0) == (part > 0) and last:
        out[-1] = last + part
    else:
        out.append(part)


def _ended(out: Delta) -> Delta:
    """Without a keep at the end, which says nothing."""
    if out and not isinstance(last := out[-1], str) and last > 0:
        out.pop()
    return out
