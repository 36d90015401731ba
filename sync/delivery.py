"""Giving participants what they are owed: outcomes, commits, snapshots, and the ops a slow reader missed.

A commit is encoded once per codec and framed once, and every socket is given the same bytes. Nothing here waits for
a reader: where an outbox is full, its participant stops being live, loses the frames and is served from the newest
commits, or from the log, when it has drained (P11, SEMANTICS 9).

What a wide room has confirmed may wait to be told for a moment (`sync.telling`). So whatever is given here by the
confirmed state comes behind it: `tell` is the first step of every such method.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from sync.codec import JSON, Codec, CodecName
from sync.conflict_records import ConflictRecord
from sync.keeping import detail_of
from sync.limits import FRAME_BYTES
from sync.open_room import OpenRoom
from sync.pending import Answer, PendingEdit
from sync.ports import LoggedOp, Outbox, Wire
from sync.presence import views
from sync.protocol import ConflictNews, Outcome, Resumed, Snapshot, SnapshotReason
from sync.recent import Commit, ops_message
from sync.room import Settled
from sync.session import Participant
from sync.stats import HubStats

CHUNK_OPS = 500  # ops read from the log go out in frames of this many: about 100 kB


class Delivery:
    """See the module. One per hub."""

    def __init__(self, stats: HubStats) -> None:
        self.stats = stats

    def settled(self, place: OpenRoom, settled: Settled) -> None:
        """Authors first, then everyone: the outcome comes before the ops (WIRE). What an author gets of both is one
        write: each is a system call, and in a small room those are a seventh of what an edit costs."""
        place.untold.append(settled)
        self._tell(place, self._answers(settled))

    def authors(self, place: OpenRoom, settled: Settled) -> None:
        """Only the authors; what everyone is to have waits in `place.untold`."""
        for outbox, frames in self._answers(settled).items():
            _write(outbox, frames)
        if settled.commit is not None or settled.conflicts:
            place.untold.append(settled)

    def tell(self, place: OpenRoom) -> None:
        """Give everyone what is confirmed and was not told yet."""
        if place.untold:
            self._tell(place, {})

    def _tell(self, place: OpenRoom, answers: dict[Outbox, list[bytes]]) -> None:
        """All that is untold as one: a snapshot in place of any of it has the rest, which must not follow (BR1)."""
        untold, place.untold = place.untold, []
        self._give(place, untold, answers)

    def outcome(self, edit: PendingEdit, outcome: Answer) -> None:
        self._count(outcome)
        edit.reply(outcome)

    def _count(self, answer: Answer) -> None:
        if isinstance(answer, Outcome):
            for result in answer.results:
                self.stats.results[result.status] += 1

    def _answers(self, settled: Settled) -> dict[Outbox, list[bytes]]:
        """What each author's socket is to get; who has none is answered at once."""
        answers: dict[Outbox, list[bytes]] = {}
        for edit, answer in (*settled.outcomes, *settled.decided):
            if edit.participant is None:
                self.outcome(edit, answer)
                continue
            self._count(answer)
            outbox = edit.participant.session.outbox
            answers.setdefault(outbox, []).append(outbox.wire.frame(outbox.wire.codec.encode(answer)))
        return answers

    def _give(self, place: OpenRoom, told: Sequence[Settled], answers: dict[Outbox, list[bytes]]) -> None:
        for commits in _runs([one.commit for one in told if one.commit is not None]):
            if not self._commits(place, commits, answers):
                break  # everyone has a snapshot of all that is confirmed
        for outbox, frames in answers.items():  # of authors who get no ops now, or of whom there are none
            _write(outbox, frames)
        for one in told:
            self._conflicts(place, one.conflicts)

    def conflicts(self, place: OpenRoom, changed: Iterable[ConflictRecord]) -> None:
        """Tell those whom these records concern, slow readers too: nothing of it is told again (SEMANTICS 9)."""
        self.tell(place)
        self._conflicts(place, changed)

    def _conflicts(self, place: OpenRoom, changed: Iterable[ConflictRecord]) -> None:
        for record in changed:
            told = [one for one in place.room.participants.values() if one.session.identity.user in record.parties]
            frames: dict[CodecName, bytes] = {}
            for participant in told:
                outbox = participant.session.outbox
                wire = outbox.wire
                frame = frames.get(wire.codec.name)
                if frame is None:
                    payload = _conflict_payload(wire.codec, place.room.key.tree, record)
                    frame = frames[wire.codec.name] = wire.frame(payload)
                outbox.write(frame)

    def commit(self, place: OpenRoom, commit: Commit) -> None:
        """Another instance's, to everyone who is live."""
        place.untold.append(Settled(outcomes=[], commit=commit))
        self._tell(place, {})

    def _commits(self, place: OpenRoom, commits: Sequence[Commit], answers: dict[Outbox, list[bytes]]) -> bool:
        """The frames of some commits, joined, to everyone who is live; in front of them an author's own `answers`.
        False: one was too large, and everyone got a snapshot instead."""
        joined: dict[Wire, bytes] = {}
        told = 0
        for participant in place.room.participants.values():
            if not participant.live:
                continue
            outbox = participant.session.outbox
            if outbox.full:
                self._fall_behind(participant, commits[0].ops.after)
                continue
            wire = outbox.wire
            frames = joined.get(wire)
            if frames is None:
                payloads = [commit.encoded(wire.codec) for commit in commits]
                if max(map(len, payloads)) > FRAME_BYTES:
                    self._too_large(place, answers)
                    return False
                frames = joined[wire] = b"".join(map(wire.frame, payloads))
            if answers and (own := answers.pop(outbox, None)) is not None:
                _write(outbox, [*own, frames])
            else:
                outbox.write(frames)
            told += 1
        self.stats.deliveries += told * len(commits)
        return True

    def _too_large(self, place: OpenRoom, answers: dict[Outbox, list[bytes]]) -> None:
        for outbox, frames in answers.items():
            _write(outbox, frames)
        answers.clear()
        place.room.forget_states()  # else a kept one would go out, with this very frame behind it
        self.snapshot_for_all(place, "large")

    def _fall_behind(self, participant: Participant, reached: int) -> None:
        participant.live = False
        participant.reached = reached
        self.stats.slow_readers += 1

    def snapshot_for_all(self, place: OpenRoom, reason: SnapshotReason) -> None:
        self.tell(place)
        for participant in place.room.participants.values():
            self.snapshot(place, participant, reason=reason)

    def snapshot(
        self, place: OpenRoom, participant: Participant, *, reason: SnapshotReason | None = None, ref: object = UNSET
    ) -> None:
        """Queue a whole state for one participant; its parts leave as the socket drains, then the ops after it."""
        self.tell(place)
        room, session = place.room, participant.session
        wire = session.outbox.wire
        self.stats.states_encoded += room.lacks_state(wire.codec)
        encoded = room.encoded_state(wire.codec)
        owed = participant.parts[0] if participant.parts else None
        if ref is UNSET and isinstance(owed, Snapshot):
            ref = owed.ref  # this one comes instead of an answer that was not given to its end
        message = Snapshot(
            ref=ref,  # type: ignore[arg-type]  # whatever the client chose, given back
            tree=room.key.tree,
            reason=reason or UNSET,
            position=encoded.position,
            head=room.seq,
            role=participant.role,
            last_n=room.last_n((session.identity.user, session.client_id)),
            parts=len(encoded.parts),
            state=msgspec.Raw(),
            you=participant.id,
            conflicts=room.records.count(session.identity.user),
            participants=views(place, but=participant),
        )
        participant.parts.clear()
        participant.missed.clear()
        participant.parts.extend(
            msgspec.structs.replace(message, part=number, state=state)
            for number, state in enumerate(encoded.parts, start=1)
        )
        participant.live = False
        participant.reached = encoded.position.seq
        self.stats.snapshots[reason or "open"] += 1
        self.push(place, participant)

    def resumed(
        self, place: OpenRoom, participant: Participant, backlog: Sequence[LoggedOp], after: int, ref: object
    ) -> None:
        """Tell a returning client where it stands, and give it exactly the ops after its position (P8)."""
        self.tell(place)
        room, session = place.room, participant.session
        session.send(
            Resumed(
                ref=ref,  # type: ignore[arg-type]
                tree=room.key.tree,
                position=room.position,
                role=participant.role,
                last_n=room.last_n((session.identity.user, session.client_id)),
                you=participant.id,
                conflicts=room.records.count(session.identity.user),
                participants=views(place, but=participant),
            )
        )
        participant.reached = after
        self.stats.resumes += 1
        self.rows(place, participant, backlog)
        self.push(place, participant)

    def rows(self, place: OpenRoom, participant: Participant, rows: Sequence[LoggedOp]) -> None:
        """Queue ops that were read from the log."""
        for start in range(0, len(rows), CHUNK_OPS):
            chunk = rows[start : start + CHUNK_OPS]
            participant.parts.append(chunk)
            participant.reached = chunk[-1].seq

    def push(self, place: OpenRoom, participant: Participant) -> bool:
        """Write what is owed until the outbox is full. False: what comes next must be read from the log."""
        self.tell(place)
        outbox, room = participant.session.outbox, place.room
        while participant.parts:
            if outbox.full:
                return True
            self._write_part(place, participant, participant.parts.popleft())
        recent = room.recent.after(participant.reached)
        if participant.reached < room.recent.seq or (recent and recent[0].ops.after != participant.reached):
            return False
        for commit in recent:
            if outbox.full:
                return True
            payload = commit.encoded(outbox.wire.codec)
            if len(payload) > FRAME_BYTES:
                self._large(place, participant)
                return True
            outbox.write(outbox.wire.frame(payload))
            participant.reached = commit.ops.seq
        participant.live = participant.reached == room.seq
        return participant.live

    def _write_part(self, place: OpenRoom, participant: Participant, part: Snapshot | Sequence[LoggedOp]) -> None:
        """Give a part, or put it back in halves where it is too large; a single op that is becomes a snapshot."""
        if isinstance(part, Snapshot):
            part.role = participant.role  # this and the count may have changed since the snapshot was queued
            part.conflicts = place.room.records.count(participant.session.identity.user)
            participant.session.send(part)
            return
        wire = participant.session.outbox.wire
        payload = wire.codec.encode(ops_message(place.key.tree, part))
        if len(payload) <= FRAME_BYTES:
            participant.session.outbox.write(wire.frame(payload))
        elif len(part) > 1:
            half = len(part) // 2
            participant.parts.extendleft((part[half:], part[:half]))
        else:
            self._large(place, participant)

    def _large(self, place: OpenRoom, participant: Participant) -> None:
        place.room.forget_states()  # else a kept one would go out, with this very op behind it
        self.snapshot(place, participant, reason="large")


def _write(outbox: Outbox, frames: Sequence[bytes]) -> None:
    """In one write, if that is no more than a frame may have: an outbox has room for that much at once."""
    if len(frames) == 1 or sum(map(len, frames)) <= FRAME_BYTES:
        outbox.write(b"".join(frames))
    else:
        for frame in frames:
            outbox.write(frame)


def _runs(commits: Sequence[Commit]) -> Iterator[list[Commit]]:
    """Commits in their order, as many at once as one write takes."""
    run: list[Commit] = []
    size = 0
    for commit in commits:
        size += len(commit.encoded(JSON))
        if run and size > FRAME_BYTES:
            yield run
            run, size = [], len(commit.encoded(JSON))
        run.append(commit)
    if run:
        yield run


def _conflict_payload(codec: Codec, tree: int, record: ConflictRecord) -> bytes:
    """Told in full; where its ops make that too large, without them: HTTP has them."""
    news = ConflictNews(tree=tree, conflict=detail_of(record))
    if _fits(codec, record.ops):
        payload = codec.encode(news)
        if len(payload) <= FRAME_BYTES:
            return payload
    news.conflict = msgspec.structs.replace(news.conflict, ops=[])
    return codec.encode(news)


def _fits(codec: Codec, ops: Sequence[dict[str, Any]]) -> bool:
    """Whether ops fit into a frame; those behind the one that does not are not looked at, for a record of ten thousand
    is told in each commit that it grows in."""
    left = FRAME_BYTES
    for op in ops:
        left -= len(codec.encode_value(op))
        if left < 0:
            return False
    return True
