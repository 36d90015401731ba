"""An edit whose ops are made when it is cut, against the tree as it stands then: all of them land, or none."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from sync.codec import Malformed
from sync.limits import Limits
from sync.ops import Op
from sync.pending import PendingEdit, Refusal
from sync.planning import Collision, Plan, planned, planning
from sync.protocol import RejectionCode, Result
from sync.reverting import Behind
from sync.tree import Tree
from sync.values import Refused


class PendingPlan(PendingEdit):
    """What became of it stands here once it is answered; its outcome has no more than results.

    `expected`: the seq at which it was looked at before; at any other it is refused as `stale`. `refusal`: why nothing
    was done. `repeated`: this request was carried out before. `behind`: what the plan knows of the log is out of date.
    """

    __slots__ = ("behind", "collisions", "expected", "plan", "refusal", "repeated")

    def __init__(self, plan: Plan, expected: int | None, **fields: Any) -> None:
        super().__init__(ops=[], mode="force", policy="all_or_nothing", ref=UNSET, **fields)
        self.plan = plan
        self.expected = expected
        self.weight = 1
        self.refusal: Refusal | None = None
        self.repeated = self.behind = False
        self.collisions: list[Collision] = []

    def prepare(self, tree: Tree, seq: int, last_n: int, limits: Limits, refusal: Refusal | None) -> bool:
        """Make the ops; False: there is nothing to judge, and it says why. `last_n` is that of the request's client."""
        self.refusal, self.ops, self.behind, self.repeated = refusal, [], False, last_n > 0
        if refusal is not None or self.repeated:
            return False
        if self.expected is not None and self.expected != seq:
            self.refusal = Refusal("stale", f"the tree has moved on to seq {seq}; look at it again")
            return False
        try:
            with planning(tree, seq, *self.client, limits) as making:
                made = planned(self.plan, making)
        except Behind:
            self.behind = True
            return False
        except Refused as refused:
            self.refusal = Refusal(_code(refused.code), refused.why)
            return False
        self.ops, self.collisions = [*made.ops], made.collisions
        return True

    def judged(self, results: list[Result], landed: bool) -> None:
        """What became of the ops."""
        if not landed:
            first = results[0]
            why = first.why or "it meets an edit that came in between"
            self.refusal = Refusal(first.code or "invalid", f"op {first.n}: {why}")

    @property
    def made(self) -> list[Op]:
        """The ops that were carried out."""
        return [] if self.refusal is not None else [op for op in self.ops if not isinstance(op, Malformed)]


def _code(code: str) -> RejectionCode:
    return code  # type: ignore[return-value]  # judges and plans raise codes of the table only
