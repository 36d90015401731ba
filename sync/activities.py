"""What is called what in the record of activity (specs 000 and 002): accepted ops, what becomes of a tree as a whole,
and what clients may report beside them."""

from __future__ import annotations

from sync import ops
from sync.identity import Author
from sync.ops import Op
from sync.protocol import Role

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
_OF_OPS = frozenset({*_ACTIVITIES.values(), "template_filled", "connection_edited", "tree_renamed"})
# what is no op: it stands in no log, and its row is written by the transaction that does it
OF_TREES = frozenset(
    {
        "tree_created",
        "tree_deleted",
        "member_added",
        "member_changed",
        "member_removed",
        "visibility_changed",
    }
)
MAKERS = frozenset({"create", "import", "copy", "import-legacy"})  # begin the client of the ops that make a tree
TREE_VIEWED = "tree_viewed"  # a whole visit: what else its client measured meanwhile lies within it
RESERVED = _OF_OPS | OF_TREES  # a client may report nothing under these


def activity_of(op: Op) -> str:
    if type(op) is ops.Text:
        return "template_filled" if op.path.startswith("template_data.") else "node_edited"
    if type(op) is ops.Update:
        if isinstance(op.connection, str):
            return "connection_edited"
        for path in op.set or ():
            if path.startswith("template_data."):
                return "template_filled"
    elif type(op) is ops.Configure and "name" in (op.set or ()):
        return "tree_renamed"
    return _ACTIVITIES[type(op)]


def made_by(author: Author) -> str:
    """How a tree was made: what begins the client of the ops that make it."""
    return author.client.partition(":")[0]


def of_member(known: bool, role: Role | None) -> str:
    """What giving somebody that role in a tree is called; `known`: he had one."""
    if role is None:
        return "member_removed"
    return "member_changed" if known else "member_added"
