"""What an accepted op is called in the activity feed (spec 000)."""

from __future__ import annotations

from sync import ops
from sync.ops import Op

_ACTIVITIES: dict[type[Op], str] = {
    ops.Insert: "node_created",
    ops.Update: "node_edited",
    ops.Move: "node_moved",
    ops.Delete: "node_deleted",
    ops.Restore: "node_restored",
    ops.Purge: "node_purged",
    ops.Connect: "connection_created",
    ops.Disconnect: "connection_deleted",
    ops.Configure: "tree_edited",
    ops.Import: "nodes_imported",
}


def activity_of(op: Op) -> str:
    if type(op) is ops.Text:
        return "template_filled" if op.path.startswith("template_data.") else "node_edited"
    if type(op) is ops.Update:
        if isinstance(op.connection, str):
            return "connection_edited"
        for path in op.set or ():
            if path.startswith("template_data."):
                return "template_filled"
    return _ACTIVITIES[type(op)]
