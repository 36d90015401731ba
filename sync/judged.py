"""What a cut has made of an edit, and how far it had come."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from sync.pending import PendingEdit
from sync.protocol import Error, Resolved, Result


class Judged(msgspec.Struct):
    """An edit with its results, in order; a decision on a record with its answer."""

    edit: PendingEdit
    results: list[Result] = []
    landed: bool | None = None
    answer: Resolved | Error | None = None


class Reached(NamedTuple):
    """How far a cut had come: to take back what it does from there."""

    seq: int
    ops: int
    results: int
    records: int
