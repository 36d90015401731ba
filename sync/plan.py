"""A tree as whoever advises its people reads it: steps with what is missing in them, domains, and how much has moved.

Made from the structure (`sync.structure`) and what activity tells; no clock, no names of people, no other tree.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from sync.nodes import NodeType
from sync.progress_message import Maturity
from sync.structure import Structure, StructureNode
from sync.templates import STATUS_KEY, Status, TemplateSet, is_filled


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """Edits and completed steps of the last seven days and of the seven before; people who edited in the last seven.
    `idle`: whole days since a step was last changed, where that is known."""

    edits: int = 0
    edits_before: int = 0
    completed: int = 0
    completed_before: int = 0
    people: int = 0
    idle: dict[str, int] = {}


NO_MOVEMENT = Movement()


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A node. `missing`: labels of its template's empty fields; `values`: those that are filled, by name. `completion`
    is its own, shares run from 0 to 1. `domain` is empty above the domains."""

    node: str
    type: NodeType
    title: str
    parent: str = ""
    domain: str = ""
    description: str = ""
    status: Status = "not_started"
    completion: float = 0.0
    branch: float = 0.0
    depth: int = 0
    children: int = 0
    priority: float = 0.0
    idle_days: int | None = None
    missing: list[str] = []
    values: dict[str, str] = {}


class PlanDomain(msgspec.Struct, frozen=True, kw_only=True):
    node: str
    title: str
    completion: float
    maturity: Maturity
    steps: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; `steps` stand parents first, siblings in their order."""

    tree: int
    seq: int
    name: str
    description: str = ""
    phase: str = ""
    completion: float = 0.0
    steps: list[Step] = []
    domains: list[PlanDomain] = []
    movement: Movement = NO_MOVEMENT


_VALUE_CHARACTERS = 200  # of a field's value: enough to judge it by


def plan_of(structure: Structure, templates: TemplateSet, movement: Movement = NO_MOVEMENT) -> Plan:
    """The plan that a structure describes, as of its seq."""
    inside = _domains_of(structure)
    meta = structure.metadata
    return Plan(
        tree=structure.tree_id,
        seq=structure.seq,
        name=meta.name,
        description=meta.description,
        phase=meta.discovery_phase,
        completion=meta.completion_rate,
        steps=[_step(node, structure, templates, movement, inside) for node in inside],
        domains=[
            PlanDomain(
                node=one.node,
                title=one.title,
                completion=one.completion_rate,
                maturity=one.maturity,
                steps=one.total_nodes,
            )
            for one in structure.domains
        ],
        movement=movement,
    )


def _domains_of(structure: Structure) -> dict[str, str]:
    """The domain each node lies in, parents first; empty above the domains."""
    tops = {one.node for one in structure.domains}
    relations = structure.hierarchy.node_relationships
    inside: dict[str, str] = {}
    waiting = [(node, "") for node in reversed(structure.hierarchy.root_nodes)]
    while waiting:
        node, domain = waiting.pop()
        inside[node] = own = node if node in tops else domain
        waiting.extend((child, own) for child in reversed(relations[node].children))
    return inside


def _step(
    node: str, structure: Structure, templates: TemplateSet, movement: Movement, inside: Mapping[str, str]
) -> Step:
    said = structure.nodes[node]
    relation = structure.hierarchy.node_relationships[node]
    missing, values = _fields(said, templates)
    return Step(
        node=node,
        type=said.type,
        title=said.title,
        parent=relation.parent if isinstance(relation.parent, str) else "",
        domain=inside[node],
        description=said.description,
        status=said.completion.status,
        completion=said.completion.completion,
        branch=said.completion.branch_completion,
        depth=relation.depth,
        children=len(relation.children),
        priority=said.ai_context.priority_score,
        idle_days=movement.idle.get(node),
        missing=missing,
        values=values,
    )


def _fields(said: StructureNode, templates: TemplateSet) -> tuple[list[str], dict[str, str]]:
    template = templates.templates.get(said.type)
    missing: list[str] = []
    values: dict[str, str] = {}
    for field in template.fields if template is not None else ():
        value = said.template_data.get(field.name)
        if field.name == STATUS_KEY:
            continue
        if is_filled(field, value):
            values[field.name] = str(value)[:_VALUE_CHARACTERS]
        else:
            missing.append(field.label)
    return missing, values
