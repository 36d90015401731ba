"""Advice by rules: needs no key and no network, always answers, and says the same of the same plan."""

from __future__ import annotations

from ai.health import health_summary
from ai.peer_insights import peer_insights
from ai.reading import Reading
from ai.recommending import recommendations
from sync.advice import Advice, Content, Kind, PeerInsights, Recommendations, Request
from sync.errors import NoAnswer
from sync.plan import Plan

NAME = "rules-v1"  # raised with every change of what the rules say, so that content says which made it


class RulesAdviser:
    """`sync.advice.Adviser`. Raises NoAnswer where nothing is open that could be recommended."""

    @property
    def name(self) -> str:
        return NAME

    async def advise(self, request: Request) -> Advice:
        return Advice(content=content_by_rules(request.kind, request.plan), source="rules", model=NAME, prompt=None)


def content_by_rules(kind: Kind, plan: Plan) -> Content:
    """Raises NoAnswer."""
    reading = Reading(plan)
    match kind:
        case "recommendation":
            found = recommendations(reading)
            if not found:
                raise NoAnswer("nothing", "nothing is open that rules would recommend")
            return Recommendations(items=found)
        case "peer_insight":
            return PeerInsights(items=peer_insights(reading))
        case "health_summary":
            return health_summary(reading)
