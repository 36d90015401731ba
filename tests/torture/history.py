"""What happened, as everyone saw it: recorded while it happens, judged when it is over (`oracles`)."""

from __future__ import annotations

from typing import Any

import msgspec


class Invocation(msgspec.Struct):
    """An op that was sent, and every final answer that came to it, on whichever socket; of a duplicate its `first`."""

    client: str
    user: str
    n: int
    op: dict[str, Any]
    answers: list[dict[str, Any]] = []


class History(msgspec.Struct):
    """Of one tree, over one schedule. `wrong` is what a client could tell at once that must never be."""

    tree: int
    invocations: dict[tuple[str, int], Invocation] = {}
    typed: dict[str, str] = {}  # character -> client; each is typed once in all
    erased: set[str] = set()
    faults: list[str] = []
    wrong: list[str] = []

    def invoked(self, user: str, client: str, n: int, op: dict[str, Any]) -> None:
        self.invocations[client, n] = Invocation(client=client, user=user, n=n, op=op)

    def answered(self, client: str, n: int, answer: dict[str, Any]) -> None:
        self.invocations[client, n].answers.append(answer)
