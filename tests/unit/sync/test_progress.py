"""Progress: what counts as filled, what somebody says, and sums that are kept change by change."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

import msgspec
import pytest

from sync import progress
from sync.errors import Invalid
from sync.node_templates import STANDARD, standard_templates
from sync.nodes import NODE_TYPES, Node
from sync.progress import Tally, domain_parent, domains, live_nodes, named_by, tally_of
from sync.scores import BANDS, judge
from sync.templates import STATUS_ALIASES, Field, FieldKind, Template, check, is_filled, status_of
from sync.values import Refused
from sync.verdict import SetAside
from tests.trees import Grown

TEMPLATES = standard_templates()


def node(kind: str = "objective", **data: Any) -> Node:
    return Node(id="n", parent=None, order="a0", type=kind, title="N", template_data=data)  # type: ignore[arg-type]


# ---- templates


def test_pg1_every_type_has_a_template_whose_fields_are_explained() -> None:
    """[PG1]"""
    assert set(STANDARD) == set(NODE_TYPES)
    check(STANDARD)
    for template in STANDARD.values():
        assert template.meaning
        assert all(field.label and field.help for field in template.fields)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("text", ["a", " a "], ["", "  ", 1, None, [], {}, True]),
        ("long_text", ["a\nb"], ["\n", 0]),
        ("list", [["a"], [0], "one a line"], [[], [""], [None], " ", 1, {}]),
        ("number", [0, 1.5, -3, "12", "1e3"], ["", "twelve", True, None, [1]]),
        ("choice", ["high"], ["", "other", 1, None]),
        ("date", ["2026-01-05", "2026-12-31T10:00:00Z"], ["2026-13-01", "5.1.2026", "", 20260105]),
        ("flag", [True, False], ["", "true", 0, None]),
    ],
)
def test_pg3_a_field_is_filled_by_what_its_kind_can_hold(kind: FieldKind, good: list[Any], bad: list[Any]) -> None:
    """[PG3]"""
    field = Field(name="f", label="F", kind=kind, choices=["high", "low"] if kind == "choice" else [])
    assert [value for value in good if not is_filled(field, value)] == []
    assert [value for value in bad if is_filled(field, value)] == []


def test_pg4_aliases_of_a_status_are_read_whatever_their_case_and_spacing() -> None:
    """[PG4]"""
    for said, status in (("Done", "complete"), (" in-progress ", "in_progress"), ("TO DO", "not_started")):
        assert status_of({"completion_status": said}) == status
    for nonsense in ("perhaps", "", 1, None, True, ["complete"]):
        assert status_of({"completion_status": nonsense}) is None
    assert {status_of({"completion_status": alias}) for alias in STATUS_ALIASES} == set(STATUS_ALIASES.values())


@pytest.mark.parametrize(
    ("data", "status", "completion", "score"),
    [
        ({}, "not_started", 0, 0),
        ({"core_why": "x"}, "in_progress", 333, 29),
        ({"core_why": "x", "desired_outcome": "y", "horizon": "z"}, "complete", 1000, 90),
        ({"completion_status": "complete"}, "complete", 1000, 70),
        ({"core_why": "x", "completion_status": "todo"}, "not_started", 0, 6),
        ({"completion_status": "in_progress"}, "in_progress", 100, 7),
        ({"core_why": "x", "desired_outcome": "y", "horizon": "z", "completion_status": "wip"}, "in_progress", 900, 83),
    ],
)
def test_pg4_what_somebody_says_wins_over_what_is_filled(
    data: dict[str, Any], status: str, completion: int, score: int
) -> None:
    """[PG4, PG5]"""
    own = judge(node(**data), TEMPLATES)
    assert (own.status, own.completion, own.score) == (status, completion, score)
    described = judge(msgspec.structs.replace(node(**data), description="said"), TEMPLATES)
    assert described.score == score + 10


@pytest.mark.parametrize(
    "fields",
    [
        [Field(name="a", label="A"), Field(name="a", label="B")],
        [Field(name="completion_status", label="Status")],
        [Field(name="a", label="A", kind="choice")],
        [Field(name="a", label="A", choices=["x"])],
        [Field(name="a", label="A", kind="choice", choices=["x", "x"])],
    ],
)
def test_pg2_templates_that_contradict_themselves_are_refused(fields: list[Field]) -> None:
    """[PG2]"""
    with pytest.raises(Invalid, match=r"metric\."):
        check({"metric": Template(fields=fields)})


# ---- sums


class Counted:
    """A tree that is grown, and its tally kept beside it."""

    def __init__(self) -> None:
        self.grown = Grown()
        self.tally = tally_of(self.grown.tree, TEMPLATES)

    def do(self, op: dict[str, Any]) -> set[str]:
        before = len(self.grown.log)
        self.grown.ask(op, mode="force")
        named = named_by(effect for effect, _ in self.grown.log[before:])
        assert named is not None
        return self.tally.change(self.grown.tree, named)

    def agrees(self) -> None:
        scratch = tally_of(self.grown.tree, TEMPLATES)
        assert self.tally.summary() == scratch.summary()
        for node_id, held in self.grown.tree.nodes.items():
            if held.deleted is None:
                assert self.tally.node(node_id) == scratch.node(node_id), node_id

    def insert(self, node_id: str, parent: str | None, kind: str = "objective", **data: Any) -> set[str]:
        made = {"op": "insert", "node": node_id, "parent": parent, "type": kind, "title": node_id}
        return self.do(made | {"template_data": data})


def test_pg6_a_change_touches_the_node_and_what_is_above_it() -> None:
    """[PG6]"""
    counted = Counted()
    for node_id, parent in (("r", None), ("a", "r"), ("b", "a"), ("c", "a"), ("z", "r")):
        counted.insert(node_id, parent)
    assert counted.do({"op": "update", "node": "b", "set": {"title": "Other"}}) == set()
    status = {"op": "update", "node": "b", "set": {"template_data.completion_status": "done"}}
    assert counted.do(status) == {"b", "a", "r"}
    assert counted.tally.node("a").branch_completion == pytest.approx(1 / 3, abs=1e-4)
    assert counted.do({"op": "move", "node": "b", "parent": "z", "position": {"x": 0, "y": 0}}) == {"b", "a", "r", "z"}
    assert counted.do({"op": "delete", "node": "z"}) == {"r"}
    assert counted.tally.summary().total_nodes == 3
    assert counted.do({"op": "restore", "node": "z"}) == {"r", "z", "b"}
    counted.agrees()


def _random_op(chance: Random, counted: Counted, number: int) -> dict[str, Any]:
    nodes = [*counted.grown.tree.nodes] or ["nobody"]
    live: list[str | None] = [one for one, held in counted.grown.tree.nodes.items() if held.deleted is None] or [None]
    match chance.choice(["insert", "insert", "update", "update", "move", "delete", "restore", "import"]):
        case "insert":
            kind = chance.choice(NODE_TYPES)
            data = {"core_why": "x"} if chance.random() < 0.5 else {}
            parent = None if chance.random() < 0.1 else chance.choice(live)
            made = {"op": "insert", "node": f"n{number}", "parent": parent, "type": kind}
            return made | {"title": "N", "template_data": data}
        case "update":
            path = chance.choice(["title", "type", "description", "template_data.completion_status"])
            value = {"type": chance.choice(NODE_TYPES), "title": "T", "description": chance.choice(["", "d"])}.get(
                path, chance.choice(["done", "wip", "todo", 1])
            )
            return {"op": "update", "node": chance.choice(nodes), "set": {path: value}}
        case "move":
            parent = None if chance.random() < 0.1 else chance.choice(nodes)
            return {"op": "move", "node": chance.choice(nodes), "parent": parent, "position": {"x": 0, "y": 0}}
        case "import":
            two = [{"id": f"m{number}", "type": "metric", "title": "M"}]
            two.append({"id": f"k{number}", "parent": f"m{number}", "type": "research", "title": "K"})
            return {"op": "import", "parent": chance.choice(live), "nodes": two}
        case kind:
            return {"op": kind, "node": chance.choice(nodes)}


@pytest.mark.parametrize("seed", range(40))
def test_pg6_sums_kept_are_sums_made_from_scratch(seed: int) -> None:
    """[PG6]"""
    chance, counted = Random(seed), Counted()
    waiting: list[Any] = []
    for number in range(150):
        before = len(counted.grown.log)
        with suppress(Refused, SetAside):
            counted.grown.ask(_random_op(chance, counted, number), mode="force")
        waiting += [effect for effect, _ in counted.grown.log[before:]]
        if chance.random() < 0.3:  # several ops at once, as a room's commits come
            named = named_by(waiting)
            assert named is not None
            counted.tally.change(counted.grown.tree, named)
            counted.agrees()
            waiting = []
    assert counted.grown.tree.live > 10


def test_a_tally_that_holds_more_trash_than_tree_says_so() -> None:
    counted = Counted()
    counted.insert("r", None)
    made = [{"id": f"m{number}", "type": "metric", "title": "M"} for number in range(600)]
    for _ in range(2):
        counted.do({"op": "import", "parent": "r", "nodes": made})
        assert not counted.tally.bloated
        for one in made:
            counted.do({"op": "delete", "node": one["id"]})
        made = [one | {"id": f"k{one['id']}"} for one in made]
    assert counted.tally.bloated
    counted.agrees()


def test_judgements_stand_until_their_node_is_named() -> None:
    counted = Counted()
    counted.insert("r", None)
    counted.insert("a", "r")
    seq = counted.grown.seq
    counted.do({"op": "update", "node": "a", "set": {"template_data.completion_status": "done"}})
    nodes = live_nodes(counted.grown.tree)
    assert [node.id for node in nodes if counted.tally.standing(node, seq)] == ["r"]
    assert [node.id for node in nodes if counted.tally.standing(node, counted.grown.seq)] == ["r", "a"]


def test_a_large_tree_is_counted_a_share_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """[PG6] As it was when that began, though it goes on meanwhile; what is known of it already is not judged again."""
    monkeypatch.setattr(progress, "SHARE_NODES", 2)
    counted = Counted()
    counted.insert("r", None)
    for number in range(5):
        counted.insert(f"n{number}", "r" if number < 3 else "n0")
    seq, tally = counted.grown.seq, Tally(TEMPLATES)
    filling = tally.filling(live_nodes(counted.grown.tree), counted.tally, seq)
    next(filling)
    counted.do({"op": "delete", "node": "n0"})
    assert len(list(filling)) == 8, "judged, ordered and summed in threes of two nodes"
    assert (len(tally), tally.node("n0").branch_nodes) == (6, 3)
    tally.change(counted.grown.tree, ["n0"])
    assert tally.summary() == counted.tally.summary()


def test_what_is_purged_is_counted_anew() -> None:
    from sync.effects import Configure, Purge

    assert named_by([Purge(node="x")]) is None
    assert named_by([Configure()]) == set()


# ---- domains


def test_pg7_domains_are_the_children_of_the_sole_root_or_the_roots() -> None:
    """[PG7]"""
    counted = Counted()
    for node_id, parent in (("r", None), ("a", "r"), ("b", "r"), ("c", "b")):
        counted.insert(node_id, parent)
    tree = counted.grown.tree
    assert domain_parent(tree) == "r"
    assert [one.node for one in domains(tree, counted.tally, 9)] == ["a", "b"]
    assert [one.node for one in domains(tree, counted.tally, 1)] == ["a"]
    counted.insert("s", None)
    assert domain_parent(tree) is None
    assert [one.node for one in domains(tree, counted.tally, 9)] == ["r", "s"]
    assert domains(Grown().tree, Tally(TEMPLATES), 9) == []


@pytest.mark.parametrize(
    ("done", "maturity"),
    [(0, "initial"), (1, "initial"), (2, "emerging"), (4, "developing"), (6, "established"), (9, "mature")],
)
def test_pg7_maturity_is_a_band_of_the_completion_of_a_branch(done: int, maturity: str) -> None:
    """[PG7]"""
    counted = Counted()
    counted.insert("r", None)
    counted.insert("d0", "r", completion_status="done" if done else "todo")
    for number in range(1, 10):
        counted.insert(f"d{number}", "d0", completion_status="done" if number < done else "todo")
    [domain] = domains(counted.grown.tree, counted.tally, 9)
    assert (domain.maturity, domain.complete, domain.total_nodes) == (maturity, done, 10)
    assert [least for least, _ in BANDS] == sorted((least for least, _ in BANDS), reverse=True)
