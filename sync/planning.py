"""Making the ops that bring a tree to an aim: each is judged and applied before the next is made, and at the end all
of it is taken back. What is planned so can be carried out as it stands, by whoever holds the same tree."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from sync.apply import RESPACE, Stamp, apply
from sync.judge import judge
from sync.limits import Limits
from sync.nodes import Node
from sync.ops import Op
from sync.tree import Before, Tree
from sync.values import Refused
from sync.verdict import Asking, SetAside

MOST_OPS = 10_000  # of one restore or revert: an edit has no more (SEMANTICS 27), and it is one edit


class Collision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A change by somebody else that is met: what it is about, who made it, and at which seq (0: not known).

    `kept`: the change stays, and what was asked for is not done there; else it is taken back with the rest.
    """

    node: str = ""
    connection: str = ""
    path: str = ""  # a field, `placement`, or `node` for the thing itself
    by: str = ""
    seq: int = 0
    kept: bool = False
    why: str = ""


class Planned(msgspec.Struct, kw_only=True):
    """Ops in order, numbered from 1, and whose changes they meet."""

    ops: list[Op] = []
    collisions: list[Collision] = []


class Planning:
    """See the module. `seq` is the tree's, and the `base` of every op."""

    def __init__(self, tree: Tree, seq: int, user: str, client: str, limits: Limits) -> None:
        self.tree = tree
        self.seq = seq
        self.user = user
        self.planned = Planned()
        self._at = seq
        self._asking = Asking(user, client, "force", limits)
        self._befores: list[Before] = []

    def ask(self, kind: type[Op], **fields: Any) -> None:
        """Plan an op and do it. One that changes nothing is left out. Raises Refused."""
        op = kind(n=len(self.planned.ops) + 1, base=self.seq, **fields)
        try:
            verdict = judge(self.tree, op, self._asking)
        except SetAside as aside:
            raise Refused(aside.code or "invalid", "it cannot be done as things are now") from aside
        if verdict.effect is None:
            return
        if len(self.planned.ops) == MOST_OPS:
            raise Refused("too_large", f"it would take more than {MOST_OPS} ops; take a part of it at a time")
        for move in verdict.respaced:
            self._apply(move, RESPACE)
        self._apply(verdict.effect, self._asking.client)
        self.planned.ops.append(op)

    def _apply(self, effect: Any, client: str) -> None:
        self._at += 1
        self._befores.append(apply(self.tree, effect, Stamp(self._at, self.user, client)))

    def meets(self, **what: Any) -> None:
        """Note a collision."""
        self.planned.collisions.append(Collision(**what))

    def live(self, node_id: str | None) -> Node | None:
        return None if node_id is None else self.tree.node(node_id)

    def undo(self) -> None:
        """Take back all that was tried out."""
        for before in reversed(self._befores):
            self.tree.undo(before)
        self._befores.clear()


Plan = Callable[[Planning], Iterator[None]]  # makes the ops, and gives way after every few of them


def planned(plan: Plan, making: Planning) -> Planned:
    """All of a plan at once. Raises what it raises."""
    for _ in plan(making):
        pass
    return making.planned


@contextmanager
def planning(tree: Tree, seq: int, user: str, client: str, limits: Limits) -> Iterator[Planning]:
    """A plan over a tree, which stands afterwards as it stood before."""
    plan = Planning(tree, seq, user, client, limits)
    try:
        yield plan
    finally:
        plan.undo()


def rising(keys: list[Any]) -> set[int]:
    """The places of a longest rising part of a list: what need not move when the list is put in order.

    Patience sorting (Fredman, "On computing the length of longest increasing subsequences", 1975): n log n.
    """
    tops: list[Any] = []
    tops_at: list[int] = []
    below: list[int] = []
    for place, key in enumerate(keys):
        pile = bisect_left(tops, key)
        below.append(tops_at[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(key)
            tops_at.append(place)
        else:
            tops[pile], tops_at[pile] = key, place
    found: set[int] = set()
    place = tops_at[-1] if tops_at else -1
    while place >= 0:
        found.add(place)
        place = below[place]
    return found
