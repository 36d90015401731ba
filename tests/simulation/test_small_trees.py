"""Every pair of concurrent changes on every tree of up to four nodes, in both orders (reliability B2).

Two people ask from the same base: move, reorder, rename, delete or insert. Whoever is second is judged live and as a
replay. The tree stays a tree, a replica follows, what was done can be undone, and the answers are those that the
tables of PROTOCOL.md give, which are written down here once more, independently of the judges.
[TR9, TR14, TR16, TR17, TR18, TR21, TR26, CF1, CF2, CF3, CF7, CF8, CF9, CF10, RP1, RP2]
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import msgspec
import pytest

from sync.apply import Stamp, apply
from sync.cut import Cut
from sync.effects import Insert
from sync.protocol import Mode, Result
from sync.tree import Tree
from tests.simulation.judging import judged
from tests.simulation.replica import Record, Replica
from tests.trees import empty

NODES = ("n1", "n2", "n3", "n4")
Parents = tuple[str | None, ...]  # of n1, n2, …
Answer = tuple[str, str]  # status and code


def shapes(most: int) -> Iterator[Parents]:
    """Every forest of up to so many nodes, each node's parent among those before it."""
    for size in range(1, most + 1):
        yield from product(*([None, *NODES[:place]] for place in range(size)))


def grown(parents: Parents) -> Tree:
    tree = empty()
    for place, parent in enumerate(parents):
        node = Insert(node=NODES[place], parent=parent, order=f"a{place}", type="metric", title=NODES[place])
        apply(tree, node, Stamp(place + 1, "cy", "c1"))
    return tree


def changes(parents: Parents, who: str) -> list[Record]:
    """Everything one person could ask of such a tree."""
    nodes = NODES[: len(parents)]
    point = {"x": 1 if who == "ada" else 2, "y": 0}
    asked: list[Record] = []
    for node, parent in zip(nodes, parents, strict=True):
        asked.append({"op": "update", "node": node, "set": {"title": who}})
        asked.append({"op": "delete", "node": node})
        siblings = [one for one, above in zip(nodes, parents, strict=True) if above == parent and one != node]
        asked += [{"op": "move", "node": node, "after": after} for after in (None, *siblings)]
        targets = [target for target in (None, *nodes) if target not in (parent, node)]
        asked += [{"op": "move", "node": node, "parent": target, "position": point} for target in targets]
    asked += [
        {"op": "insert", "node": f"{who}-new", "parent": p, "type": "metric", "title": "N"} for p in (None, *nodes)
    ]
    return asked


class Situation:
    """What the second person's op meets: the tree now, what was there at its base, and what the first one changed."""

    def __init__(self, before: Replica, now: Replica, first: Record | None, applied: bool) -> None:
        self.now = now
        self.trashed = before.nodes.keys() - now.nodes.keys()
        self.parents = {node["id"]: node["parent"] for node in (before.nodes | now.nodes).values()}
        done = first if applied and first is not None else {"op": "nothing"}
        node = done.get("node")
        was = before.nodes.get(node, {}).get("parent") if node else None
        self.renamed = node if done["op"] == "update" else None
        self.reparented = node if done["op"] == "move" and "parent" in done and done["parent"] != was else None
        self.reordered = node if done["op"] == "move" else None
        self.changed = node if done["op"] in ("update", "move", "insert") else None

    def below(self, node: str | None, above: str) -> bool:
        while node is not None:
            if node == above:
                return True
            node = self.parents[node]
        return False


def expected(op: Record, there: Situation, mode: Mode) -> Answer:
    """The answer that PROTOCOL.md gives."""
    answer = _live(op, there) if mode == "live" else _replayed(op, there)
    return ("conflict", answer[1]) if mode == "replay" and answer[0] == "rejected" else answer


def _live(op: Record, there: Situation) -> Answer:
    node = op["node"]
    match op["op"]:
        case "delete":
            return ("unchanged", "") if node in there.trashed else ("applied", "")
        case "move" if "parent" not in op:
            if node == there.reparented:
                return "superseded", ""
            return ("unchanged", "") if _stands(op, there) else ("applied", "")
        case "move" if op["parent"] != there.parents[node]:
            if op["parent"] in there.trashed:
                return "rejected", "parent_missing"
            if there.below(op["parent"], node):
                return "rejected", "cycle"
    return "applied", ""


def _replayed(op: Record, there: Situation) -> Answer:
    node, live = op["node"], _live(op, there)
    if op["op"] in ("update", "move") and node in there.trashed:
        return live if live[0] == "rejected" else ("conflict", "node_missing")
    met = {
        "update": node == there.renamed,
        "delete": there.changed is not None and live[0] == "applied" and there.below(there.changed, node),
        "insert": False,
        "move": node == there.reordered and live[0] == "applied" and op.get("parent", "") != there.parents.get(node),
    }[op["op"]]
    return ("conflict", "") if met else live


def _stands(op: Record, there: Situation) -> bool:
    """Whether a reorder asks for what is so already."""
    if op["node"] in there.trashed:
        return False
    siblings = there.now.siblings(there.parents[op["node"]])
    place = siblings.index(op["node"])
    return bool(place == 0 if op["after"] is None else place > 0 and siblings[place - 1] == op["after"])


# ---- judging by the real code


def answered(result: Result) -> Answer:
    conflict = result.conflict or None
    return result.status, result.code or (conflict.code if conflict is not None else "") or ""


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("mode", ["live", "replay"])
def test_any_two_changes_at_once(size: int, mode: Mode) -> None:
    pairs = 0
    for parents in shapes(size):
        if len(parents) == size:
            pairs += _any_two(parents, mode)
    assert pairs == {1: 25, 2: 290, 3: 2_750, 4: 26_024}[size]


def _any_two(parents: Parents, mode: Mode) -> int:
    """Each pair in both orders: what one asks the other asks too, so all ordered pairs are."""
    tree, pairs = grown(parents), 0
    base = Replica(msgspec.to_builtins(tree.state()), len(parents))
    kept = dict(tree.nodes)
    seconds = changes(parents, "bo")
    for first in changes(parents, "ada"):
        ahead, (result,) = judged(tree, base.seq, ("ada", first, "live"), base.seq)
        alone = expected(first, Situation(base, base, None, False), "live")
        assert answered(result) == alone, f"{parents}: {first}"
        now = _followed(base, ahead, result)
        there = Situation(base, now, first, alone == ("applied", ""))
        for second in seconds:
            pairs += 1
            cut, (result,) = judged(tree, ahead.seq, ("bo", second, mode), base.seq, ahead.ops)
            tree.check()
            assert answered(result) == expected(second, there, mode), f"{parents}: {first}, then {second} ({mode})"
            end = _followed(now, cut, result)
            assert end.digest() == tree.digest, f"{parents}: {first}, then {second} ({mode})"
            assert len(end.nodes) == tree.live
            cut.undo()
        ahead.undo()
        assert tree.nodes == kept, f"not undone: {parents}: {first}"
    return pairs


def _followed(replica: Replica, cut: Cut, result: Result) -> Replica:
    """A replica of its own that has taken the op of a result, too."""
    copy = Replica({**replica.details, "nodes": [*replica.nodes.values()], "connections": []}, replica.seq)
    if isinstance(result.seq, int):
        op = cut.ops[result.seq - cut.ops[0].seq]
        copy.apply(msgspec.to_builtins(op.effect), op.seq)
    return copy
