"""The tree: indexes, digest, and the checks that other tests rely on."""

from __future__ import annotations

from zlib import crc32

import pytest

from sync import tree as trees
from sync.marks import CREATED, Mark
from sync.nodes import Connection, Node
from sync.tree import Held, HeldConnection, Tree
from tests.trees import Grown, empty, image

MARKS = {CREATED: Mark(1, "ada", "a1")}


def held(node_id: str, parent: str | None = None, order: str = "a0", *, deleted: int | None = None) -> Held:
    return Held(Node(id=node_id, parent=parent, order=order, type="metric", title=node_id, seq=4), MARKS, deleted)


def linked(one: str, source: str, target: str, *, deleted: int | None = None) -> HeldConnection:
    return HeldConnection(Connection(id=one, source=source, target=target), MARKS, deleted)


def small() -> Tree:
    tree = empty()
    for node_id, parent, order in (("root", None, "a0"), ("b", "root", "a1"), ("a", "root", "a0"), ("leaf", "b", "a0")):
        tree.put_node(node_id, held(node_id, parent, order))
    tree.put_connection("c", linked("c", "a", "leaf"))
    return tree


def test_children_stand_in_the_order_of_their_keys_by_code_point() -> None:
    """[TR11] Upper case before lower, as COLLATE "C" and JavaScript have it."""
    tree = empty()
    for node_id, order in (("x", "a0"), ("y", "Zz"), ("z", "a0V"), ("w", "b00")):
        tree.put_node(node_id, held(node_id, None, order))
    assert tree.children(None) == ["y", "x", "z", "w"]


def test_walking_up_and_down() -> None:
    tree = small()
    assert list(tree.ancestors("leaf")) == ["leaf", "b", "root"]
    assert list(tree.ancestors(None)) == []
    assert (tree.depth(None), tree.depth("root"), tree.depth("leaf")) == (0, 1, 3)
    assert tree.lies_below("leaf", "root")
    assert tree.lies_below("root", "root")
    assert not tree.lies_below("a", "b")
    assert dict(tree.subtree("root")) == {"root": 0, "a": 1, "b": 1, "leaf": 2}
    assert next(iter(dict(tree.subtree("root")))) == "root"
    assert tree.touching("leaf") == {"c"}
    assert tree.touching("b") == set()
    assert tree.siblings("nowhere") == []


def test_a_deep_tree_is_walked_without_recursion() -> None:
    tree = empty()
    parent: str | None = None
    for number in range(5_000):
        tree.put_node(f"n{number}", held(f"n{number}", parent))
        parent = f"n{number}"
    assert tree.depth(parent) == 5_000
    assert sum(1 for _ in tree.subtree("n0")) == 5_000
    tree.check()


def test_the_trash_is_no_part_of_state_and_digest_but_keeps_its_place() -> None:
    tree = small()
    with_a = tree.digest
    tree.put_node("a", held("a", "root", "a0", deleted=9))
    tree.put_connection("c", linked("c", "a", "leaf", deleted=9))
    assert {node.id for node in tree.state().nodes} == {"root", "b", "leaf"}
    assert tree.state().connections == []
    assert tree.node("a") is None
    assert tree.children("root") == ["b"]
    assert tree.siblings("root") == [("a0", "a"), ("a1", "b")]
    assert tree.live == 3
    assert tree.digest != with_a
    tree.put_node("a", held("a", "root", "a0"))
    tree.put_connection("c", linked("c", "a", "leaf"))
    assert tree.digest == with_a


def test_the_digest_is_the_published_sum() -> None:
    """[RP5] Computed by hand from the rule's words."""
    grown = Grown()
    grown.insert("n1", title="Grüße 🌳", description="d")
    grown.insert("n2", "n1")
    grown.ask({"op": "connect", "connection": "c1", "from": "n1", "to": "n2", "label": "x"})
    hashes = [
        crc32("\x1f".join(fields).encode())
        for fields in (
            ("n1", "", "a0", "1", "Grüße 🌳", "d"),
            ("n2", "n1", "a0", "2", "N2", ""),
            ("c1", "n1", "n2", "x"),
        )
    ]
    mixed = 0
    for one in hashes:
        mixed ^= one
    assert grown.tree.digest == f"{sum(hashes) % 2**32:08x}{mixed:08x}"
    assert empty().digest == "0" * 16


def test_putting_back_restores_every_index() -> None:
    tree = small()
    before = image(tree)
    replaced = tree.put_node("leaf", held("leaf", "a", "a5"))
    gone = tree.put_connection("c", None)
    added = tree.put_node("new", held("new", "leaf"))
    relinked = tree.put_connection("c", linked("c", "b", "new"))
    assert added is None
    assert relinked is None
    tree.put_connection("c", gone)
    tree.put_node("new", None)
    tree.put_node("leaf", replaced)
    assert image(tree) == before
    assert tree.put_node("nobody", None) is None
    assert tree.put_connection("nothing", None) is None
    assert image(tree) == before


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda tree: tree.put_node("leaf", held("leaf", "nowhere")), "lost its parent"),
        (lambda tree: tree.put_node("b", held("b", "leaf")), "a cycle"),
        (lambda tree: tree.put_node("b", held("b", "root", deleted=3)), "lives below the trash"),
        (lambda tree: tree.put_node("b", held("b", "root", "a0")), "share an order key"),
        (lambda tree: tree.put_connection("d", linked("d", "a", "nowhere")), "ends nowhere"),
        (lambda tree: tree.put_node("a", held("a", "root", "a0", deleted=3)), None),
        (lambda tree: setattr(tree, "live", 9), None),
        (lambda tree: tree.nodes.__setitem__("q", tree.nodes["a"]), None),
    ],
)
def test_the_check_sees_what_is_no_tree(spoil: object, why: str | None) -> None:
    """[TR26]"""
    tree = small()
    tree.check()
    spoil(tree)  # type: ignore[operator]
    with pytest.raises(AssertionError, match=why):
        tree.check()


def test_a_value_that_comes_back_is_not_hashed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = small()
    digest, first = tree.digest, tree.nodes["leaf"]
    tree.put_node("leaf", held("leaf", "b", "a1"))
    monkeypatch.setattr(trees, "_node_hash", None)
    tree.put_node("leaf", first)
    assert tree.digest == digest
