"""A text as it would be had some of its changes never been made.

Runs of characters are kept in their order with two flags, whether they stand in the text as it is and in the text as it
would be: a character that is deleted stays as a tombstone, so that every later delta finds its place (Oster et al.,
"Data consistency for P2P collaborative editing", CSCW 2006, doi:10.1145/1180875.1180916). Authorship within a text is
found the same way (SEMANTICS 32).
"""

from __future__ import annotations

from typing import Any

from sync.judge_values import same
from sync.text import Delta, difference
from sync.values import ABSENT


class Run:
    """Characters in a row: `here` in the text as it is, `kept` in the text as it would be."""

    __slots__ = ("here", "kept", "text")

    def __init__(self, text: str, here: bool, kept: bool) -> None:
        self.text = text
        self.here = here
        self.kept = kept


class Runs:
    """See the module. Both texts begin alike."""

    def __init__(self, text: str) -> None:
        self._runs = [Run(text, here=True, kept=True)] if text else []

    @property
    def kept(self) -> str:
        """The text as it would be."""
        return "".join(run.text for run in self._runs if run.kept)

    def change(self, delta: Delta, unmade: bool) -> None:
        """Apply a delta on the text as it is; one that is unmade leaves the other text as it stands."""
        at = 0
        for part in delta:
            if isinstance(part, str):
                at = self._insert(at, Run(part, here=True, kept=not unmade))
            elif part > 0:
                at = self._walk(at, part)
            else:
                at = self._delete(at, -part, unmade)

    def _insert(self, at: int, run: Run) -> int:
        """Behind the tombstones of that place: what replaced a text stands before it, and what is typed behind that
        replacement belongs behind the text."""
        while at < len(self._runs) and not self._runs[at].here:
            at += 1
        before = self._runs[at - 1] if at else None
        if before is not None and (before.here, before.kept) == (run.here, run.kept):
            before.text += run.text
            return at
        self._runs.insert(at, run)
        return at + 1

    def _walk(self, at: int, count: int) -> int:
        """The place behind `count` more characters of the text as it is."""
        while count:
            run = self._runs[at]
            if run.here:
                if len(run.text) > count:
                    self._split(at, count)
                count -= len(self._runs[at].text)
            at += 1
        return at

    def _delete(self, at: int, count: int, unmade: bool) -> int:
        while count:
            run = self._runs[at]
            if run.here:
                if len(run.text) > count:
                    self._split(at, count)
                    run = self._runs[at]
                count -= len(run.text)
                run.here = False
                run.kept = run.kept and unmade
            at += 1
        return at

    def _split(self, at: int, length: int) -> None:
        run = self._runs[at]
        self._runs[at : at + 1] = [
            Run(run.text[:length], run.here, run.kept),
            Run(run.text[length:], run.here, run.kept),
        ]


class Field:
    """One field as it would be. `by` and `seq` are of the newest change that stays, made after one that is unmade."""

    __slots__ = ("_runs", "_typed", "_value", "by", "seq")

    def __init__(self, value: Any) -> None:
        """`value`: what stood there before the first change that is unmade."""
        self._value = value
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
            self._runs = Runs(text_of(self._value))
            if not same(self._value, was):
                self._runs.change(difference(text_of(self._value), text_of(was)), unmade=True)
        return self._runs


def is_text(value: Any) -> bool:
    """What a delta takes for text (SEMANTICS 15)."""
    return value is None or value is ABSENT or isinstance(value, str)


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""
