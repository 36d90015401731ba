"""What clients are told of progress, against what it is when it is counted from scratch [PG6, PG8]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sync.nodes import NODE_TYPES
from sync.templates import Field, Template, TemplateSet
from tests.simulation.replica import Record, Replica

if TYPE_CHECKING:
    from tests.simulation.world import World

# of what the askers set, `why` is text or nonsense, `flag` is not in template_data at all
TEMPLATES = TemplateSet(
    version=1,
    templates={
        kind: Template(fields=[Field(name="why", label="Why"), Field(name="never", label="Never", kind="date")])
        for kind in NODE_TYPES
    },
)


class Told:
    """What one client was told of one tree since it opened it."""

    def __init__(self) -> None:
        self.begun = False
        self.seq = 0
        self.summary: Record = {}
        self.nodes: dict[str, Record] = {}

    def take(self, message: Record) -> None:
        assert message["whole"] or self.begun, "progress begins with the whole"
        if message["whole"]:
            self.nodes = {}
        self.begun = True
        self.seq, self.summary = message["seq"], message["summary"]
        self.nodes |= message["nodes"]


def check_progress(world: World) -> list[str]:
    """Where what a client was told differs from what its tree is at."""
    wrong = []
    for copy in world.copies():
        if copy.state != "open" or copy.gone or copy.replica is None:
            continue
        if not copy.progress.begun:
            wrong.append(f"{copy.client.name} tree {copy.tree} was told nothing")
            continue
        counted, summary = counted_from_scratch(copy.replica)
        for node, is_so in counted.items():
            told = copy.progress.nodes.get(node)
            if (told or {"branch_completion": 0.0}).get("branch_completion", 0.0) != is_so:
                wrong.append(f"{copy.client.name} tree {copy.tree} {node}: told {told}, it is {is_so}")
        if {name: copy.progress.summary[name] for name in summary} != summary:
            wrong.append(f"{copy.client.name} tree {copy.tree}: told {copy.progress.summary}, it is {summary}")
    return wrong


def counted_from_scratch(replica: Replica) -> tuple[dict[str, float], dict[str, Any]]:
    """The mean completion of each node's branch, and the tree's numbers."""
    thousandths = {node: 500 if _filled(one) else 0 for node, one in replica.nodes.items()}
    branches: dict[str, list[int]] = {node: [] for node in replica.nodes}
    for node in replica.nodes:
        above: str | None = node
        while above is not None:
            branches[above].append(thousandths[node])
            above = replica.nodes[above]["parent"]
    nodes = len(thousandths)
    summary = {
        "total_nodes": nodes,
        "in_progress": sum(1 for one in thousandths.values() if one),
        "completion_rate": round(sum(thousandths.values()) / (1000 * nodes), 4) if nodes else 0.0,
    }
    return {node: round(sum(all_) / (1000 * len(all_)), 4) for node, all_ in branches.items()}, summary


def _filled(node: Record) -> bool:
    why = node["template_data"].get("why")
    return isinstance(why, str) and bool(why.strip())


class FixedTemplates:
    """`sync.templates.TemplateSource` of a simulation."""

    async def node_templates(self, tenant: str) -> TemplateSet:
        return TEMPLATES
