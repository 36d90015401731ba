"""The answers of a model: the schema it is given, and what its answer must be to be taken.

Strict mode of structured outputs wants every field required and no other allowed; bounds are left out of what is sent
(servers differ in which they take) and are checked here, whatever the server has promised.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from ai.plain_text import plain
from sync.advice import (
    CONTENT,
    Content,
    HealthSummary,
    Kind,
    PeerInsight,
    PeerInsights,
    Recommendation,
    Recommendations,
)
from sync.codec import read_json
from sync.errors import BadMessage, NoAnswer
from sync.plan import Plan

Item = TypeVar("Item", Recommendation, PeerInsight)
_SENT = {"type", "properties", "required", "items", "anyOf", "enum", "$ref", "$defs", "additionalProperties", "const"}
_IDS = {"step", "parent", "node"}
_PASSAGES = {"reason", "content", "summary", "description", "expected_outcome"}  # may have more than one line
_REF = "#/$defs/{name}"
ANSWER_BYTES = 64 * 1024  # the largest answer the types allow has 20 kB


def schema_of(kind: Kind) -> dict[str, Any]:
    """JSON Schema of the answer, as strict structured outputs take it."""
    (top,), parts = msgspec.json.schema_components([CONTENT[kind]], ref_template=_REF)
    whole = parts.pop(top["$ref"].rpartition("/")[2])
    made: dict[str, Any] = _strict({**whole, "$defs": parts})
    return made


def _strict(part: Any, *, named: bool = False) -> Any:
    """`named`: the keys are names of fields or types, not words of the schema."""
    if isinstance(part, list):
        return [_strict(one) for one in part]
    if not isinstance(part, dict):
        return part
    if named:
        return {name: _strict(one) for name, one in part.items()}
    kept = {
        word: _strict(value, named=word in ("properties", "$defs")) for word, value in part.items() if word in _SENT
    }
    if "properties" in kept:
        kept["required"] = list(kept["properties"])
        kept["additionalProperties"] = False
    if "enum" in kept:
        kept.setdefault("type", "string")
    return kept


def content_of(kind: Kind, text: str, plan: Plan) -> Content:
    """The answer as content for that plan, in plain text. Raises NoAnswer where it is anything else."""
    if len(text) > ANSWER_BYTES:
        raise NoAnswer("schema", f"the answer has {len(text)} characters")
    try:
        read = msgspec.convert(_plain(read_json(text.encode("utf-8", "replace"))), CONTENT[kind], strict=True)
    except BadMessage as error:
        raise NoAnswer("schema", f"the answer is no JSON: {error.why}") from None
    except (msgspec.ValidationError, RecursionError) as error:
        raise NoAnswer("schema", f"the answer is no {kind}: {error}") from None
    return _of_this_plan(read, plan)


def _plain(value: Any, name: str = "") -> Any:
    match value:
        case str():
            if name in _IDS:
                return value  # is one of the plan's, or the answer is refused
            return plain(value) if name in _PASSAGES else " ".join(plain(value).split())
        case list():
            return [_plain(one, name) for one in value]
        case dict():
            return {key: _plain(one, key) for key, one in value.items()}
    return value


def _of_this_plan(read: Content, plan: Plan) -> Content:
    """Steps that the plan does not have were made up. Raises NoAnswer where nothing is left."""
    steps = {step.node for step in plan.steps}
    match read:
        case Recommendations():
            good = [one for one in read.items if _knows(one, steps)]
            return Recommendations(items=_some(good))
        case PeerInsights():
            known = [one for one in read.items if one.step is None or one.step in steps]
            return PeerInsights(items=_some(known))
        case HealthSummary():
            domains = {one.node for one in plan.domains}
            return msgspec.structs.replace(read, domains=[one for one in read.domains if one.node in domains])


def _knows(one: Recommendation, steps: set[str]) -> bool:
    return (one.step is None or one.step in steps) and (one.proposal is None or one.proposal.parent in steps)


def _some(items: list[Item]) -> list[Item]:
    if not items:
        raise NoAnswer("schema", "the answer is about steps that the plan does not have")
    return items
