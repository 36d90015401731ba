"""Old rows as trees: what each rule mends, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from sync.creation import first_batch
from sync.identity import Author, TreeKey
from sync.legacy.notes import RULES
from sync.legacy.row import OldTree, Refusal, read_row
from sync.limits import Limits
from sync.nodes import first_canvas_state
from sync.ops import ImportedNode
from tests.old_rows import chain, old_row, strange_row

LIMITS = Limits()
DAMAGED: dict[str, dict[str, Any]] = {
    "child-listed": {"nodes": [{"id": "a", "children": ["b"]}, {"id": "b"}]},
    "child-nested": {"nodes": [{"id": "a", "children": [{"id": "b", "children": [{"id": "c"}]}]}]},
    "connection-dangling": {"nodes": [{"id": "a"}], "connections": [{"id": "e", "from": "a", "to": "gone"}]},
    "connection-extra": {"nodes": [], "connections": ["e"]},
    "connection-fields": {
        "nodes": [{"id": "a"}, {"id": "b"}],
        "connections": [{"id": "e", "source": "a", "target": "b", "color": "red"}],
    },
    "connection-parent": {"nodes": [{"id": "a"}, {"id": "b"}], "connections": [{"fromNodeId": "a", "toNodeId": "b"}]},
    "connection-self": {"nodes": [{"id": "a"}], "connections": [{"id": "e", "from": "a", "to": "a"}]},
    "cycle-cut": {"nodes": [{"id": "a", "parentId": "b"}, {"id": "b", "parentId": "a"}]},
    "default-canvas": {"nodes": [], "canvas_state": {"zoom": "big", "pan": {"x": 1, "y": 2}}},
    "default-name": {"nodes": [], "name": " "},
    "default-phase": {"nodes": [], "discovery_phase": 4},
    "default-title": {"nodes": [{"id": "a", "title": ""}]},
    "duplicate-dropped": {"nodes": [{"id": "a", "title": "A"}, {"id": "a", "title": "A"}]},
    "duplicate-renamed": {"nodes": [{"id": "a", "title": "A"}, {"id": "a", "title": "B"}]},
    "field-kept": {"nodes": [{"id": "a", "owner": "Ada"}]},
    "field-named": {"nodes": [{"id": "a", "type": "objective", "templateData": {"coreWhy": "because"}}]},
    "id-made": {"nodes": [{"title": "A"}]},
    "id-shortened": {"nodes": [{"id": "a" * 80}]},
    "id-text": {"nodes": [{"id": 7}]},
    "json-in-text": {"nodes": '[{"id": "a"}]'},
    "key-renamed": {"nodes": [{"id": "a", "templateData": {"a.b": 1}}]},
    "null-dropped": {"nodes": [None]},
    "number-text": {"nodes": [{"id": "a", "templateData": {"big": 2**60}}]},
    "orphan-connected": {
        "nodes": [{"id": "r"}, {"id": "a", "parentId": "r"}, {"id": "b", "parentId": "gone"}],
        "connections": [{"id": "e", "from": "a", "to": "b"}],
    },
    "orphan-root": {"nodes": [{"id": "a"}, {"id": "b", "parentId": "a"}, {"id": "c", "parentId": "gone"}]},
    "position-read": {"nodes": [{"id": "a", "position": {"x": "3", "y": None}}]},
    "row-field": {"nodes": [], "colour": "red"},
    "status-alias": {"nodes": [{"id": "a", "status": "Done"}]},
    "status-unknown": {"nodes": [{"id": "a", "templateData": {"completion_status": "perhaps"}}]},
    "surrogate-replaced": {"nodes": [{"id": "a", "title": "A\ud800"}]},
    "text-made": {"nodes": [{"id": "a", "title": 12}]},
    "text-moved": {"nodes": [{"id": "a", "title": "A" * 600, "description": "why"}]},
    "text-nul": {"nodes": [{"id": "a", "title": "A\x00B"}]},
    "time-dropped": {"nodes": [], "created_at": "yesterday"},
    "type-alias": {"nodes": [{"id": "a", "type": "Key Result"}]},
    "type-by-depth": {"nodes": [{"id": "a"}, {"id": "b", "parentId": "a", "type": "sticky"}]},
    "wrong-type": {"nodes": [{"id": "a", "templateData": ["x"]}]},
}
# what only the text of a row can hold
WRITTEN = {
    "key-twice": '{"id": 1, "nodes": [], "name": "A", "name": "B"}',
    "number-null": '{"id": 1, "nodes": [{"id": "a", "metadata": {"x": NaN}}]}',
    "row-id-made": '{"nodes": [], "name": "A"}',
}


def read(row: dict[str, Any]) -> OldTree:
    found = read_row(json.dumps({"id": 1, "user_id": "ada", "name": "T", **row}), LIMITS)
    assert isinstance(found, OldTree), found
    return found


def refused(row: dict[str, Any], limits: Limits = LIMITS) -> Refusal:
    found = read_row(json.dumps({"id": 1, "user_id": "ada", "name": "T", **row}), limits)
    assert isinstance(found, Refusal), found
    return found


def nodes(row: dict[str, Any]) -> dict[str, ImportedNode]:
    return {node.id: node for node in read(row).tree.nodes}


def parents(row: dict[str, Any]) -> dict[str, str | None]:
    return {node.id: node.parent for node in read(row).tree.nodes}


def accept(tree: OldTree) -> None:
    """Judged as the first commit of a tree is."""
    author = Author(user="ada", client="c")
    parts = (tree.tree.details, tree.tree.nodes, tree.tree.connections)
    first_batch(TreeKey("acme", 0), "e", "m", author, *parts)


@pytest.mark.parametrize("rule", DAMAGED)
def test_damage_is_mended_by_its_rule_and_told(rule: str) -> None:
    found = read(DAMAGED[rule])
    assert rule in [note.rule for note in found.notes]
    accept(found)


@pytest.mark.parametrize("rule", WRITTEN)
def test_what_only_the_text_of_a_row_can_hold_is_mended_too(rule: str) -> None:
    found = read_row(WRITTEN[rule], LIMITS)
    assert isinstance(found, OldTree), found
    assert rule in [note.rule for note in found.notes]
    accept(found)


def test_every_rule_is_shown() -> None:
    assert set(DAMAGED) | set(WRITTEN) == set(RULES)


def test_a_row_as_spec_002_writes_it_comes_over_whole_and_without_a_word() -> None:
    found = read(
        {
            "description": "Where we are going",
            "nodes": [
                {
                    "id": "node_1",
                    "type": "objective",
                    "title": "Increase User Engagement",
                    "description": "more",
                    "position": {"x": 10, "y": -4.5},
                    "templateData": {"core_why": "less time in the app", "completion_status": "complete"},
                    "metadata": {"colour": "blue"},
                },
                {
                    "id": "node_2",
                    "type": "outcome",
                    "title": "Return",
                    "parentId": "node_1",
                    "position": {"x": 0, "y": 0},
                    "isCollapsed": True,
                },
                {"id": "node_3", "type": "metric", "title": "DAU", "parentId": "node_1", "position": {"x": 1, "y": 1}},
            ],
            "connections": [{"id": "c1", "fromNodeId": "node_2", "toNodeId": "node_3", "label": "shows in"}],
            "canvas_state": {"zoom": 0.5, "pan": {"x": 3, "y": 4}, "orientation": "horizontal"},
            "discovery_phase": "opportunity",
            "is_template": True,
            "created_at": "2024-01-15T10:00:00Z",
            "updated_at": "2024-01-20 15:30:00",
        }
    )
    assert found.notes == []
    details = found.tree.details
    assert (details.description, details.discovery_phase, details.is_template) == (
        "Where we are going",
        "opportunity",
        True,
    )
    assert details.canvas_state == {"zoom": 0.5, "pan": {"x": 3, "y": 4}, "orientation": "horizontal"}
    first, second, third = found.tree.nodes
    assert (first.title, first.description, first.metadata) == ("Increase User Engagement", "more", {"colour": "blue"})
    assert first.template_data == {"core_why": "less time in the app", "completion_status": "complete"}
    assert msgspec.to_builtins(first.position) == {"x": 10, "y": -4.5}
    assert (second.parent, second.is_collapsed, third.type) == ("node_1", True, "metric")
    assert [(one.source, one.target, one.label) for one in found.tree.connections] == [("node_2", "node_3", "shows in")]
    assert [str(found.created_at), str(found.updated_at)] == ["2024-01-15 10:00:00+00:00", "2024-01-20 15:30:00+00:00"]
    assert (found.row, found.owner) == ("1", "ada")


def test_a_row_as_spec_000_writes_it_has_its_parents_from_the_structure() -> None:
    row = {
        "nodes_data": {"node_1": {"type": "objective", "title": "A"}, "node_2": {"type": "outcome", "title": "B"}},
        "tree_structure": {"hierarchy": {"node_relationships": {"node_1": {"children": ["node_2"]}}}},
        "connections_data": None,
    }
    assert parents(row) == {"node_1": None, "node_2": "node_1"}


def test_where_no_node_says_its_parent_the_connections_do() -> None:
    row = {
        "nodes": [{"id": one} for one in "abcd"],
        "connections": [
            {"id": "1", "fromNodeId": "a", "toNodeId": "b"},
            {"id": "2", "fromNodeId": "b", "toNodeId": "c"},
            {"id": "3", "fromNodeId": "c", "toNodeId": "a"},  # would close a circle
            {"id": "4", "fromNodeId": "a", "toNodeId": "c"},  # c is below b already
        ],
    }
    assert parents(row) == {"a": None, "b": "a", "c": "b", "d": None}
    assert [one.id for one in read(row).tree.connections] == ["3", "4"]


def test_a_connection_beside_the_parents_stays_and_one_with_a_label_too() -> None:
    row = {
        "nodes": [{"id": "a"}, {"id": "b", "parentId": "a"}, {"id": "c", "parentId": "a"}],
        "connections": [
            {"id": "1", "from": "a", "to": "b"},
            {"id": "2", "from": "a", "to": "c", "label": "because"},
            {"id": "3", "from": "c", "to": "b"},
        ],
    }
    assert [one.id for one in read(row).tree.connections] == ["2", "3"]


def test_the_second_of_two_nodes_with_one_id_keeps_what_it_says_and_children_stay_with_the_first() -> None:
    row = {"nodes": [{"id": "a", "title": "A"}, {"id": "a", "title": "B"}, {"id": "c", "parentId": "a"}]}
    found = nodes(row)
    assert {one: found[one].title for one in found} == {"a": "A", "a-1": "B", "c": "Untitled outcome"}
    assert found["c"].parent == "a"


def test_nothing_a_node_says_is_lost() -> None:
    row = {
        "nodes": [
            {
                "id": "a",
                "type": "sticky",
                "title": "T" * 501,
                "description": "why",
                "createdAt": "2024",
                "templateData": {"completion_status": "perhaps", "x.y": 1},
                "metadata": {"createdAt": "other"},
            }
        ]
    }
    [node] = read(row).tree.nodes
    assert isinstance(node.description, str)
    assert [node.description[:501], node.description[-3:]] == ["T" * 501, "why"]
    assert node.template_data == {"x_y": 1}
    assert node.metadata == {
        "createdAt": "other",
        "legacy_createdAt": "2024",
        "legacy_type": "sticky",
        "legacy_status": "perhaps",
    }


def test_a_canvas_without_an_orientation_is_vertical() -> None:
    found = read({"nodes": [], "canvas_state": {"zoom": 2, "pan": {"x": 1, "y": 1}, "grid": True}}).tree.details
    assert found.canvas_state == {"zoom": 2, "pan": {"x": 1, "y": 1}, "orientation": "vertical", "grid": True}
    for missing in (None, "", "{}"):
        assert read({"nodes": [], "canvas_state": missing}).tree.details.canvas_state == first_canvas_state()


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"nodes": 7}, "nodes: 7 is no list of nodes"),
        ({"nodes": ["x"]}, "nodes[0]: not JSON"),
        ({"nodes": [{"id": "a"}, 3]}, "nodes[1]: 3 is no node"),
        ({"nodes": "[{"}, "nodes: not JSON"),
        ({"nodes": [], "connections": True}, "connections: True is no list of connections"),
        ({"nodes": [{"id": "a", "description": "x" * 300_000}]}, "nodes[0] (a): description is larger"),
        ({"nodes": [], "id": "x" * 300}, "id: a row's id has at most"),
    ],
)
def test_what_no_rule_mends_is_refused_by_its_place(row: dict[str, Any], why: str) -> None:
    assert refused(row).why.startswith(why)


@pytest.mark.parametrize("text", ["nonsense", "[]", "7", '{"nodes": ' + "[" * 100_000, b"\xff{}"])
def test_what_is_no_row_is_refused(text: str | bytes) -> None:
    assert isinstance(read_row(text, LIMITS), Refusal)


def test_a_tree_too_deep_or_too_large_is_refused_by_node() -> None:
    deep = [{"id": f"n{number}", "parentId": f"n{number - 1}"} for number in range(1200)]
    deep[0]["parentId"] = ""
    assert refused({"nodes": deep}).why.startswith("nodes[1000] (n1000): a tree is at most 1000 levels deep")
    assert refused({"nodes": chain(11)}, Limits(nodes_per_tree=10)).why.startswith(
        "nodes[10]: a tree has at most 10 nodes"
    )


def test_a_row_of_twenty_thousand_nodes_is_read() -> None:
    found = read({"nodes": chain(20_000)})
    assert len(found.tree.nodes) == 20_000
    assert [note.rule for note in found.notes] == []


@pytest.mark.parametrize("start", range(0, 300, 100))
def test_random_rows_become_trees_or_are_refused_and_always_alike(start: int) -> None:
    for seed in range(start, start + 100):
        text = json.dumps(old_row(seed))
        found = read_row(text, LIMITS)
        assert isinstance(found, OldTree), (seed, found)
        accept(found)
        assert read_row(text, LIMITS) == found
        strange = read_row(json.dumps(strange_row(seed)), LIMITS)
        if isinstance(strange, OldTree):
            accept(strange)
        else:
            assert strange.why
