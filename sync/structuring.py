"""Making a tree's structure for AI out of its nodes and connections: plain functions, in one pass each.

A tree of 15 nodes takes about a millisecond, most of it for the words; 10,000 trees must be read, built and stored in
30 s (B8).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from sync.keywords import candidates, keywords
from sync.nodes import Connection, Details, Node, NodeType
from sync.progress_message import Domain, NodeProgress
from sync.scores import BANDS, WHOLE, Own, judge
from sync.structure import (
    AiContext,
    AiMetadata,
    Connections,
    Degree,
    Edge,
    Hierarchy,
    Metadata,
    Relationship,
    Structure,
    StructureNode,
    TemplateRef,
)
from sync.templates import STATUS_KEY, Field, TemplateSet, is_filled
from sync.vocabulary import CATEGORIES, GENERAL, VOCABULARY_VERSION, Term, term_of

ROOT_PATH = "root"
PATH_CHARACTERS = 1_000  # of a longer one the end is given: a thousand levels would take a thousand times more
MOST_TERMS = 8  # of one node
MOST_DOMAINS = 1_000  # that are told; a tree of thousands of roots has no domains to speak of

# How much a node matters by its type; with what stands above, below and beside it, and what is left to do, 0 to 1
_TYPE_WEIGHTS: dict[NodeType, float] = {
    "objective": 1.0,
    "outcome": 0.9,
    "opportunity": 0.8,
    "solution": 0.6,
    "assumption": 0.5,
    "metric": 0.4,
    "research": 0.4,
}
_BY_TYPE, _BY_DEPTH, _BY_BRANCH, _BY_DEGREE, _BY_WORK_LEFT = 0.4, 0.2, 0.2, 0.1, 0.1


class Subject(NamedTuple):
    """The tree whose structure is made, as it is kept. Times as RFC 3339."""

    tree: int
    owner: str
    epoch: str
    seq: int
    details: Details
    created_at: str
    updated_at: str
    nodes: Sequence[Node]
    connections: Sequence[Connection]


class _Shape(NamedTuple):
    """Who stands under whom; `order` has parents before their children."""

    nodes: dict[str, Node]
    children: dict[str | None, list[str]]
    order: list[str]
    depths: dict[str, int]


class _Words(NamedTuple):
    keywords: dict[str, list[str]]
    terms: dict[str, Counter[Term]]


class _Branch(NamedTuple):
    nodes: int
    completion: int
    complete: int


def structure_of(subject: Subject, templates: TemplateSet) -> Structure:
    """The whole document."""
    shape = _shape(subject.nodes)
    owns = {node_id: judge(node, templates) for node_id, node in shape.nodes.items()}
    branches = _branches(shape, owns)
    connections = _connections(shape, subject.connections)
    words = _words(shape)
    business = _business_domains(shape, words)
    nodes: dict[str, StructureNode] = {}
    for node_id in shape.order:
        node, own, branch = shape.nodes[node_id], owns[node_id], branches[node_id]
        context = AiContext(
            business_domain=business[node_id],
            category=CATEGORIES[node.type],
            priority_score=_priority(node, shape, branch, connections.degrees.get(node_id), own),
            keywords=words.keywords[node_id],
            terms=[term.term for term, _ in words.terms[node_id].most_common(MOST_TERMS)],
        )
        nodes[node_id] = _node(node, templates, own, branch, context)
    summary = _ai_metadata(shape, owns, connections, words, business, templates)
    return Structure(
        tree_id=subject.tree,
        user_id=subject.owner,
        epoch=subject.epoch,
        seq=subject.seq,
        metadata=_metadata(subject, summary),
        hierarchy=_hierarchy(shape),
        nodes=nodes,
        connections=connections,
        domains=_domains(shape, owns, branches),
        ai_metadata=summary,
    )


def _metadata(subject: Subject, summary: AiMetadata) -> Metadata:
    details = subject.details
    return Metadata(
        name=details.name,
        description=details.description,
        discovery_phase=details.discovery_phase,
        is_template=details.is_template,
        created_at=subject.created_at,
        last_modified=subject.updated_at,
        total_nodes=summary.total_nodes,
        completion_rate=summary.completion_rate,
    )


# ---- hierarchy


def _shape(nodes: Sequence[Node]) -> _Shape:
    known = {node.id: node for node in nodes}
    children: dict[str | None, list[str]] = {}
    for node in sorted(nodes, key=lambda one: (one.order, one.id)):
        children.setdefault(node.parent, []).append(node.id)
    order = list(children.get(None, ()))
    depths = dict.fromkeys(order, 0)
    for node_id in order:  # grows as it goes
        below = children.get(node_id, ())
        order.extend(below)
        depths.update(dict.fromkeys(below, depths[node_id] + 1))
    return _Shape(known, children, order, depths)


def _hierarchy(shape: _Shape) -> Hierarchy:
    found: dict[str, Relationship] = {}
    paths: dict[str | None, str] = {None: ""}
    for node_id in shape.order:
        parent = shape.nodes[node_id].parent
        path = ROOT_PATH if parent is None else f"{paths[parent]}.{parent}"
        if len(path) > PATH_CHARACTERS:
            path = f"{ROOT_PATH}.….{parent}"
        paths[node_id] = path
        found[node_id] = Relationship(
            parent=UNSET if parent is None else parent,
            children=shape.children.get(node_id, []),
            depth=shape.depths[node_id],
            path=path,
        )
    return Hierarchy(root_nodes=shape.children.get(None, []), node_relationships=found)


# ---- progress


def _branches(shape: _Shape, owns: Mapping[str, Own]) -> dict[str, _Branch]:
    found: dict[str, _Branch] = {}
    for node_id in reversed(shape.order):
        own = owns[node_id]
        nodes, completion, complete = 1, own.completion, int(own.status == "complete")
        for child in shape.children.get(node_id, ()):
            below = found[child]
            nodes, completion, complete = (
                nodes + below.nodes,
                completion + below.completion,
                complete + below.complete,
            )
        found[node_id] = _Branch(nodes, completion, complete)
    return found


def _domains(shape: _Shape, owns: Mapping[str, Own], branches: Mapping[str, _Branch]) -> list[Domain]:
    roots = shape.children.get(None, [])
    tops = shape.children.get(roots[0], []) if len(roots) == 1 else roots
    return [_domain(shape, top, owns, branches[top]) for top in tops[:MOST_DOMAINS]]


def _domain(shape: _Shape, top: str, owns: Mapping[str, Own], branch: _Branch) -> Domain:
    inside = [top]
    for node_id in inside:  # grows as it goes
        inside.extend(shape.children.get(node_id, ()))
    return Domain(
        node=top,
        title=shape.nodes[top].title,
        maturity=next(name for least, name in BANDS if branch.completion >= least * branch.nodes),
        **_summed([owns[one] for one in inside]),
        node_types=dict(Counter(shape.nodes[one].type for one in inside)),
    )


def _summed(owns: Sequence[Own]) -> dict[str, Any]:
    statuses = Counter(own.status for own in owns)
    return {
        "total_nodes": len(owns),
        "completion_rate": _mean([own.completion for own in owns]),
        "fill_rate": _mean([own.fill for own in owns]),
        "score": round(sum(own.score for own in owns) / len(owns), 1),
        **{status: statuses[status] for status in ("complete", "in_progress", "not_started")},
    }


def _mean(thousandths: Sequence[int]) -> float:
    return round(sum(thousandths) / (len(thousandths) * WHOLE), 4) if thousandths else 0.0


# ---- words


def _words(shape: _Shape) -> _Words:
    texts = [candidates(_text(node)) for node in shape.nodes.values()]
    found = dict(zip(shape.nodes, keywords(texts), strict=True))
    terms = {}
    for node_id, text in zip(shape.nodes, texts, strict=True):
        named = [term_of(word) for candidate in text for word in candidate]
        terms[node_id] = Counter([term for term in named if term is not None])
    return _Words(found, terms)


def _text(node: Node) -> str:
    """All that people wrote into a node, a line each."""
    parts = [node.title, node.description]
    for name, value in node.template_data.items():
        if name == STATUS_KEY:
            continue
        if isinstance(value, str):
            parts.append(value)
        elif isinstance(value, list):
            parts += [one for one in value if isinstance(one, str)]
    return "\n".join(parts)


def _business_domains(shape: _Shape, words: _Words) -> dict[str, str]:
    """Parents first, so that a node that names none has its parent's."""
    every: Counter[str] = Counter()
    for counted in words.terms.values():
        for term, count in counted.items():
            every[term.domain] += count
    of_tree = _most(every) or GENERAL
    found: dict[str | None, str] = {None: of_tree}
    for node_id in shape.order:
        votes: Counter[str] = Counter()
        for term, count in words.terms[node_id].items():
            votes[term.domain] += count
        found[node_id] = _most(votes) or found[shape.nodes[node_id].parent]
    return {node_id: domain for node_id, domain in found.items() if node_id is not None}


def _most(votes: Counter[str]) -> str | None:
    """The one with most votes; of several the first by name, wherever it stood."""
    return min(votes, key=lambda name: (-votes[name], name)) if votes else None


# ---- one node


def _priority(node: Node, shape: _Shape, branch: _Branch, degree: Degree | None, own: Own) -> float:
    links = degree.incoming + degree.outgoing if degree is not None else 0
    score = (
        _BY_TYPE * _TYPE_WEIGHTS[node.type]
        + _BY_DEPTH / (1 + shape.depths[node.id])
        + _BY_BRANCH * branch.nodes / len(shape.nodes)
        + _BY_DEGREE * links / (1 + links)
        + _BY_WORK_LEFT * (WHOLE - own.completion) / WHOLE
    )
    return round(score, 4)


def _node(node: Node, templates: TemplateSet, own: Own, branch: _Branch, context: AiContext) -> StructureNode:
    template = templates.templates.get(node.type)
    return StructureNode(
        type=node.type,
        title=node.title,
        description=node.description,
        template_data=normalised(node.template_data, template.fields if template is not None else [], own),
        completion=NodeProgress(
            status=own.status,
            fill_rate=own.fill / WHOLE,
            completion=own.completion / WHOLE,
            score=own.score,
            branch_completion=round(branch.completion / (branch.nodes * WHOLE), 4),
            branch_nodes=branch.nodes,
            branch_complete=branch.complete,
        ),
        ai_context=context,
        template_ref=_template_ref(node),
    )


def normalised(data: Mapping[str, Any], fields: Sequence[Field], own: Own) -> dict[str, Any]:
    """Template data as every consumer may expect it: each field of the template, in the type of its kind."""
    found = {field.name: _value(field, data.get(field.name)) for field in fields}
    found |= {name: value for name, value in data.items() if name not in found}
    found[STATUS_KEY] = own.status
    return found


def _value(field: Field, value: Any) -> Any:
    if not is_filled(field, value):
        return None
    if field.kind == "number" and isinstance(value, str):
        return float(value)
    if field.kind == "list" and isinstance(value, str):
        return [line.strip() for line in value.splitlines() if line.strip()]
    return value.strip() if isinstance(value, str) else value


def _template_ref(node: Node) -> TemplateRef | UnsetType:
    said = node.metadata.get("template_ref")
    if said is None:
        return UNSET
    try:
        return msgspec.convert(said, TemplateRef)
    except msgspec.ValidationError:
        return UNSET  # somebody's own use of the name


# ---- the graph, and all together


def _connections(shape: _Shape, connections: Sequence[Connection]) -> Connections:
    edges, dangling = [], []
    incoming: Counter[str] = Counter()
    outgoing: Counter[str] = Counter()
    for one in sorted(connections, key=lambda connection: connection.id):
        if one.source not in shape.nodes or one.target not in shape.nodes:
            dangling.append(one.id)
            continue
        edges.append(Edge(id=one.id, source=one.source, target=one.target, label=one.label))
        outgoing[one.source] += 1
        incoming[one.target] += 1
    ends = sorted(incoming.keys() | outgoing.keys())
    degrees = {one: Degree(incoming=incoming[one], outgoing=outgoing[one]) for one in ends}
    return Connections(edges=edges, degrees=degrees, dangling=dangling)


def _ai_metadata(
    shape: _Shape,
    owns: Mapping[str, Own],
    connections: Connections,
    words: _Words,
    business: Mapping[str, str],
    templates: TemplateSet,
) -> AiMetadata:
    terms: Counter[str] = Counter()
    for counted in words.terms.values():
        terms.update([term.term for term in counted])
    return AiMetadata(
        total_nodes=len(shape.order),
        total_connections=len(connections.edges),
        max_depth=max(shape.depths.values(), default=0),
        node_types=dict(Counter(node.type for node in shape.nodes.values())),
        statuses=dict(Counter(own.status for own in owns.values())),
        completion_rate=_mean([own.completion for own in owns.values()]),
        business_domain=_most(Counter(business.values())) or GENERAL,
        terms=dict(sorted(terms.items(), key=lambda one: (-one[1], one[0]))),
        vocabulary_version=VOCABULARY_VERSION,
        templates_version=templates.version,
    )
