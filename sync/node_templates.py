"""The standard templates of the seven types of node, as data. A tenant may put its own in their place.

Changing one here changes the progress of every tree that uses it: raise `STANDARD_VERSION` then, so that what was
made with the old ones is told from what is made with the new.
"""

from __future__ import annotations

from sync.nodes import NodeType
from sync.templates import Field, FieldKind, Template, TemplateSet

STANDARD_VERSION = 1


def _field(name: str, label: str, kind: FieldKind, help_text: str) -> Field:
    return Field(name=name, label=label, kind=kind, help=help_text)


STANDARD: dict[NodeType, Template] = {
    "objective": Template(
        meaning="What all of this is for.",
        fields=[
            _field("core_why", "Why it matters", "long_text", "What would convince someone who never heard of it."),
            _field("desired_outcome", "What success looks like", "long_text", "A state of the world, no list of work."),
            _field("horizon", "Horizon", "text", "By when, such as “12 months”."),
        ],
    ),
    "outcome": Template(
        meaning="A change in what people do.",
        fields=[
            _field("core_why", "Why it matters", "long_text", "How this change leads to the objective."),
            _field("desired_outcome", "Target", "text", "From what to what, by when."),
            _field("evidence", "How we will know", "text", "The number or observation that settles it."),
        ],
    ),
    "opportunity": Template(
        meaning="A need or pain that stands in the way.",
        fields=[
            _field("customer_problem", "Problem", "long_text", "In the words of the person who has it."),
            _field("who", "Who has it", "text", "Which people, and how many of them."),
            _field("impact_score", "Impact, 1 to 10", "number", "How much the outcome moves if this is solved."),
        ],
    ),
    "solution": Template(
        meaning="Something we could do about it.",
        fields=[
            _field("hypothesis", "Hypothesis", "long_text", "We believe that … will …, because …"),
            _field("effort", "Effort", "text", "A rough size, such as “2 weeks”."),
            _field("owner", "Owner", "text", "Who carries it."),
        ],
    ),
    "assumption": Template(
        meaning="What must be true for a solution to work.",
        fields=[
            _field("test", "Cheapest test", "long_text", "The smallest thing that could prove it wrong."),
            _field("confidence", "Confidence, 1 to 10", "number", "How sure we are today."),
            _field("result", "What the test showed", "long_text", "Also when it showed nothing."),
        ],
    ),
    "metric": Template(
        meaning="A number that tells whether we get there.",
        fields=[
            _field("baseline", "Baseline", "number", "Where it stood at the beginning."),
            _field("current", "Current", "number", "Where it stands today."),
            _field("target", "Target", "number", "Where it should be."),
            _field("unit", "Unit", "text", "Such as “%” or “per week”."),
            _field("review", "Review", "text", "When it is looked at."),
        ],
    ),
    "research": Template(
        meaning="A question, and how it is answered.",
        fields=[
            _field("method", "Method", "text", "Such as interviews, a diary study, a count."),
            _field("participants", "Participants", "number", "How many people or cases."),
            _field("finding", "Finding", "long_text", "What was learned, in one or two sentences."),
        ],
    ),
}


def standard_templates() -> TemplateSet:
    """What a tenant has that has set nothing."""
    return TemplateSet(templates=STANDARD)


class StandardTemplates:
    """`sync.templates.TemplateSource` of an instance that keeps none: everybody has the standard ones."""

    async def node_templates(self, tenant: str) -> TemplateSet:
        return standard_templates()
