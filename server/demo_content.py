"""What the demo tree says: the strategy of a meal-box company whose customers leave after the first month."""

from __future__ import annotations

from typing import Any, NamedTuple

from sync.nodes import NodeType


class Topic(NamedTuple):
    """One node of the demo and what stands below it. `name` is for connections to refer to."""

    type: NodeType
    title: str
    template: dict[str, Any]
    below: tuple[Topic, ...] = ()
    name: str = ""
    description: str = ""


def metric(title: str, unit: str, baseline: float, current: float, target: float, name: str = "") -> Topic:
    template = {"unit": unit, "baseline": baseline, "current": current, "target": target, "review": "every Monday"}
    return Topic("metric", title, template, name=name)


def research(title: str, method: str, people: int, finding: str = "", name: str = "") -> Topic:
    status = "complete" if finding else "not_started"
    template = {"method": method, "participants": people, "finding": finding, "completion_status": status}
    return Topic("research", title, template, name=name)


def assumption(title: str, test: str, confidence: int, name: str = "") -> Topic:
    template = {"test": test, "confidence": confidence, "completion_status": "in_progress"}
    return Topic("assumption", title, template, name=name)


def solution(title: str, hypothesis: str, effort: str, *below: Topic, name: str = "") -> Topic:
    template = {"hypothesis": hypothesis, "effort": effort, "completion_status": "in_progress"}
    return Topic("solution", title, template, below, name)


def opportunity(title: str, problem: str, impact: int, *below: Topic, name: str = "") -> Topic:
    return Topic("opportunity", title, {"customer_problem": problem, "impact_score": impact}, below, name)


def outcome(title: str, why: str, target: str, *below: Topic, name: str = "") -> Topic:
    return Topic("outcome", title, {"core_why": why, "desired_outcome": target}, below, name)


_FIRST_MONTH = outcome(
    "New customers cook three boxes in their first month",
    "Whoever has cooked three boxes stays for a year; most stop after the first",
    "From 38 % to 55 % of new customers by June",
    metric("Three boxes in 30 days", "%", 38, 41, 55, "three-boxes"),
    opportunity(
        "People forget to choose and get a box they do not like",
        "The choice closes five days ahead, when nobody thinks of next week's dinner",
        9,
        solution(
            "A reminder with three suggestions, answered by one tap",
            "If choosing takes ten seconds, half of the forgotten boxes are chosen",
            "2 weeks",
            assumption("A message on Sunday evening is welcome", "Send at two times to 500 people each", 6),
            research("When do families plan the week?", "diary study", 18, "Sunday, after dinner", "planning-diary"),
        ),
        solution(
            "Close the choice two days later",
            "Later choices are better choices, and the warehouse can cope",
            "5 weeks",
            assumption("Suppliers accept orders 72 hours ahead", "Ask the six largest", 4, "supplier-lead"),
            metric("Boxes packed on time", "%", 99.1, 98.7, 99.0, "packed-on-time"),
            name="later-close",
        ),
        name="forgotten-choice",
    ),
    opportunity(
        "The first recipe takes an hour although it says 30 minutes",
        "Times are measured in our kitchen, by cooks",
        8,
        solution(
            "Times as measured by customers",
            "Honest times lose some orders and save more customers",
            "3 weeks",
            research("How long do first boxes take?", "video from 25 kitchens", 25, "52 minutes in the median"),
            metric("Recipes within 20 % of their stated time", "%", 31, 44, 90),
        ),
        solution(
            "A first box of three easy recipes",
            "An early success matters more than variety",
            "1 week",
            assumption("Newcomers do not miss the full menu", "A/B over four weeks, 2,000 newcomers", 7),
            name="easy-first-box",
        ),
    ),
    name="first-month",
)

_LESS_WASTE = outcome(
    "Half of the food waste in kitchen and warehouse",
    "Waste is the third most common reason to leave, and 4 % of our cost",
    "From 11 % to 5.5 % of what we buy by October",
    metric("Bought and not eaten", "%", 11, 9.8, 5.5, "waste"),
    opportunity(
        "Portions do not fit the household",
        "A box for two feeds one and a half, or three",
        7,
        solution(
            "Portions by appetite, not by head",
            "Households that set their appetite throw away a third less",
            "6 weeks",
            research("What is left on the plate?", "photo diary", 40, "Rice and bread, hardly ever vegetables"),
            assumption("People describe their appetite honestly", "Compare with photos of 40 plates", 5),
        ),
    ),
    opportunity(
        "Herbs spoil before the third dinner",
        "They travel and rest in plastic",
        5,
        solution(
            "Paper sleeves for herbs",
            "Paper doubles the days a bunch of coriander lasts",
            "4 weeks",
            metric("Complaints about herbs", "per 1,000 boxes", 14, 9, 4),
            research("Which herbs spoil first?", "warehouse test, 10 days", 0),
        ),
        solution("Cook the herbs first: order of recipes on the card", "An order is followed if it is given", "3 days"),
    ),
    opportunity(
        "Cancelled boxes are packed already",
        "A pause reaches the warehouse after the night shift has begun",
        6,
        solution(
            "A pause counts until midnight",
            "Two thirds of cancelled boxes are paused in the evening",
            "4 weeks",
            assumption("Food banks take what is packed in spite of it", "Agreement with two of them", 8),
            name="late-pause",
        ),
        name="packed-cancelled",
    ),
    name="less-waste",
)

_RECOMMENDED = outcome(
    "One in four new customers comes by recommendation",
    "Recommended customers cost a fifth and stay twice as long",
    "From 12 % to 25 % of new customers by December",
    metric("New customers by recommendation", "%", 12, 13, 25, "recommended"),
    opportunity(
        "Cooks are proud of a dinner and have nothing to show",
        "The photo is shared, the recipe is not",
        6,
        solution(
            "A recipe page that opens without an account",
            "Every shared photo carries a link that can be cooked from",
            "3 weeks",
            metric("Visits from shared recipes", "per week", 0, 310, 2500),
            assumption("Open recipes do not cost subscriptions", "One region open, one closed, for six weeks", 5),
        ),
        solution(
            "A box as a gift, with a card by hand",
            "A gift is the recommendation people like to make",
            "4 weeks",
            research("Who would you give a box to?", "interviews", 12, "Parents of newborns, students who move out"),
        ),
    ),
    opportunity(
        "A discount for friends feels like selling",
        "People do not want to earn money from their friends",
        4,
        solution(
            "Give a dinner to the food bank instead",
            "A shared good deed is passed on more often than a voucher",
            "2 weeks",
            assumption("It is passed on at least as often", "Voucher against dinner, 5,000 customers", 3),
            metric("Invitations sent per customer and month", "", 0.08, 0.09, 0.25),
        ),
    ),
    name="by-recommendation",
)

_TRUST = outcome(
    "Customers know where their food comes from",
    "Origin is the first question of those who do not subscribe",
    "80 % can name a farm by the end of the year",
    metric("Customers who can name a farm", "%", 22, 24, 80),
    opportunity(
        "Origin is a line of small print",
        "It names a country, not a place",
        5,
        solution(
            "The farm on the recipe card",
            "A face and a place on the card are read while the water boils",
            "2 weeks",
            research("What do people read on the card?", "eye tracking", 9, "Steps, then pictures, never the back"),
            assumption("Farms want to be named", "Ask all 41", 9),
        ),
        solution(
            "A visit to a farm each season", "A hundred visitors tell a thousand friends", "8 weeks", name="visit"
        ),
    ),
    name="trust",
)

_SUPPORT = outcome(
    "A problem with a box is settled the same evening",
    "A missing lemon is forgiven at six o'clock, not on Thursday",
    "90 % of messages settled before 20:00 by September",
    metric("Messages settled the same evening", "%", 47, 58, 90, "same-evening"),
    opportunity(
        "Customers wait until we have looked the box up",
        "Who packed it, and what was in it, stands in three systems",
        7,
        solution(
            "The whole box on one page for whoever answers",
            "Four of five answers need no second message",
            "5 weeks",
            metric("Messages per problem", "", 3.4, 2.9, 1.5),
            research("What do our helpers look up?", "a week beside six of them", 6, "Weight, then who packed it"),
        ),
        solution(
            "A credit without asking, up to six euros",
            "Being believed is worth more than the six euros",
            "1 week",
            assumption("Fewer than 2 % make a habit of it", "Three months, everyone", 7),
            name="credit",
        ),
    ),
    opportunity(
        "A missing ingredient stops the dinner",
        "The shop is open, but nobody knows what would do instead",
        8,
        solution(
            "What to use instead, on every recipe",
            "A dinner that goes on is not reported as a problem",
            "6 weeks",
            research("What do cooks use instead?", "450 answers to a question after dinner", 450),
            assumption("Two suggestions are enough", "Count dinners saved with one, two, three", 6),
        ),
        name="missing-ingredient",
    ),
    name="support",
)

STRATEGY = Topic(
    "objective",
    "Families who start with us are still cooking with us a year later",
    {
        "core_why": "We win 4,000 customers a month and lose 3,600; every other goal depends on this one",
        "desired_outcome": "Half of those who start in January are here next January",
        "horizon": "12 months",
        "completion_status": "in_progress",
    },
    (_FIRST_MONTH, _LESS_WASTE, _SUPPORT, _RECOMMENDED, _TRUST),
    "retention",
    "The one objective of this year. Whatever does not lead here waits.",
)

# (from, to, label) by name
CONNECTIONS = (
    ("planning-diary", "forgotten-choice", "explains"),
    ("later-close", "packed-on-time", "puts at risk"),
    ("supplier-lead", "packed-cancelled", "also decides"),
    ("easy-first-box", "recommended", "should raise"),
    ("late-pause", "waste", "lowers"),
    ("three-boxes", "retention", "predicts"),
    ("visit", "by-recommendation", "feeds"),
    ("trust", "by-recommendation", "comes before"),
    ("credit", "same-evening", "raises"),
    ("missing-ingredient", "first-month", "also stops"),
    ("less-waste", "trust", "is told as a story of"),
)
