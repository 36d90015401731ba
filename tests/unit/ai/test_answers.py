"""What a model is asked, and which of its answers are taken."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from ai.answers import content_of, schema_of
from ai.plain_text import plain
from ai.prompting import question_of, tokens_of
from ai.rules import content_by_rules
from sync.advice import Kind, Recommendations, Request
from sync.codec import JSON
from sync.errors import NoAnswer
from sync.plan import Plan, Step
from sync.prompts import GUARD, seeded
from tests.injections import INJECTIONS
from tests.plans import a_plan

KINDS: tuple[Kind, ...] = get_args(Kind)


def said(kind: Kind, **changed: Any) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(content_by_rules(kind, a_plan()))
    return {**made, **changed}


def taken(kind: Kind, value: Any) -> Any:
    return content_of(kind, JSON.encode_value(value).decode(), a_plan())


def item(**changed: Any) -> dict[str, Any]:
    return {"items": [{**said("recommendation")["items"][0], **changed}]}


def asked(plan: Plan, kind: Kind = "recommendation") -> Request:
    return Request(kind=kind, tenant="acme", day="2026-11-21", plan=plan, prompt=seeded(kind))


# ---- the schema


def walk(part: Any) -> list[dict[str, Any]]:
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return ([part] if isinstance(part, dict) else []) + [found for one in inner for found in walk(one)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_strict_and_has_no_bounds(kind: Kind) -> None:
    objects = [part for part in walk(schema_of(kind)) if part.get("type") == "object"]
    assert objects
    for part in objects:
        assert (part["additionalProperties"], part["required"]) == (False, list(part["properties"]))
    assert not {"maxLength", "minLength", "minimum", "maximum", "title", "minItems"} & {
        word for part in walk(schema_of(kind)) if "type" in part for word in part if isinstance(part["type"], str)
    } - {"title"}
    assert all(part.get("type") == "string" for part in walk(schema_of(kind)) if "enum" in part)


# ---- answers


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_answer_is_taken_as_it_is(kind: Kind) -> None:
    assert taken(kind, said(kind)) == content_by_rules(kind, a_plan())


@pytest.mark.parametrize(
    "value",
    [
        item(confidence=1),
        {"items": [{name: value for name, value in item()["items"][0].items() if name != "reason"}]},
        item(title="x" * 201),
        item(title=""),
        item(title=7),
        item(action="delete"),
        item(next_actions=[]),
        item(next_actions=["x"] * 6),
        item(priority="urgent"),
        item(proposal={"parent": "o", "type": "task", "title": "x", "description": ""}),
        item(step="x" * 65),
        {"items": []},
        {"items": item()["items"] * 4},
        {"items": "none"},
        [],
        None,
        "text",
    ],
)
def test_an_answer_with_missing_extra_or_oversized_fields_is_refused(value: Any) -> None:
    with pytest.raises(NoAnswer) as refused:
        taken("recommendation", value)
    assert refused.value.reason == "schema"


@pytest.mark.parametrize(
    "text", ["", "Certainly!", '{"items": [', '{"items": [], "items": []}', '{"a": NaN}', "[" * 5000, "x" * 70_000]
)
def test_an_answer_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(NoAnswer):
        content_of("recommendation", text, a_plan())


def test_scores_and_relevance_keep_their_ranges() -> None:
    for score in (-1, 101, 50.5, "50"):
        with pytest.raises(NoAnswer):
            taken("health_summary", said("health_summary", score=score))
    insight = said("peer_insight")["items"][0]
    for relevance in (0.49, 1.01, 0, "1"):
        with pytest.raises(NoAnswer):
            taken("peer_insight", {"items": [{**insight, "relevance": relevance}]})


def test_what_is_said_about_steps_that_do_not_exist_is_left_out() -> None:
    made_up = {**item()["items"][0], "step": "made-up"}
    elsewhere = item(proposal={"parent": "made-up", "type": "metric", "title": "x", "description": ""})["items"][0]
    both = taken("recommendation", {"items": [made_up, *item()["items"], elsewhere]})
    assert isinstance(both, Recommendations)
    assert [one.step for one in both.items] == ["p"]
    with pytest.raises(NoAnswer, match="steps that the plan does not have"):
        taken("recommendation", {"items": [made_up]})
    health = taken("health_summary", said("health_summary", domains=[{"node": "zz", "score": 1, "comment": "x"}]))
    assert health.domains == []


# ---- plain text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("<b>bold</b> <script>x()</script>", "bold x()"),
        ("<scr<script>ipt>alert(1)</scr</script>ipt>", "alert(1)"),
        ("[click](https://evil.example/x)", "click"),
        ("![x](data:image/png;base64,AA)", "x"),
        ("[a][1]", "a"),
        ("see https://evil.example/x?y=1 now", "see (link left out) now"),
        ("www.evil.example and evil.example.com/x", "(link left out) and (link left out)"),
        ("javascript:alert(1)", "(link left out)"),
        ("**strong** `code` __under__", "strong code under"),
        ("a\u202eb\u2066c\U000e0041d\x07e\x00f", "abcdef"),
        ("a < b and c > d", "a < b and c > d"),
        ("one\r\n\r\n\r\n\r\ntwo", "one\n\ntwo"),
        ("3.5 of 10, e.g. in Q3", "3.5 of 10, e.g. in Q3"),
        ("<img src=x onerror=alert(1)", ""),
    ],
)
def test_text_is_plain_and_stays_so(written: str, shown: str) -> None:
    assert plain(written) == shown
    assert plain(shown) == shown


@pytest.mark.parametrize("part", ["a.", "<a", "[a](", "a-", "](", "x:", "<a" * 4 + ">" * 4, "__", "["])
def test_text_that_is_made_to_be_slow_is_read_once_and_not_a_thousand_times(part: str) -> None:
    """Quadratic, this would take minutes."""
    text = plain(part * (64_000 // len(part)) + ">" * 1_000 + "](x)" * 1_000)
    assert plain(text) == text


def test_joiners_that_scripts_need_stay() -> None:
    assert plain("می\u200cخواهم 👩\u200d💻") == "می\u200cخواهم 👩\u200d💻"


def test_ids_are_left_as_they_are() -> None:
    plan = msgspec.structs.replace(a_plan(), steps=[Step(node="a__b.com", type="metric", title="M")])
    text = JSON.encode_value(item(step="a__b.com")).decode()
    [only] = content_of("recommendation", text, plan).items  # type: ignore[union-attr]
    assert only.step == "a__b.com"


# ---- the question


def test_the_plan_is_data_between_two_marks_that_nothing_in_it_can_write() -> None:
    steps = [
        Step(node=f"n{at}", type="research", title=text[:500], description=text) for at, text in enumerate(INJECTIONS)
    ]
    assert len(steps) >= 150
    question = question_of(asked(msgspec.structs.replace(a_plan(), name=INJECTIONS[2], steps=steps)), plan_tokens=10**6)
    assert question.data.startswith("<plan>\n")
    assert question.data.endswith("\n</plan>")
    assert (question.data.count("<"), question.data.count(">")) == (2, 2)
    inside = question.data.removeprefix("<plan>\n").removesuffix("\n</plan>")
    read = msgspec.json.decode(inside)
    assert {one["description"] for one in read["steps"]} == set(INJECTIONS)
    assert all(text not in question.instructions for text in INJECTIONS)
    assert question.instructions.endswith(GUARD)


def test_the_question_is_the_same_for_the_same_plan_and_holds_the_most_relevant_within_its_budget() -> None:
    steps = [Step(node=f"n{at}", type="research", title="x" * 300, status="complete") for at in range(300)]
    steps.append(Step(node="hot", type="objective", title="Hot", status="in_progress"))
    plan = msgspec.structs.replace(a_plan(), steps=steps)
    small, large = (question_of(asked(plan), plan_tokens=tokens) for tokens in (1_000, 6_000))
    assert question_of(asked(plan), plan_tokens=1_000) == small
    assert '"steps":[{"node":"hot"' in small.data
    assert len(small.data) <= 3 * 1_000 + 20
    assert len(small.data) < len(large.data) <= 3 * 6_000 + 20
    assert '"steps_in_all":301' in small.data
    assert tokens_of(small) > small.most_tokens


def test_placeholders_are_filled_once_and_not_from_the_plan() -> None:
    plan = msgspec.structs.replace(a_plan(), name="{limit} {0} %s")
    question = question_of(asked(plan))
    assert "Recommend the 3 next steps" in question.instructions
    assert "{limit} {0} %s" in question.data
