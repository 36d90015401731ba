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
    went_back: bool = False  # a backup was restored
    wrong: list[str] = []

    def invoked(self, user: str, client: str, n: int, op: dict[str, Any]) -> None:
        self.invocations[client, n] = Invocation(client=client, user=user, n=n, op=op, at=time.monotonic())

    def answered(self, client: str, n: int, answer: dict[str, Any]) -> None:
        invocation = self.invocations[client, n]
        if not invocation.answers:
            invocation.waited = time.monotonic() - invocation.at
        invocation.answers.append(answer)

    def goes_back_to(self, seq: int) -> None:
        """The log ends there now: what was acknowledged behind it is gone, and whoever restored it knows."""
        self.went_back = True
        for key, invocation in list(self.invocations.items()):
            if any(answer.get("seq") is not None and answer["seq"] > seq for answer in invocation.answers):
                del self.invocations[key]
                self.erased.update(typed_in(invocation.op))


def typed_in(op: dict[str, Any]) -> set[str]:
    """The characters that an op would bring into the shared text."""
    if op["op"] == "text":
        return {one for part in op["delta"] if isinstance(part, str) for one in part}
    changed: str = op.get("set", {}).get("description", "")
    return set(changed) - set(op.get("was", {}).get("description", ""))
