"""A tree, or a branch of it, as rows of its hierarchy (spec 002, getNodeHierarchy): who stands under whom, how deep,
and by which way. Declared here, implemented by `storage/`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from sync.identity import TreeKey
from sync.nodes import NodeType
from sync.structuring import PATH_CHARACTERS, ROOT_PATH


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
    root first. Nothing of the trash is in it. It shows what was committed up to `seq`."""

    tree: int
    epoch: str
    seq: int
    ancestors: list[Ancestor]
    nodes: list[HierarchyNode]


class Hierarchies(Protocol):
    """Raises Unavailable."""

    async def hierarchy(self, key: TreeKey, node: str | None, depth: int) -> Hierarchy:
        """The branch of a node, or with None the whole tree, so many levels below where it begins. Raises NotFound,
        also for a node that is in the trash."""
        ...


def path_below(above: Sequence[str]) -> str:
    """The path of a node with these above it, the root first."""
    path = ROOT_PATH
    for one in above:
        path = f"{path}.{one}" if len(path) + len(one) < PATH_CHARACTERS else f"{ROOT_PATH}.….{one}"
    return path
