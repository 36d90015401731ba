"""What rules see in a plan: who stands below whom, what is missing where, which branches are measured and tested."""

from __future__ import annotations

from collections.abc import Iterable

from ai.plain_text import plain
from sync.nodes import NodeType
from sync.plan import Plan, Step

IDLE_DAYS = 14  # what was begun and not touched for so long was left
# what each type leads to: the order in which a tree is thought through (spec 002)
LEADS_TO: dict[NodeType, NodeType] = {
    "objective": "outcome",
    "outcome": "opportunity",
    "opportunity": "solution",
    "solution": "assumption",
}
_NAME_CHARACTERS = 60  # of a title inside a sentence


class Reading:
    """A plan with its indexes. Walks it once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.steps = {step.node: step for step in plan.steps}
        self._children: dict[str, list[Step]] = {}
        self._types: dict[str, set[NodeType]] = {step.node: {step.type} for step in plan.steps}
        for step in plan.steps:
            self._children.setdefault(step.parent, []).append(step)
        for step in reversed(plan.steps):  # children stand behind their parents
            above = self._types.get(step.parent)
            if above is not None:
                above |= self._types[step.node]

    def children(self, step: Step) -> list[Step]:
        return self._children.get(step.node, [])

    def open(self) -> list[Step]:
        """Steps that are not complete."""
        return [step for step in self.plan.steps if step.status != "complete"]

    def of_type(self, kind: NodeType) -> list[Step]:
        return [step for step in self.plan.steps if step.type == kind]

    def has_below(self, step: Step, kind: NodeType) -> bool:
        """Whether a node of that type stands anywhere below."""
        return any(kind in self._types[child.node] for child in self.children(step))

    def lacks(self, step: Step) -> NodeType | None:
        """The type its next level should have and has not; None: nothing is missing."""
        kind = LEADS_TO.get(step.type)
        return None if kind is None or self.has_below(step, kind) else kind

    def parent(self, step: Step) -> Step | None:
        return self.steps.get(step.parent)

    def is_ready(self, step: Step) -> bool:
        """Whether a step that was not begun could be: what it stands below was."""
        above = self.parent(step)
        return step.status == "not_started" and (above is None or above.status != "not_started")


def is_left(step: Step) -> bool:
    """Whether it was begun, and then nobody came back."""
    return step.status == "in_progress" and (step.idle_days or 0) >= IDLE_DAYS


def is_tested(step: Step) -> bool:
    """Whether an assumption's test showed something."""
    return bool(step.values.get("result")) or step.status == "complete"


def is_measured(step: Step) -> bool:
    """Whether a metric has a number today and one to reach."""
    return bool(step.values.get("current")) and bool(step.values.get("target"))


def number(step: Step, name: str) -> float | None:
    try:
        return float(step.values[name])
    except (KeyError, ValueError):
        return None


def named(step: Step) -> str:
    """Its title inside a sentence: in plain text, whoever wrote it."""
    title = " ".join(plain(step.title).split()) or step.type
    return f"“{title[:_NAME_CHARACTERS]}…”" if len(title) > _NAME_CHARACTERS else f"“{title}”"


def listed(names: Iterable[str], most: int = 3) -> str:
    """Some names, and how many more there are."""
    every = [" ".join(plain(one).split())[:_NAME_CHARACTERS] for one in names]
    told = ", ".join(every[:most])
    return f"{told} and {len(every) - most} more" if len(every) > most else told


def counted(number: int, thing: str) -> str:
    """Such as "1 step" and "2 steps"."""
    return f"{number} {thing}{'s' * (number != 1)}"


def share(good: int, of: int) -> float | None:
    """None where there is nothing to have a share in."""
    return good / of if of else None
