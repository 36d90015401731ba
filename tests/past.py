"""Random logs, grown op by op by several people: for tests of what is made of a log afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any

import msgspec

from sync.apply import Stamp, apply, inverse
from sync.identity import Author
from sync.planning import Planned, Planning
from sync.ports import LoggedOp
from sync.tree import Tree
from sync.values import Refused
from sync.verdict import SetAside
from tests.trees import KINDS, Grown, arbitrary, empty

PEOPLE = ("ada", "bo", "cy")
_ALL_KINDS = KINDS + 3


def grown(seed: int, most: int = 40, *, purges: bool = True) -> Grown:
    """A tree that three people have changed at random; deterministic in the seed."""
    chance = Random(seed)
    one = Grown()
    one.insert("n1")
    one.insert("n2", "n1", who="bo")
    for _ in range(chance.randrange(3, most)):
        one_more(one, chance, purges=purges)
    return one


def one_more(one: Grown, chance: Random, people: tuple[str, ...] = PEOPLE, *, purges: bool = True) -> None:
    kind, numbers = chance.randrange(_ALL_KINDS), [chance.randrange(12) for _ in range(3)]
    op = arbitrary(one.tree, kind, *numbers)
    if op["op"] == "text":
        op["delta"] = _typed(one, op, chance)
    if chance.randrange(25) == 0 and purges:
        trash = sorted(node for node, held in one.tree.nodes.items() if held.deleted is not None)
        op = {"op": "purge", "node": trash[0]} if trash else op
    who = chance.choice(people)
    with suppress(Refused, SetAside):
        one.ask(op, mode="force", who=who, client="purge:1" if op["op"] == "purge" else "")


def _typed(one: Grown, op: dict[str, Any], chance: Random) -> list[int | str]:
    """Something typed and something deleted anywhere in a text."""
    held = one.tree.nodes.get(op["node"])
    length = 0 if held is None else len(getattr(held.node, op["path"]))
    kept, letters = chance.randint(0, length), "".join(chance.choice("abcé🌳 ") for _ in range(chance.randint(1, 4)))
    gone = chance.randint(0, min(length - kept, 3))
    return [*([kept] if kept else []), letters, *([-gone] if gone else [])]


def rows(one: Grown) -> list[LoggedOp]:
    """The log as storage gives it."""
    return [
        LoggedOp(
            seq=stamp.seq,
            n=stamp.seq,
            author=Author(user=stamp.user, client=stamp.client),
            effect=effect,
            inverse=msgspec.json.decode(msgspec.json.encode(inverse(effect, before))),
        )
        for (effect, stamp), before in zip(one.log, one.befores, strict=True)
    ]


def made(plan: Planning, steps: Iterator[None]) -> Planned:
    """What a restore or revert plans, all of it."""
    for _ in steps:
        pass
    return plan.planned


def at(one: Grown, seq: int) -> Tree:
    """The tree as it was at a seq."""
    tree = empty()
    for effect, stamp in one.log[:seq]:
        apply(tree, effect, Stamp(stamp.seq, stamp.user, stamp.client))
    return tree
