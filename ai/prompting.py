"""A request as a question: instructions that are ours, and the plan as data, most relevant first, within a budget."""

from __future__ import annotations

import msgspec

from ai.answers import schema_of
from ai.model import Question
from ai.relevance import by_relevance
from sync.advice import MOST_ITEMS, Kind, Request
from sync.codec import JSON
from sync.plan import Plan, Step
from sync.prompts import GUARD

PLAN_TOKENS = 6_000  # of the plan: some 100 steps with their texts
ANSWER_TOKENS: dict[Kind, int] = {"recommendation": 2_000, "peer_insight": 1_500, "health_summary": 2_000}
# A token has some four characters of English and fewer bytes of most other scripts: three a token is on the safe side
# for a budget
_BYTES_PER_TOKEN = 3
_TEXT_CHARACTERS = 500  # of a description in the plan: the rest says little more


def question_of(request: Request, *, plan_tokens: int = PLAN_TOKENS) -> Question:
    """The same for the same request."""
    instructions = request.prompt.template.replace("{limit}", str(MOST_ITEMS))
    return Question(
        instructions=f"{instructions}\n{GUARD}",
        data=f"<plan>\n{_unforged(_encoded(_within(request.plan, plan_tokens)))}\n</plan>",
        answer=request.kind,
        schema=schema_of(request.kind),
        most_tokens=ANSWER_TOKENS[request.kind],
    )


def tokens_of(question: Question) -> int:
    """What a question costs at most, with its answer."""
    return _tokens(question.instructions, question.data, _encoded(question.schema)) + question.most_tokens


def _within(plan: Plan, tokens: int) -> dict[str, object]:
    """Its frame and as many steps as fit, the most relevant first; told how many there are in all."""
    shortened = {"description": plan.description[:_TEXT_CHARACTERS]}
    frame = {
        "name": plan.name,
        **shortened,
        "phase": plan.phase,
        "completion": plan.completion,
        "domains": plan.domains,
        "movement": {name: getattr(plan.movement, name) for name in _MOVED},
        "steps_in_all": len(plan.steps),
    }
    left = tokens - _tokens(_encoded(frame))
    steps: list[Step] = []
    for step in by_relevance(plan):
        said = _shortened(step)
        left -= _tokens(_encoded(said))
        if left < 0:
            break
        steps.append(said)
    return {**frame, "steps": steps}


_MOVED = ("edits", "edits_before", "completed", "completed_before", "people")


def _shortened(step: Step) -> Step:
    if len(step.description) <= _TEXT_CHARACTERS:
        return step
    return msgspec.structs.replace(step, description=step.description[:_TEXT_CHARACTERS] + "…")


def _encoded(value: object) -> str:
    return JSON.encode_value(value).decode()


def _unforged(text: str) -> str:
    """JSON in which no `<` stands: nothing in it ends the data, and it reads as the same."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def _tokens(*texts: str) -> int:
    return -(-sum(len(text.encode()) for text in texts) // _BYTES_PER_TOKEN)
