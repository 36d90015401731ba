"""The demo: a tree as a product team would have it, made once per installation, for guests to edit."""

from __future__ import annotations

from collections import Counter, deque
from typing import Protocol

from server.demo_content import CONNECTIONS, STRATEGY, Topic
from server.guest import TENANT
from sync.creation import first_batch
from sync.identity import Author, Identity, TreeKey
from sync.nodes import Details, NodeType
from sync.ops import ImportedConnection, ImportedNode
from sync.ports import Clock, Directory

OWNER = "ada"
NAME = "Demo: a meal box people keep"
_PAGE = 500
_LASTS = 3600.0  # seconds of the owner's identity; it is used at once


class Home(Protocol):
    """Of an application, what making the tree needs."""

    @property
    def directory(self) -> Directory: ...

    @property
    def clock(self) -> Clock: ...


def demo_tree() -> tuple[Details, list[ImportedNode], list[ImportedConnection]]:
    """The tree's own fields, its nodes with parents first, and its connections.

    No node has a place of its own: the page lays such nodes out, and lays them out anew as the tree grows.
    """
    named: dict[str, str] = {}
    nodes = _nodes(named)
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


def _nodes(named: dict[str, str]) -> list[ImportedNode]:
    """All topics, level by level. `named` takes the ids of those that connections refer to."""
    nodes: list[ImportedNode] = []
    counts: Counter[NodeType] = Counter()
    waiting: deque[tuple[Topic, str | None]] = deque([(STRATEGY, None)])
    while waiting:
        topic, parent = waiting.popleft()
        counts[topic.type] += 1
        node_id = f"{topic.type}-{counts[topic.type]}"
        if topic.name:
            named[topic.name] = node_id
        nodes.append(
            ImportedNode(
                id=node_id,
                parent=parent,
                type=topic.type,
                title=topic.title,
                description=topic.description,
                template_data=topic.template,
                metadata={},
            )
        )
        waiting.extend((below, node_id) for below in topic.below)
    return nodes


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
