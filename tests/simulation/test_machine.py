"""Any sequence of changes against a plain dict, drawn and shrunk by Hypothesis (reliability B4).

200 sequences of 50 steps in each run; TREESYNC_MACHINE=5000x100 for a night.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.simulation.judging import judged
from tests.simulation.replica import Record
from tests.trees import empty

EXAMPLES, STEPS = map(int, os.environ.get("TREESYNC_MACHINE", "200x50").split("x"))
_PLACE = st.integers(min_value=0, max_value=1_000)  # picks one of whatever there is then
_DEEPEST = 50  # far below the limit, which has tests of its own


class Machine(RuleBasedStateMachine):
    """The model: live nodes with parent and title, and what each deletion took."""

    @initialize()
    def begin(self) -> None:
        self.tree = empty()
        self.seq = 0
        self.live: dict[str, tuple[str | None, str]] = {}
        self.deletions: dict[str, dict[str, tuple[str | None, str]]] = {}
        self.made = 0

    def ask(self, op: Record) -> str:
        """What an op is answered, by somebody who has seen everything."""
        cut, (result,) = judged(self.tree, self.seq, ("ada", op, "live"), self.seq)
        self.seq += len(cut.ops)
        return result.code or result.status

    def one(self, place: int) -> str:
        return sorted(self.live)[place % len(self.live)]

    def parent(self, place: int) -> str | None:
        return [None, *sorted(self.live)][place % (len(self.live) + 1)]

    def above(self, node: str | None) -> list[str]:
        path = []
        while node is not None:
            path.append(node)
            node = self.live[node][0]
        return path

    @rule(place=_PLACE)
    def insert(self, place: int) -> None:
        parent = self.parent(place)
        if len(self.above(parent)) < _DEEPEST:
            self.made += 1
            name = f"n{self.made}"
            assert (
                self.ask({"op": "insert", "node": name, "parent": parent, "type": "metric", "title": name}) == "applied"
            )
            self.live[name] = (parent, name)

    @precondition(lambda self: self.live)
    @rule(place=_PLACE, to=_PLACE)
    def move(self, place: int, to: int) -> None:
        node, parent = self.one(place), self.parent(to)
        answer = self.ask({"op": "move", "node": node, "parent": parent, "position": {"x": to, "y": place}})
        if node in self.above(parent):
            assert answer == "cycle"
        else:
            assert answer in ("applied", "unchanged")
            self.live[node] = (parent, self.live[node][1])

    @precondition(lambda self: self.live)
    @rule(place=_PLACE, after=_PLACE)
    def reorder(self, place: int, after: int) -> None:
        node = self.one(place)
        assert self.ask({"op": "move", "node": node, "after": self.parent(after)}) in ("applied", "unchanged")

    @precondition(lambda self: self.live)
    @rule(place=_PLACE, title=st.text(alphabet="abc", min_size=1, max_size=3))
    def rename(self, place: int, title: str) -> None:
        node = self.one(place)
        unchanged = self.live[node][1] == title
        answer = self.ask({"op": "update", "node": node, "set": {"title": title}})
        assert answer == ("unchanged" if unchanged else "applied")
        self.live[node] = (self.live[node][0], title)

    @precondition(lambda self: self.live)
    @rule(place=_PLACE)
    def delete(self, place: int) -> None:
        node = self.one(place)
        taken = {one: held for one, held in self.live.items() if node in self.above(one)}
        assert self.ask({"op": "delete", "node": node}) == "applied"
        self.live = {one: held for one, held in self.live.items() if one not in taken}
        self.deletions[node] = taken

    @precondition(lambda self: self.deletions)
    @rule(place=_PLACE)
    def restore(self, place: int) -> None:
        node = sorted(self.deletions)[place % len(self.deletions)]
        parent = self.deletions[node][node][0]
        answer = self.ask({"op": "restore", "node": node})
        if parent is not None and parent not in self.live:
            assert answer == "parent_missing"
        else:
            assert answer == "applied"
            self.live |= self.deletions.pop(node)

    @invariant()
    def is_what_the_model_says(self) -> None:
        """[TR26]"""
        if hasattr(self, "tree"):
            self.tree.check()
            state: dict[str, Any] = {node.id: (node.parent, node.title) for node in self.tree.state().nodes}
            assert state == self.live


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
)
