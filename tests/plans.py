"""Plans for tests of advice: one as people have them, and random ones."""

from __future__ import annotations

from random import Random

from sync.nodes import NODE_TYPES, NodeType
from sync.plan import Movement, Plan, PlanDomain, Step
from sync.templates import Status

STATUSES: tuple[Status, ...] = ("not_started", "in_progress", "complete")


def a_plan(*, movement: Movement | None = None) -> Plan:
    """A small plan with the usual gaps."""
    steps = [
        Step(node="o", type="objective", title="Grow", status="in_progress", children=2, missing=["Horizon"]),
        Step(node="r", type="outcome", title="People return", parent="o", domain="r", depth=1, children=1),
        Step(
            node="p",
            type="opportunity",
            title="They forget us",
            parent="r",
            domain="r",
            depth=2,
            children=1,
            status="in_progress",
            completion=0.4,
            idle_days=20,
        ),
        Step(node="s", type="solution", title="Reminders", parent="p", domain="r", depth=3, children=1, priority=0.8),
        Step(
            node="a",
            type="assumption",
            title="People read mail",
            parent="s",
            domain="r",
            depth=4,
            values={"confidence": "3", "test": "Send ten"},
            missing=["What the test showed"],
        ),
        Step(node="q", type="outcome", title="Costs fall", parent="o", domain="q", depth=1, status="complete"),
    ]
    return Plan(
        tree=7,
        seq=12,
        name="Strategy",
        phase="strategy",
        completion=0.3,
        steps=steps,
        domains=[
            PlanDomain(node="r", title="People return", completion=0.1, maturity="initial", steps=4),
            PlanDomain(node="q", title="Costs fall", completion=1.0, maturity="mature", steps=1),
        ],
        movement=movement or Movement(edits=12, edits_before=4, completed=1, people=2),
    )


def random_plan(seed: int, most: int = 40) -> Plan:
    """Any plan at all: types below any other, any status, titles of every kind."""
    chance = Random(seed)
    steps: list[Step] = []
    for number in range(chance.randrange(most)):
        above = chance.choice([None, *steps]) if number else None
        kind: NodeType = chance.choice(NODE_TYPES)
        steps.append(
            Step(
                node=f"n{number}",
                type=kind,
                title=chance.choice(["", "Grow", "x" * 500, "<b>bold</b>", "see https://evil.example/x", "“", "\n"]),
                parent=above.node if above else "",
                domain="n0" if number and above else "",
                status=chance.choice(STATUSES),
                completion=chance.random(),
                depth=above.depth + 1 if above else 0,
                children=chance.randrange(14),
                priority=chance.random(),
                idle_days=chance.choice([None, 0, 30]),
                missing=["Why it matters", "Horizon"][: chance.randrange(3)],
                values={"confidence": chance.choice(["3", "no", "1e9"]), "result": chance.choice(["", "yes"])},
            )
        )
    domains = [PlanDomain(node="n0", title="<i>", completion=0.5, maturity="emerging", steps=3)] if steps else []
    numbers = [chance.randrange(50) for _ in range(5)]
    movement = Movement(
        edits=numbers[0] * chance.randrange(2),
        edits_before=numbers[1],
        completed=numbers[2] * chance.randrange(2),
        completed_before=numbers[3],
        people=numbers[4],
    )
    return Plan(tree=1, seq=seed, name="T", completion=chance.random(), steps=steps, domains=domains, movement=movement)
