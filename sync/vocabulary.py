"""The standard vocabulary: what trees of different people call the same thing by.

A table (canonical term, category, business domain, words), versioned: what was made with one version is made again
with the next. Words are compared in lower case, singular; the first term that has a word keeps it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from sync.nodes import NodeType

VOCABULARY_VERSION = 1
GENERAL = "general"  # the business domain of what names none


class Term(NamedTuple):
    """One canonical term, and the words that stand for it."""

    term: str
    category: str
    domain: str
    words: tuple[str, ...]


# What a type of node is to whoever compares trees
CATEGORIES: dict[NodeType, str] = {
    "objective": "goal",
    "outcome": "goal",
    "opportunity": "problem",
    "solution": "work",
    "assumption": "risk",
    "metric": "measure",
    "research": "evidence",
}


def _term(line: str) -> Term:
    name, category, domain, words = (part.strip() for part in line.split("|"))
    return Term(name, category, domain, (name, *words.split()))


# term | category | business domain | words beside the term itself
VOCABULARY: tuple[Term, ...] = tuple(
    _term(line)
    for line in """
    engagement | behaviour | user_engagement | engage engaged active activity session visit usage dau mau habit
    onboarding | behaviour | user_engagement | onboard signup newcomer welcome registration activation activate
    user_experience | quality | user_engagement | ux usability interface design journey experience accessibility
    notification | channel | user_engagement | reminder push alert message nudge
    community | behaviour | user_engagement | forum member peer social
    retention | behaviour | customer_retention | retain stay loyalty loyal renewal renew return keep
    churn | behaviour | customer_retention | cancel cancellation leave attrition quit unsubscribe pause
    satisfaction | measure | customer_retention | nps csat satisfied happy delight complaint rating
    support | work | customer_support | helpdesk ticket agent response service
    self_service | work | customer_support | faq documentation guide tutorial
    growth | goal | growth | grow expand expansion scale increase double
    acquisition | behaviour | growth | acquire lead visitor traffic referral campaign
    conversion | behaviour | growth | convert funnel checkout trial purchase buy order
    market | scope | growth | segment region country launch competitor competition
    awareness | goal | marketing | brand marketing advert advertising content seo newsletter
    revenue | measure | finance | sale income arr mrr turnover
    pricing | work | finance | price discount plan tariff subscription fee
    cost | measure | finance | expense spend budget saving margin profit
    cash | measure | finance | funding investment investor payment invoice
    delivery | work | operations | deliver shipping shipment logistics transport route box
    supply | work | operations | supplier procurement stock inventory warehouse
    efficiency | goal | operations | efficient productivity throughput faster automate automation
    waste | measure | operations | scrap spoil loss leftover defect
    capacity | measure | operations | bottleneck queue backlog load
    process | work | operations | workflow procedure standard checklist
    quality | quality | product_quality | bug error incident failure reliable reliability
    performance | quality | product_quality | latency speed slow fast uptime availability
    feature | work | product_quality | functionality release version roadmap product
    testing | work | product_quality | test experiment prototype pilot
    research | evidence | research | study interview survey diary insight observation
    hypothesis | risk | research | assumption believe assume
    data | evidence | analytics | dataset dashboard report analysis analytics statistic
    metric | measure | analytics | kpi baseline target measurement indicator
    machine_learning | work | technology | model ai prediction algorithm
    platform | work | technology | api integration cloud server infrastructure software system app mobile
    security | risk | compliance | secure breach attack encryption password access
    privacy | risk | compliance | gdpr consent personal anonymous
    compliance | risk | compliance | regulation law legal audit policy contract
    sustainability | goal | sustainability | sustainable climate carbon emission energy recycle packaging green
    health | goal | health | wellness sleep stress nutrition patient medical
    learning | behaviour | people | learn training course skill education teach
    hiring | work | people | hire recruit candidate talent
    team | scope | people | employee staff colleague culture manager
    partnership | work | partnerships | partner alliance vendor reseller
    customer | scope | customer_retention | client buyer shopper household subscriber
    user | scope | user_engagement | people person audience
    """.strip().splitlines()
)

_BY_WORD: dict[str, Term] = {}
for _one in VOCABULARY:
    for _word in _one.words:
        _BY_WORD.setdefault(_word, _one)
_BY_NAME = {one.term: one for one in VOCABULARY}


@lru_cache(maxsize=8_192)
def term_of(word: str) -> Term | None:
    """The term a word in lower case stands for, in the singular or plural."""
    found = _BY_WORD.get(word)
    if found is None and word.endswith("s"):
        found = _BY_WORD.get(word[:-1]) or (_BY_WORD.get(word[:-3] + "y") if word.endswith("ies") else None)
    return found


def term_named(name: str) -> Term | None:
    """A term by its canonical name."""
    return _BY_NAME.get(name)
