"""An edit between its arrival and its outcome, and why one may be turned away whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sync.codec import Malformed
from sync.identity import Author, Identity
from sync.ops import Op
from sync.protocol import Mode, Outcome, Policy, RejectionCode
from sync.session import Participant

ClientKey = tuple[str, str]  # (user, client_id)
Numbered = tuple[str, str, int]  # (user, client_id, n)


class PendingEdit:
    """An edit that waits in a room's inbox. `reply` takes its outcome, once.

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
        reply: Callable[[Outcome], None],
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
        self.ahead = False
        self.oldest = 0
        self.reached = -1
        self.irregular = False
        self.recalled = False
        self.poisoned: set[int] = set()  # places of ops that the database cannot hold (SEMANTICS 6)


class Refusal(msgspec.Struct, frozen=True):
    """Why a whole edit cannot be judged now: none of its n is consumed."""

    code: RejectionCode
    why: str
