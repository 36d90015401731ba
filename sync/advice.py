"""What is generated for a plan, and the port behind which a model or rules write it (spec 001, DESIGN §10).

All text is plain: no markup, no links. Ids name steps of the plan that was asked about, or nothing. The bounds are part
of the types, so that whatever a model answers is checked by reading it.
"""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from sync.nodes import NodeType
from sync.ops import Id
from sync.plan import Plan

Kind = Literal["recommendation", "peer_insight", "health_summary"]
Action = Literal["start", "fill", "finish", "add", "test", "measure", "review"]
Level = Literal["high", "medium", "low"]
Momentum = Literal["rising", "steady", "falling", "unknown"]
Source = Literal["model", "rules"]

MOST_ITEMS = 3  # a list is filled to this (SPECS, AI)
Line = Annotated[str, Meta(min_length=1, max_length=200)]
Passage = Annotated[str, Meta(min_length=1, max_length=800)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Relevance = Annotated[float, Meta(ge=0.5, le=1.0)]  # spec 001: less relevant ones are not shown


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whatever is generated has these fields, all of them, and no other."""


class Proposal(Said, frozen=True, kw_only=True):
    """A node that could be added below a step (`parent`)."""

    parent: Id
    type: NodeType
    title: Line
    description: Annotated[str, Meta(max_length=800)]


class Recommendation(Said, frozen=True, kw_only=True):
    """A next step: about which one (`step`, null: the whole plan), what to do, and why it is said now."""

    step: Id | None
    action: Action
    title: Line
    reason: Passage
    expected_outcome: Annotated[str, Meta(max_length=400)]
    next_actions: Annotated[list[Line], Meta(min_length=1, max_length=5)]
    priority: Level
    effort: Level
    proposal: Proposal | None


class AuthorProfile(Said, frozen=True, kw_only=True):
    """Nobody: a role whose view is taken. There is no name on purpose, and every reader is told it is generated."""

    role: Annotated[str, Meta(min_length=1, max_length=80)]
    organisation: Annotated[str, Meta(min_length=1, max_length=80)]


class PeerInsight(Said, frozen=True, kw_only=True):
    step: Id | None
    content: Passage
    author: AuthorProfile
    relevance: Relevance


class DomainHealth(Said, frozen=True, kw_only=True):
    node: Id
    score: Percent
    comment: Line


class Recommendations(Said, frozen=True, kw_only=True):
    items: Annotated[list[Recommendation], Meta(min_length=1, max_length=MOST_ITEMS)]


class PeerInsights(Said, frozen=True, kw_only=True):
    items: Annotated[list[PeerInsight], Meta(min_length=1, max_length=MOST_ITEMS)]


class HealthSummary(Said, frozen=True, kw_only=True):
    """How the plan is. `focus` is the one thing that would help most."""

    score: Percent
    momentum: Momentum
    summary: Passage
    strengths: Annotated[list[Line], Meta(max_length=5)]
    risks: Annotated[list[Line], Meta(max_length=5)]
    domains: Annotated[list[DomainHealth], Meta(max_length=20)]
    focus: Line


Content = Recommendations | PeerInsights | HealthSummary
CONTENT: dict[Kind, type[Recommendations] | type[PeerInsights] | type[HealthSummary]] = {
    "recommendation": Recommendations,
    "peer_insight": PeerInsights,
    "health_summary": HealthSummary,
}


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the instructions for one kind; content says by its id which one made it."""

    id: str
    kind: Kind
    version: int
    template: str


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted for which plan. `day` (YYYY-MM-DD, UTC) is whose budget pays for it."""

    kind: Kind
    tenant: str
    day: str
    plan: Plan
    prompt: Prompt


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer has cost, or an attempt at one. Tokens are as the model counts them, or estimated where it did
    not say."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    milliseconds: int = 0


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was asked first and gave no answer, and why."""

    by: str
    code: str
    why: str
    usage: Usage = Usage()


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, and who gave it. `prompt` is the id of the instructions; rules have none."""

    content: Content
    source: Source
    model: str
    prompt: str | None
    usage: Usage = Usage()
    attempts: list[Attempt] = []


class Adviser(Protocol):
    """Writes content for a plan."""

    @property
    def name(self) -> str: ...

    async def advise(self, request: Request) -> Advice:
        """Raises NoAnswer, within the time it was made for."""
        ...


class TokenLedger(Protocol):
    """What each tenant has spent on a day, over all instances."""

    async def reserve(self, tenant: str, day: str, tokens: int, most: int) -> bool:
        """Take that much of the day's budget; False, and nothing taken, where less than that is left of `most`."""
        ...

    async def settle(self, tenant: str, day: str, reserved: int, used: int) -> None:
        """Put what was used in the place of what was reserved."""
        ...
