"""What ops are called in the activity feed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sync.activities import activity_of
from sync.ops import Op

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("op", "activity"),
    [
        ({"op": "text", "node": "a", "path": "description", "delta": ["x"]}, "node_edited"),
        ({"op": "text", "node": "a", "path": "template_data.core_why", "delta": ["x"]}, "template_filled"),
        ({"op": "update", "node": "a", "set": {"title": "x"}}, "node_edited"),
        ({"op": "update", "node": "a", "set": {"title": "x", "template_data.k": 1}}, "template_filled"),
        ({"op": "update", "connection": "c", "set": {"label": "x"}}, "connection_edited"),
        ({"op": "delete", "node": "a"}, "node_deleted"),
        ({"op": "configure", "set": {"name": "x"}}, "tree_renamed"),
        ({"op": "configure", "set": {"description": "x"}}, "tree_edited"),
        ({"op": "configure", "unset": ["canvas_state.zoom"]}, "tree_edited"),
    ],
)
def test_ops_have_names(op: Json, activity: str) -> None:
    assert activity_of(msgspec.convert({"n": 1, "base": 0, **op}, Op)) == activity
