"""What an accepted op is called in the activity log (spec 000's types)."""

from __future__ import annotations

from sync.ops import Op, Update

_ACTIVITIES = {
    "insert": "node_created",
    "update": "node_edited",
    "move": "node_moved",
    "delete": "node_deleted",
    "restore": "node_restored",
    "connect": "connection_created",
    "disconnect": "connection_deleted",
    "configure": "tree_edited",
    "import": "nodes_imported",
}


def activity_of(op: Op) -> str:
    if isinstance(op, Update):
        if isinstance(op.connection, str):
            return "connection_edited"
        if any(path.startswith("template_data.") for path in op.set or ()):
            return "template_filled"
    return _ACTIVITIES[str(op.__struct_config__.tag)]
