"""A room's inbox: the edits that wait to be judged, and what is known of their clients' numbers.

Most edits go on where their client's numbers stand, and nothing needs to be looked up for them. Of the others storage
is asked after they have arrived and before they are judged, so that neither a gap nor a first answer is guessed.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence

from sync.claims import asked
from sync.codec import Malformed
from sync.conflict_records import ConflictRecord
from sync.limits import Limits
from sync.ops import Text
from sync.pending import ClientKey, Numbered, PendingEdit, PendingResolve, Refusal
from sync.ports import First, Recalled

INBOX_OPS = 20_000  # ten clients at their limit of unanswered ops
KEPT_CLIENTS = 64  # that are gone: scripts that edit by HTTP now and then, and pages that were lost for a moment
INBOX_BYTES = 32 * 1024 * 1024  # four of the largest edits that HTTP takes


class Inbox:
    """See the module. `counters` holds the last n of each client as confirmed, `firsts` the first answers recalled."""

    def __init__(self, limits: Limits) -> None:
        self.counters: dict[ClientKey, int] = {}
        self.firsts: dict[Numbered, First] = {}
        self.ops = 0
        self.size = 0
        self._limits = limits
        self._edits: deque[PendingEdit] = deque()
        self._expected: dict[ClientKey, int] = {}  # the last n that waits, where it differs from `counters`
        self._unanswered: Counter[ClientKey] = Counter()

    def __len__(self) -> int:
        return len(self._edits)

    def __iter__(self) -> Iterator[PendingEdit]:
        return iter(self._edits)

    @property
    def oldest(self) -> PendingEdit | None:
        """What has waited longest."""
        return self._edits[0] if self._edits else None

    # ---- coming in

    def offer(self, edit: PendingEdit, seq: int) -> Refusal | None:
        """Take an edit, whole, or say why not. `seq` is the confirmed one."""
        if self.ops + edit.weight > INBOX_OPS or self.size + edit.size > INBOX_BYTES:
            return Refusal("unavailable", "too much is waiting for this tree; try again later")
        allowed = self._limits.unanswered_ops if edit.participant is not None else self._limits.resume_ops
        if self._unanswered[edit.client] + edit.weight > allowed:
            return Refusal("rate", f"at most {allowed} ops may wait for their answer")
        _read_bases(edit, seq)
        edit.irregular = not self._follows(edit) or edit.ahead or isinstance(edit, PendingResolve)
        self._edits.append(edit)
        self.ops += edit.weight
        self.size += edit.size
        self._unanswered[edit.client] += edit.weight
        return None

    def _follows(self, edit: PendingEdit) -> bool:
        """Whether the edit's numbers go on where this client's stand; only then nothing must be looked up."""
        expected = self.counters.get(edit.client)
        if expected is None:
            return False
        expected = max(expected, self._expected.get(edit.client, 0))  # what waits may be stored already, and more
        for op in edit.ops:
            expected += 1
            if op.n != expected:
                return False
        self._expected[edit.client] = expected
        return True

    # ---- what storage knows

    def unrecalled(self) -> list[PendingEdit]:
        """Waiting edits about whose numbers storage must be asked first (SEMANTICS 2: a gap is never guessed)."""
        return [edit for edit in self._edits if edit.irregular and not edit.recalled]

    def recalled(self, edit: PendingEdit, recalled: Recalled) -> None:
        """Take what storage said, asked after the edit had arrived."""
        self.know_client(edit.client, recalled.last_n)
        edit.recalled = True
        for n, first in recalled.firsts.items():
            self.firsts[(*edit.client, n)] = first

    def found(self, edit: PendingResolve, record: ConflictRecord | None) -> None:
        """Take what storage said of the record that is to be decided, asked after the decision had arrived."""
        edit.recalled, edit.found = True, record
        if record is not None and record.kind == "aside" and record.closed is None and edit.decision.choice == "mine":
            # a delta that waits is judged by the log since its own base
            deltas = [op for op in asked(record) if isinstance(op, Text)]
            edit.ops = [*deltas]
            edit.oldest = min([edit.oldest, *(op.base for op in deltas)])

    def forget_found(self) -> None:
        """Records have changed: what storage said of those that are to be decided is out of date."""
        for edit in self._edits:
            if isinstance(edit, PendingResolve):
                edit.recalled = False

    def know_client(self, client: ClientKey, last_n: int) -> None:
        """A client's number in the database. Where it has moved on another way than through here, what waits of that
        client may be stored already, and is looked up."""
        if last_n <= self.counters.setdefault(client, 0):
            return
        self.counters[client] = last_n
        if client in self._unanswered:
            for edit in self._edits:
                if edit.client == client:
                    edit.irregular, edit.recalled = True, False

    def forget(self, present: Collection[ClientKey]) -> None:
        """Drop the numbers of clients that are gone, but those of the newest: each page that is loaded is another
        client, and a tree may be open for months. Where one comes back it is looked up, as one that is new."""
        gone = [client for client in self.counters if client not in present and client not in self._unanswered]
        for client in gone[:-KEPT_CLIENTS]:
            del self.counters[client]

    def committed(self, used: Mapping[ClientKey, int]) -> None:
        """These numbers were used by a batch of this room; what was looked up before that is out of date."""
        self.counters.update(used)
        for edit in self._edits:
            edit.recalled = False
            if edit.client in used and edit.ops and edit.ops[0].n <= used[edit.client]:
                edit.irregular = True  # sent twice, and the first of the two had to be looked up

    # ---- going out

    def take(self) -> PendingEdit | None:
        """The next edit to judge; None: nothing waits, or it came while others were being looked up."""
        if not self._edits or (self._edits[0].irregular and not self._edits[0].recalled):
            return None
        edit = self._edits.popleft()
        self.ops -= edit.weight
        self.size -= edit.size
        return edit

    def put_back(self, edits: Sequence[PendingEdit]) -> None:
        """Let edits wait again, in front and in their order. Where what is stored of their clients has changed
        meanwhile, `know_client` hears of it; what was looked up for the others may be out of date."""
        for edit in reversed(edits):
            edit.recalled = False
            self._edits.appendleft(edit)
            self.ops += edit.weight
            self.size += edit.size

    def take_all(self) -> list[PendingEdit]:
        edits = list(self._edits)
        self._edits.clear()
        self.ops = self.size = 0
        return edits

    def answered(self, edit: PendingEdit) -> None:
        """Drop what was looked up for an edit, and count on from what is confirmed when nothing of its client waits."""
        if edit.irregular:
            for op in edit.ops:
                self.firsts.pop((*edit.client, op.n), None)
            others = self._edits if self._unanswered[edit.client] > edit.weight else ()
            for waiting in others:
                if waiting.client == edit.client:
                    waiting.recalled = False  # it may have been sent for the same answers
        self._unanswered[edit.client] -= edit.weight
        if self._unanswered[edit.client] <= 0:
            del self._unanswered[edit.client]
            self._expected.pop(edit.client, None)

    def adopt(self, former: Inbox) -> None:
        """Go on with what waits in another inbox; what it knew of clients was of another history."""
        self._unanswered = former._unanswered
        edits = former.take_all()
        for edit in edits:
            edit.irregular, edit.reached = True, -1
        self.put_back(edits)


def _read_bases(edit: PendingEdit, seq: int) -> None:
    """The least base of an edit, and whether one lies beyond the confirmed seq."""
    oldest = newest = seq
    if isinstance(edit, PendingResolve):
        oldest, newest = 0, max(seq, edit.decision.base)  # the deltas of its record have bases of their own
    for op in edit.ops:
        if isinstance(op, Malformed):
            continue
        if op.base < oldest:
            oldest = op.base
        elif op.base > newest:
            newest = op.base
    edit.oldest, edit.ahead = oldest, newest > seq
