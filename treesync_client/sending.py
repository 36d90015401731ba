"""Sending a tree's queue: in edits as large as the limits allow, one round after another, and again after refusals.

Sans-I/O. A round is all that was sent since the last one was answered; only then the next goes, from the first op
that has no final answer (SEMANTICS 3).
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from sync.limits import Limits
from sync.ops import Op
from sync.protocol import Edit, Error, Outcome
from treesync_client.entry import Entry, Parcel
from treesync_client.errors import Rejected
from treesync_client.queue import Queue

_STALE_ROUNDS = 3  # refusals as `stale` before the tree is opened again: catching up takes a moment, a restore stays
LATER = frozenset({"rate", "unavailable", "internal"})  # an `error` with one of these is over after a while
_TOKEN = frozenset({"unauthorised", "expired"})  # and one of these when there is a new token

# What to do after a round: send the next, wait first, open the tree again, take the tree for lost, or nothing
After = Literal["go", "wait", "open", "end", "stay"]


class Sending:
    """`queue` may be read by others; what is under way is only known here."""

    def __init__(self, number: int) -> None:
        self.queue = Queue()
        self.number = number
        self.limits = Limits()
        self.message_bytes = self.limits.message_bytes
        self._most_ops = self.limits.edit_ops
        self._flights: dict[int, list[Entry]] = {}
        self._refs = 0

    def next_ref(self) -> int:
        self._refs += 1
        return self._refs

    def edits(self, client_id: str, epoch: str, seq: int | None) -> list[tuple[Edit, bool]]:
        """What goes now, and of each edit whether it is too large for a message. `seq` is the base of deltas; None: no
        delta may go."""
        message_bytes = min(self.message_bytes, self.limits.message_bytes)
        parcels = self.queue.take(self.limits, message_bytes, self._most_ops, seq)
        return [(self._edit(parcel, client_id, epoch), parcel.by_http) for parcel in parcels]

    def _edit(self, parcel: Parcel, client_id: str, epoch: str) -> Edit:
        ref = self.next_ref()
        self._flights[ref] = parcel.entries
        return Edit(
            tree=self.number,
            mode=parcel.mode,
            ops=parcel.ops,
            ref=ref,
            client_id=client_id if parcel.by_http else UNSET,
            epoch=epoch if parcel.by_http else UNSET,
        )

    def lost(self) -> None:
        """The socket is gone."""
        self.queue.lost()
        self._flights.clear()

    def answered(self, outcome: Outcome) -> After:
        if isinstance(outcome.ref, int):
            self.queue.land(self._flights.pop(outcome.ref, []))
        for result in outcome.results:
            self.queue.answer(result, outcome.seq)
        return self._end_round()

    def owns(self, ref: int | str | UnsetType) -> bool:
        """Whether that is the ref of an edit under way."""
        return ref in self._flights

    def failed(self, error: Error) -> After:
        """An edit was answered by an error: it had no effect, and none of its numbers is used. But `unavailable` may
        be said by HTTP of an edit that arrived."""
        assert isinstance(error.ref, int), "only what was sent fails"
        flight = self._flights.pop(error.ref)
        if error.code in LATER:
            self.queue.doubt(flight)
        self.queue.land(flight)
        match error.code:
            case "not_open" | "epoch":
                return "open"
            case "not_found" | "forbidden":
                return "end"
            case "replaced":
                return "stay"  # a notice says the same of the whole socket
            case code if code in LATER | _TOKEN:
                self.queue.refused_code = code
            case code if len(flight) > 1:  # one of them is at fault: look for it by halves
                self._most_ops = max(1, len(flight) // 2)
                self.queue.refused_code = code
            case code:
                self.queue.refuse_unread(flight[0], code, error.why)
        return self._end_round()

    def _end_round(self) -> After:
        code = self.queue.end_round()
        if code is None or code == "forbidden" or (code == "gap" and self.queue.refusals == 1):
            return "go"
        if code == "stale" and self.queue.refusals % _STALE_ROUNDS == 0:
            return "open"
        return "wait"

    def discard(self) -> list[Op]:
        """Give up what is not on its way; answers it. What has a number and may have arrived goes too: its answer will
        be nobody's, its effect shows, and its number is not given again."""
        given_up = [entry for entry in self.queue.unanswered() if not entry.flying]
        for entry in given_up:
            self.queue.drop(entry, Rejected("discarded", code="discarded", op=entry.op))
        if not self.queue.flying:
            self.queue.purge()
        return [entry.op for entry in given_up]

    def discard_held(self) -> list[Op]:
        """Give up what was refused for want of a right; answers it."""
        held = [entry for entry in self.queue.unanswered() if entry.held]
        for entry in held:
            self.queue.drop(entry, Rejected("discarded", code="forbidden", op=entry.op))
        return [entry.op for entry in held]
