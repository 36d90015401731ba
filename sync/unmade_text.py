"""A text as it would be had some of its changes never been made.

Runs of characters are kept in their order with two flags, whether they stand in the text as it is and in the text as it
would be: a character that is deleted stays as a tombstone, so that every later delta finds its place (Oster et al.,
"Data consistency for P2P collaborative editing", CSCW 2006, doi:10.1145/1180875.1180916). Authorship within a text is
found the same way (SEMANTICS 32). One that stands in neither text needs no tombstone: no delta speaks of it any more,
and what is inserted where it stood goes behind all tombstones there.

Runs lie in blocks that know how many characters of the text as it is they hold, so that a place in a text of many
pieces is found without walking over all of them.
"""

from __future__ import annotations

from typing import Any

from sync.judge_values import same
from sync.text import Delta, difference
from sync.values import ABSENT, Refused

BLOCK_RUNS = 128  # more are halved: a place among 10,000 runs is found over 80 blocks and the runs of one
MOST_STEPS = 10_000_000  # over blocks and runs, for all texts of one reading: 1 s


class Run:
    """Characters in a row: `here` in the text as it is, `kept` in the text as it would be."""

    __slots__ = ("here", "kept", "text")

    def __init__(self, text: str, here: bool, kept: bool) -> None:
        self.text = text
        self.here = here
        self.kept = kept

    def goes_with(self, other: Run) -> bool:
        return self.here == other.here and self.kept == other.kept


class _Block:
    """Some runs in a row, and how many characters of the text as it is they hold."""

    __slots__ = ("here", "runs")

    def __init__(self, runs: list[Run]) -> None:
        self.runs = runs
        self.here = sum(len(run.text) for run in runs if run.here)

    def index(self, at: int) -> int:
        """The run that begins with the character `at` of those that are here; one is cut in two where it must be."""
        for index, run in enumerate(self.runs):
            if not run.here:
                continue
            if at == 0:
                return index
            if at < len(run.text):
                _cut(self.runs, index, at)
                return index + 1
            at -= len(run.text)
        raise AssertionError("a block holds as many characters as it says")


def _cut(runs: list[Run], index: int, length: int) -> None:
    run = runs[index]
    runs[index : index + 1] = [
        Run(run.text[:length], run.here, run.kept),
        Run(run.text[length:], run.here, run.kept),
    ]


class Runs:
    """See the module. Both texts begin alike. `left` are the steps that all texts of a reading may take together."""

    def __init__(self, text: str, left: list[int]) -> None:
        self._blocks = [_Block([Run(text, here=True, kept=True)] if text else [])]
        self._left = left

    @property
    def kept(self) -> str:
        """The text as it would be."""
        return "".join(run.text for block in self._blocks for run in block.runs if run.kept)

    def change(self, delta: Delta, unmade: bool) -> None:
        """Apply a delta on the text as it is; one that is unmade leaves the other text as it stands. Raises Refused
        (`too_large`) where the steps are used up."""
        at = 0
        for part in delta:
            if isinstance(part, str):
                self._insert(at, Run(part, here=True, kept=not unmade))
                at += len(part)
            elif part > 0:
                at += part
            else:
                self._delete(at, -part, unmade)

    def _insert(self, at: int, run: Run) -> None:
        """Behind the tombstones of that place: what replaced a text stands before it, and what is typed behind that
        replacement belongs behind the text."""
        place, index = self._found(at)
        block = self._blocks[place]
        block.runs.insert(index, run)
        block.here += len(run.text)
        self._tidy(place, index)

    def _delete(self, at: int, count: int, unmade: bool) -> None:
        while count:
            place, index = self._found(at)
            block = self._blocks[place]
            if len(block.runs[index].text) > count:
                _cut(block.runs, index, count)
            run = block.runs[index]
            count -= len(run.text)
            block.here -= len(run.text)
            run.here, run.kept = False, run.kept and unmade
            if not run.kept:
                del block.runs[index]
            self._tidy(place, index)

    def _found(self, at: int) -> tuple[int, int]:
        """(block, run in it) where the character `at` of the text as it is begins; behind all where there is none."""
        for place, block in enumerate(self._blocks):
            if at < block.here:
                self._spend(place + len(block.runs))
                return place, block.index(at)
            at -= block.here
        self._spend(len(self._blocks))
        return len(self._blocks) - 1, len(self._blocks[-1].runs)

    def _spend(self, steps: int) -> None:
        self._left[0] -= steps
        if self._left[0] < 0:
            raise Refused("too_large", "its texts were changed in too many places; take back a part of it at a time")

    def _tidy(self, place: int, index: int) -> None:
        """Join what goes together around a run that has changed, and keep the blocks small."""
        runs = self._blocks[place].runs
        for right in (index + 1, index):
            if 0 < right < len(runs) and runs[right - 1].goes_with(runs[right]):
                runs[right - 1].text += runs[right].text
                del runs[right]
        if len(runs) > BLOCK_RUNS:
            half = len(runs) // 2
            self._blocks[place : place + 1] = [_Block(runs[:half]), _Block(runs[half:])]
        elif not runs and len(self._blocks) > 1:
            del self._blocks[place]


class Field:
    """One field as it would be. `by` and `seq` are of the newest change that stays, made after one that is unmade."""

    __slots__ = ("_left", "_runs", "_typed", "_value", "by", "seq")

    def __init__(self, value: Any, left: list[int]) -> None:
        """`value`: what stood there before the first change that is unmade; `left` as for `Runs`."""
        self._value = value
        self._left = left
        self._runs: Runs | None = None
        self._typed = False  # whether a delta that stays has been made over one that is unmade
        self.by = ""
        self.seq = 0

    @property
    def value(self) -> Any:
        """ABSENT: nothing would stand there."""
        return self._runs.kept if self._typed and self._runs is not None else self._value

    def unmake(self, was: Any, now: Any, delta: Delta | None) -> None:
        """A change that shall never have been made."""
        if delta is None:  # what is no text counts as the empty one
            delta = difference(text_of(was), text_of(now))
        self._over(was).change(delta, unmade=True)

    def keep(self, was: Any, now: Any, delta: Delta | None, by: str, seq: int) -> None:
        """A change that stays: a delta on what is there, or a value that says all."""
        self.by, self.seq = by, seq
        if delta is None:
            self._value, self._runs, self._typed = now, None, False
        else:
            self._over(was).change(delta, unmade=False)
            self._typed = True

    def respace(self, value: Any) -> None:
        """The same place under another key: no change at all."""
        self._value = value

    def _over(self, was: Any) -> Runs:
        if self._runs is None:
            self._runs = Runs(text_of(self._value), self._left)
            if not same(self._value, was):
                self._runs.change(difference(text_of(self._value), text_of(was)), unmade=True)
        return self._runs


def is_text(value: Any) -> bool:
    """What a delta takes for text (SEMANTICS 15)."""
    return value is None or value is ABSENT or isinstance(value, str)


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""
