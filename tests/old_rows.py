"""Rows as the old table held them, well or damaged, drawn from a seed."""

from __future__ import annotations

import json
from random import Random
from typing import Any

TYPES = ["objective", "Outcome", "opportunity", "solution", "kpi", "hypothesis", "research", "Sticky Note", None]
STATUSES = ["complete", "Done", "in progress", "todo", "maybe", None]
STRANGE: list[Any] = [None, "", 7, 2.5, True, [], {}, "x", [None], {"a": {"b": 1}}, 2**60, "\x00", "\ud800", "x" * 700]


def old_row(seed: int, nodes: int = 12) -> dict[str, Any]:
    """A row that can be taken, with the damage that years leave."""
    chance = Random(seed)
    made = [_node(chance, number) for number in range(nodes)]
    edges = [
        {"id": f"e{number}", "fromNodeId": f"n{chance.randrange(nodes + 1)}", "toNodeId": f"n{number}"}
        for number in range(0, nodes, 2)
    ]
    row: dict[str, Any] = {
        "id": seed,
        "user_id": f"u{seed % 5}",
        "name": f"Tree {seed}",
        "description": None,
        "nodes": made,
        "connections": edges,
        "canvas_state": {"zoom": 1, "pan": {"x": 0, "y": 0}},
        "discovery_phase": "strategy",
        "is_template": seed % 7 == 0,
        "created_at": "2024-01-15T10:00:00",
        "updated_at": "2024-01-20T15:30:00.5",
    }
    if chance.random() < 0.2:
        row["nodes"] = json.dumps(made)
    return row


def _node(chance: Random, number: int) -> dict[str, Any]:
    above = chance.choice([f"n{chance.randrange(number)}"] * 4 + ["gone", f"n{number + 1}"]) if number else None
    made: dict[str, Any] = {
        "id": f"n{number}" if chance.random() > 0.05 else chance.choice([f"n{number // 2}", number, None, ""]),
        "type": chance.choice(TYPES),
        "title": f"Node {number}",
        "description": chance.choice([None, "why"]),
        "position": chance.choice([{"x": number, "y": 1.5}, {"x": "7", "y": 2}, None]),
        "templateData": {"core_why": "because", "completion_status": chance.choice(STATUSES)},
    }
    if above is not None:
        made["parentId"] = above
    return made


def strange_row(seed: int) -> dict[str, Any]:
    """A row in which some values are of any kind."""
    chance = Random(seed)
    row = old_row(seed, nodes=4)
    nodes = row["nodes"] if isinstance(row["nodes"], list) else []
    for thing in [row, *nodes, *row["connections"]]:
        for name in list(thing):
            if chance.random() < 0.15:
                thing[name] = chance.choice(STRANGE)
    return row


def chain(nodes: int) -> list[dict[str, Any]]:
    """Nodes that stand below each other in tens, as large trees are."""
    return [
        {
            "id": f"n{number}",
            "type": "solution",
            "title": f"Node {number}",
            "parentId": f"n{number // 10}" if number else None,
        }
        for number in range(nodes)
    ]
