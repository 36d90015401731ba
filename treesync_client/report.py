"""What became of each op that was replayed: made while the answers come, told when the last one has come.

Sans-I/O. It outlives the process, where the client has a file: what was answered before a crash is reported after.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sync.ops import Op
from sync.protocol import Result
from treesync_client.results import Answer, Conflict, Landed, answer_of, first_answer

STATUSES = ("applied", "merged", "unchanged", "superseded", "unknown", "conflict", "rejected")


class Reported(msgspec.Struct, frozen=True):
    """One op and its answer; `code` and `why` where it was rejected."""

    op: Op
    answer: Answer | None
    code: str = ""
    why: str = ""

    @property
    def status(self) -> str:
        """applied, merged, unchanged, superseded, unknown, conflict or rejected"""
        return "rejected" if self.answer is None else self.answer.status


class Report(msgspec.Struct, frozen=True):
    """Every op of a replay, in the order in which it was made."""

    entries: tuple[Reported, ...] = ()

    def of(self, status: str) -> list[Reported]:
        return [entry for entry in self.entries if entry.status == status]

    @property
    def applied(self) -> list[Reported]:
        return self.of("applied")

    @property
    def merged(self) -> list[Reported]:
        return self.of("merged")

    @property
    def unchanged(self) -> list[Reported]:
        return self.of("unchanged")

    @property
    def superseded(self) -> list[Reported]:
        return self.of("superseded")

    @property
    def conflicts(self) -> list[Reported]:
        return self.of("conflict")

    @property
    def rejected(self) -> list[Reported]:
        return self.of("rejected")

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each status."""
        found = {status: len(self.of(status)) for status in STATUSES}
        return {status: count for status, count in found.items() if count}

    def __str__(self) -> str:
        return ", ".join(f"{count} {status}" for status, count in self.counts.items()) or "nothing was waiting"


class Reporting:
    """The report in the making, and the last one. `unsaved` and `dropped` are for the file."""

    def __init__(self) -> None:
        self.complete = True
        self.unsaved: set[int] = set()
        self.dropped: list[int] = []
        self.answers: dict[int, tuple[Op, Result]] = {}

    def restore(self, answers: Iterable[tuple[int, Op, Result]], *, complete: bool) -> None:
        self.answers = {place: (op, result) for place, op, result in answers}
        self.complete = complete

    def answered(self, place: int, op: Op, result: Result) -> None:
        """One more; the first of a new replay puts the last report away, but for what was rejected: that is nowhere
        else, and stays until its person dismisses it (SEMANTICS 23)."""
        if self.complete:
            self.complete = False
            for old in [one for one, (_, known) in self.answers.items() if known.status != "rejected"]:
                self._drop(old)
        self.answers[place] = (op, first_answer(result))
        self.unsaved.add(place)

    def end(self) -> Report:
        """The last answer has come."""
        self.complete = True
        return self.report

    @property
    def report(self) -> Report:
        return Report(tuple(reported(op, result) for _, (op, result) in sorted(self.answers.items())))

    def dismiss(self, op: Op) -> bool:
        """Its person has seen it."""
        places = [place for place, (known, _) in self.answers.items() if known is op or known == op]
        for place in places:
            self._drop(place)
        return bool(places)

    def _drop(self, place: int) -> None:
        del self.answers[place]
        self.unsaved.discard(place)
        self.dropped.append(place)


def reported(op: Op, result: Result) -> Reported:
    """An op with what its result says."""
    answer = answer_of(result, op)
    if isinstance(answer, Landed | Conflict):
        return Reported(op, answer)
    return Reported(op, None, answer.code, result.why or "")
