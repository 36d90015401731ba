"""What teams with plans like this have learned, by rules: a small library of practice, matched to what a plan shows.

These are general lessons in the words of a role, not anybody's story; each says so by an author without a name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ai.reading import Reading, is_left, is_measured, is_tested, number
from ai.relevance import relevance
from sync.advice import MOST_ITEMS, AuthorProfile, PeerInsight
from sync.plan import Step

_LEAST, _MOST = 0.5, 1.0
_TOP_RELEVANCE = 8.0  # of a step: begun, left, with gaps, important and at the top


class _Lesson(NamedTuple):
    """`suits`: how well it fits a step, from 0; 0: not at all."""

    role: str
    organisation: str
    content: str
    suits: Callable[[Reading, Step], float]


def peer_insights(reading: Reading) -> list[PeerInsight]:
    """The lessons that fit best, each once and with the step it fits best; the same for the same plan."""
    found: list[tuple[float, PeerInsight]] = []
    for lesson in _LESSONS:
        best = max(((_fit(reading, lesson, step), -at) for at, step in enumerate(reading.plan.steps)), default=(0.0, 0))
        if best[0] > 0:
            found.append((best[0], _insight(lesson, reading.plan.steps[-best[1]], best[0])))
    if not found:
        return [_insight(_ALWAYS, None, _LEAST)]
    found.sort(key=lambda one: -one[0])
    return [insight for _, insight in found[:MOST_ITEMS]]


def _fit(reading: Reading, lesson: _Lesson, step: Step) -> float:
    suits = lesson.suits(reading, step)
    return suits * (0.5 + min(relevance(step) / _TOP_RELEVANCE, 1.0) / 2) if suits else 0.0


def _insight(lesson: _Lesson, step: Step | None, fit: float) -> PeerInsight:
    return PeerInsight(
        step=None if step is None else step.node,
        content=lesson.content,
        author=AuthorProfile(role=lesson.role, organisation=lesson.organisation),
        relevance=round(min(_LEAST + fit * (_MOST - _LEAST), _MOST), 2),
    )


def _when(kind: str, fits: Callable[[Reading, Step], bool], worth: float = 0.8) -> Callable[[Reading, Step], float]:
    return lambda reading, step: (
        worth if step.type == kind and step.status != "complete" and fits(reading, step) else 0.0
    )


def _any(fits: Callable[[Reading, Step], bool], worth: float) -> Callable[[Reading, Step], float]:
    return lambda reading, step: worth if fits(reading, step) else 0.0


_ALWAYS = _Lesson(
    "Product lead",
    "a mid-sized software company",
    "What helped us most was looking at the plan for twenty minutes every week, with everybody who works on it. "
    "Nothing was decided there that could not have been written, but only then did people read it.",
    lambda reading, step: 0.0,
)
_LESSONS: tuple[_Lesson, ...] = (
    _Lesson(
        "Head of product",
        "a subscription service",
        "Our objective used to say what we would build. It took one question to mend it: how would somebody outside "
        "notice that we are done? The answer became the desired outcome, and half of the list below it fell away.",
        _when("objective", lambda reading, step: bool(step.missing), 0.9),
    ),
    _Lesson(
        "Founder",
        "a young company of ten people",
        "We had seven outcomes under one objective and moved none of them. We kept the two that the others depend on "
        "and put the rest into next quarter. Both were reached; two of the others came along by themselves.",
        _when("objective", lambda reading, step: step.children > 4, 0.85),
    ),
    _Lesson(
        "Data analyst",
        "an online retailer",
        "We argued about whether an outcome was getting better until we agreed on one number that we could already "
        "read off a system we had. A rough number every week did more than the exact one we had planned to build.",
        _when("outcome", lambda reading, step: not reading.has_below(step, "metric"), 0.9),
    ),
    _Lesson(
        "Product manager",
        "a marketplace",
        "Whenever a solution hung directly below an outcome, we later found that nobody could say whose problem it "
        "solved. Five short talks with people who have the problem gave us opportunities to choose between.",
        _when("outcome", lambda reading, step: not reading.has_below(step, "opportunity"), 0.8),
    ),
    _Lesson(
        "Researcher",
        "a public service",
        "We wrote opportunities in our own words and solved the wrong thing twice. Since then each begins with a "
        "sentence somebody said to us, and where we have none, we go and ask before anything is built.",
        _when("opportunity", lambda reading, step: bool(step.missing), 0.8),
    ),
    _Lesson(
        "Designer",
        "a health start-up",
        "Our first solution was always the one that was built, because it was the only one. We made it a rule to "
        "write down three before we pick; the third was ours more often than the first.",
        _when("opportunity", lambda reading, step: step.children < 2, 0.75),
    ),
    _Lesson(
        "Engineering manager",
        "a logistics company",
        "For each solution we ask what must be true for it to work, and sort that by what we know least about. The "
        "top one was wrong about every third time, and finding out took days where building would have taken months.",
        _when("solution", lambda reading, step: not reading.has_below(step, "assumption"), 0.9),
    ),
    _Lesson(
        "Programme manager",
        "a bank",
        "Work in progress that nobody touches is the most expensive kind: it takes a place in every meeting. We give "
        "such steps a week, then somebody finishes them or they go back to not started. Hardly any was missed.",
        _any(lambda reading, step: is_left(step), 1.0),
    ),
    _Lesson(
        "Growth lead",
        "a mobile app",
        "We tested assumptions in the order in which they came to mind. Turning that round, so that the one that "
        "would sink everything comes first, felt slower for two weeks and saved a quarter.",
        _when("assumption", lambda reading, step: not is_tested(step), 0.9),
    ),
    _Lesson(
        "Innovation coach",
        "a manufacturer",
        "A confidence of three of ten is an invitation: the lower it is, the cheaper the first test may be. Ours are "
        "often a phone call and a mocked-up page, never more than two days.",
        _when("assumption", lambda reading, step: (number(step, "confidence") or 10) <= 4, 0.95),
    ),
    _Lesson(
        "Operations lead",
        "a food delivery service",
        "A metric without today's value never got one later. We write the number down in the meeting in which the "
        "metric is named, even where it is only an estimate with a question mark.",
        _when("metric", lambda reading, step: not is_measured(step), 0.85),
    ),
    _Lesson(
        "Portfolio manager",
        "a non-profit organisation",
        "Lists of more than nine steps were read from the top and left in the middle. We put them into groups by what"
        " they have in common; two groups turned out to serve something that was no goal of ours.",
        _any(lambda reading, step: step.children > 9, 0.9),
    ),
    _Lesson(
        "Team lead",
        "a consultancy",
        "We marked steps complete to feel better while their parts were open. Now the rule is that a step is complete"
        " when all below it is, and the last open part often was the one that mattered.",
        _any(
            lambda reading, step: (
                step.status == "complete" and any(child.status != "complete" for child in reading.children(step))
            ),
            0.9,
        ),
    ),
)
