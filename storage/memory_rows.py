"""One tree as the in-memory database keeps it: rows stay encoded, so that nothing a caller holds can change them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from storage.recall import first_of_log, first_of_result
from sync.conflict_records import ConflictRecord
from sync.errors import Unstorable
from sync.identity import Author, TreeKey
from sync.marks import Marks
from sync.nodes import Details
from sync.ports import (
    Batch,
    ClientCounter,
    ConnectionRow,
    First,
    Head,
    LoadedTree,
    LoggedOp,
    Missing,
    NodeRow,
    Recalled,
    Rights,
    StoredResult,
)
from sync.versions import TreeVersion

_encoder = msgspec.json.Encoder()
_node = msgspec.json.Decoder(NodeRow)
_connection = msgspec.json.Decoder(ConnectionRow)
_op = msgspec.json.Decoder(LoggedOp)
_conflict = msgspec.json.Decoder(ConflictRecord)
_details = msgspec.json.Decoder(Details)
_marks = msgspec.json.Decoder(Marks)
_rights = msgspec.json.Decoder(Rights)

# U+0000 as JSON writes it, and not a backslash followed by the text "u0000"
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

Numbered = tuple[str, str, int]  # user, client, n


def encoded(row: Any) -> bytes:
    """A row as bytes. Raises Unstorable for text that PostgreSQL cannot hold either: NUL and lone surrogates."""
    try:
        data = _encoder.encode(row)
    except (UnicodeEncodeError, msgspec.MsgspecError, OverflowError, RecursionError) as error:
        raise Unstorable("a value cannot be stored") from error
    if b"\\u0000" in data and _NUL.search(data):
        raise Unstorable("a text holds U+0000")
    return data


class Written(msgspec.Struct):
    """A batch made ready: all that can fail has been done, writing it cannot."""

    ops: list[tuple[LoggedOp, bytes]]
    nodes: list[tuple[str, bytes]]
    connections: list[tuple[str, bytes]]
    details: bytes | None
    detail_marks: bytes | None
    conflicts: list[tuple[int, bytes]]


class TreeRows:
    """Everything of one tree, its lock apart."""

    def __init__(self, key: TreeKey, head: Head, rights: Rights, created: float) -> None:
        self.key = key
        self.head = head
        self.deleted_at: float | None = None
        self.created = created
        self.updated = created
        self.at = created  # of the newest commit; never goes back (SEMANTICS 31)
        self.node_count = 0
        self.nodes: dict[str, bytes] = {}
        self.connections: dict[str, bytes] = {}
        self.log: list[bytes] = []  # row i holds seq i + 1
        self.places: list[tuple[int, str]] = []  # (commit, mark) of row i
        self.numbers: dict[Numbered, int] = {}  # -> seq
        self.counters: dict[tuple[str, str], tuple[int, int]] = {}  # (user, client) -> (last n, commit that moved it)
        self.results: dict[Numbered, StoredResult] = {}
        self.conflicts: dict[int, tuple[int, bytes]] = {}  # -> (commit that changed it last, row)
        self.versions: list[TreeVersion] = []
        self._rights = encoded(rights)
        self._details = encoded(Details())
        self._detail_marks = b"{}"

    # ---- reading

    @property
    def rights(self) -> Rights:
        return _rights.decode(self._rights)

    @property
    def details(self) -> Details:
        return _details.decode(self._details)

    def loaded(self) -> LoadedTree:
        return LoadedTree(
            key=self.key,
            head=self.head,
            rights=self.rights,
            details=self.details,
            detail_marks=_marks.decode(self._detail_marks),
            nodes=[_node.decode(row) for row in self.nodes.values()],
            connections=[_connection.decode(row) for row in self.connections.values()],
            conflicts=[record for record in self.conflict_records() if record.closed is None],
        )

    def ops(self, after: int, through: int) -> list[LoggedOp]:
        return [_op.decode(row) for row in self.log[max(after, 0) : max(through, 0)]]

    def missing(self, after_commit: int) -> Missing:
        after = len(self.places)
        while after and self.places[after - 1][0] > after_commit:
            after -= 1
        counters = [
            ClientCounter(user=user, client=client, last_n=last_n)
            for (user, client), (last_n, commit) in sorted(self.counters.items())
            if commit > after_commit
        ]
        conflicts = [_conflict.decode(row) for commit, row in self._records() if commit > after_commit]
        return Missing(head=self.head, ops=self.ops(after, len(self.log)), counters=counters, conflicts=conflicts)

    def mark_at(self, seq: int) -> str | None:
        if seq == 0:
            return ""
        return self.places[seq - 1][1] if 0 < seq <= len(self.places) else None

    def recall(self, user: str, client: str, numbers: Iterable[int]) -> Recalled:
        firsts: dict[int, First] = {}
        for n in numbers:
            seq = self.numbers.get((user, client, n))
            if seq is not None:
                firsts[n] = first_of_log(n, seq, _op.decode(self.log[seq - 1]).effect)
            elif (kept := self.results.get((user, client, n))) is not None:
                firsts[n] = first_of_result(kept)
        last_n, _ = self.counters.get((user, client), (0, 0))
        return Recalled(last_n=last_n, firsts=firsts)

    def conflict(self, number: int) -> ConflictRecord | None:
        kept = self.conflicts.get(number)
        return None if kept is None else _conflict.decode(kept[1])

    def conflict_records(self) -> list[ConflictRecord]:
        return [_conflict.decode(row) for _, row in self._records()]

    def _records(self) -> list[tuple[int, bytes]]:
        """(commit that changed it last, row) of every record, by id."""
        return [self.conflicts[number] for number in sorted(self.conflicts)]

    # ---- writing

    def stands_at(self, batch: Batch) -> bool:
        """The compare of the compare-and-set."""
        return (self.head.epoch, self.head.commit, self.head.seq) == (batch.epoch, batch.commit, batch.seq)

    def prepare(self, batch: Batch, now: float, *, rehearsal: bool = False) -> Written:
        """Check and encode a batch. Raises Unstorable; changes nothing. One op of a batch may be rehearsed alone."""
        first = (batch.seq if rehearsal else self.head.seq) + 1
        if [op.seq for op in batch.ops] != list(range(first, first + len(batch.ops))):
            raise Unstorable("the ops of a batch do not follow the log")
        self._check_numbers(batch)
        at = rfc3339(max(now, self.at))
        stamped = [_stamped(op, batch, at) for op in batch.ops]
        return Written(
            ops=[(op, encoded(op)) for op in stamped],
            nodes=[(row.node.id, encoded(row)) for row in batch.nodes],
            connections=[(row.connection.id, encoded(row)) for row in batch.connections],
            details=encoded(batch.details) if batch.details is not None else None,
            detail_marks=encoded(batch.detail_marks) if batch.detail_marks is not None else None,
            conflicts=[(record.id, encoded(self._opened(record, at))) for record in batch.conflicts],
        )

    def _opened(self, record: ConflictRecord, at: str) -> ConflictRecord:
        """A record as it is kept: with the time of the commit that opened it."""
        known = self.conflict(record.id)
        return msgspec.structs.replace(record, at=at if known is None else known.at)

    def _check_numbers(self, batch: Batch) -> None:
        """Exactly once is (tenant, tree, user, client, n), over log and results together (SEMANTICS 4)."""
        made = [(op.author.user, op.author.client, op.n) for op in batch.ops]
        made += [(result.user, result.client, result.n) for result in batch.results]
        if len(set(made)) != len(made) or any(one in self.numbers or one in self.results for one in made):
            raise Unstorable("an op of that client and number is stored already")

    def write(self, batch: Batch, written: Written, now: float) -> None:
        """Write what `prepare` made ready."""
        self.at = max(now, self.at)
        commit = batch.commit + 1
        for op, row in written.ops:
            self.numbers[op.author.user, op.author.client, op.n] = op.seq
            self.log.append(row)
            self.places.append((commit, batch.mark))
        self.nodes.update(written.nodes)
        self.connections.update(written.connections)
        for connection_id in batch.purged_connections:
            self.connections.pop(connection_id, None)
        for node_id in batch.purged_nodes:
            self.nodes.pop(node_id, None)
        self._details = written.details or self._details
        self._detail_marks = written.detail_marks or self._detail_marks
        for counter in batch.counters:
            self.counters[counter.user, counter.client] = (counter.last_n, commit)
        for result in batch.results:
            self.results[result.user, result.client, result.n] = result
        self.conflicts.update((number, (commit, row)) for number, row in written.conflicts)
        self.node_count = batch.node_count
        if written.ops:
            self.updated = self.at
        self.head = msgspec.structs.replace(
            self.head,
            commit=commit,
            seq=self.head.seq + len(written.ops),
            mark=batch.mark if written.ops else self.head.mark,
            conflicts=max([self.head.conflicts, *(number for number, _ in written.conflicts)]),
        )

    def set_rights(self, **changes: Any) -> Rights:
        """Change the rights and raise their version, here and in the head."""
        version = self.head.rights + 1
        rights = msgspec.structs.replace(self.rights, version=version, **changes)
        self._rights = encoded(rights)
        self.head = msgspec.structs.replace(self.head, rights=version)
        return rights


def _stamped(op: LoggedOp, batch: Batch, at: str) -> LoggedOp:
    """An op as the log keeps it: of the way it came, only what a reader of the log needs."""
    by = Author(user=op.author.user, client=op.author.client, via=op.author.via)
    return msgspec.structs.replace(op, author=by, activity="", commit=batch.commit + 1, mark=batch.mark, at=at)


def rfc3339(seconds: float) -> str:
    """A time as the wire writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
