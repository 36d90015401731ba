"""Where a node may be put and which order key it gets there (SEMANTICS 19, 21)."""

from __future__ import annotations

from bisect import bisect_right

from msgspec import UnsetType

from sync import effects
from sync.limits import ORDER_KEY_CHARACTERS, Limits
from sync.order import key_between, spaced_keys
from sync.tree import Tree
from sync.values import (
    Refused,
)


def check_parent(tree: Tree, parent: str | None, height: int, count: int, limits: Limits) -> bool:
    """Whether the parent is in the trash. Raises Refused where nothing may be put under it."""
    check_count(tree, count, limits)
    held = None if parent is None else tree.nodes.get(parent)
    if parent is not None and held is None:
        raise Refused("parent_missing", f"there is no node {parent}")
    check_depth(tree, parent, height, limits)
    return held is not None and held.deleted is not None


def check_count(tree: Tree, count: int, limits: Limits) -> None:
    if tree.live + count > limits.nodes_per_tree:
        raise Refused("too_many_nodes", f"a tree holds at most {limits.nodes_per_tree} nodes")


def check_depth(tree: Tree, parent: str | None, height: int, limits: Limits) -> None:
    if tree.depth(parent) + height > limits.depth:
        raise Refused("too_deep", f"a tree is at most {limits.depth} levels deep")


def height(tree: Tree, node_id: str) -> int:
    return 1 + max(level for _, level in tree.subtree(node_id))


def orders_for(
    tree: Tree, node_id: str, parent: str | None, after: str | UnsetType | None, count: int = 1
) -> tuple[list[str], tuple[effects.Move, ...]]:
    """`count` keys in a row right behind the wished sibling, and the moves that make room where keys grew too long.

    `node_id` is the node to be placed; where it stands among the siblings already, it does not count.
    """
    siblings = tree.siblings(parent)
    place = _place_behind(tree, siblings, parent, after)
    low, high = place - 1, place
    if low >= 0 and siblings[low][1] == node_id:
        low -= 1
    if high < len(siblings) and siblings[high][1] == node_id:
        high += 1
    last = siblings[low][0] if low >= 0 else None
    bound = siblings[high][0] if high < len(siblings) else None
    keys: list[str] = []
    for _ in range(count):
        last = key_between(last, bound)
        keys.append(last)
    if len(keys[-1]) <= ORDER_KEY_CHARACTERS:
        return keys, ()
    before = [one for _, one in siblings[: low + 1] if one != node_id]
    return _respaced(tree, before, [one for _, one in siblings[high:] if one != node_id], parent, count)


def _place_behind(
    tree: Tree, siblings: list[tuple[str, str]], parent: str | None, after: str | UnsetType | None
) -> int:
    """`after` is a wish, never a reason to refuse: what is not under that parent means last (SEMANTICS 19)."""
    if after is None:
        return 0
    wished = tree.nodes.get(after) if isinstance(after, str) else None
    if wished is None or wished.node.parent != parent:
        return len(siblings)
    return bisect_right(siblings, (wished.node.order, wished.node.id))


def _respaced(
    tree: Tree, before: list[str], behind: list[str], parent: str | None, count: int
) -> tuple[list[str], tuple[effects.Move, ...]]:
    # beyond every key there is, so that no two siblings share one while the moves are applied one by one
    last = max(tree.siblings(parent))[0]
    keys = spaced_keys(len(before) + count + len(behind), last)
    own = keys[len(before) : len(before) + count]
    others = keys[: len(before)] + keys[len(before) + count :]
    moves = [
        effects.Move(node=sibling, parent=parent, order=key)
        for sibling, key in zip([*before, *behind], others, strict=True)
    ]
    return own, tuple(moves)
