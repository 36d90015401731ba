"""How far a tree is, as the wire and HTTP tell it. Shares run from 0 to 1, scores from 0 to 100."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from sync.nodes import NodeType
from sync.templates import Status

Maturity = Literal["initial", "emerging", "developing", "established", "mature"]


class NodeProgress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One node. What is absent is 0, or `not_started`.

    `fill_rate`: the share of its template's fields that are filled; `completion`: what `status` and fill rate come to;
    `branch_completion` is the mean completion of the node and all below it, which are `branch_nodes`, of which
    `branch_complete` are complete.
    """

    status: Status = "not_started"
    fill_rate: float = 0.0
    completion: float = 0.0
    score: int = 0
    branch_completion: float = 0.0
    branch_nodes: int = 1
    branch_complete: int = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Many nodes together: a tree or a branch. Rates and score are means over its nodes."""

    total_nodes: int
    completion_rate: float
    fill_rate: float
    score: float
    complete: int
    in_progress: int
    not_started: int
    node_types: dict[NodeType, int]


class Domain(Summary, frozen=True, kw_only=True):
    """A branch that the tree is divided into: below a sole root each of its children, else each root."""

    node: str
    title: str
    maturity: Maturity


class UserCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """How far somebody is: the mean completion of the trees he owns, which are so many."""

    trees: int
    completion_rate: float


class Progress(msgspec.Struct, kw_only=True, tag_field="type", tag="progress"):
    """How far a tree is at `seq`. `domains` and `nodes` are those whose progress changed; with `whole`, all others that
    are not named, in this or the messages that follow under the same seq, are at their beginning. `mine` is for the
    owner of the tree alone: how far he is in all."""

    tree: int
    seq: int
    summary: Summary
    domains: list[Domain] = []
    nodes: dict[str, NodeProgress] = {}
    whole: bool = False
    mine: UserCompletion | UnsetType = UNSET
