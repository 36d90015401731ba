"""What a client has done and the server has not made final: one queue per tree, in order, each op with one number.

Sans-I/O. A number is given when an op is first sent, and never to another op (SEMANTICS 14); an op leaves when its
answer is final and the replica has reached the seq that came with it, so that nothing flickers (SEMANTICS 29).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import msgspec

from sync.errors import TreesyncError
from sync.limits import Limits
from sync.ops import Op, Text
from sync.protocol import UNCONSUMED, Mode, RejectionCode, Result
from treesync_client.entry import ENVELOPE_BYTES, Entry, Parcel
from treesync_client.errors import Rejected
from treesync_client.fields import Busy, folded, text_after, touches
from treesync_client.results import Landed, answer_of


class Queue:
    """See the module. `worn_out` says that this client_id cannot go on: what has a number is still sent for its answer,
    nothing else gets one until `renumber` (SEMANTICS 11)."""

    def __init__(self) -> None:
        self.sent_n = 0
        self.worn_out = False
        self.refusals = 0  # rounds in a row that ended in a refusal without any progress
        self.refused_code: str | None = None  # of the round that ends now; a gap only where nothing else was said
        self.holds_text = False  # whether it ever held a delta since it was last empty
        self.places = 0  # ops it has ever held
        self.removed: list[int] = []  # places of those that are in the file and no longer here
        self.answered: Callable[[Entry, Result], None] = lambda entry, result: None
        self._known_n = 0  # the last n the server has said it knows of this client
        self._entries: deque[Entry] = deque()
        self._by_number: dict[int, Entry] = {}
        self._flying = 0
        self._stale: Entry | None = None  # the delta that was refused as such in this round

    # ---- reading

    def __len__(self) -> int:
        return len(self._entries)

    def visible(self) -> Iterator[Entry]:
        """What the view shows over confirmed state, in order."""
        return (entry for entry in self._entries if not entry.hidden and not entry.dropped)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def unanswered(self) -> Iterator[Entry]:
        """What has no final answer yet, in order."""
        return (entry for entry in self._entries if entry.settled_at is None and not entry.dropped)

    @property
    def flying(self) -> int:
        """How many ops are on their way."""
        return self._flying

    @property
    def has_numbered(self) -> bool:
        """Whether an op that was sent still waits for its answer."""
        return any(entry.n is not None for entry in self.unanswered())

    # ---- sending

    def add(self, entry: Entry) -> None:
        self.places += 1
        entry.place = self.places
        self._hold(entry)

    def put_back(self, entry: Entry) -> None:
        """One that was kept, with its place, and its number where it has one."""
        self.places = max(self.places, entry.place)
        if entry.n is not None:
            self._by_number[entry.n] = entry
            entry.doubtful = True
        self._hold(entry)

    def _hold(self, entry: Entry) -> None:
        self._entries.append(entry)
        self.holds_text = self.holds_text or isinstance(entry.op, Text)

    def fold(self, op: Text, mode: Mode, shown: str, measure: Callable[[Op], int]) -> Entry | None:
        """Put a delta into the op that gave its field the text that is `shown`, while that one has no number: what is
        typed before it can be sent is one op (SEMANTICS 14). Answers the entry it went into."""
        field = (op.node, op.path)
        for entry in reversed(self._entries):
            if entry.n is not None or entry.dropped or entry.settled_at is not None:
                return None
            if touches(entry.op, field):
                break
        else:
            return None
        if entry.mode != mode or text_after(entry.shown, field, entry.below) != shown:
            return None
        made = folded(entry.shown, op)
        if made is not None:
            entry.rewrite(made, measure(made))
        return None if made is None else entry

    def take(self, limits: Limits, message_bytes: int, most_ops: int, seq: int | None = 0) -> list[Parcel]:
        """All that may go now, numbered, in as few edits as the limits allow; nothing while anything is under way, so
        that what piles up meanwhile goes together. `seq`: the base of deltas; None: none may go now."""
        if self._flying:
            return []
        self.purge()
        parcels: list[Parcel] = []
        busy = self._busy()
        for entry in list(self.unanswered()):
            too_big = entry.size + ENVELOPE_BYTES > message_bytes
            blocked = entry.held or (entry.n is None and (self.worn_out or _waits(entry, busy, seq)))
            if blocked or self._flying >= limits.unanswered_ops or (too_big and parcels):
                break
            self._number(entry, seq or 0)
            busy.add(entry.op)
            if not parcels or not _fits(parcels[-1], entry, message_bytes, min(most_ops, limits.edit_ops)):
                parcels.append(Parcel(entry.mode, [], ENVELOPE_BYTES, by_http=too_big))
            parcels[-1].entries.append(entry)
            parcels[-1].size += entry.size
            entry.flying = True
            self._flying += 1
            if too_big:
                break
        self.refused_code = None
        return parcels

    def take_whole(self, entries: list[Entry], seq: int) -> list[Entry]:
        """All of them go in one edit, in which a delta may stand on any own op before it; answers those that had no
        number yet."""
        new = [entry for entry in entries if entry.n is None]
        for entry in entries:
            self._number(entry, seq)
            entry.mode = "replay"
            entry.flying = entry.unsaved = True
        self._flying += len(entries)
        return new

    def take_back(self, entries: list[Entry]) -> None:
        """Nothing of it was stored, and no number used: those that were given for it are free again."""
        for entry in reversed(entries):
            self._unnumber(entry)

    def _busy(self) -> Busy:
        """What is sent and not confirmed, answered or not."""
        busy = Busy()
        if self.holds_text:
            for entry in self._entries:
                if entry.n is not None and not entry.hidden:
                    busy.add(entry.op)
        return busy

    def _number(self, entry: Entry, seq: int) -> None:
        if entry.n is None:
            self.sent_n += 1
            entry.n = self.sent_n
            entry.unsaved = True
            if isinstance(entry.op, Text):
                entry.op = msgspec.structs.replace(entry.op, n=entry.n, base=seq, delta=entry.local)
            else:
                entry.op = msgspec.structs.replace(entry.op, n=entry.n)
            self._by_number[entry.n] = entry

    def land(self, entries: Iterable[Entry]) -> None:
        """They are no longer under way, and have no answer."""
        for entry in entries:
            if entry.flying:
                entry.flying = False
                self._flying -= 1

    def doubt(self, entries: Iterable[Entry]) -> None:
        """Whether they arrived is not known."""
        for entry in entries:
            entry.doubtful = entry.doubtful or entry.flying
        self.land(entries)

    def lost(self) -> None:
        """The socket is gone, and what was under way is in doubt."""
        self.doubt(self._entries)

    def release(self) -> None:
        """The right to write is back."""
        for entry in self._entries:
            entry.held = False

    def replay(self) -> None:
        """Whatever is unanswered when a tree is opened again goes as `replay` (SEMANTICS 12)."""
        for entry in self.unanswered():
            if not entry.flying and entry.mode != "replay":
                entry.mode = "replay"
                entry.unsaved = True

    # ---- answers

    def answer(self, result: Result, seq: int) -> None:
        """Take one result of an outcome whose head is `seq`."""
        entry = self._by_number.get(result.n)
        if entry is None or entry.settled_at is not None or entry.dropped:
            return  # answered before, on another socket
        self.land([entry])
        if result.status == "rejected" and result.code in UNCONSUMED:
            self._refuse(entry, result)
            return
        self.refusals = 0
        entry.settled_at = seq
        answer = answer_of(result, entry.op)
        entry.landed_as = answer.seq if isinstance(answer, Landed) else None
        self.answered(entry, result)
        entry.settle(answer)

    def _refuse(self, entry: Entry, result: Result) -> None:
        code = str(result.code)
        if code == "gap" and isinstance(result.expected, int) and result.expected < self._first_number():
            self._known_n = result.expected - 1
            self.worn_out = True
        if code != "gap" or self.refused_code is None:
            self.refused_code = code
        if code == "stale" and isinstance(entry.op, Text):
            self._stale = entry
        if code == "forbidden":
            entry.held = True
            entry.settle(Rejected(result.why or "", code=code, op=entry.op, kept=True))

    def end_round(self) -> str | None:
        """Once nothing is under way: the code of what was refused, None where nothing was."""
        if self._flying or self.refused_code is None:
            return None
        self.refusals += 1
        if self.worn_out:
            self._free_numbers()
        if self._stale is not None and self._stale.n is not None:
            self._known_n = self._stale.n - 1
            self._free_numbers()  # unchanged it would be refused again: it is numbered and measured anew (TX13)
        self._stale = None
        return self.refused_code

    def entry(self, n: int) -> Entry | None:
        """The one with that number, as long as it is here."""
        return self._by_number.get(n)

    def landed_as(self, seq: int) -> Entry | None:
        """The one that its answer says is op `seq`: known by it also once its client_id is given up."""
        return next((entry for entry in self._entries if entry.landed_as == seq), None)

    def reached(self, seq: int) -> list[Entry]:
        """The replica stands at `seq`: what was settled by then leaves, and is answered here, oldest first."""
        left = []
        while self._entries and (at := self._entries[0].settled_at) is not None and at <= seq:
            left.append(self._entries.popleft())
            self._forget(left[-1])
            if left[-1].stored:
                self.removed.append(left[-1].place)
        self.holds_text = self.holds_text and bool(self._entries)
        return left

    def drop(self, entry: Entry, error: TreesyncError) -> None:
        """It cannot be sent at all, or its author gave it up: a number that is surely not used goes to the next one."""
        entry.dropped = True
        entry.settle(error)

    def refuse_unread(self, entry: Entry, code: str, why: str) -> None:
        """The server, or what stands before it, cannot read it: it is kept among what was rejected."""
        self.drop(entry, Rejected(why, code=code, op=entry.op))
        known: RejectionCode = "too_large" if code == "too_large" else "invalid"
        self.answered(entry, Result(n=entry.n or 0, status="rejected", code=known, why=why))

    def give_up(self, error: TreesyncError) -> None:
        """Tell everyone who waits; the ops stay."""
        for entry in list(self.unanswered()):
            entry.settle(error)

    def set_apart(self, entries: list[Entry]) -> None:
        """They are kept in the file, and are this queue's no more."""
        gone = set(map(id, entries))
        self._entries = deque(entry for entry in self._entries if id(entry) not in gone)

    def refuse_unstored(self, error: TreesyncError) -> None:
        """What came last could not be stored: it is not kept in memory alone, and its author is told."""
        refused = [entry for entry in self._entries if not entry.stored and entry.settled_at is None]
        for entry in reversed(refused):
            if entry.n is not None and not entry.flying:
                self._unnumber(entry)
            entry.settle(error)
        gone = set(map(id, refused))
        self._keep([entry for entry in self._entries if id(entry) not in gone])

    def purge(self) -> None:
        """Let go of what was dropped. Nothing is under way: the numbers behind it are free, but for those that the
        server may have used. One that it has not shows as a gap, and ends this client_id (RP7)."""
        dropped = [entry for entry in self._entries if entry.dropped]
        if not dropped:
            return
        self._free_behind(dropped[0])
        for entry in dropped:
            self._forget(entry)
        self._keep([entry for entry in self._entries if not entry.dropped])

    def _free_behind(self, first: Entry) -> None:
        """Its number and those behind it, above the last that may be used."""
        asked = (one for one in self._entries if one.doubtful or one.settled_at is not None)
        used = max((one.n or 0 for one in asked), default=0)
        behind = False
        for entry in self._entries:
            behind = behind or entry is first
            if behind and entry.n is not None and entry.n > used:
                self._unnumber(entry)

    def _keep(self, entries: list[Entry]) -> None:
        """Only these; the others are gone."""
        kept = set(map(id, entries))
        self.removed.extend(entry.place for entry in self._entries if entry.stored and id(entry) not in kept)
        self._entries = deque(entries)

    def _unnumber(self, entry: Entry) -> None:
        assert entry.n is not None, "only what has a number loses it"
        self.sent_n = min(self.sent_n, entry.n - 1)
        del self._by_number[entry.n]
        entry.n, entry.doubtful = None, False
        entry.unsaved = True

    def _forget(self, entry: Entry) -> None:
        if entry.n is not None:
            self._by_number.pop(entry.n, None)

    # ---- opening again, other histories, another client_id

    def opened(self, last_n: int) -> None:
        """The server has told the last n it knows of this client. Asked for one that is no longer held, or shown one
        that was never given, this client_id cannot go on."""
        if last_n > self.sent_n or last_n + 1 < self._first_number():
            self._known_n = last_n
            self.worn_out = True
            self._free_numbers()

    def _first_number(self) -> int:
        numbered = (entry.n for entry in self.unanswered() if entry.n is not None)
        return next(numbered, self.sent_n + 1)

    def _free_numbers(self) -> None:
        """What the server has not used was never applied, and is numbered again."""
        for entry in list(self.unanswered()):
            if entry.n is not None and entry.n > self._known_n and not entry.flying:
                self._unnumber(entry)

    def renumber(self) -> None:
        """A new client_id: count from 1."""
        self.sent_n = 0
        self.worn_out = False
        self.refusals = 0
        self._by_number.clear()
        for entry in self._entries:
            entry.n, entry.doubtful = None, False  # of those that are settled, and stay until the replica has caught up
            entry.unsaved = True

    def rebase(self, last_n: int) -> None:
        """Confirmed state comes from another history, or from so far ahead that bases say nothing: what the server
        has used is sent for its answer alone, the rest is judged by what its author saw (SEMANTICS 11)."""
        for entry in self.unanswered():
            if entry.n is not None and entry.n <= last_n:
                entry.hidden = True
            else:
                entry.op = msgspec.structs.replace(entry.op, base=0)
            entry.unsaved = True

    def forget_settled(self) -> None:
        """The seqs they wait for are of a history that is gone."""
        for entry in self._entries:
            if entry.settled_at is not None:
                self._forget(entry)
        self._keep([entry for entry in self._entries if entry.settled_at is None])


def _waits(entry: Entry, busy: Busy, seq: int | None) -> bool:
    return isinstance(entry.op, Text) and (seq is None or busy.holds(entry.op))


def _fits(parcel: Parcel, entry: Entry, message_bytes: int, most_ops: int) -> bool:
    return (
        parcel.mode == entry.mode and len(parcel.entries) < most_ops and parcel.size + entry.size + 1 <= message_bytes
    )
