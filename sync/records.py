"""The open conflict records of a room: what was typed and is not in the tree, until somebody decides (SEMANTICS 23-26).

Sans-I/O. A cut changes them as it judges; every change is in a journal until the batch is settled, so that it is
undone with the cut. Records are replaced, never changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from sync.backlog import Thing
from sync.claims import Claim, asked, claims_of, ground_of, thing_of
from sync.conflict_records import ConflictRecord
from sync.ops import Op
from sync.pending import ClientKey
from sync.protocol import Closing, ConflictPath

# A further loss of the same value within this time belongs to the same record: two people who type over each other
# make one for each of them, not one per keystroke (SEMANTICS 25)
GROWING_SECONDS = 60.0
SEQS_KEPT = 500  # of the further losses: ten a second, through most of that time
# Ops of one person that wait in one tree, each for a decision: as many edits as fill a queue between two looks. A room
# holds them all in memory, and they cross the wire when it is opened. Values that were overwritten need no bound of
# their own: of each place and person one record is open, so that the tree's bounds hold for them.
MOST_ASIDE = 2_000
DELETED = "deleted"  # code of a record whose paths are the nodes that a delete took, by id

Place = tuple[Thing, str, str]  # where a value was lost: thing, path, whose it was


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Values of one person that an op has overwritten: under one path, or the nodes that a delete took.

    `others`: whom it concerns besides him and who did it.
    """

    thing: Thing
    path: str  # DELETED: `paths` are node ids
    user: str
    paths: dict[str, ConflictPath]
    by: str
    seq: int
    others: tuple[str, ...] = ()


class _Change(NamedTuple):
    """A record as it stands since a change, with so many ops; what stood there before, and the newest number before.
    Where an op joined it: what that has added to the indexes."""

    record: ConflictRecord
    ops: int
    before: ConflictRecord | None
    number: int
    joined: tuple[list[Claim], list[Thing]] | None = None


class Records:
    """See the module. `number` is the id of the newest record."""

    def __init__(self, number: int = 0, records: Iterable[ConflictRecord] = ()) -> None:
        self.number = number
        self.open: dict[int, ConflictRecord] = {}
        self._closed: dict[int, ConflictRecord] = {}  # in this cut, or moot and not for long
        self._losses: dict[Place, int] = {}  # of open records, and of those that were moot lately
        self._waiting: dict[tuple[ClientKey, Claim], int] = {}
        self._by_thing: dict[Thing, set[int]] = {}
        self._asides: Counter[str] = Counter()  # open records of ops that wait, by whose they are
        self._journal: list[_Change] = []
        for record in records:
            self._replace(record.id, record)

    # ---- a cut

    def begin(self, now: float) -> None:
        """A batch is cut at that time, in seconds since the epoch of Unix."""
        if self._closed:
            for number in [one for one, record in self._closed.items() if not _grows(record, now)]:
                self._replace(number, None)

    def mark(self) -> int:
        """What `undo` takes to come back here."""
        return len(self._journal)

    def undo(self, mark: int = 0) -> None:
        """Take back what was changed since a mark."""
        while len(self._journal) > mark:
            change = self._journal.pop()
            self.number = change.number
            if change.joined is None:
                self._replace(change.record.id, change.before)
            else:
                self._part(change, *change.joined)

    def changed(self) -> list[ConflictRecord]:
        """What this cut has changed, each record once, as it stands now."""
        if not self._journal:  # most cuts
            return []
        return list({change.record.id: change.record for change in self._journal}.values())

    def versions(self) -> list[ConflictRecord]:
        """Every step of what this cut has changed, as it was then."""
        return [msgspec.structs.replace(one.record, ops=one.record.ops[: one.ops]) for one in self._journal]

    def confirm(self, at: str) -> None:
        """The batch is durable since that time."""
        for record in self.changed():
            if not record.at:
                record.at = at
        self._journal.clear()

    # ---- what is known

    def standing(self, number: int) -> ConflictRecord | None:
        """A record that is open, or was closed in this very cut or lately."""
        return self.open.get(number) or self._closed.get(number)

    def count(self, user: str) -> int:
        """How many open records concern a user, without what is not confirmed yet."""
        changed = {change.record.id: change.before for change in reversed(self._journal)}
        confirmed = [record for number, record in self.open.items() if number not in changed]
        confirmed += [before for before in changed.values() if before is not None and before.closed is None]
        return sum(user in record.parties for record in confirmed)

    def is_full(self, user: str) -> bool:
        """Whether no further op of a user may wait in a record of its own, until some are decided."""
        return self._asides[user] >= MOST_ASIDE

    def about(self, things: Iterable[Thing]) -> list[ConflictRecord]:
        """The open records that are about one of these."""
        numbers = {number for thing in things for number in self._by_thing.get(thing, ())}
        return [self.open[number] for number in sorted(numbers) if number in self.open]

    def awaited_by(self, op: Op, client: ClientKey) -> ConflictRecord | None:
        """The oldest record that an op of a client must join: not where its author has seen what stands there."""
        if not self._waiting:
            return None
        for number in sorted({self._waiting.get((client, claim), 0) for claim in ground_of(op)} - {0}):
            return self.open[number]
        found = sorted({self._waiting.get((client, claim), 0) for claim in claims_of(op)} - {0})
        return next((self.open[number] for number in found if not _was_seen(self.open[number], op.base)), None)

    # ---- changes

    def set_aside(self, record: ConflictRecord) -> ConflictRecord:
        """A whole op waits; gives the record its number."""
        self.number += 1
        return self._put(msgspec.structs.replace(record, id=self.number), self.number - 1)

    def overwritten(self, loss: Loss, now: float) -> ConflictRecord:
        """A value was overwritten: a record more, or one that grows."""
        number = self._losses.get((loss.thing, loss.path, loss.user))
        known = None if number is None else self.standing(number)
        if known is not None and _grows(known, now):
            return self.put(_grown(known, loss))
        if known is not None and known.closed is None:
            self.close(known, Closing(choice="replaced", by=loss.by, seq=loss.seq))
        return self.set_aside(_opened(loss))

    def close(self, record: ConflictRecord, closing: Closing) -> ConflictRecord:
        return self.put(msgspec.structs.replace(record, closed=closing))

    def put(self, record: ConflictRecord) -> ConflictRecord:
        """A record as it stands from now on."""
        return self._put(record, self.number)

    def join(self, record: ConflictRecord, op: Op, content: dict[str, Any], paths: dict[str, Any]) -> ConflictRecord:
        """One op more waits in an open record. Ten thousand may join one record in one batch, so that what it holds is
        shared by all its versions, and the journal knows how much of it was theirs."""
        grown = msgspec.structs.replace(record, paths=paths)
        grown.ops.append(content)
        self.open[record.id] = grown
        joined = self._claim(record, claims_of(op))
        self._journal.append(_Change(grown, len(grown.ops), record, self.number, joined))
        return grown

    def _claim(self, record: ConflictRecord, claims: Iterable[Claim]) -> tuple[list[Claim], list[Thing]]:
        """Later ops on these join the record; answers what is new in the indexes."""
        client = (record.user, record.client)
        new = [claim for claim in dict.fromkeys(claims) if (client, claim) not in self._waiting]
        things = [thing for thing, _ in new if record.id not in self._by_thing.get(thing, ())]
        self._waiting.update(((client, claim), record.id) for claim in new)
        for thing in things:
            self._by_thing.setdefault(thing, set()).add(record.id)
        return new, things

    def _part(self, change: _Change, claims: list[Claim], things: list[Thing]) -> None:
        """Take back what `join` did."""
        assert change.before is not None, "only what is there is joined"
        del change.record.ops[change.ops - 1 :]
        self.open[change.record.id] = change.before
        for claim in claims:
            del self._waiting[(change.record.user, change.record.client), claim]
        for thing in things:
            self._pass_over(thing, change.record.id)

    def take(self, number: int, records: Iterable[ConflictRecord]) -> None:
        """What another instance has committed: the newest number, and the records that changed."""
        self.number = number
        for record in records:
            self._replace(record.id, record)

    def _put(self, record: ConflictRecord, number_before: int) -> ConflictRecord:
        self._journal.append(_Change(record, len(record.ops), self.standing(record.id), number_before))
        self._replace(record.id, record)
        return record

    # ---- the indexes

    def _replace(self, number: int, record: ConflictRecord | None) -> None:
        before = self.open.pop(number, None) or self._closed.pop(number, None)
        if before is not None:
            self._unlink(before)
        if record is not None:
            (self.open if record.closed is None else self._closed)[number] = record
            self._link(record)

    def _link(self, record: ConflictRecord) -> None:
        place = _place_of(record)
        if record.closed is not None:
            if place is not None and record.closed.choice == "moot":
                self._losses.setdefault(place, record.id)
            return
        if place is not None:
            self._losses[place] = record.id
            self._by_thing.setdefault(place[0], set()).add(record.id)
            return
        self._asides[record.user] += 1
        self._claim(record, _claims(record))

    def _unlink(self, record: ConflictRecord) -> None:
        place = _place_of(record)
        if place is not None and self._losses.get(place) == record.id:
            del self._losses[place]
        claims = [place[:2]] if place is not None else _claims(record)
        if place is None and record.closed is None:
            self._asides[record.user] -= 1
        client = (record.user, record.client)
        for thing, path in claims:
            if self._waiting.get((client, (thing, path))) == record.id:
                del self._waiting[client, (thing, path)]
            self._pass_over(thing, record.id)

    def _pass_over(self, thing: Thing, number: int) -> None:
        about = self._by_thing.get(thing, set())
        about.discard(number)
        if not about:
            self._by_thing.pop(thing, None)


def _claims(record: ConflictRecord) -> list[Claim]:
    """What the ops of a record would change."""
    return list(dict.fromkeys(claim for op in asked(record) for claim in claims_of(op)))


def _place_of(record: ConflictRecord) -> Place | None:
    """Where the value of an overwritten record was lost; None: the record is aside."""
    if record.kind == "aside":
        return None
    path = DELETED if record.code == DELETED else next(iter(record.paths), "")
    return thing_of(record), path, record.user


def _was_seen(record: ConflictRecord, base: int) -> bool:
    """Whether whoever had seen that seq knows what stands where the record's author wanted something else. With a code
    it waits for something else than a value: its paths tell of no change."""
    return not record.code and bool(record.paths) and all(path["seq"] <= base for path in record.paths.values())


def _grows(record: ConflictRecord, now: float) -> bool:
    """Whether a further loss belongs to a record: for a while after it was opened, unless somebody decided it."""
    if record.closed is not None and record.closed.choice != "moot":
        return False
    return not record.at or now - datetime.fromisoformat(record.at).timestamp() < GROWING_SECONDS


def _opened(loss: Loss) -> ConflictRecord:
    return ConflictRecord(
        id=0,
        kind="overwritten",
        node=loss.thing if isinstance(loss.thing, str) else "",
        connection=loss.thing[0] if isinstance(loss.thing, tuple) else "",
        user=loss.user,
        code=DELETED if loss.path == DELETED else "",
        paths=msgspec.to_builtins(loss.paths),
        parties=_united((loss.user, loss.by, *loss.others)),
    )


def _grown(record: ConflictRecord, loss: Loss) -> ConflictRecord:
    """The first base and the newest lost value; what lay between is named by its seq."""
    paths = dict(record.paths)
    for path, lost in msgspec.to_builtins(loss.paths).items():
        known = paths.get(path, lost)
        lost.pop("base", None)
        paths[path] = {**({"base": known["base"]} if "base" in known else {}), **lost}
    return msgspec.structs.replace(
        record,
        paths=paths,
        parties=_united((*record.parties, loss.user, loss.by, *loss.others)),
        seqs=[*record.seqs, loss.seq][-SEQS_KEPT:],
        closed=None,
    )


def _united(users: Iterable[str]) -> list[str]:
    return sorted({user for user in users if user})
