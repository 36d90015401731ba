"""Paths and values: what may be named, and what it may hold."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sync import ops
from sync.errors import Invalid
from sync.limits import VALUE_DEPTH, Limits
from sync.nodes import Details, Node, Point
from sync.values import (
    ABSENT,
    NODE_FIELDS,
    NODE_MAPS,
    TREE_FIELDS,
    TREE_MAPS,
    Refused,
    canonical_name,
    check_content,
    check_ids,
    check_paths,
    check_point,
    check_value,
    is_view_state,
    read,
    written,
)

LIMITS = Limits()
NODE = Node(id="n", parent=None, order="a0", type="metric", title="T", template_data={"k": 1})


def code_of(changed: dict[str, Any], unset: list[str] | None = None, *, tree: bool = False) -> str:
    """ "" where it is allowed."""
    fields, maps = (TREE_FIELDS, TREE_MAPS) if tree else (NODE_FIELDS, NODE_MAPS)
    try:
        check_paths(changed, unset or [], fields, maps, LIMITS)
    except Refused as refused:
        return refused.code
    return ""


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("title", "x"),
        ("title", "🌳" * 500),
        ("description", ""),
        ("type", "objective"),
        ("is_collapsed", True),
        ("template_data.core_why", None),
        ("template_data.k", {"deep": [1, 2.5, "x", True, None]}),
        ("metadata." + "k" * 64, 2**53 - 1),
        ("template_data.with space", "x"),
    ],
)
def test_paths_of_a_node(path: str, value: Any) -> None:
    """[TR3]"""
    assert code_of({path: value}) == ""


@pytest.mark.parametrize(
    "path",
    [
        "",
        "id",
        "parent",
        "order",
        "seq",
        "position",
        "position.x",
        "template_data",
        "metadata",
        "template_data.",
        "template_data.a.b",
        "metadata." + "k" * 65,
        "metadata.a\x00",
        "canvas_state.zoom",
        "name",
        "other.k",
        ".k",
        "title.k",
        "label",
    ],
)
def test_every_other_path_is_invalid(path: str) -> None:
    """[TR3]"""
    assert code_of({path: "x"}) == "invalid"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("title", ""),
        ("title", "x" * 501),
        ("title", 5),
        ("title", None),
        ("title", "a\x00"),
        ("description", None),
        ("description", 5),
        ("description", "a\x00"),
        ("type", "wish"),
        ("type", ["objective"]),
        ("type", None),
        ("is_collapsed", 1),
        ("is_collapsed", None),
        ("template_data.k", float("nan")),
        ("template_data.k", [float("inf")]),
        ("template_data.k", 2**53),
        ("template_data.k", {"a": -(2**53)}),
        ("template_data.k", "a\x00"),
        ("template_data.k", b"bytes"),
        ("template_data.k", {1: 2}),
        ("template_data.k", ["\ud800"]),
    ],
)
def test_values_that_a_path_may_not_hold(path: str, value: Any) -> None:
    """[TR1, TR2, ED13]"""
    assert code_of({path: value}) == "invalid"


def test_a_value_is_nested_32_deep_at_most() -> None:
    """[ED13]"""

    def nested(depth: int) -> Any:
        value: Any = 1
        for place in range(depth):
            value = [value] if place % 2 else {"k": value}
        return value

    assert code_of({"template_data.k": nested(VALUE_DEPTH)}) == ""
    assert code_of({"template_data.k": nested(VALUE_DEPTH + 1)}) == "invalid"


def test_a_value_has_a_size_in_bytes() -> None:
    """[TR6] Of its UTF-8; a map's of its JSON."""
    limit = LIMITS.value_bytes
    assert code_of({"description": "x" * limit}) == ""
    assert code_of({"description": "x" * (limit + 1)}) == "too_large"
    assert code_of({"description": "é" * (limit // 2)}) == ""
    assert code_of({"description": "é" * (limit // 2 + 1)}) == "too_large"
    assert code_of({"template_data.k": ["x" * (limit - 4)]}) == ""
    assert code_of({"template_data.k": ["x" * (limit - 3)]}) == "too_large"
    check_value(None, "x", Limits(value_bytes=0))


@pytest.mark.parametrize("path", ["template_data.k", "metadata.k"])
def test_unset_takes_keys_of_maps(path: str) -> None:
    """[TR4]"""
    assert code_of({}, [path]) == ""
    assert code_of({path: 1}, [path]) == "invalid"


@pytest.mark.parametrize("path", ["title", "description", "template_data", "canvas_state.k", "metadata.a.b"])
def test_nothing_else_is_unset(path: str) -> None:
    """[TR4]"""
    assert code_of({}, [path]) == "invalid"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("name", "x", ""),
        ("name", "", "invalid"),
        ("name", "x" * 501, "invalid"),
        ("name", None, "invalid"),
        ("description", "x" * 10_000, ""),
        ("description", "x" * 10_001, "too_large"),
        ("discovery_phase", "", ""),
        ("discovery_phase", "x" * 65, "invalid"),
        ("discovery_phase", 5, "invalid"),
        ("is_template", True, ""),
        ("is_template", "yes", "invalid"),
        ("canvas_state.zoom", 1.5, ""),
        ("canvas_state", {}, "invalid"),
        ("template_data.k", 1, "invalid"),
        ("title", "x", "invalid"),
    ],
)
def test_paths_of_a_tree(path: str, value: Any, code: str) -> None:
    """[TR5]"""
    assert code_of({path: value}, tree=True) == code
    assert code_of({}, ["canvas_state.zoom"], tree=True) == ""
    assert code_of({}, ["name"], tree=True) == "invalid"


def test_view_state() -> None:
    """[CF6]"""
    assert [is_view_state(path) for path in ("is_collapsed", "position", "canvas_state.zoom")] == [True] * 3
    assert not is_view_state("title")


def test_reading_and_writing_by_path() -> None:
    assert read(NODE, "title") == "T"
    assert read(NODE, "template_data.k") == 1
    assert read(NODE, "metadata.k") is ABSENT
    assert read(Details(name="x"), "canvas_state.zoom") == 1
    changed = written(NODE, {"title": "N", "template_data.j": 2, "metadata.m": None}, ["template_data.k", "metadata.x"])
    assert changed == {"title": "N", "template_data": {"j": 2}, "metadata": {"m": None}}
    assert NODE.template_data == {"k": 1}


def made(**fields: Any) -> ops.Insert:
    return msgspec.structs.replace(ops.Insert(n=1, base=0, node="n", type="metric", title="t"), **fields)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"title": "a\x00"}, "invalid"),
        ({"description": "x" * (LIMITS.value_bytes + 1)}, "too_large"),
        ({"description": "a\x00"}, "invalid"),
        ({"position": Point(float("nan"), 0)}, "invalid"),
        ({"template_data": {"a.b": 1}}, "invalid"),
        ({"template_data": {"k": float("inf")}}, "invalid"),
        ({"metadata": {"": 1}}, "invalid"),
        ({"metadata": {"k": "x" * (LIMITS.value_bytes + 1)}}, "too_large"),
    ],
)
def test_what_a_new_node_may_not_hold(fields: dict[str, Any], code: str) -> None:
    """[ED13, TR6]"""
    check_content(made(description="fine", template_data={"k": 1}, metadata={"m": [1]}), LIMITS)
    with pytest.raises(Refused) as raised:
        check_content(made(**fields), LIMITS)
    assert raised.value.code == code


def test_points_and_ids() -> None:
    check_point(msgspec.UNSET)
    check_point(Point(-1e300, 0.5))
    for point in (Point(float("inf"), 0), Point(0, float("nan"))):
        with pytest.raises(Refused):
            check_point(point)
    check_ids("a", None, msgspec.UNSET)
    with pytest.raises(Refused):
        check_ids("a", "b\x00")


def test_the_name_of_a_new_tree() -> None:
    """[TR5]"""
    assert canonical_name("Strategy") == "Strategy"
    for name in ("", "x" * 501, "a\x00"):
        with pytest.raises(Invalid):
            canonical_name(name)
