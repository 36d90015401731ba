"""One open tree as the protocol sees it: replica, queue, who is here, and what to say next. Sans-I/O.

What comes in goes through `hear`; what goes out, and what its owner should know, goes through `Outside`. Nothing here
waits: where time must pass, `Outside.pause` is asked to call `resume` later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from sync.codec import JSON
from sync.errors import TreesyncError
from sync.limits import Limits
from sync.ops import Op, Text
from sync.protocol import (
    ClientMessage,
    Close,
    Edit,
    Error,
    Mode,
    Notice,
    Open,
    Ops,
    Outcome,
    ParticipantView,
    PresenceUpdate,
    PresenceView,
    Resumed,
    Role,
    RoleChanged,
    ServerMessage,
    Snapshot,
    VersionKept,
)
from sync.tree import Tree
from sync.values import Refused
from sync.verdict import Asking, SetAside
from treesync_client.errors import Disconnected, Rejected, fault
from treesync_client.following import Following
from treesync_client.queue import Entry, Settle
from treesync_client.results import Change, Replaced
from treesync_client.sending import LATER, After, Sending

Status = Literal["away", "opening", "open", "gone"]
News = Change | Replaced | RoleChanged | Notice | PresenceView | VersionKept | Error
_EDITING: tuple[Role, ...] = ("editor", "owner")
_REFUSED_HERE = ("invalid", "too_large")  # what no change of anyone else could mend


def _measured(op: Op) -> int:
    """Bytes in either codec at most."""
    return len(JSON.encode_value(op))


class Outside(Protocol):
    """What an open tree needs done for it."""

    def say(self, message: ClientMessage) -> None: ...

    def post(self, edit: Edit) -> None:
        """An edit too large for a message; its outcome, or an error with its `ref`, comes back through `hear`."""
        ...

    def pause(self, failures: int) -> None:
        """Call `resume` after a while that grows with the failures."""
        ...

    def tell(self, news: News) -> None: ...

    def opened(self) -> None:
        """The tree is here, or here again."""
        ...

    def gone(self, error: TreesyncError) -> None:
        """It will not be opened again by itself. What is unanswered stays in the queue."""
        ...


class OpenTree:
    """See the module. `welcomed` comes first: it says who we are."""

    def __init__(self, number: int, outside: Outside, measure: Callable[[Op], int] = _measured) -> None:
        """`measure` answers how many bytes an op is on the wire."""
        self.number = number
        self.sending = Sending(number)
        self.queue = self.sending.queue
        self.following = Following(self.queue, measure)
        self.replica = self.following.replica
        self.status: Status = "away"
        self.role: Role | None = None
        self.participants: dict[str, ParticipantView] = {}
        self.resyncs = 0  # times this replica differed from the server's digest
        self._outside = outside
        self._measure = measure
        self._open_ref = 0
        self._own_id = ""  # as a participant
        self._paused = False
        self._asks_later = False  # the tree is opened when the pause is over
        self._ended: TreesyncError | None = None
        self._differs = False  # from the server's digest, until the next state comes
        self._failures = 0  # of openings and of frames that do not follow, in a row
        self._presence: dict[str, Any] | None = None

    @property
    def client_id(self) -> str:
        """Under which this tree is written; empty before the first socket."""
        return self.following.client

    # ---- the socket

    def welcomed(self, user: str, client_id: str, limits: Limits, message_bytes: int) -> None:
        """A socket is there."""
        self.following.become(user, client_id)
        self.sending.limits, self.sending.message_bytes = limits, message_bytes
        self._paused = False  # whatever it was for, this socket knows nothing of it
        if self.status != "gone":
            self.ask()

    def ask(self) -> None:
        """Open the tree, at the newest position; where this replica differs from the server's, from the beginning."""
        self.status = "opening"
        self._asks_later = False
        self.following.begin()
        self._open_ref = self.sending.next_ref()
        position = UNSET if self._differs or self.replica.position is None else self.replica.position
        reason: Literal["digest"] | UnsetType = "digest" if self._differs else UNSET
        self._outside.say(Open(tree=self.number, position=position, reason=reason, ref=self._open_ref))

    def lost(self) -> None:
        """The socket is gone."""
        self.sending.lost()
        if self.status == "gone":
            return
        self.status = "away"
        left, self.participants = list(self.participants), {}
        if left:
            self._outside.tell(PresenceView(tree=self.number, left=left))

    def resume(self) -> None:
        """The pause is over."""
        self._paused = False
        if self._asks_later and self.status == "opening":
            self.ask()
        self.flush()

    def close(self) -> None:
        """Receive no more of it."""
        if self.status in ("open", "opening"):
            self._outside.say(Close(tree=self.number))
        self.end(Disconnected("the tree was closed"))

    # ---- what its owner does

    def edit(self, op: Op, mode: Mode, size: int, settle: Settle) -> None:
        """Queue an op; the view shows it at once. `op` has its base, and no number yet."""
        asking = Asking(self.following.user, self.following.client, mode, self.sending.limits)
        self.view()
        verdict = self.replica.verdict(op, asking)
        if isinstance(verdict, Refused) and (verdict.code in _REFUSED_HERE or isinstance(op, Text)):
            settle(Rejected(verdict.why, code=verdict.code, op=op))
        elif isinstance(verdict, SetAside) and isinstance(op, Text):
            settle(Rejected(f"{op.path} is no text", code="invalid", op=op))
        elif self.status == "gone":
            settle(self._ended or Disconnected("the tree is closed"))
        elif self.role not in (*_EDITING, None):
            settle(Rejected(f"a {self.role} may not edit", code="forbidden", op=op))
        else:
            self._add(op, mode, size, settle)
            self.replica.add(op, asking)

    def _add(self, op: Op, mode: Mode, size: int, settle: Settle) -> None:
        folded = self.queue.fold(op, mode, self._measure) if isinstance(op, Text) else None
        if folded is None:
            self.queue.add(Entry(op, mode, size, settle))
        else:
            folded.waiting.append(settle)

    def view(self) -> Tree:
        """The tree as its author sees it: the queue over confirmed state."""
        return self.replica.show(self.queue.visible(), self.following.user, self.following.client, self.sending.limits)

    def present(self, state: dict[str, Any]) -> None:
        """What the others see of us; said again whenever the tree is opened."""
        self._presence = state
        if self.status == "open":
            self._outside.say(PresenceUpdate(tree=self.number, state=state))

    def discard_held(self) -> list[Op]:
        """Give up what was refused for want of a right; answers it."""
        ops = self.sending.discard_held()
        self.replica.hide()
        return ops

    def flush(self) -> None:
        """Send what may go."""
        if self.status != "open" or self._paused:
            return
        for edit, too_large in self.sending.edits(self.following.client, self.following.epoch, self.replica.seq):
            (self._outside.post if too_large else self._outside.say)(edit)

    # ---- what the server says

    def hear(self, message: ServerMessage) -> None:
        """Any message that names this tree."""
        match message:
            case Ops():
                self._ops(message)
            case Outcome():
                after = self.sending.answered(message)
                self.following.reached(self.replica.seq)
                self._go_on(after)
            case Snapshot():
                self._snapshot(message)
            case Resumed() if message.ref == self._open_ref:
                self._entered(message)
            case PresenceView():
                self._hear_presence(message)
            case RoleChanged():
                self._become(message.role)
                self._outside.tell(message)
                self.flush()
            case Notice():
                self._notice(message)
            case Error():
                self._error(message)
            case VersionKept():
                self._outside.tell(message)
            case _:
                pass

    def _go_on(self, after: After, error: Error | None = None) -> None:
        self.replica.hide()
        match after:
            case "go":
                self.flush()
            case "wait":
                self._pause(self.queue.refusals)
            case "open" if self.status == "open":
                self.ask()
            case "end" if error is not None:
                self.end(fault(error.code, error.why))
            case _:
                pass

    def _pause(self, failures: int) -> None:
        if not self._paused:
            self._paused = True
            self._outside.pause(failures)

    # ---- state

    def _snapshot(self, message: Snapshot) -> None:
        if message.ref is not UNSET and message.ref != self._open_ref:
            return  # of an opening that was given up
        if not self.following.snapshot(message):
            return
        self._differs = False
        self._outside.tell(Replaced(seq=message.position.seq, reason=message.reason or ""))
        if message.ref is not UNSET:
            self._entered(message)
        else:
            self.flush()

    def _entered(self, message: Snapshot | Resumed) -> None:
        self.status = "open"
        self.participants = {one.id: one for one in message.participants}
        self._own_id = message.you or ""
        self.queue.opened(message.last_n)
        self.queue.replay()
        self.replica.hide()
        self._become(message.role)
        self._outside.opened()
        if self._presence is not None:
            self.present(self._presence)
        self.flush()

    def _become(self, role: Role) -> None:
        self.role = role
        if role in _EDITING:
            self.queue.release()

    def _ops(self, frame: Ops) -> None:
        if self.status != "open" or frame.seq <= self.replica.seq:
            return  # what came before the answer to `open` is told again after it
        if frame.after > self.replica.seq:
            self._ask_again()
            return
        for change in self.following.frame(frame):
            self._outside.tell(change)
        if self.following.agrees(frame):
            self._failures = 0
            self.flush()
        else:
            self.resyncs += 1
            self._differs = True
            self._ask_again()

    def _ask_again(self) -> None:
        """What came does not follow on what is here: the first time at once, then after growing waits."""
        self._failures += 1
        if self._failures == 1:
            self.ask()
        else:
            self._ask_later(self._failures)

    def _ask_later(self, failures: int) -> None:
        self.status = "opening"
        self._asks_later = True
        self._pause(failures)

    def _hear_presence(self, message: PresenceView) -> None:
        for one in message.participants:
            if one.id != self._own_id:
                self.participants[one.id] = one
        for gone in message.left:
            self.participants.pop(gone, None)
        self._outside.tell(message)

    # ---- notices and errors

    def _notice(self, notice: Notice) -> None:
        self._outside.tell(notice)
        if notice.code == "tree_deleted":
            self.end(fault("not_found", "the tree was deleted"))
        elif notice.code == "draining":  # of this tree alone; one for the whole socket does not come here
            self._ask_later(1)

    def _error(self, error: Error) -> None:
        if self.sending.owns(error.ref):
            self._go_on(self.sending.failed(error), error)
        elif self.status == "opening" and error.ref == self._open_ref:
            if error.code in LATER:
                self._failures += 1
                self._ask_later(self._failures)
            else:
                self.end(fault(error.code, error.why))
        elif error.code in ("not_found", "forbidden"):  # no longer ours to see, or put out by an operator
            self.end(fault(error.code, error.why))
        else:
            self._outside.tell(error)

    def end(self, error: TreesyncError) -> None:
        """Give up; what is unanswered stays in the queue."""
        if self.status != "gone":
            self.status = "gone"
            self._ended = error
            self.queue.give_up(error)
            self._outside.gone(error)


def checked(op: Op) -> Op:
    """The op as the server's decoder would read it. Raises Rejected where it could not."""
    try:
        numbered = msgspec.to_builtins(op) | {"n": 1}
        read: Op = msgspec.convert(numbered, Op, strict=True)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise Rejected(str(error), code="invalid", op=op) from error
    return read
