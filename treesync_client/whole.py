"""A queue that lands whole or not at all: one edit by HTTP, `all_or_nothing` (SEMANTICS 27, 28). Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable

from sync.errors import TreesyncError, Unavailable
from sync.protocol import Edit, Error, Outcome
from treesync_client.entry import Entry
from treesync_client.errors import Rejected, fault
from treesync_client.following import Following
from treesync_client.report import Report, reported
from treesync_client.sending import LATER, Sending

Settle = Callable[[Report | TreesyncError], None]


class Whole:
    """`holds`: nothing is sent in any other way, for as long as this process lives."""

    def __init__(self, sending: Sending, following: Following) -> None:
        self.holds = False
        self._sending = sending
        self._following = following
        self._ref = 0
        self._entries: list[Entry] = []
        self._numbered: list[Entry] = []  # those of them that had no number before
        self._settle: Settle | None = None

    def ask(self, settle: Settle) -> Edit | None:
        """The edit to send, all of the queue in it; None where `settle` was told already."""
        queue, limits = self._sending.queue, self._sending.limits
        entries = list(queue.unanswered())
        if not entries:
            settle(Report())
        elif queue.flying or queue.worn_out or self._following.base is None or not self._following.client:
            settle(Unavailable("the queue is on its way, or the tree is not here"))
        elif len(entries) > limits.resume_ops or sum(entry.size for entry in entries) > limits.edit_bytes:
            settle(Rejected("more than one edit may hold", code="too_large", op=entries[0].op))
        else:
            self.holds = True
            self._settle, self._entries = settle, entries
            self._ref = self._sending.next_ref()
            self._numbered = queue.take_whole(entries, self._following.base)
            return Edit(
                tree=self._sending.number,
                mode="replay",
                policy="all_or_nothing",
                ops=[entry.op for entry in entries],
                ref=self._ref,
                client_id=self._following.client,
                epoch=self._following.epoch,
            )
        return None

    def answered(self, message: Outcome | Error) -> bool:
        """Whether that was the answer to it."""
        if self._settle is None or message.ref != self._ref:
            return False
        queue, entries = self._sending.queue, self._entries
        if isinstance(message, Error) and message.code in LATER:
            queue.doubt(entries)
        queue.land(entries)
        if isinstance(message, Error):
            if message.code not in LATER:  # or it may have landed: the same numbers ask again
                queue.take_back(self._numbered)
            self.end(fault(message.code, message.why))
            return True
        ops = {entry.n: entry.op for entry in entries}
        report = Report(tuple(reported(ops[result.n], result) for result in message.results))
        if message.landed is False:
            queue.take_back(self._numbered)
        else:
            self._following.heard_of(message.seq)
            for result in message.results:
                queue.answer(result, message.seq)
            self.holds = False
        self.end(report)
        return True

    def end(self, answer: Report | TreesyncError) -> None:
        """Tell who asked."""
        settle, self._settle = self._settle, None
        self._entries, self._numbered = [], []
        if settle is not None:
            settle(answer)
