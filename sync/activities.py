"""What an accepted op is called in the activity feed (spec 000), and that a minute of typing is one activity."""

from __future__ import annotations

from collections.abc import Sequence

from sync import ops
from sync.effects import Text
from sync.ops import Op
from sync.ports import LoggedOp

RUN = 60.0  # seconds; as long as further losses of one field are one conflict record (SEMANTICS 25)

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


class Typing:
    """Deltas of one person on one text within a minute of the first are one activity (SEMANTICS 15); in the log each
    stands for itself. What is not confirmed does not count, and after the room was loaded anew a run begins again."""

    def __init__(self) -> None:
        self._began: dict[tuple[str, str, str], float] = {}  # (user, node, path) -> when a run began
        self._in_flight: dict[tuple[str, str, str], float] = {}

    def coalesce(self, batch: Sequence[LoggedOp], now: float) -> None:
        """Take the activity from the deltas of a batch that go on with a run. `now` in seconds."""
        self._in_flight = {}
        for op in batch:
            if type(op.effect) is Text:
                run = (op.author.user, op.effect.node, op.effect.path)
                began = self._in_flight.get(run, self._began.get(run))
                if began is not None and 0 <= now - began < RUN:
                    op.activity = ""
                else:
                    self._in_flight[run] = now

    def confirm(self) -> None:
        """The batch is in the log."""
        if self._in_flight:
            now = max(self._in_flight.values())
            self._began = {run: began for run, began in self._began.items() if 0 <= now - began < RUN}
            self._began |= self._in_flight
            self._in_flight = {}
