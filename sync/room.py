"""An open tree in one instance: the tree, who is there, what waits, what is in flight, and what is confirmed.

Sans-I/O: every method is synchronous, and time, marks and ids are parameters. While a batch is in flight the tree is
ahead of the confirmed position; whoever joins meanwhile is served the confirmed state (SEMANTICS 8).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from msgspec import UNSET

from sync.access import allows, role_in
from sync.apply import Stamp, apply, inverse
from sync.backlog import Backlog
from sync.claims import asked
from sync.codec import Codec, CodecName, Malformed
from sync.conflict_records import ConflictRecord
from sync.cut import Cut
from sync.effects import Effect
from sync.growing import tree_of
from sync.identity import Author, Position, TreeKey
from sync.inbox import KEPT_CLIENTS, Inbox
from sync.judged import Judged
from sync.limits import BATCH_BYTES, BATCH_ROWS, Limits
from sync.nodes import State
from sync.ops import Op
from sync.pending import Answer, ClientKey, PendingEdit, PendingResolve, Refusal
from sync.ports import Batch, Head, LoadedTree, LoggedOp, Missing, Receipt, Rights
from sync.protocol import Error, Ops, Outcome, Resolved
from sync.reach import reach
from sync.recent import Commit, Recent, ops_message
from sync.records import Records
from sync.session import Participant
from sync.snapshots import PART_NODES, EncodedState, encode_state
from sync.tree import Tree

SNAPSHOT_LAG = 500  # ops behind which an encoded state is made anew rather than sent with the ops after it


class Flight(msgspec.Struct):
    """A batch on its way to the database. `batch` is None where nothing is to be written."""

    cut: Cut
    batch: Batch | None
    size: int


class Settled(msgspec.Struct):
    """What a settled batch tells: to each author his outcome, to who decided a record his answer, to everyone the
    commit (None: no op was applied)."""

    outcomes: list[tuple[PendingEdit, Outcome]]
    commit: Commit | None
    decided: list[tuple[PendingEdit, Resolved | Error]] = []
    conflicts: list[ConflictRecord] = []  # that it opened or changed, for those whom they concern


class Room:
    """See the module. The hub alone decides when to cut, and lets one batch of a room be in flight at a time."""

    def __init__(self, loaded: LoadedTree, limits: Limits, tree: Tree | None = None) -> None:
        """`tree`: that of what was loaded, where it is made already."""
        self.key: TreeKey = loaded.key
        self.rights: Rights = loaded.rights
        self.tree = tree_of(loaded) if tree is None else tree
        self.epoch = loaded.head.epoch
        self.commit = loaded.head.commit
        self.seq = loaded.head.seq
        self.mark = loaded.head.mark
        self.participants: dict[str, Participant] = {}
        self.inbox = Inbox(limits)
        self.flight: Flight | None = None
        self.recent = Recent(self.seq, self.mark)
        self.backlog = Backlog(self.seq)
        self.was_reset = False
        self._limits = limits
        self.records = Records(loaded.head.conflicts, loaded.conflicts)
        self._states: dict[CodecName, EncodedState] = {}

    # ---- edits coming in

    def offer(self, edit: PendingEdit) -> Refusal | None:
        """Put an edit into the inbox, whole, or say why not."""
        return self.inbox.offer(edit, self.seq)

    def know_client(self, client: ClientKey, last_n: int) -> None:
        self.inbox.know_client(client, last_n)

    def forget_clients(self) -> None:
        """Of those that are not here any more, now and then."""
        if len(self.inbox.counters) > len(self.participants) + 2 * KEPT_CLIENTS:
            self.inbox.forget({(one.session.author.user, one.session.client_id) for one in self.participants.values()})

    def adopt(self, former: Room) -> None:
        """Take over the people and the waiting edits of a room whose history is no longer the tree's."""
        self.was_reset = True
        self.participants = former.participants
        self.inbox.adopt(former.inbox)

    def last_n(self, client: ClientKey) -> int:
        return self.inbox.counters.get(client, 0)

    # ---- what edits against older trees are judged by

    def reach(self) -> int:
        """The seq after which the log must be read before what waits is judged; `backlog.floor`: all is here."""
        least = floor = self.backlog.floor
        for edit in self.inbox:
            if edit.oldest < floor:
                least = min(least, self._reach(edit))
        return least

    def _reach(self, edit: PendingEdit) -> int:
        floor = self.backlog.floor
        if edit.reached >= floor:
            return floor
        least = reach(self.tree, self.backlog, self._ops_of(edit), edit.client, self.seq - self._limits.resume_ops)
        if least == floor:
            edit.reached = floor
        return least

    def _ops_of(self, edit: PendingEdit) -> Sequence[Op | Malformed]:
        if not isinstance(edit, PendingResolve):
            return edit.ops
        record = self.records.standing(edit.decision.conflict)
        return [] if record is None else asked(record)

    def stop_reaching(self) -> None:
        """No more of the log can be had: what waits is judged by what is here."""
        for edit in self.inbox:
            edit.reached = self.backlog.floor

    # ---- one batch

    def cut(self, mark: str, respace_id: str, now: float) -> Flight:
        """Judge what waits, in order, up to a batch's size, and put it in flight. `now` is in seconds since the epoch
        of Unix."""
        assert self.flight is None, "one batch of a room at a time"
        self.records.begin(now)
        cut = Cut(
            self.tree,
            seq=self.seq,
            now=now,
            records=self.records,
            limits=self._limits,
            backlog=self.backlog,
            counters=self.inbox.counters,
            firsts=self.inbox.firsts,
            respace_id=respace_id,
        )
        size, floor = 0, self.backlog.floor
        while not cut.judged or (size < BATCH_BYTES and len(cut.ops) < BATCH_ROWS and cut.work < 1):
            edit = self.inbox.oldest
            if edit is None or (edit.oldest < floor and self._reach(edit) < floor) or self.inbox.take() is None:
                break
            size += edit.size
            cut.take(edit, self._refusal(edit))
        self.flight = Flight(cut, self._batch(cut, mark) if cut.writes else None, size)
        return self.flight

    def _refusal(self, edit: PendingEdit) -> Refusal | None:
        """Rights are judged when the batch is cut (SEMANTICS 31)."""
        if self.rights.frozen:
            return Refusal("unavailable", "the tree is frozen")
        # the role of a participant is kept in line with the rights as long as he is here; else it is looked up
        one = edit.participant
        role = one.role if one is not None and one.id in self.participants else role_in(self.rights, edit.identity)
        if isinstance(edit, PendingResolve):
            edit.sees_all = allows(role, "share")
        if not allows(role, "edit"):
            return Refusal("forbidden", "editing needs the role of an editor")
        ahead = any(not hasattr(op, "why") and op.base > self.seq for op in edit.ops) if self.was_reset else False
        return Refusal("stale", "the tree was restored; open it again") if ahead else None

    def _batch(self, cut: Cut, mark: str) -> Batch:
        nodes, connections, details = cut.rows()
        purged_nodes, purged_connections = cut.purged()
        return Batch(
            key=self.key,
            epoch=self.epoch,
            commit=self.commit,
            seq=self.seq,
            mark=mark,
            ops=cut.ops,
            nodes=nodes,
            connections=connections,
            purged_nodes=purged_nodes,
            purged_connections=purged_connections,
            details=self.tree.details.details if details else None,
            detail_marks=self.tree.details.marks if details else None,
            counters=cut.client_counters(),
            results=cut.results,
            conflicts=cut.records,
            node_count=self.tree.live,
        )

    def settle(self, receipt: Receipt | None) -> Settled:
        """The batch is durable (or wrote nothing, receipt None): confirm it and say what to tell."""
        flight, self.flight = self.flight, None
        assert flight is not None, "nothing is in flight"
        commit = None
        cut = flight.cut
        if flight.batch is not None:
            assert receipt is not None, "what was written has a receipt"
            assert receipt.committed, "only what was committed is confirmed"
            self.commit += 1
            self.records.confirm(receipt.at)
            self.inbox.committed(cut.used)
            commit = self._confirm(flight, flight.batch, receipt)
        for judged in cut.judged:
            self.inbox.answered(judged.edit)
        changed = flight.batch.conflicts if flight.batch is not None else []
        outcomes = [(judged.edit, self._outcome(judged)) for judged in cut.judged if judged.answer is None]
        decided = [(judged.edit, judged.answer) for judged in cut.judged if judged.answer is not None]
        return Settled(outcomes, commit, decided, changed)

    def _confirm(self, flight: Flight, batch: Batch, receipt: Receipt) -> Commit | None:
        if not batch.ops:
            return None
        for op in batch.ops:
            op.commit, op.mark, op.at = self.commit, batch.mark, receipt.at
        self.seq, self.mark = batch.ops[-1].seq, batch.mark
        commit = Commit(ops_message(self.key.tree, batch.ops, self.tree.digest))
        self.recent.append(commit)
        self._remember(batch.ops, flight.size, [judged.edit for judged in flight.cut.judged])
        return commit

    def _remember(self, ops: Sequence[LoggedOp], size: int | None = None, judged: Sequence[PendingEdit] = ()) -> None:
        """What is confirmed stays in the backlog, as far as its bounds allow; what was read for edits that wait, or
        were just judged, a batch longer: a queue comes back in many messages, with the same old bases."""
        self.backlog.confirm(self.seq, ops, size)
        below = self.backlog.read_below
        self.backlog.trim(waited_for=below > 0 and any(edit.oldest < below for edit in (*self.inbox, *judged)))

    def _outcome(self, judged: Judged) -> Outcome:
        edit = judged.edit
        # a first answer may be of a commit that another instance made and that has not come here yet
        firsts = [result.first.get("seq", 0) for result in judged.results if result.first] if edit.irregular else ()
        return Outcome(
            tree=self.key.tree,
            ref=edit.ref,
            seq=max(self.seq, *firsts) if firsts else self.seq,
            landed=UNSET if judged.landed is None else judged.landed,
            results=judged.results,
        )

    def roll_back(self) -> None:
        """Nothing of the flight is known to be stored: undo it and let its edits wait again, in their order."""
        flight, self.flight = self.flight, None
        assert flight is not None, "nothing is in flight"
        flight.cut.undo()
        self.records.undo()
        self.backlog.truncate(self.seq)
        self.backlog.watch([])
        self.inbox.put_back([judged.edit for judged in flight.cut.judged])

    def refuse_waiting(self, refusal: Refusal) -> list[tuple[PendingEdit, Answer]]:
        """Answer everything that waits with a refusal that uses up no n."""
        waiting = self.inbox.take_all()
        for edit in waiting:
            self.inbox.answered(edit)
        return [(edit, self.refused(edit, refusal)) for edit in waiting]

    def refused(self, edit: PendingEdit, refusal: Refusal) -> Answer:
        cut = Cut(
            self.tree,
            seq=self.seq,
            now=0.0,
            records=self.records,
            limits=self._limits,
            backlog=Backlog(self.seq),
            counters={},
            firsts={},
            respace_id="",
        )
        cut.take(edit, refusal)
        return cut.judged[0].answer or self._outcome(cut.judged[0])

    # ---- commits of other instances

    def ingest(self, missing: Missing) -> Commit | None:
        """Take ops that are in the log and not here. They are facts: nothing is judged."""
        assert self.flight is None, "not while a batch is in flight"
        for counter in missing.counters:
            self.inbox.know_client((counter.user, counter.client), counter.last_n)
        self.commit = missing.head.commit
        self._take_records(missing.head.conflicts, missing.conflicts)
        return self._take_rows(missing.ops)

    def _take_records(self, newest: int, changed: Sequence[ConflictRecord]) -> None:
        self.records.take(newest, changed)
        if changed:
            self.inbox.forget_found()

    def _take_rows(self, rows: Sequence[LoggedOp]) -> Commit | None:
        rows = [row for row in rows if row.seq > self.seq]
        if not rows:
            return None
        assert rows[0].seq == self.seq + 1, "a gap in the log"
        for row in rows:
            apply(self.tree, row.effect, Stamp(row.seq, row.author.user, row.author.client))
        self.seq, self.mark = rows[-1].seq, rows[-1].mark
        self._remember(rows)
        commit = Commit(ops_message(self.key.tree, rows, self.tree.digest))
        self.recent.append(commit)
        return commit

    def follow(
        self,
        ops: Ops | None,
        encoded: dict[CodecName, bytes],
        counters: dict[ClientKey, int],
        conflicts: int,
        changed: Sequence[ConflictRecord] = (),
    ) -> Commit | None:
        """Take the very next commit as another instance broadcast it."""
        assert self.flight is None, "not while a batch is in flight"
        self.commit += 1
        self._take_records(conflicts, changed)
        for client, last_n in counters.items():
            self.inbox.know_client(client, last_n)
        if ops is None:
            return None
        assert ops.after == self.seq, "the next commit begins where this one ends"
        rows = [row for place, effect in enumerate(ops.ops) if (row := self._follow_one(ops, place, effect))]
        self.seq, self.mark = ops.seq, ops.mark
        self._remember(rows, sum(map(len, encoded.values())))
        commit = Commit(ops, encoded)
        self.recent.append(commit)
        return commit

    def _follow_one(self, ops: Ops, place: int, effect: Effect) -> LoggedOp | None:
        """Apply an op of a frame; answers what the backlog keeps of it."""
        assert isinstance(effect.by, int)
        by, seq = ops.authors[effect.by], ops.after + place + 1
        before = apply(self.tree, effect, Stamp(seq, by.user, by.client))
        if not self.backlog.keeps(effect):
            return None
        author = Author(user=by.user, client=by.client)
        return LoggedOp(seq=seq, n=effect.n or 0, author=author, effect=effect, inverse=inverse(effect, before))

    @property
    def conflicts(self) -> int:
        """The id of the newest conflict record."""
        return self.records.number

    # ---- confirmed state

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.seq, self.mark)

    @property
    def head(self) -> Head:
        return Head(epoch=self.epoch, commit=self.commit, seq=self.seq, mark=self.mark, rights=self.rights.version)

    @contextmanager
    def confirmed(self) -> Iterator[Tree]:
        """The tree without what is in flight."""
        if self.flight is None:
            yield self.tree
            return
        self.flight.cut.undo()
        try:
            yield self.tree
        finally:
            self.flight.cut.redo()

    def state(self) -> State:
        """The confirmed state."""
        with self.confirmed() as tree:
            return tree.state()

    def encoded_state(self, codec: Codec) -> EncodedState:
        """An encoded state at or below the confirmed seq, with every op after it still at hand in `recent`."""
        if self.lacks_state(codec):
            self.keep_state(codec, encode_state(self.state(), self.position, codec))
        return self._states[codec.name]

    def lacks_state(self, codec: Codec) -> bool:
        """Whether `encoded_state` has to encode."""
        kept = self._states.get(codec.name)
        return kept is None or kept.position.seq < max(self.recent.seq, self.seq - SNAPSHOT_LAG)

    def must_encode(self, codec: Codec) -> bool:
        """Whether `encoded_state` has so much to encode that it is better done in parts, by `keep_state`."""
        return self.lacks_state(codec) and self.tree.live > PART_NODES

    def keep_state(self, codec: Codec, encoded: EncodedState) -> None:
        """Take a state that was encoded since it was the confirmed one."""
        self._states[codec.name] = encoded

    def forget_states(self) -> None:
        """The next encoded state is that of the confirmed seq."""
        self._states.clear()
