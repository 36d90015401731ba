"""Which steps of a plan matter most for what to do next. Deterministic: the same plan, the same order."""

from __future__ import annotations

from sync.plan import Plan, Step

_IDLE_DAYS = 14  # what was begun and not touched for so long was left


def by_relevance(plan: Plan) -> list[Step]:
    """Most relevant first; of equals, the one that stands first in the plan."""
    return sorted(plan.steps, key=lambda step: -relevance(step))


def relevance(step: Step) -> float:
    """From 0: open before complete, begun before not begun, near the root, important, with gaps, left alone."""
    if step.status == "complete":
        return 0.1 / (1 + step.depth)
    begun = 1.0 if step.status == "in_progress" else 0.0
    left = 1.0 if begun and (step.idle_days or 0) >= _IDLE_DAYS else 0.0
    gaps = min(len(step.missing), 3) / 3
    return 1 + 2 * begun + left + gaps + 2 * step.priority + 2 / (1 + step.depth)
