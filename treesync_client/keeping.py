"""Keeping an open tree in the client's file: what differs is written in one transaction, before anything is sent.

Sans-I/O but for the store. The order that holds: an op is stored before its author goes on, a number before it is sent,
and the deltas in the queue together with the confirmed state on which they stand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sized

from sync.nodes import Node, State
from sync.ops import Op, Text
from sync.protocol import Ops, Role, Snapshot
from treesync_client.entry import Entry
from treesync_client.following import Following
from treesync_client.queue import Queue
from treesync_client.report import Reporting
from treesync_client.store.kept import KeptEntry, KeptTree, Store, Writing

PART_NODES = 1_000  # of a state that is written anew: 3 ms each
MOST_OPS = 5_000  # behind a state before it is written anew: applying them at the next start takes 50 ms


class Keeping:
    """`queue`, `following` and `reporting` of one tree, and their place in the file."""

    def __init__(
        self, store: Store, number: int, following: Following, reporting: Reporting, measure: Callable[[Op], int]
    ) -> None:
        self.kept: KeptTree = store.tree(number)
        self._uncertain: list[Entry] = []
        self._store = store
        self._following = following
        self._queue: Queue = following.queue
        self._reporting = reporting
        self._measure = measure
        self._saved_role = self.kept.role
        self._frames: list[Ops] = []
        self._ops = 0  # in frames behind the state
        self._parts: deque[tuple[int, int, Snapshot]] = deque()
        self._level: tuple[int, int] | None = None  # (generation, seq) that holds when all parts are written
        self._slowly = False  # whether the parts waiting are of a state written anew

    # ---- reading

    def load(self) -> None:
        """Take up what the file holds. Raises StoreFailed."""
        self._load_state()
        self._reporting.restore(self._store.answers(self.kept.number), complete=self.kept.reported)
        self._queue.places = max(self._reporting.answers, default=0)
        self._queue.sent_n = self.kept.sent_n
        entries, self.kept.entries = self.kept.entries, []
        for one in entries:
            self._queue.put_back(self._entry(one))
        lost = self._following.replica.position is None  # and with it the text that a delta stands on
        uncertain = {one.place for one in entries if one.uncertain or (lost and one.local is not None)}
        self._following.drafts.settle_below({one.place for one in entries if one.below is None})
        self._withdraw([entry for entry in self._queue if entry.place in uncertain])

    def _load_state(self) -> None:
        replica = self._following.replica
        parts: list[Snapshot] = []
        for message in self._store.state(self.kept.number):
            if isinstance(message, Snapshot):
                parts.append(message)
                if len(parts) == parts[0].parts:
                    replica.load(message.position, [part.state for part in parts if isinstance(part.state, State)])
                    self._following.epoch = message.position.epoch
            elif replica.position is not None and message.after <= replica.seq:
                replica.confirm(message, lambda seq, effect, author: None)
                self._ops += len(message.ops)
        if self._ops > MOST_OPS:
            self._write_anew()

    def _entry(self, kept: KeptEntry) -> Entry:
        entry = Entry(kept.op, kept.mode, self._measure(kept.op))
        entry.place, entry.n, entry.hidden, entry.stored, entry.unsaved = kept.place, kept.n, kept.hidden, True, False
        if kept.local is not None:
            entry.local, entry.below = kept.local, kept.below or ""
        return entry

    def _withdraw(self, entries: list[Entry]) -> None:
        """Sent by the original of this file: theirs to finish. They are listed here, and not sent."""
        self._uncertain = entries
        self._queue.set_apart(entries)
        self._following.drafts.withdrawn()

    @property
    def role(self) -> Role | None:
        """The last one that was known; None: never."""
        return self.kept.role or None

    @role.setter
    def role(self, role: Role | None) -> None:
        self.kept.role = role

    @property
    def uncertain(self) -> list[Op]:
        """What the file that this one was copied from has sent, and is to bring to its end."""
        return [entry.op for entry in self._uncertain]

    def discard_uncertain(self) -> list[Op]:
        """Let go of it; answers it."""
        given_up, self._uncertain = self._uncertain, []
        self._queue.removed.extend(entry.place for entry in given_up)
        return [entry.op for entry in given_up]

    # ---- what happened

    def snapshot(self, part: Snapshot) -> None:
        """A part of a new state; with the last one it holds."""
        if part.part == 1:
            self._parts.clear()
            self._level = None
        self._slowly = False
        generation = self.kept.generation + 1
        self._parts.append((generation, part.part, part))
        if part.part == part.parts:
            self._level = (generation, part.position.seq)
            self._frames.clear()
            self._ops = 0

    def frame(self, frame: Ops) -> None:
        """Ops that confirmed state holds now."""
        self._frames.append(frame)
        self._ops += len(frame.ops)
        if self._ops > MOST_OPS and not self._parts:
            self._write_anew()

    def _write_anew(self) -> None:
        replica = self._following.replica
        assert replica.position is not None, "what is written anew was there"
        parts = list(_slices(replica.state))
        generation = self.kept.generation + 1
        for number, part in enumerate(parts, 1):
            message = Snapshot(
                tree=self.kept.number,
                position=replica.position,
                role="viewer",
                last_n=0,
                part=number,
                parts=len(parts),
                state=part,
            )
            self._parts.append((generation, number, message))
        self._level = (generation, replica.seq)
        self._slowly = True
        self._ops = 0

    # ---- writing

    @property
    def is_behind(self) -> bool:
        """Whether parts of a state are still to be written."""
        return bool(self._parts)

    def save(self) -> None:
        """Write all that differs from the file. Raises StoreFailed: then all of it still differs."""
        writing = Writing(self.kept)
        changed = [entry for entry in self._queue if entry.unsaved and entry.settled_at is None and not entry.dropped]
        unsaid = self._following.drafts.going_without_saying(changed)
        writing.entries = [_kept(entry, says_below=entry not in unsaid) for entry in changed]
        writing.dropped = list(self._queue.removed)
        writing.frames = list(self._frames)
        writing.parts = [self._parts[0]] if self._slowly and self._parts else list(self._parts)
        answers = self._reporting.answers
        writing.answers = [(place, *answers[place]) for place in sorted(self._reporting.unsaved)]
        writing.answers_dropped = list(self._reporting.dropped)
        if self._differs(writing):
            before = (self.kept.sent_n, self.kept.generation, self.kept.reported)
            self._bring_level(writing)
            try:
                self._store.write(writing)
            except BaseException:
                self.kept.sent_n, self.kept.generation, self.kept.reported = before
                raise
            self._saved(writing, changed)

    def _differs(self, writing: Writing) -> bool:
        kept, queue = self.kept, self._queue
        rows: list[Sized] = [writing.entries, writing.dropped, writing.frames, writing.parts]
        rows += [writing.answers, writing.answers_dropped]
        return (
            any(len(one) for one in rows)
            or kept.sent_n != queue.sent_n
            or kept.reported != self._reporting.complete
            or kept.role != self._saved_role
        )

    def _bring_level(self, writing: Writing) -> None:
        self.kept.sent_n, self.kept.reported = self._queue.sent_n, self._reporting.complete
        if self._level is not None and len(writing.parts) == len(self._parts):
            self.kept.generation, writing.level = self._level

    def _saved(self, writing: Writing, entries: list[Entry]) -> None:
        for entry in entries:
            entry.stored, entry.unsaved = True, False
        self._saved_role = self.kept.role
        self._queue.removed.clear()
        self._reporting.unsaved.clear()
        self._reporting.dropped.clear()
        self._frames.clear()
        for _ in writing.parts:
            self._parts.popleft()
        if writing.level is not None:
            self._level = None


def _kept(entry: Entry, *, says_below: bool) -> KeptEntry:
    """For the file. The text below a delta is kept where confirmed state does not say it."""
    is_delta = isinstance(entry.op, Text)
    return KeptEntry(
        place=entry.place,
        n=entry.n,
        mode=entry.mode,
        hidden=entry.hidden,
        op=entry.op,
        local=entry.local if is_delta else None,
        below=entry.below if is_delta and says_below else None,
    )


def _slices(state: State) -> Iterator[State]:
    """A state in parts; the connections, which need their nodes, in the last."""
    nodes: list[Node] = state.nodes
    for start in range(0, max(len(nodes), 1), PART_NODES):
        last = start + PART_NODES >= len(nodes)
        yield State(
            name=state.name,
            description=state.description,
            discovery_phase=state.discovery_phase,
            is_template=state.is_template,
            canvas_state=state.canvas_state,
            nodes=nodes[start : start + PART_NODES],
            connections=state.connections if last else [],
        )
