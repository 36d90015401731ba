"""The tree of what storage loaded, made a thousand nodes at a time, so that others get their turn between (B4)."""

from __future__ import annotations

from collections.abc import Iterator

from sync.ports import LoadedTree
from sync.tree import Held, HeldConnection, HeldDetails, Tree

SLICE = 1_000  # nodes: 2 ms


def bare_tree(loaded: LoadedTree) -> Tree:
    """A tree with its own fields and nothing else, for `growing`."""
    return Tree(HeldDetails(loaded.details, loaded.detail_marks))


def growing(tree: Tree, loaded: LoadedTree) -> Iterator[None]:
    """Put what was loaded into a bare tree. Gives way after every slice."""
    for place, row in enumerate(loaded.nodes, 1):
        tree.put_node(row.node.id, Held(row.node, row.marks, row.deleted))
        if place % SLICE == 0:
            yield
    for place, connection in enumerate(loaded.connections, 1):
        tree.put_connection(
            connection.connection.id, HeldConnection(connection.connection, connection.marks, connection.deleted)
        )
        if place % SLICE == 0:
            yield


def tree_of(loaded: LoadedTree) -> Tree:
    """The tree of what storage loaded, at once."""
    tree = bare_tree(loaded)
    for _ in growing(tree, loaded):
        pass
    return tree
