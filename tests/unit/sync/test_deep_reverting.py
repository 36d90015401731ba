"""Taking back what lies deep: each node is looked at a few times, never once from each node above it."""

from __future__ import annotations

from typing import Any

import pytest

from sync.planning import planning
from sync.reverting import revert
from sync.tree import Held
from tests import past
from tests.trees import Grown
from tests.unit.sync.test_reverting import unmade


class Counted(dict[str, Held]):
    """The nodes of a tree, and how often one was looked up."""

    looked = 0

    def __getitem__(self, key: str) -> Held:
        self.looked += 1
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.looked += 1
        return super().get(key, default)


@pytest.mark.parametrize("kept", [False, True])
def test_deep_chains_are_walked_once(kept: bool) -> None:
    """However deep they lie: never once from each node of them."""
    depth = 400
    nodes = [{"id": f"n{at}", "type": "metric", "title": "x"} for at in range(depth)]
    for at, node in enumerate(nodes[1:]):
        node["parent"] = f"n{at}"
    one = Grown()
    one.ask({"op": "import", "parent": None, "after": None, "nodes": nodes, "connections": []}, who="bo")
    if kept:
        one.insert("mine", f"n{depth - 1}")
    following = unmade(one, user="bo")
    one.tree.nodes = counted = Counted(one.tree.nodes)
    with planning(one.tree, one.seq, "eve", "revert:1", one.limits) as plan:
        planned = past.made(plan, revert(plan, following))
    assert len(planned.ops) == (not kept)
    assert len(planned.collisions) == (depth if kept else 0)
    assert counted.looked < 30 * depth
