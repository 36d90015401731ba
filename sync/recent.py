"""The newest commits of a room, kept so that joins and slow readers are served without the database."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from msgspec import UNSET, structs

from sync.codec import Codec, CodecName
from sync.ports import LoggedOp
from sync.protocol import FrameAuthor, Ops

KEPT_OPS = 1_000  # as many as a client misses in a blink of the network under heavy editing; about 1 MB
KEPT_BYTES = 1024 * 1024


class Commit:
    """One commit as it is broadcast: the message, and its bytes per codec, made once each."""

    __slots__ = ("_encoded", "ops")

    def __init__(self, ops: Ops, encoded: dict[CodecName, bytes] | None = None) -> None:
        self.ops = ops
        self._encoded: dict[CodecName, bytes] = encoded or {}

    def encoded(self, codec: Codec) -> bytes:
        payload = self._encoded.get(codec.name)
        if payload is None:
            payload = self._encoded[codec.name] = codec.encode(self.ops)
        return payload

    @property
    def size(self) -> int:
        return max(map(len, self._encoded.values()), default=0)


class Recent:
    """A run of commits without a gap, ending at the confirmed one. `seq` and `mark` name the point before the first."""

    __slots__ = ("_commits", "_held", "_size", "mark", "seq")

    def __init__(self, seq: int, mark: str) -> None:
        self.seq = seq
        self.mark = mark
        self._commits: deque[Commit] = deque()
        self._held = 0
        self._size = 0

    def append(self, commit: Commit) -> None:
        self._commits.append(commit)
        self._held += len(commit.ops.ops)
        self._size += commit.size
        while len(self._commits) > 1 and (self._held > KEPT_OPS or self._size > KEPT_BYTES):
            first = self._commits.popleft()
            self._held -= len(first.ops.ops)
            self._size -= first.size
            self.seq, self.mark = first.ops.seq, first.ops.mark

    def after(self, seq: int) -> list[Commit]:
        """The commits behind a seq, which must not lie before `self.seq`; a commit it falls into is left out."""
        found: list[Commit] = []
        for commit in reversed(self._commits):
            if commit.ops.after < seq:
                break
            found.append(commit)
        found.reverse()
        return found

    def newest_frame(self, codec: Codec) -> bytes:
        """The newest commit, encoded."""
        return self._commits[-1].encoded(codec)

    def mark_at(self, seq: int) -> str | None:
        """The mark of a position in this run; None where no commit ends there."""
        if seq == self.seq:
            return self.mark
        return next((commit.ops.mark for commit in reversed(self._commits) if commit.ops.seq == seq), None)


def ops_message(tree: int, rows: Sequence[LoggedOp], digest: str | None = None) -> Ops:
    """Log rows without a gap as one `ops` message. `at` is the last commit's, repeated on an op where it differs."""
    authors: dict[tuple[str, str, str], int] = {}
    framed: list[Any] = []
    at = rows[-1].at
    for row in rows:
        author = row.author
        by = authors.setdefault((author.user, author.client, author.via), len(authors))
        effect = structs.replace(row.effect, by=by, n=row.n)
        if row.at != at:
            effect.at = row.at
        framed.append(effect)
    assert all(row.seq + 1 == following.seq for row, following in pairwise(rows)), "a gap in the log"
    return Ops(
        tree=tree,
        after=rows[0].seq - 1,
        seq=rows[-1].seq,
        mark=rows[-1].mark,
        digest=digest if digest is not None else UNSET,
        at=at,
        authors=[FrameAuthor(user=user, client=client, via=via or UNSET) for user, client, via in authors],
        ops=framed,
    )
