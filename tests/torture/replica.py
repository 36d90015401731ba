"""A peer's copy of a tree, from PROTOCOL.md alone: plain maps, effective ops, the digest."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from tests.torture.keystrokes import of_delta, played

Node = dict[str, Any]


class Replica:
    """Confirmed state. Ops on what it does not hold are passed over (RP1)."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.nodes: dict[str, Node] = {node["id"]: node for node in state["nodes"]}
        self.connections: dict[str, dict[str, Any]] = {one["id"]: one for one in state["connections"]}

    def apply(self, op: dict[str, Any], seq: int) -> None:
        match op["op"]:
            case "insert":
                fields = {"description": "", "template_data": {}, "metadata": {}} | op
                self._put({**fields, "id": op["node"], "seq": seq})
            case "restore" | "import":
                for node in op["nodes"]:
                    self._put({**node, "seq": seq})
                for connection in op["connections"]:
                    self.connections[connection["id"]] = connection
            case "connect" if {op["from"], op["to"]} <= self.nodes.keys():
                self.connections[op["connection"]] = {**op, "id": op["connection"]}
            case "disconnect":
                self.connections.pop(op["connection"], None)
            case "delete" | "purge":
                self._remove(op["node"])
            case "update" | "text" | "move" if op.get("node") in self.nodes:
                self._change(self.nodes[op["node"]], op)
                self.nodes[op["node"]]["seq"] = seq

    def _put(self, node: Node) -> None:
        if node["parent"] is None or node["parent"] in self.nodes:
            self.nodes[node["id"]] = node

    def _change(self, node: Node, op: dict[str, Any]) -> None:
        if op["op"] == "text":
            node[op["path"]] = played(node[op["path"]], of_delta(op["delta"]))
        elif op["op"] == "move":
            if op["parent"] is None or op["parent"] in self.nodes:
                node.update({key: op[key] for key in ("parent", "order", "position") if key in op})
        else:
            node.update({path: value for path, value in op.get("set", {}).items() if "." not in path})

    def _remove(self, top: str) -> None:
        gone = {top}
        while more := {one for one, node in self.nodes.items() if node["parent"] in gone} - gone:
            gone |= more
        self.nodes = {one: node for one, node in self.nodes.items() if one not in gone}
        ends = {one: (held["from"], held["to"]) for one, held in self.connections.items()}
        self.connections = {one: held for one, held in self.connections.items() if gone.isdisjoint(ends[one])}

    @property
    def digest(self) -> str:
        """[RP5]"""
        texts = [
            (node["id"], node["parent"] or "", node["order"], str(node["seq"]), node["title"], node["description"])
            for node in self.nodes.values()
        ]
        texts += [(one["id"], one["from"], one["to"], one["label"]) for one in self.connections.values()]  # type: ignore[misc]
        total = both = 0
        for fields in texts:
            hashed = crc32("\x1f".join(fields).encode())
            total, both = total + hashed, both ^ hashed
        return f"{total % 2**32:08x}{both:08x}"
