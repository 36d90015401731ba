"""Advice by rules: useful, valid whatever the plan, and always the same."""

from __future__ import annotations

import re
from typing import get_args

import msgspec
import pytest

from ai.reading import Reading
from ai.recommending import recommendations
from ai.rules import NAME, RulesAdviser, content_by_rules
from sync.advice import CONTENT, HealthSummary, Kind, PeerInsights, Recommendation, Recommendations, Request
from sync.codec import JSON
from sync.errors import NoAnswer
from sync.plan import Movement, Plan, PlanDomain, Step
from sync.prompts import seeded
from tests.injections import INJECTIONS
from tests.plans import a_plan, random_plan

KINDS: tuple[Kind, ...] = get_args(Kind)
EMPTY = Plan(tree=1, seq=0, name="T")


def plan_with(*steps: Step, **fields: object) -> Plan:
    return msgspec.structs.replace(EMPTY, steps=list(steps), **fields)


def actions(plan: Plan) -> dict[str | None, Recommendation]:
    return {one.step: one for one in recommendations(Reading(plan))}


def health(plan: Plan) -> HealthSummary:
    found = content_by_rules("health_summary", plan)
    assert isinstance(found, HealthSummary)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_the_plan_the_content_keeps_its_schema_and_is_the_same_again(kind: Kind) -> None:
    for seed in range(150):
        plan = random_plan(seed)
        try:
            said = content_by_rules(kind, plan)
        except NoAnswer:
            assert kind == "recommendation"
            continue
        text = JSON.encode_value(said)
        assert msgspec.json.decode(text, type=CONTENT[kind]) == said
        assert content_by_rules(kind, plan) == said
        assert not re.search(rb"[<>]|://", text), seed
        steps = {step.node for step in plan.steps} | {None}
        items = said.items if isinstance(said, Recommendations | PeerInsights) else []
        assert {one.step for one in items} <= steps


@pytest.mark.parametrize("kind", KINDS)
def test_what_people_write_to_be_obeyed_or_clicked_is_neither_in_what_rules_say(kind: Kind) -> None:
    for text in INJECTIONS:
        hostile = Step(node="n", type="outcome", title=text, children=12, missing=[text[:100]], domain="n")
        domain = PlanDomain(node="n", title=text, completion=0.5, maturity="emerging", steps=1)
        said = JSON.encode_value(content_by_rules(kind, plan_with(hostile, domains=[domain])))
        assert not re.search(rb"<[a-z/!|]|://|javascript:|\]\(", said), text


def test_a_recommendation_is_about_the_plan_and_says_why() -> None:
    said = actions(a_plan())
    assert {step: one.action for step, one in said.items()} == {"p": "finish", "o": "fill", "a": "test"}
    assert said["p"].reason == "It is in progress, and nobody has changed it for 20 days."
    assert said["a"].reason.startswith("Confidence in it is 3 of 10, and no test has shown anything yet.")
    assert said["a"].next_actions[0] == "Run the test that is written down"


def test_an_empty_plan_begins_with_what_it_is_for() -> None:
    [only] = recommendations(Reading(EMPTY))
    assert (only.step, only.action, only.priority) == (None, "add", "high")


def test_a_missing_level_is_proposed_as_a_node() -> None:
    said = actions(plan_with(Step(node="o", type="outcome", title="Return", status="in_progress")))["o"]
    assert said.proposal is not None
    assert (said.proposal.parent, said.proposal.type) in {("o", "opportunity"), ("o", "metric")}


@pytest.mark.parametrize(
    ("step", "action"),
    [
        (Step(node="m", type="metric", title="DAU", values={"target": "9"}), "measure"),
        (Step(node="r", type="research", title="Diaries", missing=["Question"]), "fill"),
        (Step(node="r", type="research", title="Diaries", status="in_progress", completion=0.8), "finish"),
        (Step(node="r", type="research", title="Diaries", children=12), "review"),
        (Step(node="r", type="research", title="Diaries"), "start"),
    ],
)
def test_each_gap_leads_to_its_action(step: Step, action: str) -> None:
    objective = Step(node="o", type="objective", title="O", status="complete")
    assert actions(plan_with(objective, step))[step.node].action == action


def test_what_is_complete_with_open_parts_is_looked_at_again() -> None:
    steps = (
        Step(node="s", type="solution", title="S", status="complete", children=1),
        Step(node="a", type="assumption", title="A", parent="s", depth=1),
    )
    assert actions(plan_with(*steps))["s"].action == "review"


def test_a_plan_that_stands_still_is_told_so() -> None:
    still = a_plan(movement=Movement(edits_before=9))
    assert health(still).momentum == "falling"
    assert any("9 edits" in one.reason for one in recommendations(Reading(still)))


def test_a_list_is_no_litany() -> None:
    steps = [Step(node=f"r{number}", type="research", title="R", missing=["Question"]) for number in range(9)]
    steps.append(Step(node="m", type="metric", title="M", depth=3))
    assert len({one.action for one in recommendations(Reading(plan_with(*steps)))}) > 1


def test_health_follows_what_is_there() -> None:
    alone = plan_with(Step(node="o", type="objective", title="O", missing=["Why it matters"]))
    assert health(alone).score < 20
    done = [
        Step(node="o", type="objective", title="O", status="complete"),
        Step(node="r", type="outcome", title="R", parent="o", status="complete"),
        Step(node="p", type="opportunity", title="P", parent="r", status="complete"),
        Step(node="s", type="solution", title="S", parent="p", status="complete"),
        Step(node="a", type="assumption", title="A", parent="s", status="complete"),
        Step(node="m", type="metric", title="M", parent="r", values={"current": "9", "target": "9"}),
    ]
    assert health(plan_with(*done, completion=1.0)).score >= 90
    assert health(a_plan()).risks[0].startswith("No numbers for 2 outcomes")


@pytest.mark.parametrize(
    ("movement", "momentum"),
    [
        (Movement(), "unknown"),
        (Movement(edits=10, edits_before=9), "steady"),
        (Movement(edits=10, edits_before=2), "rising"),
        (Movement(edits=1, completed=1, edits_before=20), "falling"),
    ],
)
def test_momentum_compares_two_weeks(movement: Movement, momentum: str) -> None:
    assert health(a_plan(movement=movement)).momentum == momentum


async def test_the_adviser_says_that_rules_have_spoken() -> None:
    request = Request(kind="peer_insight", tenant="acme", day="2026-11-21", plan=EMPTY, prompt=seeded("peer_insight"))
    advice = await RulesAdviser().advise(request)
    assert (advice.source, advice.model, advice.prompt, advice.usage.calls) == ("rules", NAME, None, 0)
    assert isinstance(advice.content, PeerInsights)
