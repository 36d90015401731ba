"""One client's copy of one tree: confirmed state, the queue of what it asked, and what each op was answered.

Keeps the rules a client must keep (SEMANTICS 2-4, 10-12; PROTOCOL RP) and checks what the server promises it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sync.protocol import UNCONSUMED
from tests.simulation.deciding import FINAL
from tests.simulation.drafts import Drafts, changes, text_at
from tests.simulation.intent import may_be_invalid
from tests.simulation.progressing import Told
from tests.simulation.replica import Record, Replica

if TYPE_CHECKING:
    from tests.simulation.client import Client
    from tests.simulation.network import Connection

PAUSE_SECONDS = {"gap": 0.0, "stale": 0.05, "rate": 0.2, "forbidden": 0.5, "unavailable": 0.25}
LONGEST_PAUSE_SECONDS = 1.0
ASK_AGAIN_SECONDS = 0.5  # for a tree that could not be opened
RELEVANT = ("seq", "code", "landed")  # what two answers to one op must agree on, beside status and conflict id


class Asked(msgspec.Struct):
    """An op of the queue. `final` is the first answer that is final; `at` when it was made."""

    n: int
    base: int
    op: Record
    mode: str
    at: float
    final: Record | None = None
    reached: int = 0  # the head that its answer named
    types: str = ""  # the characters that it brings, where it changes a text, and those it means to take away
    removes: str = ""

    def sent(self) -> Record:
        return {"n": self.n, "base": self.base, **self.op}


class Copy:
    """See the module."""

    def __init__(self, client: Client, tree: int) -> None:
        self.client = client
        self.tree = tree
        self.replica: Replica | None = None
        self.epoch = ""
        self.mark = ""
        self.state = "closed"  # opening, open
        self.role = ""
        self.gone = False  # the tree was deleted
        self.asked: list[Asked] = []  # everything, by n
        self.unanswered: dict[int, Asked] = {}
        self.awaiting: dict[int, list[int]] = {}  # ref -> the n it carried
        self.participants: dict[str, Record] = {}
        self.presence: Record = {}
        self.drafts = Drafts(self)
        self.deciding: dict[int, int] = {}  # ref -> the record that was to be decided
        self.news: dict[int, Record] = {}  # what it was told of conflict records, by id
        self.progress = Told()
        self.reasons: list[str] = []  # of the snapshots it was given
        self._parts: list[Record] = []
        self._open_ref = 0
        self._pause = 0.0
        self._pauses = 0
        self._resending = False
        self._whole = False  # the next replay asks for all or nothing

    # ---- opening

    def open(self, connection: Connection) -> None:
        if self.gone or self.state == "opening":
            return
        self.state = "opening"
        self._parts = []
        self._open_ref = self.client.next_ref()
        message: Record = {"type": "open", "ref": self._open_ref, "tree": self.tree}
        if self.replica is not None and not self.client.world.happens(0.25):  # else as on a first visit
            message["position"] = {"epoch": self.epoch, "seq": self.replica.seq, "mark": self.mark}
        elif self.replica is not None and self.client.world.happens(0.3):
            message["reason"] = "digest"
        connection.send(message)

    def disconnected(self) -> None:
        self.state = "closed"
        self.awaiting.clear()
        self.deciding.clear()

    def _open_later(self) -> None:
        self.state = "closed"
        self.client.world.loop.call_later(ASK_AGAIN_SECONDS, self._open_again, self.client.connection)

    def _open_again(self, connection: Connection | None) -> None:
        if connection is not None and connection is self.client.connection and self.state == "closed":
            self.open(connection)

    def reopen(self) -> None:
        """Close and open at once, without waiting for anything."""
        if self.client.connection is not None:
            self.client.connection.send({"type": "close", "tree": self.tree})
            self.state = "closed"
            self.open(self.client.connection)

    # ---- messages

    def receive(self, message: Record) -> None:
        if message["type"] in ("ops", "presence", "progress") and self.state != "open":
            return  # from before a close that the server has not read yet
        getattr(self, "_on_" + message["type"])(message)

    def _on_snapshot(self, message: Record) -> None:
        asked = "ref" in message
        if self.state == "closed" or (self.state == "opening" and message.get("ref") != self._open_ref):
            return
        assert not asked or message["ref"] == self._open_ref, "an open is answered once"
        if message["part"] == 1:
            self._parts = []
        self._parts.append(message)
        assert len(self._parts) == message["part"], "parts come in order [OP6]"
        if message["part"] < message["parts"]:
            return
        state = {**message["state"]}
        for field in ("nodes", "connections"):
            state[field] = [one for part in self._parts for one in part["state"][field]]
        self._parts = []
        position = message["position"]
        trashed = self.replica.trashed if self.replica is not None else []
        texts = self.drafts.texts()
        self.replica = Replica(state, position["seq"])
        self.replica.trashed = trashed
        self.epoch, self.mark = position["epoch"], position["mark"]
        self.reasons.append(message.get("reason", ""))
        self.client.world.checks.snapshot(self, position["seq"])
        if message.get("reason") == "too_far":
            for one in self.unanswered.values():
                sent = one.n <= message["last_n"] or one.op["op"] == "text"  # a delta without its base means nothing
                one.base = one.base if sent else 0
        self.drafts.replaced(texts, position["seq"])
        self._entered(message, answered=asked)

    def _on_resumed(self, message: Record) -> None:
        if message["ref"] != self._open_ref or self.state != "opening":
            return
        assert self.replica is not None, "only who named a position resumes"
        assert message["position"]["epoch"] == self.epoch
        assert message["position"]["seq"] >= self.replica.seq
        self._entered(message, answered=True)

    def _entered(self, message: Record, *, answered: bool) -> None:
        self.role = message["role"]
        assert message["last_n"] <= len(self.asked), "the server knows an n that was never sent [RP7]"
        self.participants = {one["id"]: one for one in message["participants"]}
        if answered:
            self.state = "open"
            self.news = {}
            self.progress = Told()
            self.resend(replay=True)
            if self.presence:
                self.tell_presence(self.presence)
        self.drafts.move_on(self.client.world.mode())

    def _on_ops(self, message: Record) -> None:
        if self._parts:
            raise AssertionError("ops between the parts of a snapshot [OP6]")
        replica = self.replica
        assert replica is not None, "ops before the answer to open"
        assert message["after"] == replica.seq, f"ops after {message['after']} at {replica.seq} [BR1]"
        assert len(message["ops"]) == message["seq"] - message["after"], "exactly seq - after ops [BR1]"
        for place, op in enumerate(message["ops"]):
            author = message["authors"][op["by"]]
            texts = self.drafts.texts()
            replica.apply(op, message["after"] + place + 1)
            self.drafts.follow(op, (author["user"], author["client"]) == self.client.key, texts)
        self.drafts.move_on(self.client.world.mode())
        self.mark = message["mark"]
        if "digest" in message and message["seq"] % 4 == 0:
            assert message["digest"] == replica.digest(), f"the digest differs at {replica.seq} [BR8, RP5]"

    def _on_outcome(self, message: Record) -> None:
        sent = self.awaiting.pop(message.get("ref", 0), None)
        if sent is not None:
            answered = [result["n"] for result in message["results"]]
            if message.get("landed") is False:
                assert set(answered) <= set(sent)
                self._whole = False
            else:
                assert answered == sent, f"one result for each op, in order [ED7]: {answered}, {sent}"
        self.take_results(message)
        if self.unanswered and not self.awaiting:
            self._resend_later()

    def take_results(self, message: Record) -> None:
        """Results of an outcome, whichever way it came."""
        for result in message["results"]:
            if message.get("landed") is False:
                continue
            if result.get("code") in UNCONSUMED:
                asked = self.asked[result["n"] - 1]
                stale = result["code"] == "stale" and asked.op["op"] == "text"
                assert not stale, f"no delta was sent over one that is on its way (SEMANTICS 14): {asked}"
                self._pause = max(self._pause, PAUSE_SECONDS[result["code"]])
            else:
                self._pauses = 0
                self._final(result, message["seq"])
        self.drafts.move_on(self.client.world.mode())

    def _final(self, result: Record, seq: int) -> None:
        asked = self.asked[result["n"] - 1]
        first: Record = result["first"] if result["status"] == "duplicate" else result
        assert first["status"] != "unknown", f"the first answer to {asked.n} is not gone [ED4]"
        assert first.get("code") != "reused", f"{asked.n} was sent unchanged [ED5]: {asked.op}"
        assert first.get("code") != "invalid" or may_be_invalid(asked.op), f"this is not invalid: {asked.op}"
        assert first.get("seq", 0) <= seq, "outcome.seq is the head after the batch [ED9]"
        if asked.final is None:
            asked.final, asked.reached = first, seq
            del self.unanswered[asked.n]
        else:
            known, again = _essence(asked.final), _essence(first)
            assert known == again, f"op {asked.n} was answered {known} and {again} [ED3]"

    def _on_presence(self, message: Record) -> None:
        self.participants |= {one["id"]: one for one in message["participants"]}
        for gone in message["left"]:
            self.participants.pop(gone, None)

    def _on_conflict(self, message: Record) -> None:
        news = message["conflict"]
        self.news[news["id"]] = news
        assert self.client.identity.user in news["parties"], f"it does not concern him: {news}"
        if news.get("closed", {}).get("choice") in FINAL:
            self.client.world.deciding.told(self.tree, news["id"], news["closed"])

    def _on_resolved(self, message: Record) -> None:
        number = self.deciding.pop(message["ref"], None)
        if number is not None:
            self.client.world.deciding.answered(self, message, number)

    def _on_progress(self, message: Record) -> None:
        self.progress.take(message)

    def _on_version(self, message: Record) -> None:
        """Of no concern to a copy."""

    def _on_role(self, message: Record) -> None:
        self.role = message["role"]

    def _on_notice(self, message: Record) -> None:
        if message["code"] == "tree_deleted":
            self.gone = True
            self.state = "closed"
        else:
            self._open_later()

    def _on_error(self, message: Record) -> None:
        code, ref = message["code"], message.get("ref")
        number = self.deciding.pop(ref, None) if isinstance(ref, int) else None
        if number is not None:
            self.client.world.deciding.answered(self, message, number)
            return
        if ref in self.awaiting:
            del self.awaiting[ref]
            assert code in ("not_open", "replaced"), message
            if code == "not_open" and self.state == "open" and not self.awaiting:
                self._open_later()
        elif ref is None or ref == self._open_ref:
            assert code in ("not_found", "unavailable", "forbidden", "not_open"), message
            if code == "not_found" and self.client.world.is_doomed(self.tree):
                self.gone = True
            if self.state != "closed" and code != "not_open":
                self._open_later()

    # ---- asking

    def ask(self, op: Record, mode: str) -> Asked:
        """Something the person did: numbered, queued, and sent where nothing before it is held back."""
        base = self.replica.seq if self.replica is not None else 0
        one = Asked(n=len(self.asked) + 1, base=base, op=op, mode=mode, at=self.client.world.loop.time())
        held = len(self.unanswered) > len({n for sent in self.awaiting.values() for n in sent})
        self.asked.append(one)
        self.unanswered[one.n] = one
        if op["op"] == "update" and "node" in op:
            self._note_texts(one)
        if self.state == "open" and not held and not self._resending:
            self._send([one], mode)
        return one

    def _note_texts(self, one: Asked) -> None:
        """Which characters an update of texts brings and takes away, as its author sees it."""
        for path, value in one.op.get("set", {}).items():
            seen = text_at(self.replica, (one.op["node"], path))
            types, removes = changes(seen or "", value if isinstance(value, str) else "")
            one.types, one.removes = one.types + types, one.removes + removes

    def _send(self, ops: list[Asked], mode: str) -> None:
        connection, world = self.client.connection, self.client.world
        if connection is None:
            return
        message: Record = {"type": "edit", "tree": self.tree, "mode": mode, "ops": [one.sent() for one in ops]}
        if mode == "replay" and self._whole:
            message["policy"] = "all_or_nothing"
        copies = 1 + world.happens(world.plan.resend) + world.happens(world.plan.resend / 3)
        if world.happens(world.plan.elsewhere):
            world.send_by_http(self, message)
        for _ in range(copies):
            ref = self.client.next_ref()
            self.awaiting[ref] = [one.n for one in ops]
            connection.send({**message, "ref": ref})

    def resend(self, *, replay: bool = False) -> None:
        """Everything unanswered again, in order; as `replay` where the tree was opened anew (SEMANTICS 12)."""
        self._resending = False
        self._pause = 0.0
        if self.state != "open":
            return
        world = self.client.world
        self._whole = replay and world.happens(0.1)
        groups: list[tuple[str, list[Asked]]] = []
        for one in self.unanswered.values():
            mode = "replay" if replay else one.mode
            if not groups or groups[-1][0] != mode or len(groups[-1][1]) >= world.plan.limits.edit_ops:
                groups.append((mode, []))
            groups[-1][1].append(one)
        if len(groups) > 1 and world.happens(world.plan.overtake):
            groups[0], groups[1] = groups[1], groups[0]
        for mode, ops in groups:
            self._send(ops, mode)

    def _resend_later(self) -> None:
        if not self._resending and self.state == "open":
            self._resending = True
            self._pauses += 1
            pause = min(self._pause * 1.5**self._pauses, LONGEST_PAUSE_SECONDS)
            self.client.world.loop.call_later(pause, self._resend_now, self.client.connection)

    def _resend_now(self, connection: Connection | None) -> None:
        self._resending = False
        if connection is self.client.connection and not self.awaiting:
            self.resend()

    def resolve(self, message: Record) -> None:
        """Send a decision on a record."""
        if self.state == "open" and self.client.connection is not None:
            ref = self.client.next_ref()
            self.deciding[ref] = message["conflict"]
            self.client.connection.send({**message, "tree": self.tree, "ref": ref})

    def tell_presence(self, state: Record) -> None:
        self.presence = state
        if self.state == "open" and self.client.connection is not None:
            self.client.connection.send({"type": "presence", "tree": self.tree, "state": state})

    @property
    def settled(self) -> bool:
        """Nothing is left to wait for."""
        if self.gone:
            return True
        head = self.client.world.head(self.tree)
        reached = self.replica is not None and self.replica.seq == head.seq
        answered = (not self.unanswered and self.drafts.settled) or self.client.viewer
        return self.state == "open" and reached and answered


def _essence(result: Record) -> Any:
    conflict = result.get("conflict", {}).get("id")
    return result["status"], result.get("seq"), result.get("code"), conflict
