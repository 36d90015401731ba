"""Which trees of memory a list is asked for."""

from __future__ import annotations

from datetime import datetime

from storage.memory_rows import TreeRows
from sync.listing import TreeFilter
from sync.node_templates import standard_templates
from sync.nodes import Node
from sync.ports import TreeSummary
from sync.scores import judge
from sync.templates import Status


def is_wanted(rows: TreeRows, line: TreeSummary, only: TreeFilter) -> bool:
    updated = datetime.fromisoformat(line.updated_at)
    return (
        (only.name is None or only.name.lower() in line.name.lower())
        and only.is_template in (None, line.is_template)
        and only.phase in (None, line.discovery_phase)
        and line.node_count >= (only.least_nodes or 0)
        and (only.updated_since is None or updated >= only.updated_since)
        and (only.updated_before is None or updated < only.updated_before)
        and (only.numbers is None or line.id in only.numbers)
        and _has_nodes(rows, only)
    )


def _has_nodes(rows: TreeRows, only: TreeFilter) -> bool:
    if only.type is None and only.status is None:
        return True
    nodes = [row.node for row in rows.loaded().nodes if row.deleted is None]
    has_type = only.type is None or any(node.type == only.type for node in nodes)
    return has_type and only.status in (None, _status(nodes))


def _status(nodes: list[Node]) -> Status:
    found = {judge(node, standard_templates()).status for node in nodes}
    if found <= {"not_started"}:
        return "not_started"
    return "complete" if found == {"complete"} else "in_progress"
