"""Trees that are grown op by op, as a room grows them: for tests of what is judged and what is applied."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sync.apply import RESPACE, Stamp, apply
from sync.effects import Effect
from sync.judge import judge
from sync.limits import Limits
from sync.marks import CREATED, Mark
from sync.nodes import Details, State
from sync.ops import Op
from sync.protocol import Mode
from sync.tree import Before, Held, HeldConnection, HeldDetails, Tree
from sync.values import Refused
from sync.verdict import Asking, SetAside, Verdict

Json = dict[str, Any]
HERE = -1  # a base that stands for the tree's seq


class Grown:
    """A tree with its seq. `ada` on client `a1` asks unless said otherwise; `bo` on `b1` is someone else."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.tree = empty()
        self.seq = 0
        self.log: list[tuple[Effect, Stamp]] = []
        self.befores: list[Before] = []

    # ---- asking

    def judge(self, op: Json, *, mode: Mode = "live", who: str = "ada", client: str = "", base: int = HERE) -> Verdict:
        asked = msgspec.convert({"n": 1, "base": self.seq if base == HERE else base, **op}, Op)
        return judge(self.tree, asked, Asking(who, client or f"{who[0]}1", mode, self.limits))

    def ask(self, op: Json, *, mode: Mode = "live", who: str = "ada", client: str = "", base: int = HERE) -> Verdict:
        """Judge an op and apply what it becomes."""
        verdict = self.judge(op, mode=mode, who=who, client=client, base=base)
        for move in verdict.respaced:
            self.apply(move, who="treesync", client=RESPACE + "1")
        if verdict.effect is not None:
            self.apply(verdict.effect, who=who, client=client or f"{who[0]}1")
        return verdict

    def apply(self, effect: Effect, *, who: str = "ada", client: str = "a1") -> Before:
        self.seq += 1
        stamp = Stamp(self.seq, who, client)
        before = apply(self.tree, effect, stamp)
        self.log.append((effect, stamp))
        self.befores.append(before)
        self.tree.check()
        return before

    def refused(self, op: Json, **how: Any) -> str:
        """The code with which an op is refused."""
        with pytest.raises(Refused) as raised:
            self.judge(op, **how)
        assert raised.value.why
        return raised.value.code

    def set_aside(self, op: Json, **how: Any) -> SetAside:
        with pytest.raises(SetAside) as raised:
            self.judge(op, mode="replay", **how)
        return raised.value

    # ---- growing

    def insert(self, node: str, parent: str | None = None, **fields: Any) -> Verdict:
        how = {name: fields.pop(name) for name in ("who", "client", "mode", "base") if name in fields}
        made = {"op": "insert", "node": node, "parent": parent, "type": "metric", "title": node.upper()}
        return self.ask(made | fields, **how)

    def children(self, parent: str | None) -> list[str]:
        return self.tree.children(parent)


def empty() -> Tree:
    return Tree(HeldDetails(Details(name="Strategy"), {CREATED: Mark(0, "ada", "create:1")}))


def replica(state: State) -> Tree:
    """A tree that knows nothing of trash and marks: what a client holds."""
    unknown = {CREATED: Mark(0, "", "")}
    details = Details(
        name=state.name,
        description=state.description,
        discovery_phase=state.discovery_phase,
        is_template=state.is_template,
        canvas_state=state.canvas_state,
    )
    tree = Tree(HeldDetails(details, unknown))
    for node in state.nodes:
        tree.put_node(node.id, Held(node, unknown))
    for connection in state.connections:
        tree.put_connection(connection.id, HeldConnection(connection, unknown))
    return tree


def image(tree: Tree) -> Any:
    """Everything a tree holds, its indexes too."""
    parents = {None, *tree.nodes, *(held.node.parent for held in tree.nodes.values())}
    return (
        dict(tree.nodes),
        dict(tree.connections),
        tree.details,
        tree.live,
        tree.digest,
        {parent: list(tree.siblings(parent)) for parent in parents},
        {node: set(tree.touching(node)) for node in tree.nodes},
    )


def live(tree: Tree) -> Any:
    """What a snapshot shows, in no order."""
    state = tree.state()
    return (
        {node.id: node for node in state.nodes},
        {connection.id: connection for connection in state.connections},
        msgspec.structs.replace(state, nodes=[], connections=[]),
        tree.digest,
    )


# ---- arbitrary ops

KINDS = 12


def arbitrary(tree: Tree, kind: int, first: int, second: int, third: int) -> Json:
    """Some op on that tree, by four numbers: mostly one that means something, sometimes one that does not."""
    node, other, third_node = (_pick(sorted(tree.nodes), number, "n") for number in (first, second, third))
    connection = _pick(sorted(tree.connections), first, "c")
    text = f"T{second}"
    made: list[Json] = [
        {"op": "insert", "node": f"n{first}", "parent": other or None, "type": "metric", "title": text},
        {"op": "insert", "node": f"n{first}", "parent": other, "after": third_node, "type": "metric", "title": text},
        {"op": "update", "node": node, "set": {"title": text, "template_data.k": second}},
        {"op": "update", "node": node, "set": {"description": text}, "unset": ["template_data.k"]},
        {"op": "text", "node": node, "path": ("title", "description")[first % 2], "delta": [text]},
        {"op": "text", "node": node, "path": "title", "delta": ["🌳", -1]},
        {"op": "move", "node": node, "parent": other, "after": third_node, "position": {"x": third, "y": 0}},
        {"op": "move", "node": node, "after": third_node if third % 3 else None},
        {"op": "delete", "node": node},
        {"op": "restore", "node": node} | ({"parent": other} if third % 4 == 0 else {}),
        {"op": "connect", "connection": f"c{third % 5}", "from": node, "to": other, "label": text},
        {"op": "disconnect", "connection": connection},
        {"op": "update", "connection": connection, "set": {"label": text}},
        {"op": "configure", "set": {"name": text, "canvas_state.zoom": second}},
        {
            "op": "import",
            "parent": node,
            "nodes": [
                {"id": f"m{first}-{third}", "type": "metric", "title": "top"},
                {"id": f"k{first}-{third}", "parent": f"m{first}-{third}", "type": "metric", "title": "below"},
            ],
            "connections": [{"id": f"d{first}-{third}", "from": f"m{first}-{third}", "to": other}],
        },
    ]
    return made[kind % len(made)]


def _pick(ids: list[str], number: int, fallback: str) -> str:
    return ids[number % len(ids)] if ids else f"{fallback}0"
