"""Rows of a tree as values, what they have in common made once."""

from __future__ import annotations

from typing import Any

from storage.tree_rows import _node, _Once
from sync.marks import CREATED, Mark
from sync.nodes import Point
from sync.ports import NodeRow


def rows(*several: dict[str, Any]) -> list[NodeRow]:
    """Each with texts of its own, as they come from the database."""
    row: dict[str, Any] = {
        "id": "leaf",
        "parent_id": None,
        "order_key": "a0",
        "node_type": "metric",
        "title": "t",
        "description": "",
        "position": '{"x": 1, "y": 2.5}',
        "is_collapsed": False,
        "template_data": "{}",
        "metadata": '{"a": 1}',
        "seq": 4,
        "marks": '{"": [1, "ada", "c"], "title": [4, "bo", "d", 3, "ada", "c"]}',
        "deleted_seq": None,
        "updated_by": "bo",
    }
    once = _Once()
    merged = [{**row, **one} for one in several]
    return [_node({key: _own(value) for key, value in one.items()}, once) for one in merged]  # type: ignore[arg-type]


def _own(value: Any) -> Any:
    return "".join(list(value)) if isinstance(value, str) else value


def test_what_rows_say_again_is_made_once() -> None:
    above, below = rows({"id": "above"}, {"parent_id": "above", "seq": 5})
    assert below.node.parent is above.node.id
    assert below.marks is above.marks
    assert below.node.position is above.node.position
    assert below.node.template_data is above.node.template_data
    assert (below.node.type, below.by) == ("metric", "bo")
    assert above.marks["title"].other_user is above.marks[CREATED].user


def test_each_row_is_read_as_it_stands() -> None:
    one, other = rows({}, {"marks": '{"": [2, "eve", "e"]}', "position": '{"x": 0, "y": 0}', "metadata": "{}"})
    assert one.marks == {CREATED: Mark(1, "ada", "c"), "title": Mark(4, "bo", "d", 3, "ada", "c")}
    assert (one.node.position, one.node.metadata) == (Point(1, 2.5), {"a": 1})
    assert (other.marks, other.node.position, other.node.metadata) == ({CREATED: Mark(2, "eve", "e")}, Point(0, 0), {})
