"""The first answer an op got, rebuilt from what storage keeps of it: its log row, or its result row."""

from __future__ import annotations

from typing import Any

import msgspec

from sync.effects import Configure, Connect, Disconnect, Effect, Import, Text, Update
from sync.ports import First, StoredResult


def target_of_effect(effect: Effect) -> str:
    """The one thing an effective op is about, the same as `sync.ops.target_of` of the op that was asked."""
    match effect:
        case Update(connection=str() as connection):
            return connection
        case Connect() | Disconnect():
            return effect.connection
        case Configure():
            return ""
        case Import():
            return effect.nodes[0].id if effect.nodes else ""
        case _:
            return effect.node if isinstance(effect.node, str) else ""


def first_of_log(n: int, seq: int, effect: Effect) -> First:
    """The answer to an op that stands in the log."""
    result: dict[str, Any] = {"n": n, "status": "applied", "seq": seq}
    if isinstance(effect, Text | Update) and effect.merged is True:
        result |= {"status": "merged", "effective": msgspec.to_builtins(effect)}
    return First(target=target_of_effect(effect), result=result)


def first_of_result(kept: StoredResult) -> First:
    """The answer to an op that left only a result."""
    result: dict[str, Any] = {"n": kept.n, "status": kept.status}
    if kept.code:
        result["code"] = kept.code
    if kept.conflict:
        result["conflict"] = {"id": kept.conflict}
    return First(target=kept.target, result=result)
