"""A room together with what the hub needs to run it: whether it is being worked on, what waits for that, who is
elsewhere."""

from __future__ import annotations

from collections import deque

from sync.bus_messages import CommitShared
from sync.identity import TreeKey
from sync.protocol import ParticipantView
from sync.room import Room, Settled

# Commits of other instances that may wait while a batch is in flight; beyond it they are read from the log instead
DEFERRED_COMMITS = 1_000


class Elsewhere:
    """The participants of one other instance, and when it last spoke of them."""

    __slots__ = ("heard", "participants")

    def __init__(self, participants: dict[str, ParticipantView], heard: float) -> None:
        self.participants = participants
        self.heard = heard


class Rivals:
    """Other instances that write the same tree. `heard`: they have committed since we did; `until`: how long we wait
    for that, on the clock that never goes back (0: we do not); `watched`: somebody looks at the time."""

    __slots__ = ("heard", "until", "watched")

    def __init__(self) -> None:
        self.heard = False
        self.until = 0.0
        self.watched = False


class OpenRoom:
    """`busy`: a batch is in flight or the log is being read; then nothing else changes the tree.

    `contested`: the next commit takes the head's lock, because the last one was lost or its outcome is unknown.
    `failing_since`: when storage stopped answering for this room; None: it answers.
    `rivals`: None while nobody commits before us.
    `untold`: what is confirmed, and is still to be told to everyone but its authors.
    """

    __slots__ = (
        "busy",
        "contested",
        "deferred",
        "elsewhere",
        "failing_since",
        "last_used",
        "left",
        "presence_changed",
        "presence_shared",
        "retry_at",
        "rivals",
        "room",
        "untold",
        "version_at",
        "version_seq",
    )

    def __init__(self, room: Room, now: float) -> None:
        self.room = room
        self.busy = False
        self.contested = False
        self.failing_since: float | None = None
        self.retry_at = 0.0
        self.rivals: Rivals | None = None
        self.last_used = now
        self.deferred: deque[CommitShared] = deque(maxlen=DEFERRED_COMMITS)
        self.untold: list[Settled] = []
        self.elsewhere: dict[str, Elsewhere] = {}
        self.presence_changed: set[str] = set()
        self.presence_shared = now
        self.left: set[str] = set()
        self.version_seq = room.seq
        self.version_at = now

    @property
    def key(self) -> TreeKey:
        return self.room.key

    @property
    def idle(self) -> bool:
        room = self.room
        return not (room.participants or room.inbox or room.flight or self.busy)
