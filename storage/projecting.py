"""Turning what was read of a tree into the columns of its projections, ready to be stored: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from storage.json_values import encoded
from sync.structure import STRUCTURE_VERSION, Moment, Structure
from sync.structuring import Subject, structure_of
from sync.templates import TemplateSet
from sync.vocabulary import VOCABULARY_VERSION

TERM_NODES = 20  # of a term, the nodes that are named
EVOLUTION_DAYS = 730  # moments kept: two years of days on which a tree changed


class Metrics(msgspec.Struct):
    """What one user did to one tree, as `user_metrics` has it. Milliseconds."""

    nodes_created: int = 0
    edits: int = 0
    time_spent_ms: int = 0


class Projected(msgspec.Struct):
    """The projections of one tree. `terms`: (term, in how many nodes, the first of these)."""

    structure: Structure
    tree_structure: str
    nodes_data: str
    connections_data: str
    completion_status: str
    user_metrics: str
    ai_metadata: str
    terms: list[tuple[str, int, list[str]]]


def made_with(templates: TemplateSet) -> str:
    """What stamps a projection beside its position: by other templates or rules it comes out differently."""
    return f"{STRUCTURE_VERSION}.{VOCABULARY_VERSION}.{templates.version}"


def projected(
    subject: Subject, templates: TemplateSet, evolution: Sequence[Moment], metrics: Mapping[str, Metrics]
) -> Projected:
    """`evolution`: the moments kept so far; this one joins them."""
    structure = structure_of(subject, templates)
    moments = _with_today(subject, structure, evolution)
    structure = msgspec.structs.replace(
        structure, ai_metadata=msgspec.structs.replace(structure.ai_metadata, evolution=moments)
    )
    return Projected(
        structure=structure,
        tree_structure=encoded(structure.hierarchy),
        nodes_data=encoded(structure.nodes),
        connections_data=encoded(structure.connections),
        completion_status=encoded(_completion(structure)),
        user_metrics=encoded(metrics),
        ai_metadata=encoded(structure.ai_metadata),
        terms=_terms(structure),
    )


def _completion(structure: Structure) -> dict[str, Any]:
    whole = structure.ai_metadata
    return {
        "completion_rate": whole.completion_rate,
        "total_nodes": whole.total_nodes,
        "statuses": whole.statuses,
        "domains": structure.domains,
    }


def _with_today(subject: Subject, structure: Structure, evolution: Sequence[Moment]) -> list[Moment]:
    """One moment a day, the last one of that day."""
    now = Moment(
        date=subject.updated_at[:10],
        seq=subject.seq,
        total_nodes=structure.ai_metadata.total_nodes,
        completion_rate=structure.ai_metadata.completion_rate,
    )
    return [*(moment for moment in evolution if moment.date < now.date), now][-EVOLUTION_DAYS:]


def _terms(structure: Structure) -> list[tuple[str, int, list[str]]]:
    found: dict[str, list[str]] = {}
    for node_id, node in structure.nodes.items():
        for term in node.ai_context.terms:
            found.setdefault(term, []).append(node_id)
    return [(term, len(nodes), nodes[:TERM_NODES]) for term, nodes in sorted(found.items())]
