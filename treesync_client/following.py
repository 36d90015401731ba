"""Following a tree: the replica, the queue over it, and the deltas in the queue, moved by each message in one step.

Sans-I/O. What a snapshot or a frame of ops does to all three is decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET

from sync.effects import Effect
from sync.nodes import State
from sync.ops import Op
from sync.protocol import FrameAuthor, Ops, Resumed, Snapshot
from treesync_client.drafts import Drafts
from treesync_client.entry import Entry
from treesync_client.queue import Queue
from treesync_client.replica import Replica
from treesync_client.results import Change

# A snapshot for one of these comes from another history, or from beyond what the log still tells (SEMANTICS 11)
_OTHER_HISTORY = frozenset({"epoch", "ahead", "too_far", "erased"})

MOST_TRASHED = 1_000  # nodes that are kept so that bringing them back shows at once; 0.5 MB


class Following:
    """`user` and `client` are set when a socket says who we are."""

    def __init__(self, queue: Queue, measure: Callable[[Op], int]) -> None:
        self.queue = queue
        self.replica = Replica()
        self.drafts = Drafts(queue, self.replica.text)
        self.user = self.client = self.epoch = ""
        self.former_clients: set[str] = set()
        self._highest = 0  # the newest seq of this epoch that was ever heard of
        self._head = 0  # the tree's seq when it was last opened, or replaced
        self._measure = measure
        self._parts: list[State] = []

    def become(self, user: str, client: str) -> bool:
        """A socket says who we are; answers whether the queue goes on under another client_id."""
        changed = bool(self.client) and client != self.client
        if changed:
            self.former_clients.add(self.client)
            self.queue.renumber()
        self.user, self.client = user, client
        self.replica.hide()
        return changed

    def begin(self) -> None:
        """The tree is being opened: parts of a state that did not come to its end are void."""
        self._parts = []

    def snapshot(self, message: Snapshot) -> bool:
        """One part of a state; answers whether it was the last, and confirmed state is that now."""
        assert isinstance(message.state, State), "a client decodes states whole"
        if message.part == 1:
            self._parts = []
        self._parts.append(message.state)
        if message.part < message.parts:
            return False
        parts, self._parts = self._parts, []
        self.replica.hide()
        self.drafts.look()
        self.replica.load(message.position, parts)
        self._rebase(message)
        self.entered(message)
        return True

    def entered(self, message: Snapshot | Resumed) -> None:
        """The tree was opened, or replaced."""
        head = message.head if isinstance(message, Snapshot) else 0
        self._head = max(head, message.position.seq)

    @property
    def is_level(self) -> bool:
        """Whether the ops have come that were on their way when the tree was opened (OP13)."""
        return self.replica.seq >= self._head

    def _rebase(self, message: Snapshot) -> None:
        known, self.epoch = self.epoch, message.position.epoch
        if known != self.epoch or message.reason == "ahead":
            self._highest = 0
        if not known:
            return
        if known != self.epoch or message.reason == "ahead":
            self.queue.forget_settled()
        if message.reason in _OTHER_HISTORY:
            self.drafts.to_updates(message.last_n, self._measure)
            self.queue.rebase(message.last_n)
        else:
            self.drafts.replaced(message.last_n)
        self.reached(message.position.seq)

    @property
    def base(self) -> int | None:
        """The base of a delta that is sent now. A state that was asked for may be older than the one before, until the
        ops after it have come (SEMANTICS 8): a delta that does not stand on our own last op would never be taken."""
        return self.replica.seq if self.replica.seq >= self._highest else None

    def heard_of(self, seq: int) -> None:
        """There is an op of that seq, here or not yet."""
        self._highest = max(self._highest, seq)

    def level(self) -> None:
        """Before deltas are sent: whatever was given up below them is no more."""
        if self.queue.holds_text:
            self.replica.hide()
            self.drafts.withdrawn()

    def reached(self, seq: int) -> list[Entry]:
        """Confirmed state stands at `seq`: what is settled by then leaves the queue, and is answered here."""
        self.replica.hide()
        left = self.queue.reached(seq)
        if left:
            self.drafts.withdrawn()
        return left

    def frame(self, frame: Ops) -> list[Change]:
        """Ops that follow on confirmed state; answers what they changed."""
        changes: list[Change] = []

        def passed(seq: int, effect: Effect, author: FrameAuthor) -> None:
            change = self._change(frame, seq, effect, author)
            own = self._own(change) if change.own else None
            self.drafts.passed(effect, own)
            changes.append(change)

        self.replica.hide()
        self.drafts.look()
        self.replica.confirm(frame, passed)
        self.heard_of(frame.seq)
        self.reached(frame.seq)
        if self.replica.trashed > MOST_TRASHED and not len(self.queue):
            self.replica.forget_trash()
        return changes

    def _change(self, frame: Ops, seq: int, effect: Effect, author: FrameAuthor) -> Change:
        ours = author.user == self.user and (author.client == self.client or author.client in self.former_clients)
        return Change(
            seq=seq,
            effect=effect,
            user=author.user,
            client=author.client,
            via=author.via or "",
            n=effect.n if isinstance(effect.n, int) else 0,
            at=effect.at if isinstance(effect.at, str) else frame.at,
            own=ours,
        )

    def _own(self, change: Change) -> Entry | None:
        """The entry that asked for it. What was answered is known by its seq too, under whichever client_id it went."""
        if change.client == self.client:
            return self.queue.entry(change.n)
        return self.queue.landed_as(change.seq)

    def agrees(self, frame: Ops) -> bool:
        """Whether this replica is what the server says it is at the frame's seq (P9)."""
        return frame.digest is UNSET or frame.digest == self.replica.digest
