"""A structure as a plan: what rules and models are told of a tree."""

from __future__ import annotations

from typing import Any

import msgspec

from ai.rules import content_by_rules
from sync.advice import Recommendations
from sync.node_templates import standard_templates
from sync.nodes import Details, Node
from sync.plan import Movement, Plan, plan_of
from sync.structuring import Subject, structure_of
from tests.structures import subject

TEMPLATES = standard_templates()


def node(node_id: str, parent: str | None = None, **fields: Any) -> Node:
    made: dict[str, Any] = {"type": "objective", "title": node_id, "order": f"a{node_id}"}
    return Node(id=node_id, parent=parent, **made | fields)


def plan(*nodes: Node, movement: Movement | None = None) -> Plan:
    tree = Subject(3, "ada", "e1", 9, Details(name="T"), "2026-01-05T10:00:00Z", "2026-01-06T10:00:00Z", nodes, ())
    return plan_of(structure_of(tree, TEMPLATES), TEMPLATES, movement or Movement())


def test_steps_stand_parents_first_with_what_is_filled_and_what_is_missing() -> None:
    made = plan(
        node("o", template_data={"core_why": "because", "completion_status": "doing"}),
        node("b", "o", type="outcome", order="b"),
        node("a", "o", type="outcome", order="a"),
        node("a1", "a", type="solution", template_data={"owner": "x" * 300}),
        movement=Movement(idle={"a": 3}),
    )
    assert [step.node for step in made.steps] == ["o", "a", "a1", "b"]
    top, first, below, _ = made.steps
    assert (top.status, top.parent, top.domain, top.children) == ("in_progress", "", "", 2)
    assert (top.values, top.missing) == ({"core_why": "because"}, ["What success looks like", "Horizon"])
    assert (first.domain, first.depth, first.idle_days) == ("a", 1, 3)
    assert (below.domain, below.depth, len(below.values["owner"])) == ("a", 2, 200)
    assert [one.node for one in made.domains] == ["a", "b"]
    assert (made.tree, made.seq, made.name, made.phase) == (3, 9, "T", "strategy")


def test_no_person_and_no_time_is_in_it() -> None:
    """What is hashed and shown to a model changes with the plan, not with the clock."""
    text = msgspec.json.encode(plan(node("o"), node("a", "o")))
    assert b"ada" not in text
    assert b"2026-01" not in text


def test_drawn_trees_have_plans_that_rules_can_read() -> None:
    for seed in range(30):
        made = plan_of(structure_of(subject(seed), TEMPLATES), TEMPLATES)
        assert isinstance(content_by_rules("recommendation", made), Recommendations)
