"""Moves by the hundred thousand, each judged over what its author had not seen: the tree stays a tree (reliability B2),
and a placement is always one that somebody asked for as a whole (B3)."""

from __future__ import annotations

from collections import Counter, deque
from random import Random

from sync.apply import Stamp, apply
from sync.effects import Insert, Move
from sync.ports import LoggedOp
from sync.tree import Tree
from tests.simulation.judging import judged
from tests.simulation.replica import Record
from tests.trees import empty

_UNSEEN = 30  # ops at most that an author had not seen
_CHECK_EVERY = 10_000  # a whole tree is walked in a few milliseconds
_PEOPLE = ("ada", "bo", "cy", "di")


def random_moves(moves: int, seed: int, *, nodes: int = 1_000) -> Counter[str]:
    """How many of them were answered with what. Raises AssertionError where the tree is none, or a map that follows the
    effective moves says otherwise."""
    chance = Random(seed)
    tree = empty()
    parents: dict[str, str | None] = {}
    for place in range(nodes):
        parent = chance.choice([None, *parents]) if place else None
        _insert(tree, f"n{place}", parent, place)
        parents[f"n{place}"] = parent
    names, seq, recent = list(parents), nodes, deque[LoggedOp](maxlen=_UNSEEN)
    answers: Counter[str] = Counter()
    for number in range(moves):
        op = _drawn(chance, names, parents, number)
        unseen = chance.randint(0, len(recent))
        since = list(recent)[len(recent) - unseen :]
        cut, (result,) = judged(tree, seq, (chance.choice(_PEOPLE), op, "live"), seq - unseen, since)
        answers[result.code or result.status] += 1
        for logged in cut.ops:
            if isinstance(logged.effect, Move):
                parents[logged.effect.node] = logged.effect.parent
        recent.extend(cut.ops)
        seq += len(cut.ops)
        if number % _CHECK_EVERY == 0:
            tree.check()
    tree.check()
    assert {one: tree.nodes[one].node.parent for one in names} == parents
    assert tree.live == nodes
    return answers


def _drawn(chance: Random, names: list[str], parents: dict[str, str | None], number: int) -> Record:
    node = chance.choice(names)
    if chance.random() < 0.3:
        return {"op": "move", "node": node, "after": chance.choice([None, *names[:20]])}
    parent = chance.choice([None, chance.choice(names), parents[node], parents[parents[node] or node]])
    return {"op": "move", "node": node, "parent": parent, "position": {"x": number, "y": 0}}


def _insert(tree: Tree, name: str, parent: str | None, place: int) -> None:
    insert = Insert(node=name, parent=parent, order=f"a{place:06}z", type="metric", title=name)
    apply(tree, insert, Stamp(place + 1, "zoe", "z1"))


def placement_races(races: int, seed: int) -> Counter[str]:
    """Each race: one node, two to four people who reparent, reorder or drag it from one base. Answers how often which
    parent won. Raises AssertionError where parent and position do not come from one of the asked placements."""
    chance = Random(seed)
    won: Counter[str] = Counter()
    for number in range(races):
        tree = empty()
        for place, (name, parent) in enumerate((("a", None), ("b", None), ("c", None), ("n", "a"), ("s", "a"))):
            _insert(tree, name, parent, place)
        base = seq = 5
        since: list[LoggedOp] = []
        pairs = {("a", 0.0)}
        reparented = False
        for place in range(chance.randint(2, 4)):
            op = _raced(chance, place + 1)
            cut, (result,) = judged(tree, seq, (_PEOPLE[place], op, "live"), base, since)
            since, seq = since + cut.ops, seq + len(cut.ops)
            if "parent" in op and op["parent"] != "a":
                pairs.add((op["parent"], float(op["position"]["x"])))
                reparented = True
            elif "position" in op:
                pairs.add(("a", float(op["position"]["x"])))
            assert not (reparented and "parent" not in op and result.status == "applied"), f"race {number}: {op}"
        node = tree.nodes["n"].node
        assert (node.parent, node.position.x) in pairs, f"race {number}: {node.parent} {node.position}"
        tree.check()
        won[str(node.parent)] += 1
    return won


def _raced(chance: Random, x: int) -> Record:
    match chance.randrange(3):
        case 0:
            return {"op": "move", "node": "n", "parent": chance.choice("bc"), "position": {"x": x, "y": 0}}
        case 1:
            return {"op": "move", "node": "n", "after": chance.choice([None, "s"])}
        case _:
            return {"op": "move", "node": "n", "position": {"x": x, "y": 0}}
