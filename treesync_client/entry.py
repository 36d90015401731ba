"""One op on its way: as it was made, as it is shown, and how far it has come. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from sync.errors import TreesyncError
from sync.ops import Op, Text
from sync.protocol import Mode
from sync.text import Delta, transformed
from treesync_client.results import Answer

ENVELOPE_BYTES = 256  # what stands around the ops of an edit: about 90 bytes, and room for a long number or two
NUMBER_BYTES = 24  # n and base are put in after an op was measured


Settle = Callable[[Answer | TreesyncError], None]


class Entry:
    """One op and what is known of it. Once it is sent `op` never changes (SEMANTICS 14), but where the
    server has said that it did not use its number (TX13); of a text op, `local` is the delta as it would be made now,
    on the text `below`."""

    __slots__ = (
        "below",
        "doubtful",
        "dropped",
        "flying",
        "held",
        "hidden",
        "landed_as",
        "local",
        "mode",
        "n",
        "op",
        "place",
        "settled_at",
        "size",
        "stored",
        "unsaved",
        "waiting",
    )

    def __init__(self, op: Op, mode: Mode, size: int, settle: Settle | None = None) -> None:
        self.op = op
        self.mode = mode
        self.size = size + NUMBER_BYTES
        self.waiting = [] if settle is None else [settle]
        self.local: Delta = op.delta if isinstance(op, Text) else []
        self.below = ""
        self.place = 0  # which of this queue's ops it is, from 1
        self.stored = False  # is in the queue's file
        self.unsaved = True  # differs from what the file says
        self.n: int | None = None
        self.landed_as: int | None = None  # the seq that its answer told
        self.flying = False
        self.doubtful = False  # was sent and may have arrived: its number may be used
        self.held = False  # refused for want of a right; goes again when the right is back
        self.hidden = False  # confirmed state shows it already, or shows why it cannot be shown
        self.dropped = False  # refused unread, or given up
        self.settled_at: int | None = None  # the seq with which it leaves

    @property
    def shown(self) -> Op:
        """What the view applies over confirmed state."""
        return msgspec.structs.replace(self.op, delta=self.local) if isinstance(self.op, Text) else self.op

    def settle(self, answer: Answer | TreesyncError) -> None:
        """Tell everyone who waits for its answer; it may be called more than once, the first holds."""
        for settle in self.waiting:
            settle(answer)

    def climb(self, change: Delta, below: str) -> Delta:
        """The text below becomes `below` by that change; answers the change as it stands above this delta."""
        self.below = below
        change, self.local = transformed(change, self.local)
        self.unsaved = True
        return change

    def rewrite(self, op: Op, size: int) -> None:
        """Make it another op: it has no number yet, or the server knows none of it."""
        self.op = op
        self.local = op.delta if isinstance(op, Text) else []
        self.size = size + NUMBER_BYTES
        self.unsaved = True


class Parcel(msgspec.Struct):
    """Ops that go in one edit."""

    mode: Mode
    entries: list[Entry]
    size: int
    by_http: bool = False  # larger than any message may be (SEMANTICS 28)

    @property
    def ops(self) -> list[Op]:
        return [entry.op for entry in self.entries]
