"""What happened, as everyone saw it: recorded while it happens, judged when it is over (`oracles`)."""

from __future__ import annotations

import time
from typing import Any

import msgspec


class Invocation(msgspec.Struct):
    """An op that was sent, and every final answer that came to it, on whichever socket; of a duplicate its `first`."""

    client: str
    user: str
    n: int
    op: dict[str, Any]
    at: float  # when it was first sent, by the monotonic clock
    answers: list[dict[str, Any]] = []
    waited: float = 0.0  # seconds from there to its first final answer


class History(msgspec.Struct):
    """Of one tree, over one schedule. `wrong` is what a client could tell at once that must never be."""

    tree: int
    invocations: dict[tuple[str, int], Invocation] = {}
    typed: dict[str, str] = {}  # character -> client; each is typed once in all
    erased: set[str] = set()
    faults: list[str] = []
    wrong: list[str] = []

    def invoked(self, user: str, client: str, n: int, op: dict[str, Any]) -> None:
        self.invocations[client, n] = Invocation(client=client, user=user, n=n, op=op, at=time.monotonic())

    def answered(self, client: str, n: int, answer: dict[str, Any]) -> None:
        invocation = self.invocations[client, n]
        if not invocation.answers:
            invocation.waited = time.monotonic() - invocation.at
        invocation.answers.append(answer)
