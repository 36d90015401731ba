"""How healthy a plan is, by rules: is it clear, does each level lead to the next, is it measured, tested, and does it
move."""

from __future__ import annotations

from typing import NamedTuple

from ai.reading import LEADS_TO, Reading, counted, is_measured, is_tested, listed, named, share
from ai.recommending import recommendations
from sync.advice import DomainHealth, HealthSummary, Momentum
from sync.plan import Movement, PlanDomain, Step

_MOST_LINES, _MOST_DOMAINS = 5, 20
_STRONG, _WEAK = 0.75, 0.5
_COMPLETED = 5  # edits that one completed step counts for
_RISING, _FALLING = 1.25, 0.75  # this week against the one before: what lies between is no change
_MOVEMENT: dict[Momentum, float | None] = {"rising": 1.0, "steady": 0.75, "falling": 0.25, "unknown": None}


class _Aspect(NamedTuple):
    """One side of it. `share` from 0 to 1, None: there is nothing to judge. `weight` beside the others."""

    weight: int
    share: float | None
    good: str
    bad: str


def health_summary(reading: Reading) -> HealthSummary:
    """The same for the same plan."""
    momentum = momentum_of(reading.plan.movement)
    aspects = _aspects(reading, momentum)
    score = _score(aspects)
    found = recommendations(reading)
    return HealthSummary(
        score=score,
        momentum=momentum,
        summary=_summary(reading, score, momentum),
        strengths=[one.good for one in aspects if one.share is not None and one.share >= _STRONG][:_MOST_LINES],
        risks=[one.bad for one in aspects if one.share is not None and one.share < _WEAK][:_MOST_LINES],
        domains=[_domain(reading, one) for one in reading.plan.domains[:_MOST_DOMAINS]],
        focus=found[0].title if found else "Keep going: nothing is open that rules would name",
    )


def momentum_of(movement: Movement) -> Momentum:
    now = movement.edits + _COMPLETED * movement.completed
    before = movement.edits_before + _COMPLETED * movement.completed_before
    if not now and not before:
        return "unknown"
    if now > before * _RISING:
        return "rising"
    return "falling" if now < before * _FALLING else "steady"


def _aspects(reading: Reading, momentum: Momentum) -> list[_Aspect]:
    plan = reading.plan
    leading = [step for step in plan.steps if step.type in LEADS_TO]
    lost = [step for step in leading if reading.lacks(step) is not None]
    outcomes = reading.of_type("outcome")
    unmeasured = [step for step in outcomes if not _measured(reading, step)]
    assumptions = reading.of_type("assumption")
    untested = [step for step in assumptions if not is_tested(step)]
    empty = [step for step in plan.steps if step.missing]
    return [
        _Aspect(
            20,
            1.0 if reading.of_type("objective") else 0.0 if plan.steps else None,
            "It says what it is for",
            "No objective says what it is for",
        ),
        _Aspect(
            20,
            share(len(plan.steps) - len(empty), len(plan.steps)),
            "Most steps say all that their type asks for",
            f"Empty fields in {counted(len(empty), 'step')}, such as {_few(empty)}",
        ),
        _Aspect(
            20,
            share(len(leading) - len(lost), len(leading)),
            "Each level leads to the next",
            f"Nothing follows from {counted(len(lost), 'step')} yet, such as {_few(lost)}",
        ),
        _Aspect(
            15,
            share(len(outcomes) - len(unmeasured), len(outcomes)),
            "Outcomes are measured",
            f"No numbers for {counted(len(unmeasured), 'outcome')}, such as {_few(unmeasured)}",
        ),
        _Aspect(
            10,
            share(len(assumptions) - len(untested), len(assumptions)),
            "Assumptions are tested",
            f"No test of {counted(len(untested), 'assumption')}, such as {_few(untested)}",
        ),
        _Aspect(25, plan.completion if plan.steps else None, "Most of it is complete", "Little of it is complete yet"),
        _Aspect(10, _MOVEMENT[momentum], "People work on it", "It moves less than the week before"),
    ]


def _measured(reading: Reading, outcome: Step) -> bool:
    """Whether a metric with its numbers stands below it."""
    waiting = list(reading.children(outcome))
    while waiting:
        step = waiting.pop()
        if step.type == "metric" and is_measured(step):
            return True
        waiting += reading.children(step)
    return False


def _few(steps: list[Step]) -> str:
    return listed((named(step).strip("“”") for step in steps), 2)


def _score(aspects: list[_Aspect]) -> int:
    """Weighted mean in percent. What cannot be judged counts as 0: no plan is healthy for having little in it."""
    whole = sum(one.weight for one in aspects)
    had = sum(one.weight * (one.share if one.share is not None else 0.0) for one in aspects)
    return round(100 * had / whole)


def _summary(reading: Reading, score: int, momentum: Momentum) -> str:
    plan = reading.plan
    if not plan.steps:
        return "The plan is empty: nothing can be said of it yet."
    begun = sum(step.status == "in_progress" for step in plan.steps)
    complete = sum(step.status == "complete" for step in plan.steps)
    how = "healthy" if score >= 70 else "on its way" if score >= 40 else "at its beginning"
    moves = {
        "rising": "more has happened in the last seven days than in the seven before",
        "steady": "it moves about as fast as the week before",
        "falling": "less has happened in the last seven days than in the seven before",
        "unknown": "nothing has happened in the last two weeks",
    }[momentum]
    return (
        f"The plan is {how}, at {score} of 100. It has {counted(len(plan.steps), 'step')}, {complete} of them complete "
        f"and {begun} in progress, and {moves}."
    )


def _domain(reading: Reading, domain: PlanDomain) -> DomainHealth:
    steps = [step for step in reading.plan.steps if step.domain == domain.node]
    clear = share(sum(not step.missing for step in steps), len(steps)) or 0.0
    weakest = next((step for step in steps if step.missing and step.status != "complete"), None)
    comment = f"{domain.maturity}, {domain.completion:.0%} complete"
    if weakest is not None:
        comment += f"; {named(weakest)} lacks {counted(len(weakest.missing), 'field')}"
    return DomainHealth(node=domain.node, score=round(100 * (0.6 * domain.completion + 0.4 * clear)), comment=comment)
