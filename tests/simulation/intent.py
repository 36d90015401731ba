"""Whether an applied op did what was asked: the op as its client sent it against the state after it.

An op may find its node in the trash, where a replica cannot see what it did; then nothing is claimed.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tests.simulation.asking import TYPES
from tests.simulation.drafts import TEXTS
from tests.simulation.faults import POISON
from tests.simulation.replica import Record, Replica

# U+0000 as JSON writes it, and not a backslash followed by the text "u0000"
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def check_intent(op: Record, before: dict[str, Record], after: Replica) -> None:
    """[RS1, TR11, TR12, TR14, TR16, TR19, TR21]"""
    match op["op"]:
        case "insert":
            _inserted(op, before, after)
        case "update" if "node" in op:
            if op["node"] in after.nodes:
                _updated(op, after.nodes[op["node"]])
        case "update":
            if op["connection"] in after.connections:
                label = after.connections[op["connection"]]["label"]
                assert op["set"].get("label", label) == label, op
        case "move":
            _moved(op, before, after)
        case "delete":
            assert op["node"] not in after.nodes, op
        case "restore":
            assert op["node"] in after.nodes, op
        case "connect":
            if op["from"] in after.nodes and op["to"] in after.nodes:
                made = after.connections[op["connection"]]
                assert (made["from"], made["to"]) == (op["from"], op["to"]), op
        case "disconnect":
            assert op["connection"] not in after.connections, op
        case "configure":
            _updated(op, after.details)
        case "import":
            present = [node["id"] in after.nodes for node in op["nodes"]]
            assert all(present) or not any(present), "an import lands whole [TR25]"


def _inserted(op: Record, before: dict[str, Record], after: Replica) -> None:
    node = after.nodes.get(op["node"])
    if node is None:
        assert op["parent"] not in {None, *after.nodes}, f"not there: {op}"
        return
    assert (node["parent"], node["type"], node["title"]) == (op["parent"], op["type"], op["title"]), op
    assert same(node["template_data"], op.get("template_data", {})), op
    _placed(op, op["node"], before, after)


def _updated(op: Record, record: Record) -> None:
    for path, value in op.get("set", {}).items():
        field, dot, key = path.partition(".")
        held = record[field].get(key) if dot else record[field]
        assert same(held, value), f"{path} is {held!r} after {op}"
    for path in op.get("unset", ()):
        field, _, key = path.partition(".")
        assert key not in record[field], op


def _moved(op: Record, before: dict[str, Record], after: Replica) -> None:
    node = after.nodes.get(op["node"])
    if node is None:
        return
    if "parent" in op:
        assert node["parent"] == op["parent"], op
    if "position" in op:
        assert node["position"] == op["position"], op
    if "after" in op or ("parent" in op and (op["node"] not in before or before[op["node"]]["parent"] != op["parent"])):
        _placed(op, op["node"], before, after)


def _placed(op: Record, node_id: str, before: dict[str, Record], after: Replica) -> None:
    """Behind the wished sibling, where that was one; first for null; else last."""
    parent = after.nodes[node_id]["parent"]
    siblings = after.siblings(parent)
    place = siblings.index(node_id)
    wished = op.get("after", "")
    if wished is None:
        assert place == 0, f"not first among {siblings}: {op}"
    elif wished == node_id:
        return
    elif wished in before and before[wished]["parent"] == parent:
        assert siblings[:place][-1:] == [wished], f"not behind {wished} among {siblings}: {op}"
    elif "after" not in op:
        assert place == len(siblings) - 1, f"not last among {siblings}: {op}"


def _is_no_delta(delta: Any) -> bool:
    parts = delta if isinstance(delta, list) else [None]
    numbers = [part for part in parts if type(part) is int]
    wrong = len(numbers) + sum(1 for part in parts if isinstance(part, str) and part) < len(parts)
    return wrong or 0 in numbers or any(abs(number) >= 10**6 for number in numbers)


def same(left: Any, right: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return msgspec.json.encode(left, order="sorted") == msgspec.json.encode(right, order="sorted")


def may_be_invalid(op: Record) -> bool:
    """Whether an op breaks a rule of values or shapes; every other one must never be called `invalid`."""
    encoded = msgspec.json.encode(op)
    if POISON.encode() in encoded or NUL.search(encoded):
        return True
    match op["op"]:
        case "insert":
            return bool(op["type"] not in TYPES)
        case "update":
            values = op.get("set", {})
            wrong = {"position", "metadata", "metadata.a.b", "metadata.huge", "metadata.nul"} & set(values)
            return bool(wrong) or values.get("title", "?") in ("", 5)
        case "text":  # two people may take away a title together, or make it too long
            return op["path"] not in TEXTS or op["path"] == "title" or _is_no_delta(op.get("delta"))
        case "move":
            return ("position" not in op and "after" not in op) or ("parent" in op and "position" not in op)
        case "delete":
            return "really" in op or "node" not in op
        case "connect":
            return bool(op["from"] == op["to"])
        case "import":
            return not op["nodes"] or any(one["from"] == one["to"] for one in op["connections"])
    return bool(op["op"] == "explode")
