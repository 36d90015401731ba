"""A tree as AI jobs read it: who stands under whom, every node with normalised data and its context, the graph of its
connections, and what it comes to in all. Types only; `sync.structuring` makes them, and the JSON Schema that is
published is theirs.

Names are those of the source document (spec 000). `path` of a root is `root`, of any other node `root` and the ids of
those above it, joined by dots; of one over 1,000 characters the beginning is `root.…`. An id may hold a dot itself, so
that `parent` and `children` are what to walk by.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sync.nodes import NodeType
from sync.progress_message import Domain, NodeProgress
from sync.templates import Status

STRUCTURE_VERSION = 1  # of these types and of how they are made
Share = Annotated[float, Meta(ge=0, le=1)]


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """The tree in a few words."""

    name: str
    description: str
    discovery_phase: str
    is_template: bool
    created_at: str
    last_modified: str
    total_nodes: int
    completion_rate: Share


class Relationship(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a node stands. A root has no `parent`; `depth` is 0 for roots."""

    parent: str | UnsetType = UNSET
    children: list[str]
    depth: Annotated[int, Meta(ge=0)]
    path: str


class Hierarchy(msgspec.Struct, frozen=True, kw_only=True):
    root_nodes: list[str]
    node_relationships: dict[str, Relationship]


class AiContext(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`keywords` by RAKE over the tree; `terms` of the standard vocabulary, most frequent first; `business_domain`:
    that most of its terms belong to, else its parent's, else the tree's."""

    business_domain: str
    category: str
    priority_score: Share
    keywords: list[str]
    terms: list[str]


class TemplateRef(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The node of a template tree that a node was made from."""

    tree: int
    node: str


class StructureNode(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A node's content. `template_data` has every field of the type's template (null: not filled), in its kind's type,
    the canonical `completion_status`, and what people keep beside these as it is."""

    type: NodeType
    title: str
    description: str
    template_data: dict[str, Any]
    completion: NodeProgress
    ai_context: AiContext
    template_ref: TemplateRef | UnsetType = UNSET


class Edge(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={"source": "from", "target": "to"}):
    id: str
    source: str
    target: str
    label: str


class Degree(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={"incoming": "in", "outgoing": "out"}):
    """How many connections end and begin at a node."""

    incoming: int = 0
    outgoing: int = 0


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """The graph beside the hierarchy. `dangling` names connections without one of their ends: none, or the data is
    damaged; they are no part of `edges`."""

    edges: list[Edge]
    degrees: dict[str, Degree]
    dangling: list[str]


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What the tree was on a day, when it was last looked at on that day."""

    date: str
    seq: int
    total_nodes: int
    completion_rate: Share


class AiMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What the tree comes to. `evolution`: a moment per day, oldest first; `latest_insights`: what an AI job left."""

    total_nodes: int
    total_connections: int
    max_depth: int
    node_types: dict[NodeType, int]
    statuses: dict[Status, int]
    completion_rate: Share
    business_domain: str
    terms: dict[str, int]
    vocabulary_version: int
    templates_version: int
    evolution: list[Moment] = []
    latest_insights: Any = UNSET


class Structure(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document, as of `seq`."""

    tree_id: int
    user_id: str
    epoch: str
    seq: int
    structure_version: int = STRUCTURE_VERSION
    metadata: Metadata
    hierarchy: Hierarchy
    nodes: dict[str, StructureNode]
    connections: Connections
    domains: list[Domain]
    ai_metadata: AiMetadata
