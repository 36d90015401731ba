"""Deciding conflicts: how many are open, and decisions on their way. Sans-I/O.

A decision may be sent twice without harm: a record that is closed answers with what was done (SEMANTICS 26).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET, UnsetType

from sync.errors import TreesyncError
from sync.protocol import Choice, Closing, ConflictNews, Error, Resolve, Resolved
from treesync_client.errors import fault

Decided = Callable[[Closing | TreesyncError], None]


class Deciding:
    """`open` is the number of records of this user that wait for a decision, as far as is known here."""

    def __init__(self, tree: int) -> None:
        self.open = 0
        self._tree = tree
        self._heard: set[int] = set()  # of the open ones those that news told of
        self._asked: dict[int, tuple[Resolve, Decided]] = {}

    def entered(self, count: int) -> list[Resolve]:
        """The tree was opened; answers the decisions that are to be sent again."""
        self.open = count
        self._heard.clear()
        return [message for message, _ in self._asked.values()]

    def ask(self, ref: int, conflict: int, base: int, choice: Choice, value: Any, decided: Decided) -> Resolve:
        given: Any | UnsetType = value if choice == "value" else UNSET
        message = Resolve(tree=self._tree, conflict=conflict, base=base, choice=choice, value=given, ref=ref)
        self._asked[ref] = (message, decided)
        return message

    def answered(self, message: Resolved) -> None:
        if isinstance(message.ref, int) and message.ref in self._asked:
            self._asked.pop(message.ref)[1](message.closed)

    def failed(self, error: Error) -> bool:
        """Whether that was the answer to a decision."""
        if not isinstance(error.ref, int) or error.ref not in self._asked:
            return False
        self._asked.pop(error.ref)[1](fault(error.code, error.why))
        return True

    def end(self, error: TreesyncError) -> None:
        asked, self._asked = self._asked, {}
        for _, decided in asked.values():
            decided(error)

    def news(self, message: ConflictNews) -> None:
        """A record was opened, grew or was closed."""
        record = message.conflict
        if record.closed is not UNSET:
            self._heard.discard(record.id)
            self.open = max(self.open - 1, 0)
        elif record.id not in self._heard:
            self._heard.add(record.id)
            self.open += 1
