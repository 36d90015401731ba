"""An edit between its arrival and its outcome, and why one may be turned away whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sync.codec import Malformed
from sync.conflict_records import ConflictRecord
from sync.identity import Author, Identity
from sync.ops import Op
from sync.protocol import Error, Mode, Outcome, Policy, RejectionCode, Resolve, Resolved
from sync.session import Participant

ClientKey = tuple[str, str]  # (user, client_id)
Numbered = tuple[str, str, int]  # (user, client_id, n)
Answer = Outcome | Resolved | Error


class PendingEdit:
    """An edit that waits in a room's inbox. `reply` takes its outcome, once; `weight` is what it counts for there.

    `irregular` says that its numbers do not simply follow, so that storage is asked before it is judged; `recalled`
    that it has been. `ahead` says that it names a base which this room has not come to, `oldest` is the least base in
    it, and `reached` the floor of the backlog above which everything is known that it needs (-1: not looked at yet).
    """

    __slots__ = (
        "ahead",
        "author",
        "client",
        "identity",
        "irregular",
        "mode",
        "oldest",
        "ops",
        "participant",
        "poisoned",
        "policy",
        "reached",
        "recalled",
        "ref",
        "reply",
        "size",
        "waiting_since",
        "weight",
    )

    def __init__(
        self,
        *,
        identity: Identity,
        author: Author,
        ops: list[Op | Malformed],
        mode: Mode,
        policy: Policy,
        ref: Any,
        size: int,
        participant: Participant | None,
        reply: Callable[[Answer], None],
        waiting_since: float,
    ) -> None:
        self.identity = identity
        self.author = author
        self.client: ClientKey = (author.user, author.client)
        self.ops = ops
        self.mode = mode
        self.policy = policy
        self.ref = ref
        self.size = size
        self.participant = participant
        self.reply = reply
        self.waiting_since = waiting_since
        self.weight = len(ops)
        self.ahead = False
        self.oldest = 0
        self.reached = -1
        self.irregular = False
        self.recalled = False
        self.poisoned: set[int] = set()  # places of ops that the database cannot hold (SEMANTICS 6)


class PendingResolve(PendingEdit):
    """A decision on a conflict record, which is an edit whose ops the server makes.

    `found` is the record as storage had it, asked after the decision had arrived; None: it has none of that number, or
    was not asked yet. `sees_all`: whether who asks may see records that do not concern him.
    """

    __slots__ = ("decision", "found", "sees_all", "tree")

    def __init__(self, decision: Resolve, tree: int, **fields: Any) -> None:
        super().__init__(ops=[], mode="live", policy="apply_clean", ref=decision.ref, **fields)
        self.tree = tree
        self.decision = decision
        self.found: ConflictRecord | None = None
        self.sees_all = False
        self.weight = 1


class Refusal(msgspec.Struct, frozen=True):
    """Why a whole edit cannot be judged now: none of its n is consumed."""

    code: RejectionCode
    why: str
