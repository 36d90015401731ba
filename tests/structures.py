"""Trees to make structures of: as people have them, drawn by chance from a seed."""

from __future__ import annotations

from random import Random

from sync.nodes import NODE_TYPES, Connection, Details, Node
from sync.structuring import Subject

_TEXT = """
new customers cook three boxes in their first month and stay; churn of subscribers falls, onboarding takes one day, we
believe that a reminder on Sunday evening helps families to plan, measured by weekly active users and revenue per
household, the warehouse packs faster, delivery cost goes down, interview with twelve people about waste
"""
_WORDS = _TEXT.split()


def words(chance: Random, most: int) -> str:
    return " ".join(chance.choices(_WORDS, k=chance.randint(1, most)))


def nodes_of(chance: Random, count: int) -> list[Node]:
    """A tree of that many nodes, parents first; some are filled, some described, some said to be done."""
    found: list[Node] = []
    for number in range(count):
        parent = None if not found or chance.random() < 0.02 else chance.choice(found[-6:]).id
        data: dict[str, object] = {}
        if chance.random() < 0.7:
            data = {"core_why": words(chance, 20), "hypothesis": words(chance, 15), "baseline": chance.randint(0, 99)}
        if chance.random() < 0.4:
            data["completion_status"] = chance.choice(["done", "in progress", "not_started", "?"])
        found.append(
            Node(
                id=f"n{number}",
                parent=parent,
                order=f"a{number:06}",
                type=chance.choice(NODE_TYPES),
                title=words(chance, 8),
                description=words(chance, 25) if chance.random() < 0.5 else "",
                template_data=data,
                metadata={"template_ref": {"tree": 3, "node": "n1"}} if chance.random() < 0.1 else {},
            )
        )
    return found


def subject(seed: int, count: int = 15) -> Subject:
    chance = Random(seed)
    nodes = nodes_of(chance, count)
    ends = [chance.choices([node.id for node in nodes], k=2) for _ in range(count // 5)] if nodes else []
    return Subject(
        tree=seed + 1,
        owner="ada",
        epoch="e1",
        seq=count,
        details=Details(name=words(chance, 5)),
        created_at="2026-01-05T10:00:00.000000Z",
        updated_at="2026-02-05T10:00:00.000000Z",
        nodes=nodes,
        connections=[Connection(id=f"c{one}", source=a, target=b) for one, (a, b) in enumerate(ends)],
    )
