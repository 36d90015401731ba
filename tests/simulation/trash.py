"""What each deletion took, followed along the log by what replicas see: a restore brings back all of it (TR19)."""

from __future__ import annotations

from tests.simulation.replica import Record, Replica


class Trash:
    """`taken`: node -> (seq of the delete that took it, its parent then)."""

    def __init__(self) -> None:
        self._taken: dict[str, tuple[int, str | None]] = {}

    def follow(self, op: Record, seq: int, before: dict[str, Record], after: Replica) -> None:
        """An effective op, with the nodes before it and the replica after it."""
        if op["op"] == "delete":
            for node_id, node in before.items():
                if node_id not in after.nodes:
                    self._taken[node_id] = (seq, node["parent"])
        elif op["op"] == "restore":
            back = {node["id"] for node in op["nodes"]}
            missed = self._below(op["node"]) - back
            assert not missed, f"{op['node']} came back without {sorted(missed)} [TR19]"
            for node_id in back:
                self._taken.pop(node_id, None)
        elif op["op"] == "purge":
            for node_id in [one for one in self._taken if self._stands_on(one, op["node"])]:
                del self._taken[node_id]

    def _below(self, node_id: str) -> set[str]:
        """What the deletion that took a node took under it, too."""
        if node_id not in self._taken:
            return set()
        seq = self._taken[node_id][0]
        return {one for one, (when, _) in self._taken.items() if when == seq and self._stands_on(one, node_id, seq)}

    def _stands_on(self, node_id: str, above: str, seq: int | None = None) -> bool:
        """Whether a node lies below another in the trash; with `seq` through nodes of that deletion alone."""
        one: str | None = node_id
        while one is not None and one != above:
            when, one = self._taken.get(one, (0, None))
            if seq is not None and when != seq:
                return False
        return one == above
