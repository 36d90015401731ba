"""A tree, or a branch of it, as rows of its hierarchy (spec 002, getNodeHierarchy): who stands under whom, how deep,
and by which way. Declared here, implemented by `storage/`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from sync.identity import TreeKey
from sync.nodes import NodeType
from sync.ports import Head
from sync.structuring import PATH_CHARACTERS, ROOT_PATH

MOST_DEPTH = 20  # levels below the first; each looks once at every row of the tree: 17 ms where it has 50,000
MOST_NODES = 5_000  # of an answer; 5 MB, where all paths are as long as they may be


class HierarchyNode(msgspec.Struct, frozen=True, kw_only=True):
    """`depth` is 0 for a root; `path` as in ST2; `children`: how many stand below it, listed or not."""

    id: str
    parent: str | None
    title: str
    type: NodeType
    depth: int
    path: str
    children: int


class Ancestor(msgspec.Struct, frozen=True, kw_only=True):
    """A node on the way from the root."""

    id: str
    title: str
    type: NodeType


class Hierarchy(msgspec.Struct, frozen=True, kw_only=True):
    """Parents before their children, siblings in order. `ancestors` are those above the node that was asked for, the
    root first. Nothing of the trash is in it. It shows what was committed up to `seq`. `complete`: no node that is
    below those listed is missing."""

    tree: int
    epoch: str
    seq: int
    ancestors: list[Ancestor]
    nodes: list[HierarchyNode]
    complete: bool


class Hierarchies(Protocol):
    """Raises Unavailable."""

    async def hierarchy(self, key: TreeKey, node: str | None, depth: int) -> Hierarchy:
        """The branch of a node, or with None the whole tree, so many levels below where it begins, MOST_DEPTH at most,
        and the first MOST_NODES of that. Raises NotFound, also for a node that is in the trash."""
        ...


def path_below(above: Sequence[str]) -> str:
    """The path of a node with these above it, the root first."""
    path = ROOT_PATH
    for one in above:
        path = f"{path}.{one}" if len(path) + len(one) < PATH_CHARACTERS else f"{ROOT_PATH}.….{one}"
    return path


def bounded(key: TreeKey, head: Head, above: list[Ancestor], found: list[HierarchyNode], depth: int) -> Hierarchy:
    """What was found, one more than MOST_NODES at least where there are more, so many levels below where it began."""
    nodes = found[:MOST_NODES]
    last = len(above) + depth
    whole = len(found) <= MOST_NODES and not any(one.children and one.depth == last for one in nodes)
    return Hierarchy(tree=key.tree, epoch=head.epoch, seq=head.seq, ancestors=above, nodes=nodes, complete=whole)
