"""The structure for AI: the source document's own example, ten thousand drawn trees by the schema, odd trees."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import msgspec
import pytest

from sync.keywords import STOP_WORDS, candidates, keywords
from sync.node_templates import standard_templates
from sync.nodes import Connection, Details, Node
from sync.progress import tally_of
from sync.structure import Structure
from sync.structuring import PATH_CHARACTERS, Subject, structure_of
from sync.tree import Held, HeldDetails, Tree
from sync.vocabulary import CATEGORIES, VOCABULARY, term_named, term_of
from tests.structures import subject

TEMPLATES = standard_templates()
DRAWN = 10_000


def node(node_id: str, parent: str | None = None, **fields: Any) -> Node:
    made: dict[str, Any] = {"type": "objective", "title": node_id, "order": f"a{node_id}"}
    return Node(id=node_id, parent=parent, **made | fields)


def made(*nodes: Node, connections: tuple[Connection, ...] = ()) -> Structure:
    tree = Subject(
        3, "ada", "e1", 9, Details(name="T"), "2026-01-05T10:00:00Z", "2026-01-06T10:00:00Z", nodes, connections
    )
    return structure_of(tree, TEMPLATES)


def test_st2_the_example_of_the_source_document() -> None:
    """[ST2, ST3]"""
    why = "Users are spending less time in the app"
    data = {"core_why": why, "desired_outcome": "20% increase in daily active users", "completion_status": "done"}
    top = node("node_1", title="Increase User Engagement", template_data=data)
    document = made(top, node("node_2", "node_1"), node("node_3", "node_1"), node("node_4", "node_2"))
    raw = msgspec.json.decode(msgspec.json.encode(document))
    assert raw["hierarchy"]["root_nodes"] == ["node_1"]
    relationships = raw["hierarchy"]["node_relationships"]
    assert relationships["node_1"] == {"children": ["node_2", "node_3"], "depth": 0, "path": "root"}
    assert relationships["node_2"] == {"parent": "node_1", "children": ["node_4"], "depth": 1, "path": "root.node_1"}
    assert relationships["node_4"]["path"] == "root.node_1.node_2"
    one = raw["nodes"]["node_1"]
    assert one["template_data"] == data | {"horizon": None, "completion_status": "complete"}
    assert one["ai_context"]["business_domain"] == "user_engagement"
    assert "engagement" in one["ai_context"]["terms"]
    assert 0 < one["ai_context"]["priority_score"] <= 1
    assert "active_users" in " ".join(one["ai_context"]["keywords"]), one["ai_context"]["keywords"]
    assert (raw["tree_id"], raw["user_id"], raw["seq"]) == (3, "ada", 9)
    assert raw["metadata"] == {
        "name": "T",
        "description": "",
        "discovery_phase": "strategy",
        "is_template": False,
        "created_at": "2026-01-05T10:00:00Z",
        "last_modified": "2026-01-06T10:00:00Z",
        "total_nodes": 4,
        "completion_rate": 0.25,
    }


def test_st3_drawn_trees_all_fit_the_published_schema() -> None:
    """[ST3] 10,000 trees of 15 nodes, and a few of other sizes."""
    validator = jsonschema_rs.validator_for(msgspec.json.schema(Structure))
    sizes = {0: 0, 1: 1, 2: 2, 3: 400}
    for seed in range(DRAWN):
        encoded = msgspec.json.encode(structure_of(subject(seed, sizes.get(seed, 15)), TEMPLATES))
        assert validator.is_valid(msgspec.json.decode(encoded)), seed
    assert not validator.is_valid({"tree_id": 1})


def test_st3_the_same_tree_has_the_same_structure() -> None:
    """[ST3]"""
    for seed in range(50):
        first, again = subject(seed), subject(seed)
        shuffled = again._replace(nodes=[*again.nodes][::-1], connections=[*again.connections][::-1])
        one, other = structure_of(first, TEMPLATES), structure_of(again, TEMPLATES)
        assert msgspec.json.encode(one) == msgspec.json.encode(other)
        assert structure_of(shuffled, TEMPLATES).hierarchy == one.hierarchy


def test_a_structure_says_of_progress_what_everyone_in_the_tree_is_told() -> None:
    for seed in range(50):
        drawn = subject(seed, 40)
        tree = Tree(HeldDetails(drawn.details, {}))
        for one in drawn.nodes:
            tree.put_node(one.id, Held(one, {}))
        tally, document = tally_of(tree, TEMPLATES), structure_of(drawn, TEMPLATES)
        assert {one: node.completion for one, node in document.nodes.items()} == {
            one: tally.node(one) for one in tree.nodes
        }
        summary = tally.summary()
        assert document.ai_metadata.completion_rate == summary.completion_rate
        assert document.ai_metadata.node_types == summary.node_types
        for domain in document.domains:
            held = tree.node(domain.node)
            assert held is not None
            assert domain == tally.domain(held)


def test_st2_a_connection_without_an_end_dangles() -> None:
    """[ST2]"""
    two = (Connection(id="c1", source="a", target="b", label="x"), Connection(id="c2", source="a", target="gone"))
    document = made(node("a"), node("b"), connections=two)
    assert [edge.id for edge in document.connections.edges] == ["c1"]
    assert document.connections.dangling == ["c2"]
    assert document.connections.degrees["a"].outgoing == document.connections.degrees["b"].incoming == 1
    raw = msgspec.json.decode(msgspec.json.encode(document.connections))
    assert raw["edges"] == [{"id": "c1", "from": "a", "to": "b", "label": "x"}]
    assert raw["degrees"]["a"] == {"in": 0, "out": 1}


def test_st3_values_are_in_the_type_of_their_kind() -> None:
    """[ST3]"""
    data = {"baseline": "12.5", "current": "many", "unit": "  % ", "extra": [1], "completion_status": "WIP"}
    document = made(node("m", type="metric", template_data=data))
    assert document.nodes["m"].template_data == {
        "baseline": 12.5,
        "current": None,
        "target": None,
        "unit": "%",
        "review": None,
        "extra": [1],
        "completion_status": "in_progress",
    }


@pytest.mark.parametrize(("said", "known"), [({"tree": 4, "node": "x"}, True), ({"tree": "four"}, False), ("x", False)])
def test_a_node_made_from_a_template_says_so(said: Any, known: bool) -> None:
    document = made(node("a", metadata={"template_ref": said}))
    assert (document.nodes["a"].template_ref is not msgspec.UNSET) == known


def test_paths_of_a_deep_tree_do_not_grow_without_end() -> None:
    nodes = [node(f"{'x' * 40}{level}", f"{'x' * 40}{level - 1}" if level else None) for level in range(200)]
    document = made(*nodes)
    longest = max(len(one.path) for one in document.hierarchy.node_relationships.values())
    assert longest <= PATH_CHARACTERS + 70
    assert document.ai_metadata.max_depth == 199


def test_an_empty_tree_has_a_structure_too() -> None:
    document = made()
    assert (document.hierarchy.root_nodes, document.nodes, document.ai_metadata.completion_rate) == ([], {}, 0.0)


def test_st3_a_node_that_names_no_domain_has_its_parents() -> None:
    """[ST3]"""
    document = made(
        node("a", title="Less churn"), node("b", "a", title="Something"), node("c", title="Warehouse stock")
    )
    assert [document.nodes[one].ai_context.business_domain for one in "abc"] == [
        "customer_retention",
        "customer_retention",
        "operations",
    ]


# ---- words


def test_st3_keywords_are_runs_of_words_between_stop_words() -> None:
    """[ST3] The measure of RAKE: degree by frequency, summed over a candidate's words."""
    text = "The user experience of the mobile app; experience is everything. 2026 was a good year for user experience"
    found = candidates(text)
    assert ("user", "experience") in found
    assert ("mobile", "app") in found
    [best] = keywords([found])
    assert best[0] == "mobile_app" or best[0] == "good_year"
    assert "user_experience" in best
    assert not {word for one in found for word in one} & STOP_WORDS
    assert keywords([[], candidates("of the and")]) == [[], []]


def test_st3_every_word_of_the_vocabulary_stands_for_one_term() -> None:
    """[ST3]"""
    assert len({term.term for term in VOCABULARY}) == len(VOCABULARY)
    for term in VOCABULARY:
        assert term_named(term.term) == term
        assert term_of(term.term) == term, "a term stands for itself"
    plural, singular = term_of("subscribers"), term_of("subscriber")
    assert plural == singular is not None
    assert term_of("companies") is None
    assert term_of("policies") == term_named("compliance")
    assert set(CATEGORIES) == set(TEMPLATES.templates)
