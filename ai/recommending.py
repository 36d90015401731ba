"""Next steps by rules. Each rule looks at one step and says at most one thing about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ai.reading import Reading, counted, is_left, is_measured, is_tested, listed, named, number
from ai.relevance import relevance
from sync.advice import MOST_ITEMS, Action, Level, Proposal, Recommendation
from sync.nodes import NodeType
from sync.plan import Step

_MOST_CHILDREN = 9  # below one node: more is a list that nobody keeps in mind (Miller's seven, and two)
_NEARLY = 0.6  # complete: worth finishing before something else is begun
_UNSURE = 5  # of 10: an assumption nobody would bet on
_HIGH, _MEDIUM = 8.5, 6.5
_SAME_ACTION, _SAME_DOMAIN = 1.5, 0.75  # what a second one of its kind loses, so that a list is no litany


class Idea(NamedTuple):
    """A recommendation with what it is worth beside others."""

    worth: float
    domain: str
    said: Recommendation


def recommendations(reading: Reading) -> list[Recommendation]:
    """The most useful, at most one for each step; the same for the same plan."""
    ideas = [*_of_the_plan(reading)]
    for step in reading.plan.steps:
        ideas += _of_a_step(reading, step)
    chosen: list[Idea] = []
    while ideas and len(chosen) < MOST_ITEMS:
        best = max(range(len(ideas)), key=lambda number: (_beside(ideas[number], chosen), -number))
        idea = ideas.pop(best)
        chosen.append(idea)
        ideas = [one for one in ideas if one.said.step is None or one.said.step != idea.said.step]
    return [one.said for one in chosen]


def _beside(idea: Idea, chosen: list[Idea]) -> float:
    same_action = sum(one.said.action == idea.said.action for one in chosen)
    same_domain = sum(bool(idea.domain) and one.domain == idea.domain for one in chosen)
    return idea.worth - _SAME_ACTION * same_action - _SAME_DOMAIN * same_domain


def _of_a_step(reading: Reading, step: Step) -> Iterator[Idea]:
    for weight, rule in _RULES:
        made = rule(reading, step)
        if made is not None:
            worth = weight + relevance(step)
            yield Idea(worth, step.domain, _said(step, made, _level(worth)))


class _Made(NamedTuple):
    """What a rule has to say."""

    action: Action
    title: str
    reason: str
    outcome: str
    actions: list[str]
    effort: Level = "low"
    proposal: Proposal | None = None


def _said(step: Step | None, made: _Made, priority: Level) -> Recommendation:
    return Recommendation(
        step=None if step is None else step.node,
        action=made.action,
        title=made.title,
        reason=made.reason,
        expected_outcome=made.outcome,
        next_actions=made.actions,
        priority=priority,
        effort=made.effort,
        proposal=made.proposal,
    )


def _level(worth: float) -> Level:
    return "high" if worth >= _HIGH else "medium" if worth >= _MEDIUM else "low"


# ---- about the whole


def _of_the_plan(reading: Reading) -> Iterator[Idea]:
    movement = reading.plan.movement
    if not reading.plan.steps:
        yield Idea(10, "", _said(None, _BEGIN, "high"))
    elif not reading.of_type("objective"):
        yield Idea(7.5, "", _said(None, _NO_OBJECTIVE, "high"))
    if reading.plan.steps and reading.open() and not movement.edits and movement.edits_before:
        made = _Made(
            "review",
            "Look at the plan together once this week",
            f"Nobody has changed anything in seven days; in the seven before there were {movement.edits_before} edits.",
            "It is clear whether the plan still holds, and who does what next.",
            ["Go through what is in progress", "Close what nobody will do", "Name one next step and who takes it"],
        )
        yield Idea(6.0, "", _said(None, made, "medium"))


_BEGIN = _Made(
    "add",
    "Write down what all of this is for",
    "The plan has no step yet. An objective comes first: everything else can be judged by it.",
    "Whoever opens the plan knows what it is for.",
    ["Add an objective with a title of one line", "Say why it matters", "Say what success looks like"],
)
_NO_OBJECTIVE = _Made(
    "review",
    "Name the objective that these steps serve",
    "No step of the plan is an objective, so that nothing says which of them matters more.",
    "Steps can be put in order by what they do for the objective.",
    ["Add an objective at the top", "Move the steps that serve it below it"],
)


# ---- about one step


def _left(reading: Reading, step: Step) -> _Made | None:
    if not is_left(step):
        return None
    return _Made(
        "finish",
        f"Finish {named(step)}, or say that it waits",
        f"It is in progress, and nobody has changed it for {step.idle_days} days.",
        "What is in progress is what people work on.",
        ["Ask who has it", "Complete it, or set it back to not started with a word on why"],
    )


def _nearly(reading: Reading, step: Step) -> _Made | None:
    if step.status != "in_progress" or step.completion < _NEARLY or is_left(step):
        return None
    open_fields = f" What is left: {listed(step.missing)}." if step.missing else ""
    return _Made(
        "finish",
        f"Bring {named(step)} to its end",
        f"It is {step.completion:.0%} complete: closer than anything that would be begun instead.{open_fields}",
        "One thing less is open, and what stands below it can build on it.",
        ["Fill in what is left" if step.missing else "Check it against its description", "Mark it complete"],
    )


def _no_why(reading: Reading, step: Step) -> _Made | None:
    if step.status == "complete" or not step.missing:
        return None
    return _Made(
        "fill",
        f"Fill in {named(step)}: {listed(step.missing, 1)}",
        f"It lacks {counted(len(step.missing), 'field')}: {listed(step.missing)}."
        + (f" {counted(step.children, 'step')} directly below it will rest on that." if step.children else ""),
        "Whoever works on it knows what it takes, without asking.",
        [f"Write a sentence for: {one}" for one in step.missing[:3]],
    )


_ADDED: dict[NodeType, tuple[str, str, str]] = {
    # type: title of the recommendation, why, title of the proposed node
    "outcome": (
        "Say what people will do differently once {} is reached",
        "It has no outcome below it: nothing says how anybody would notice that it is reached.",
        "What people do differently",
    ),
    "opportunity": (
        "Find out what stands in the way of {}",
        "It has no opportunity below it: solutions would be guesses about a problem nobody has named.",
        "What stands in the way",
    ),
    "solution": (
        "Collect ways to solve {}",
        "It has no solution below it: the need is known, and nobody has said what could be done.",
        "A first way to solve it",
    ),
    "assumption": (
        "Name what must be true for {} to work",
        "It has no assumption below it: what could make it fail is not written down, so that nobody tests it.",
        "The riskiest thing that must be true",
    ),
}


def _next_level(reading: Reading, step: Step) -> _Made | None:
    kind = reading.lacks(step)
    if kind is None or step.status == "complete":
        return None
    title, why, proposed = _ADDED[kind]
    return _Made(
        "add",
        title.format(named(step)),
        why,
        "The next level can be worked on, and the way from it to the objective can be followed.",
        [f"Add the {kind} that comes to mind first", "Ask somebody else for a second one"],
        "medium",
        Proposal(parent=step.node, type=kind, title=proposed, description=f"Proposed for {named(step)}: {why}"),
    )


def _unmeasured(reading: Reading, step: Step) -> _Made | None:
    if step.type != "outcome" or step.status == "complete" or reading.has_below(step, "metric"):
        return None
    return _Made(
        "measure",
        f"Put a number to {named(step)}",
        "No metric stands below this outcome: whether it is getting better is a matter of opinion.",
        "Everybody sees by the same number whether it moves.",
        ["Choose what can be counted already today", "Write down where it stands and where it should be"],
        "medium",
        Proposal(
            parent=step.node,
            type="metric",
            title="The number that shows it",
            description=f"Proposed for {named(step)}: where it stands today, and where it should be.",
        ),
    )


def _no_number(reading: Reading, step: Step) -> _Made | None:
    if step.type != "metric" or step.status == "complete" or is_measured(step):
        return None
    lacking = [what for what in ("current", "target") if not step.values.get(what)]
    return _Made(
        "measure",
        f"Look up where {named(step)} stands",
        f"A metric without numbers measures nothing; missing: {listed(lacking)}.",
        "The outcome above it can be judged by it.",
        ["Find who has the number", "Write down today's value, the target and the unit"],
    )


def _untested(reading: Reading, step: Step) -> _Made | None:
    if step.type != "assumption" or is_tested(step):
        return None
    confidence = number(step, "confidence")
    said = f"Confidence in it is {confidence:g} of 10" if confidence is not None else "Nobody has said how sure you are"
    test = step.values.get("test")
    return _Made(
        "test",
        f"Test whether {named(step)} is true",
        f"{said}, and no test has shown anything yet. What is built on it may be built on sand.",
        "You know it is true, or you have saved what building on it would have cost.",
        [
            "Run the test that is written down" if test else "Think of the smallest thing that could prove it wrong",
            "Write down what it showed, also when that is nothing",
        ],
        "medium",
    )


def _unsure(reading: Reading, step: Step) -> _Made | None:
    """Before others: what is built on it is the first to be lost."""
    confidence = number(step, "confidence")
    return _untested(reading, step) if confidence is not None and confidence <= _UNSURE else None


def _ready(reading: Reading, step: Step) -> _Made | None:
    if not reading.is_ready(step) or step.missing or step.type in ("objective", "metric", "assumption"):
        return None
    return _Made(
        "start",
        f"Begin {named(step)}",
        "Everything about it is filled in, and what it stands below has begun. Nothing is in its way.",
        "The step above it moves.",
        ["Name who takes it", "Set it to in progress", "Do its first hour today"],
        "medium",
    )


def _crowded(reading: Reading, step: Step) -> _Made | None:
    if step.children <= _MOST_CHILDREN:
        return None
    return _Made(
        "review",
        f"Put the steps below {named(step)} in groups",
        f"{step.children} steps stand directly below it: more than anybody keeps in mind, and none first.",
        "It can be seen at a glance what belongs together and what comes first.",
        ["Find three or four groups", "Move each step below its group", "Put what nobody will do in the trash"],
    )


def _half_done(reading: Reading, step: Step) -> _Made | None:
    if step.status != "complete":
        return None
    left = [child for child in reading.children(step) if child.status != "complete"]
    if not left:
        return None
    return _Made(
        "review",
        f"See whether {named(step)} is complete",
        f"It is marked complete; below it {counted(len(left), 'step')} not: {listed(one.title for one in left)}.",
        "What is marked complete is complete.",
        ["Complete or remove what is left below it", "Or set it back to in progress"],
    )


_Rule = Callable[[Reading, Step], _Made | None]
# What each is worth beside how relevant its step is: what others wait for comes before what would be nice
_RULES: tuple[tuple[float, _Rule], ...] = (
    (3.0, _left),
    (3.0, _nearly),
    (5.0, _unsure),
    (2.5, _untested),
    (2.5, _next_level),
    (2.5, _unmeasured),
    (2.5, _no_number),
    (2.0, _no_why),
    (2.0, _ready),
    (3.5, _half_done),
    (2.25, _crowded),
)
