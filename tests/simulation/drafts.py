"""What a client types: for each text at most one delta on its way, what was typed since composed behind it.

Written from SEMANTICS 13-15 as PROTOCOL.md gives them. The client transforms as the server must: when its delta comes
back it must be what it became here on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sync.text import Delta, applied, checked, composed, difference, inverted, transformed
from tests.simulation.replica import Record, Replica

if TYPE_CHECKING:
    from tests.simulation.asking import Asker
    from tests.simulation.copies import Asked, Copy

Field = tuple[str, str]  # node, path
TEXTS = ("description", "title", "template_data.why", "metadata.note")


class Draft(msgspec.Struct):
    """One text that is being typed in. What its person sees is the confirmed text, `bridge` and `pending` applied.

    `bridge` is the delta on its way as it stands over all that came meanwhile. `stray`: what became of the text under
    it is not known; nothing more is typed until it is answered.
    """

    asked: Asked | None = None
    bridge: Delta = []
    pending: Delta = []
    stray: bool = False


class Drafts:
    """Of one copy."""

    def __init__(self, copy: Copy) -> None:
        self._copy = copy
        self._drafts: dict[Field, Draft] = {}

    def __repr__(self) -> str:
        return str(self._drafts)

    @property
    def settled(self) -> bool:
        return not self._drafts

    def holds(self, op: Record) -> bool:
        """Whether an op that is no delta would meet what is being typed."""
        paths = [*op.get("set", ()), *op.get("unset", ())] if op["op"] == "update" else []
        return any((op.get("node"), path) in self._drafts for path in paths)

    # ---- typing

    def type(self, field: Field, asker: Asker, mode: str) -> None:
        """A person types into a field, where it is a text and what was done to it before is confirmed."""
        text = self._text(field)
        draft = self._drafts.get(field)
        if text is None or (draft is None and self._is_unconfirmed(field)) or (draft is not None and draft.stray):
            return
        if draft is None:
            draft = self._drafts[field] = Draft()
        seen = applied(applied(text, draft.bridge), draft.pending)
        draft.pending = composed(draft.pending, asker.typing(seen, field[1]))
        self._send(field, draft, mode)

    def misuse(self, field: Field, delta: list[Any], mode: str) -> None:
        """A broken client's delta, on a field that nothing else is on its way to."""
        if self._text(field) is not None and field not in self._drafts and not self._is_unconfirmed(field):
            asked = self._copy.ask({"op": "text", "node": field[0], "path": field[1], "delta": delta}, mode)
            self._drafts[field] = Draft(asked=asked, stray=True)

    def _send(self, field: Field, draft: Draft, mode: str) -> None:
        if draft.asked is not None or draft.stray:
            return
        if not draft.pending:
            del self._drafts[field]
            return
        if self._copy.state != "open" or self._is_unconfirmed(field):
            return  # a snapshot may be older than what its own ops were confirmed at; they follow
        text = self._text(field)
        assert text is not None, "a draft without text is stranded"
        op = {"op": "text", "node": field[0], "path": field[1], "delta": self._loosened(draft.pending)}
        asked = self._copy.ask(op, mode)
        asked.types, asked.removes = changes(text, applied(text, draft.pending))
        draft.asked, draft.bridge, draft.pending = asked, checked(draft.pending), []

    def _loosened(self, delta: Delta) -> Delta:
        """The same delta in a form that is not the normal one, sometimes: the server brings it there."""
        if self._copy.client.world.random.random() < 0.8:
            return delta
        loose: Delta = []
        for part in delta:
            pieces = [part[:1], part[1:]] if isinstance(part, str) else [part // 2, part - part // 2]
            loose += [piece for piece in pieces if piece]
        return loose

    def _is_unconfirmed(self, field: Field) -> bool:
        """Whether an op of its own that touches the field has not come back yet."""
        replica = self._copy.replica
        assert replica is not None, "who types sees the tree"
        recent = self._copy.asked[-self._copy.client.world.plan.ops :]
        return any(
            _touches(one.op, field) and (one.final is None or one.final.get("seq", 0) > replica.seq) for one in recent
        )

    def _text(self, field: Field) -> str | None:
        return text_at(self._copy.replica, field)

    # ---- what comes

    def texts(self) -> dict[Field, str | None]:
        """The confirmed texts under the drafts, before something is done to them."""
        return {field: self._text(field) for field in self._drafts}

    def follow(self, op: Record, own: bool, before: dict[Field, str | None]) -> None:
        """An effective op was applied."""
        for field, was in before.items():
            draft, now = self._drafts[field], self._text(field)
            if own and draft.asked is not None and op["n"] == draft.asked.n:
                if not draft.stray:
                    assert op["delta"] == draft.bridge, f"{op} came back, expected was {draft.bridge} (SEMANTICS 14)"
                draft.asked, draft.bridge, draft.stray = None, [], False
            elif now is None or was is None:
                self._strand(field, draft, was)
            elif op["op"] == "text" and (op["node"], op["path"]) == field:
                self._pass(draft, op["delta"])
            elif now != was:
                self._pass(draft, difference(was, now))

    def _pass(self, draft: Draft, foreign: Delta) -> None:
        if not draft.stray:
            foreign, draft.bridge = transformed(foreign, draft.bridge)
        _, draft.pending = transformed(foreign, draft.pending)

    def replaced(self, before: dict[Field, str | None], seq: int) -> None:
        """A snapshot of `seq` came in place of what was confirmed."""
        for field, was in before.items():
            draft, now = self._drafts[field], self._text(field)
            final = draft.asked.final if draft.asked is not None else {}
            if draft.stray:
                continue
            if was is None or now is None or final is None or final.get("seq", 0) > seq:
                self._strand(field, draft, was)
                continue
            if final.get("seq"):
                was, draft.asked, draft.bridge = applied(was, draft.bridge), None, []
            self._pass(draft, difference(was, now))

    def _strand(self, field: Field, draft: Draft, was: str | None) -> None:
        """The text has gone from under what was typed: it is sent whole, with the text it was typed into."""
        if draft.pending and was is not None and not draft.stray:
            seen = applied(was, draft.bridge)
            typed = applied(seen, draft.pending)
            op = {"op": "update", "node": field[0], "set": {field[1]: typed}, "was": {field[1]: seen}}
            asked = self._copy.ask(op, "replay")
            asked.types, asked.removes = changes(seen, typed)
        draft.pending, draft.stray = [], True

    def move_on(self, mode: str) -> None:
        """Take note of what has been answered, and send what waits behind it."""
        replica = self._copy.replica
        for field, draft in list(self._drafts.items()):
            final = draft.asked.final if draft.asked is not None else None
            if final is not None and replica is not None and draft.asked is not None:
                if final["status"] in ("applied", "merged"):
                    if draft.stray and final["seq"] <= replica.seq:
                        draft.asked = None
                elif draft.asked.reached <= replica.seq:
                    self._drop(field, draft, final["status"])
            if draft.stray and draft.asked is None:
                del self._drafts[field]
            else:
                self._send(field, draft, mode)

    def _drop(self, field: Field, draft: Draft, status: str) -> None:
        """The delta on its way has no effect; what was typed behind it stays."""
        text = self._text(field)
        if not draft.stray and text is not None:
            if status == "unchanged":
                assert applied(text, draft.bridge) == text, f"{draft.bridge} is not unchanged on {text!r}"
            _, draft.pending = transformed(inverted(text, draft.bridge), draft.pending)
        draft.asked, draft.bridge = None, []


def text_at(replica: Replica | None, field: Field) -> str | None:
    """The text of a field as deltas see it; None: there is no such node, or the field is no text."""
    node = replica.nodes.get(field[0]) if replica is not None else None
    if node is None:
        return None
    name, dot, key = field[1].partition(".")
    value = node[name].get(key) if dot else node[name]
    return "" if value is None else value if isinstance(value, str) else None


def changes(before: str, after: str) -> tuple[str, str]:
    """The characters that a person brought, and those he took away."""
    return "".join(sorted(set(after) - set(before))), "".join(sorted(set(before) - set(after)))


def _touches(op: Record, field: Field) -> bool:
    node, path = field
    match op["op"]:
        case "update":
            return op.get("node") == node and path in (*op.get("set", ()), *op.get("unset", ()))
        case "text":
            return (op["node"], op["path"]) == field
        case "import":
            return any(one["id"] == node for one in op["nodes"])
        case "insert" | "restore":
            return bool(op.get("node") == node) or op["op"] == "restore"
    return False
