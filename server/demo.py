"""The demo: a tree as a product team would have it, made once per installation, for guests to edit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from server.demo_content import CONNECTIONS, STRATEGY, Topic
from server.guest import TENANT
from sync.creation import first_batch
from sync.identity import Author, Identity, TreeKey
from sync.nodes import Details, NodeType, Point
from sync.ops import ImportedConnection, ImportedNode
from sync.ports import Clock, Directory

OWNER = "ada"
NAME = "Demo: a meal box people keep"
COLUMN, ROW = 280, 200  # canvas units from one leaf, or level, to the next: a card is 240 by 120
_PAGE = 500
_LASTS = 3600.0  # seconds of the owner's identity; it is used at once


class Home(Protocol):
    """Of an application, what making the tree needs."""

    @property
    def directory(self) -> Directory: ...

    @property
    def clock(self) -> Clock: ...


def demo_tree() -> tuple[Details, list[ImportedNode], list[ImportedConnection]]:
    """The tree's own fields, its nodes with parents first, and its connections."""
    named: dict[str, str] = {}
    nodes = list(_nodes(STRATEGY, None, 0, Counter(), Columns(), named))
    nodes.sort(key=lambda node: node.position.y if isinstance(node.position, Point) else 0)
    connections = [
        ImportedConnection(id=f"link-{number}", source=named[source], target=named[target], label=label)
        for number, (source, target, label) in enumerate(CONNECTIONS, start=1)
    ]
    details = Details(
        name=NAME,
        description="A made-up strategy to try treesync on. Everyone who opens it may change it.",
        discovery_phase="opportunity",
    )
    return details, nodes, connections


class Columns:
    """Hands out places for leaves, from left to right."""

    def __init__(self) -> None:
        self._next = 0

    def take(self) -> float:
        self._next += COLUMN
        return float(self._next - COLUMN)


def _nodes(
    topic: Topic, parent: str | None, level: int, counts: Counter[NodeType], columns: Columns, named: dict[str, str]
) -> Iterator[ImportedNode]:
    """The node of a topic and all below it; a parent stands over the middle of its children."""
    counts[topic.type] += 1
    node_id = f"{topic.type}-{counts[topic.type]}"
    if topic.name:
        named[topic.name] = node_id
    below: list[ImportedNode] = []
    middles: list[float] = []
    for child in topic.below:
        made = list(_nodes(child, node_id, level + 1, counts, columns, named))
        middles.append(_x(made[0]))
        below += made
    x = (middles[0] + middles[-1]) / 2 if middles else columns.take()
    yield ImportedNode(
        id=node_id,
        parent=parent,
        type=topic.type,
        title=topic.title,
        description=topic.description,
        position=Point(x, level * ROW),
        template_data=topic.template,
        metadata={},
    )
    yield from below


def _x(node: ImportedNode) -> float:
    assert isinstance(node.position, Point), "every node of the demo has a place"
    return node.position.x


async def ensure_demo_tree(home: Home) -> int:
    """The number of the demo tree, made where there is none. Instances that start at once agree on the oldest."""
    who = Identity(tenant=TENANT, user=OWNER, name="Ada", expires_at=home.clock.now() + _LASTS)
    await home.directory.admit(who)
    known = await _owned(home, who)
    if known:
        return min(known)
    made = await _make(home, who)
    oldest = min(made.tree, *await _owned(home, who))
    if made.tree != oldest:
        await home.directory.trash_tree(made)
    return oldest


async def _owned(home: Home, who: Identity) -> list[int]:
    trees = await home.directory.trees(who, limit=_PAGE)
    return [tree.id for tree in trees if tree.owner == OWNER and tree.visibility == "tenant_edit"]


async def _make(home: Home, who: Identity) -> TreeKey:
    details, nodes, connections = demo_tree()
    clock = home.clock
    author = Author(user=OWNER, client=f"create:{clock.token(16)}")
    nobody = TreeKey(TENANT, 0)  # the database gives the number
    first = first_batch(nobody, clock.token(16), clock.token(16), author, details, nodes, connections)
    return await home.directory.create(who, first, "tenant_edit", author)
