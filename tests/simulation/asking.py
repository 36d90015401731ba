"""Ops as people and broken clients make them: mostly sensible, some of them impossible, a few of them nonsense."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any

from sync.text import Delta, applied, checked, composed
from tests.simulation.drafts import TEXTS
from tests.simulation.faults import POISON
from tests.simulation.plan import Plan
from tests.simulation.replica import Record, Replica

TYPES = ("objective", "outcome", "opportunity", "solution", "assumption", "metric", "research")
_FIRST_TYPED = 0x20000  # characters beyond the Basic Multilingual Plane: two units in JavaScript, one code point
KINDS = {
    "typing": 45,
    "insert": 24,
    "update": 25,
    "reparent": 12,
    "reorder": 9,
    "drag": 4,
    "delete": 6,
    "restore": 5,
    "connect": 6,
    "disconnect": 3,
    "label": 2,
    "configure": 4,
    "import_": 4,
    "nonsense": 4,
    "misuse": 1,
}


class Asker:
    """Makes the ops of one client, looking at its replica."""

    def __init__(self, name: str, plan: Plan, random: Random, typed: Iterator[int]) -> None:
        """`typed`: the characters of the whole run, so that each is typed once and its way can be followed."""
        self._name = name
        self._plan = plan
        self._random = random
        self._numbers = count(1)
        self._typed = typed

    def ask(self, replica: Replica) -> Record:
        """An op without `n` and `base`."""
        kind = self._random.choices([*KINDS], [*KINDS.values()])[0]
        op: Record = getattr(self, "_" + kind)(replica)
        return op

    # ---- choosing

    def _node(self, replica: Replica) -> str:
        """A node: mostly one that is there, else one in the trash, else none."""
        chance = self._random.random()
        if chance < 0.9 and replica.nodes:
            return self._random.choice([*replica.nodes])
        if chance < 0.98 and replica.trashed:
            return self._random.choice(replica.trashed)
        return "nobody"

    def _parent(self, replica: Replica) -> str | None:
        return None if self._random.random() < 0.08 else self._node(replica)

    def _after(self, op: Record, replica: Replica, parent: str | None) -> Record:
        chance = self._random.random()
        siblings = replica.siblings(parent)
        if chance < 0.3 and siblings:
            op["after"] = siblings[0] if self._plan.small else self._random.choice(siblings)  # the same: keys grow
        elif chance < 0.45:
            op["after"] = None
        elif chance < 0.5:
            op["after"] = self._node(replica)
        return op

    def _point(self) -> Record:
        return {"x": self._random.randint(-500, 500), "y": self._random.randint(0, 99) / 2}

    def _text(self) -> str:
        if self._random.random() < self._plan.poison:
            return POISON
        words = self._random.choices(["grow", "churn", "ünï", "🌳", "\\u0000", "retain", '"quote"'], k=2)
        return " ".join(words) + f" {self._random.randint(0, 5)}"

    def _value(self) -> Any:
        return self._random.choice([0, 1, True, False, None, 1.5, self._text(), [1, {"a": None}], {"deep": [True]}])

    def _fresh(self, kind: str, taken: list[str]) -> str:
        if taken and self._random.random() < 0.04:
            return self._random.choice(taken)
        return f"{self._name}-{kind}{next(self._numbers)}"

    # ---- typing

    def _typing(self, replica: Replica) -> Record:
        """Where to type; what, is decided by what stands there by then (`typing`)."""
        nodes = sorted(replica.nodes)[:3] if self._random.random() < 0.6 else [*replica.nodes]
        node = self._random.choice(nodes) if nodes else "nobody"
        return {"op": "type", "node": node, "path": self._random.choices(TEXTS, [6, 2, 1, 1])[0]}

    def typing(self, text: str, path: str) -> Delta:
        """A change of a text at one or two places, as a person makes it."""
        delta = self._spliced(text)
        if self._random.random() < 0.2:
            delta = composed(delta, self._spliced(applied(text, delta)))
        return delta if path != "title" or 0 < len(applied(text, delta)) <= 500 else []

    def _spliced(self, text: str) -> Delta:
        at = self._random.choice([len(text), self._random.randint(0, len(text))])
        gone = min(len(text) - at, self._random.choice([0, 0, 0, 1, 4]))
        typed = "".join(chr(_FIRST_TYPED + next(self._typed)) for _ in range(self._random.choice([0, 1, 1, 3])))
        if typed and self._random.random() < 0.2:
            typed += self._random.choice(["e\u0301", " ", "\u05e9\u05dc", "👩‍🌾"])
        parts: list[int | str] = [at, typed, -gone]
        return checked([part for part in parts if part])

    def _misuse(self, replica: Replica) -> Record:
        """A delta that is none (SEMANTICS 15)."""
        deltas: list[list[Any]] = [[0], [""], [True], [1.5], [None], [10**6, "x"], [-(10**6)], [2**53], ["\x00"], [[]]]
        return self._typing(replica) | {"op": "mistype", "delta": self._random.choice(deltas)}

    # ---- kinds

    def _content(self) -> Record:
        made: Record = {"type": self._random.choice(TYPES), "title": self._text()}
        if self._random.random() < 0.3:
            made |= {"description": self._text(), "position": self._point(), "template_data": {"why": self._value()}}
        return made

    def _insert(self, replica: Replica) -> Record:
        parent = self._parent(replica)
        # the id of a purged node would be taken, and ops on the old one meet the new: clients make ids once (TR27)
        taken = [] if "purge" in self._plan.events else [*replica.nodes]
        op = {"op": "insert", "node": self._fresh("n", taken), "parent": parent, **self._content()}
        return self._after(op, replica, parent)

    def _update(self, replica: Replica) -> Record:
        node = self._node(replica)
        values = {
            "title": self._text(),
            "description": self._text(),
            "type": self._random.choice(TYPES),
            "is_collapsed": self._random.random() < 0.5,
            "template_data.why": self._value(),
            "metadata.flag": self._value(),
        }
        if node in replica.nodes and self._random.random() < 0.5:  # rewritten as a whole, with what stands there
            text = replica.nodes[node]["description"]
            values["description"] = applied(text, self._spliced(text))
        paths = self._random.sample([*values], self._random.choice([1, 1, 1, 2]))
        op: Record = {"op": "update", "node": node, "set": {path: values[path] for path in paths}}
        if self._random.random() < 0.2:
            op["was"] = {path: self._value() for path in paths}
        if self._random.random() < 0.1 and "metadata.flag" not in paths:
            op["unset"] = ["metadata.flag"]
        return op

    def _reparent(self, replica: Replica) -> Record:
        parent = self._parent(replica)
        op = {"op": "move", "node": self._node(replica), "parent": parent, "position": self._point()}
        if self._random.random() < 0.03:
            del op["position"]
        return self._after(op, replica, parent)

    def _reorder(self, replica: Replica) -> Record:
        node = self._node(replica)
        siblings = replica.siblings(replica.nodes[node]["parent"]) if node in replica.nodes else []
        return {"op": "move", "node": node, "after": self._random.choice([None, *siblings])}

    def _drag(self, replica: Replica) -> Record:
        return {"op": "move", "node": self._node(replica), "position": self._point()}

    def _delete(self, replica: Replica) -> Record:
        node = self._node(replica)
        if node in replica.nodes and replica.nodes[node]["parent"] is None and self._random.random() < 0.8:
            node = self._node(replica)  # a root takes nearly all with it
        return {"op": "delete", "node": node}

    def _restore(self, replica: Replica) -> Record:
        node = self._random.choice(replica.trashed) if replica.trashed else self._node(replica)
        op: Record = {"op": "restore", "node": node}
        if self._random.random() < 0.4:
            op["parent"] = self._parent(replica)
        return op

    def _connect(self, replica: Replica) -> Record:
        ends = {"from": self._node(replica), "to": self._node(replica)}
        op = {"op": "connect", "connection": self._fresh("c", [*replica.connections]), **ends}
        return op if self._random.random() < 0.5 else {**op, "label": self._text()}

    def _some_connection(self, replica: Replica) -> str:
        return self._random.choice([*replica.connections, f"{self._name}-c1"])

    def _disconnect(self, replica: Replica) -> Record:
        return {"op": "disconnect", "connection": self._some_connection(replica)}

    def _label(self, replica: Replica) -> Record:
        return {"op": "update", "connection": self._some_connection(replica), "set": {"label": self._text()}}

    def _configure(self, replica: Replica) -> Record:
        if self._random.random() < 0.2:
            return {"op": "configure", "unset": ["canvas_state.zoom"]}
        path = self._random.choice(["name", "description", "canvas_state.zoom", "is_template"])
        value = self._random.random() < 0.5 if path == "is_template" else self._text()
        return {"op": "configure", "set": {path: value}}

    def _import_(self, replica: Replica) -> Record:
        ids = [self._fresh("m", []) for _ in range(self._random.randint(1, 5))]
        nodes = []
        for place, node_id in enumerate(ids):
            above = self._random.choice([None, *ids[:place]])
            nodes.append({"id": node_id, **self._content()} | ({} if above is None else {"parent": above}))
        self._random.shuffle(nodes)
        ends = {"from": ids[0], "to": self._random.choice([*ids[1:], self._node(replica)])}
        connections = [{"id": self._fresh("d", [*replica.connections]), **ends}] if self._random.random() < 0.5 else []
        parent = self._parent(replica)
        op = {"op": "import", "parent": parent, "nodes": nodes, "connections": connections}
        return self._after(op, replica, parent)

    def _nonsense(self, replica: Replica) -> Record:
        """What breaks a rule of shapes, paths or values: it consumes its n and changes nothing [ED12, ED13]."""
        node = self._node(replica)
        return self._random.choice(
            [
                {"op": "update", "node": node, "set": {"title": ""}},
                {"op": "update", "node": node, "set": {"position": {"x": 1, "y": 1}}},
                {"op": "update", "node": node, "set": {"metadata": {}}},
                {"op": "update", "node": node, "set": {"metadata.a.b": 1}},
                {"op": "update", "node": node, "set": {"title": 5}},
                {"op": "update", "node": node, "set": {"metadata.big": "x" * 500}},
                {"op": "update", "node": node, "set": {"metadata.huge": 2**60}},
                {"op": "update", "node": node, "set": {"metadata.nul": "\x00"}},
                {"op": "text", "node": node, "path": "type", "delta": ["x"]},
                {"op": "text", "node": node, "path": "metadata.a.b", "delta": ["x"]},
                {"op": "text", "node": node, "path": "description"},
                {"op": "move", "node": node},
                {"op": "explode", "node": node},
                {"op": "insert", "node": f"{self._name}-x{next(self._numbers)}", "type": "cat", "title": "?"},
                {"op": "delete", "node": node, "really": True},
                {"op": "connect", "connection": "loop", "from": node, "to": node},
                {"op": "import", "nodes": []},
                {"op": "delete"},
                {"op": "delete", "node": "nobody\x00"},
                {"op": "update", "node": "nobody\x00", "set": {"title": "A"}},
                {"op": "insert", "node": f"{self._name}\x00", "parent": None, "type": "metric", "title": "A"},
                {"op": "update", "node": node, "set": {"title": "A"}, "was": {"title": "\x00"}},
            ]
        )
