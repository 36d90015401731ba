"""Deltas on text: transformed over what others did meanwhile, in every mode alike (SEMANTICS 13-17)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from sync import effects, ops
from sync.ladders import OutOfReach
from sync.limits import Limits
from sync.marks import mark_of
from sync.protocol import ConflictPath
from sync.text import Delta, Exhausted, applied, checked, ladder, span
from sync.tree import Held, Tree
from sync.values import ABSENT, NODE_FIELDS, NODE_MAPS, Refused, check_ids, check_key, check_value, read
from sync.verdict import UNCHANGED, Asking, SetAside, Verdict

TEXT_FIELDS = frozenset({"title", "description"})


def text(tree: Tree, op: ops.Text, asking: Asking) -> Verdict:
    if op.path not in TEXT_FIELDS:
        check_key(op.path, NODE_MAPS)
    delta = checked(op.delta)
    held = tree.nodes.get(op.node)
    if held is None:
        check_ids(op.node)
        raise Refused("node_missing", f"there is no node {op.node}")
    if held.deleted is not None and asking.mode == "replay":
        raise _set_aside(held, op, asking, "node_missing")
    now = _text_now(held, op, asking)
    rungs = _rungs(held, op, now, asking)
    if span(op.delta) > len(now) - sum(map(growth, rungs)):
        raise Refused("invalid", "the delta is longer than the text at its base")
    transformed, rungs = _walked(held, op, delta, rungs, asking)
    result = applied(now, transformed)
    _check(op.path, result, asking.limits)
    if asking.ladders is not None:
        asking.ladders.walked(op, rungs)
    if not transformed:
        return UNCHANGED
    merged = transformed != delta
    return Verdict(
        effect=effects.Text(node=op.node, path=op.path, delta=transformed, merged=merged or UNSET),
        status="merged" if merged else "applied",
        in_trash=held.deleted is not None,
        differs=transformed != op.delta,
    )


def growth(delta: Delta) -> int:
    """By how many code points a delta lengthens its text."""
    return sum(len(part) if isinstance(part, str) else min(part, 0) for part in delta)


def _text_now(held: Held, op: ops.Text, asking: Asking) -> str:
    """What is absent or null is the empty text; anything else that is no text keeps the delta out, in every mode."""
    value = read(held.node, op.path)
    if value is None or value is ABSENT:
        return ""
    if not isinstance(value, str):
        raise _set_aside(held, op, asking)
    return value


def _rungs(held: Held, op: ops.Text, now: str, asking: Asking) -> Sequence[Delta]:
    if asking.ladders is None:
        return []
    try:
        return asking.ladders.rungs(op, held.marks, now)
    except OutOfReach as unknown:
        raise _set_aside(held, op, asking) from unknown


def _walked(
    held: Held, op: ops.Text, delta: Delta, rungs: Sequence[Delta], asking: Asking
) -> tuple[Delta, list[Delta]]:
    if asking.ladders is None:
        return ladder(delta, rungs, None)
    try:
        return ladder(delta, rungs, asking.ladders.left)
    except Exhausted:
        why = asking.ladders.too_long()
        raise _set_aside(held, op, asking) if isinstance(why, OutOfReach) else why from None


def _set_aside(held: Held, op: ops.Text, asking: Asking, code: str = "") -> SetAside:
    theirs = read(held.node, op.path)
    seq, by = mark_of(held.marks, op.path).by_others(asking.user, asking.client)
    return SetAside(
        {op.path: ConflictPath(mine=op.delta, theirs=None if theirs is ABSENT else theirs, by=by, seq=seq)}, code
    )


def _check(path: str, result: str, limits: Limits) -> None:
    """The text that comes of it keeps to the rules of its field."""
    check = NODE_FIELDS.get(path)
    if check is not None:
        check(result, limits)
    else:
        check_value(result, path, limits)
