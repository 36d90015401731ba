"""A replica written from PROTOCOL.md alone, in plain maps: the oracle that the server's own tree is compared with.

It shares no code with `sync.tree` or `sync.apply`; where the two differ, one of them, or the protocol, is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zlib import crc32

import msgspec

Record = dict[str, Any]
DETAILS = ("name", "description", "discovery_phase", "is_template", "canvas_state")
_SEPARATOR = "\x1f"


class Replica:
    """Confirmed state of one tree at `seq`."""

    def __init__(self, state: Record, seq: int) -> None:
        self.seq = seq
        self.details: Record = {field: state[field] for field in DETAILS}
        self.nodes: dict[str, Record] = {node["id"]: node for node in state["nodes"]}
        self.connections: dict[str, Record] = {one["id"]: one for one in state["connections"]}
        self.trashed: list[str] = []  # ids it saw go: what its person may want back

    @classmethod
    def empty(cls) -> Replica:
        """A tree before its first op (spec 002's defaults)."""
        canvas = {"zoom": 1, "pan": {"x": 0, "y": 0}, "orientation": "vertical"}
        details = {"name": "", "description": "", "discovery_phase": "strategy", "is_template": False}
        return cls({**details, "canvas_state": canvas, "nodes": [], "connections": []}, 0)

    # ---- applying effective ops [RP1]

    def apply(self, op: Record, seq: int) -> None:
        assert seq == self.seq + 1, f"op {seq} after {self.seq}"
        self.seq = seq
        getattr(self, "_" + op["op"])(op, seq)

    def _insert(self, op: Record, seq: int) -> None:
        node = {
            "id": op["node"],
            "parent": op["parent"],
            "order": op["order"],
            "type": op["type"],
            "title": op["title"],
            "description": op.get("description", ""),
            "position": op.get("position", {"x": 0, "y": 0}),
            "is_collapsed": op.get("is_collapsed", False),
            "template_data": op.get("template_data", {}),
            "metadata": op.get("metadata", {}),
        }
        self._put(node, seq)

    def _put(self, node: Record, seq: int) -> None:
        if node["parent"] is None or node["parent"] in self.nodes:
            self.nodes[node["id"]] = {**node, "seq": seq}

    def _link(self, connection: Record) -> None:
        if connection["from"] in self.nodes and connection["to"] in self.nodes:
            self.connections[connection["id"]] = connection

    def _update(self, op: Record, seq: int) -> None:
        if "connection" in op:
            if op["connection"] in self.connections:
                known = self.connections[op["connection"]]
                self.connections[op["connection"]] = {**known, "label": op["set"]["label"]}
        elif op["node"] in self.nodes:
            self.nodes[op["node"]] = {**_written(self.nodes[op["node"]], op), "seq": seq}

    def _text(self, op: Record, seq: int) -> None:
        node = self.nodes.get(op["node"])
        if node is not None:
            field, dot, key = op["path"].partition(".")
            text = _typed((node[field].get(key) if dot else node[field]) or "", op["delta"])
            self.nodes[op["node"]] = {**_written(node, {"set": {op["path"]: text}}), "seq": seq}

    def _purge(self, op: Record, seq: int) -> None:
        """[TR27] It shows what lives, and nothing of what was in the trash does."""
        assert op["node"] not in self.nodes, f"purged alive: {op}"

    def _move(self, op: Record, seq: int) -> None:
        node = self.nodes.get(op["node"])
        if node is not None and (op["parent"] is None or op["parent"] in self.nodes):
            moved = {"parent": op["parent"], "order": op["order"], "position": op.get("position", node["position"])}
            self.nodes[op["node"]] = {**node, **moved, "seq": seq}

    def _delete(self, op: Record, seq: int) -> None:
        if op["node"] not in self.nodes:
            return
        self.trashed.append(op["node"])
        for node_id in self.below(op["node"]):
            del self.nodes[node_id]
        self.connections = {
            one: connection
            for one, connection in self.connections.items()
            if connection["from"] in self.nodes and connection["to"] in self.nodes
        }

    def _restore(self, op: Record, seq: int) -> None:
        for node in op["nodes"]:
            self._put(node, seq)
        for connection in op["connections"]:
            self._link(connection)

    _import = _restore

    def _connect(self, op: Record, seq: int) -> None:
        self._link({"id": op["connection"], "from": op["from"], "to": op["to"], "label": op.get("label", "")})

    def _disconnect(self, op: Record, seq: int) -> None:
        self.connections.pop(op["connection"], None)

    def _configure(self, op: Record, seq: int) -> None:
        self.details = _written(self.details, op)

    # ---- reading

    def children(self) -> dict[str | None, list[str]]:
        """Ids of the children of every node, in order."""
        found: dict[str | None, list[str]] = {}
        for node in sorted(self.nodes.values(), key=lambda node: str(node["order"])):
            found.setdefault(node["parent"], []).append(node["id"])
        return found

    def siblings(self, parent: str | None) -> list[str]:
        children = [node for node in self.nodes.values() if node["parent"] == parent]
        return [node["id"] for node in sorted(children, key=lambda node: str(node["order"]))]

    def below(self, node_id: str) -> list[str]:
        """A node and all under it."""
        children = self.children()
        found = [node_id]
        for one in found:  # grows while it is walked
            found.extend(children.get(one, ()))
        return found

    def digest(self) -> str:
        """[RP5]"""
        total = mixed = 0
        for hashed in self._hashes():
            total = (total + hashed) % 2**32
            mixed ^= hashed
        return f"{total:08x}{mixed:08x}"

    def _hashes(self) -> Iterator[int]:
        for node in self.nodes.values():
            fields = (node["id"], node["parent"] or "", node["order"], str(node["seq"]))
            yield crc32(_SEPARATOR.join((*fields, node["title"], node["description"])).encode())
        for one in self.connections.values():
            yield crc32(_SEPARATOR.join((one["id"], one["from"], one["to"], one["label"])).encode())

    def canonical(self) -> bytes:
        """Everything, so that two replicas are equal exactly if these bytes are."""
        return canonical({**self.details, "nodes": [*self.nodes.values()], "connections": [*self.connections.values()]})

    def check(self) -> None:
        """[TR26, TR11] one parent, no cycle, no orphan, both ends, no two siblings with one key."""
        children = self.children()
        reached = [*children.get(None, ())]
        for one in reached:
            reached.extend(children.get(one, ()))
        assert sorted(reached) == sorted(self.nodes), "a cycle or an orphan"
        for siblings in children.values():
            keys = [self.nodes[one]["order"] for one in siblings]
            assert len(set(keys)) == len(keys), "two siblings share an order key"
        for connection in self.connections.values():
            assert {connection["from"], connection["to"]} <= self.nodes.keys(), "a connection ends nowhere"


def canonical(state: Record) -> bytes:
    """A state as bytes that depend on nothing but its content."""
    nodes = [
        {**node, "position": {axis: float(value) for axis, value in node["position"].items()}}
        for node in sorted(state["nodes"], key=lambda node: str(node["id"]))
    ]
    connections = sorted(state["connections"], key=lambda one: str(one["id"]))
    details = {field: state[field] for field in DETAILS}
    return msgspec.json.encode({**details, "nodes": nodes, "connections": connections}, order="sorted")


def _typed(text: str, delta: list[Any]) -> str:
    """n code points are kept, text is put in, -n code points go."""
    made, at = "", 0
    for part in delta:
        if isinstance(part, str):
            made += part
        else:
            made += text[at : at + max(part, 0)]
            at += abs(part)
    assert at <= len(text), f"{delta} is longer than {text!r}"
    return made + text[at:]


def _written(record: Record, op: Record) -> Record:
    """A record after `set` and `unset` of an op; maps inside it are copied."""
    made = dict(record)
    for path, value in op.get("set", {}).items():
        field, dot, key = path.partition(".")
        made[field] = {**made[field], key: value} if dot else value
    for path in op.get("unset", ()):
        field, _, key = path.partition(".")
        made[field] = {one: value for one, value in made[field].items() if one != key}
    return made
