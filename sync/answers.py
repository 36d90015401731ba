"""Answers to ops that were answered before, and what is left of one that was taken back."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from sync.codec import Malformed
from sync.ops import Op, target_of
from sync.protocol import Result


def target_asked(op: Op | Malformed) -> str:
    """The one thing an op is about; "" where it could not be read."""
    target = "" if isinstance(op, Malformed) else target_of(op)
    return "" if "\x00" in target else target  # an id that msgpack can carry and no column hold


def answered_again(op: Op | Malformed, target: str, first: dict[str, Any]) -> Result:
    """The first answer again, where the op is the one that got it."""
    # whether an op can be read depends on the ops beside it: unread, it names no target
    unread = isinstance(op, Malformed) or (not target and first.get("code") == "invalid")
    if target != target_asked(op) and not unread:
        return Result(n=op.n, status="rejected", code="reused", why=f"n {op.n} was used for another op")
    return Result(n=op.n, status="duplicate", first=first)


def without_id(result: Result) -> Result:
    """A conflict of which nothing was stored."""
    if result.conflict is UNSET:
        return result
    return msgspec.structs.replace(result, conflict=msgspec.structs.replace(result.conflict, id=UNSET))
