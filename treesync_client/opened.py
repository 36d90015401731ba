"""One open tree as the protocol sees it: replica, queue, who is here, and what to say next. Sans-I/O.

What comes in goes through `hear`; what goes out, and what its owner should know, goes through `Outside`. Nothing here
waits: where time must pass, `Outside.pause` is asked to call `resume` later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from sync.errors import TreesyncError
from sync.limits import Limits
from sync.ops import Op, Text
from sync.progress_message import Progress
from sync.protocol import (
    Choice,
    Close,
    ConflictNews,
    Edit,
    Error,
    Mode,
    Notice,
    Open,
    Ops,
    Outcome,
    PresenceUpdate,
    PresenceView,
    Resolved,
    Result,
    Resumed,
    Role,
    RoleChanged,
    ServerMessage,
    Snapshot,
    VersionKept,
)
from sync.tree import Tree
from sync.verdict import Asking
from treesync_client.accepting import EDITING, refusal_of
from treesync_client.deciding import Decided, Deciding
from treesync_client.entry import Entry, Settle
from treesync_client.errors import Disconnected, StoreFailed, fault
from treesync_client.following import Following
from treesync_client.keeping import Keeping
from treesync_client.outside import Outside
from treesync_client.people import People
from treesync_client.progressed import Progressed
from treesync_client.report import Reporting
from treesync_client.results import Replaced, Unstored
from treesync_client.sending import LATER, After, Sending
from treesync_client.store.kept import Store
from treesync_client.whole import Whole
from treesync_client.wire import measured

Status = Literal["away", "opening", "open", "gone"]


class OpenTree:
    """See the module. `welcomed` comes first: it says who we are."""

    def __init__(self, number: int, outside: Outside, measure: Callable[[Op], int] = measured) -> None:
        """`measure` answers how many bytes an op is on the wire."""
        self.number = number
        self.sending = Sending(number)
        self.queue = self.sending.queue
        self.following = Following(self.queue, measure)
        self.replica = self.following.replica
        self.status: Status = "away"
        self.role: Role | None = None
        self.people = People()
        self.progress = Progressed()
        self.deciding = Deciding(number)
        self.reporting = Reporting()
        self.whole = Whole(self.sending, self.following)
        self.keeping: Keeping | None = None
        self.queue.answered = self._answered
        self.resyncs = 0  # times this replica differed from the server's digest
        self._outside = outside
        self._measure = measure
        self._open_ref = 0
        self._paused = False
        self._asks_later = False  # the tree is opened when the pause is over
        self._ended: TreesyncError | None = None
        self._differs = False  # from the server's digest, until the next state comes
        self._failures = 0  # of openings and of frames that do not follow, in a row

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
        self.status, self._asks_later = "opening", False
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
        if (left := self.people.lost(self.number)) is not None:
            self._outside.tell(left)

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
        ended = self._ended or Disconnected("the tree is closed")
        refusal = refusal_of(op, verdict, self.role, ended if self.status == "gone" else None)
        if refusal is not None:
            settle(refusal)
        else:
            self._add(op, mode, size, settle)
            self.replica.add(op, asking)

    def _add(self, op: Op, mode: Mode, size: int, settle: Settle) -> None:
        shown = self.replica.shown_text((op.node, op.path)) if isinstance(op, Text) else ""
        folded = self.queue.fold(op, mode, shown, self._measure) if isinstance(op, Text) else None
        if folded is None:
            entry = Entry(op, mode, size, settle)
            entry.below = shown
            self.queue.add(entry)
        else:
            folded.waiting.append(settle)

    def view(self) -> Tree:
        """The tree as its author sees it: the queue over confirmed state."""
        return self.replica.show(self.queue.visible(), self.following.user, self.following.client, self.sending.limits)

    def present(self, state: dict[str, Any]) -> None:
        """What the others see of us; said again whenever the tree is opened."""
        self.people.own_state = state
        if self.status == "open":
            self._outside.say(PresenceUpdate(tree=self.number, state=state))

    def discard_held(self) -> list[Op]:
        """Give up what was refused for want of a right; answers it."""
        ops = self.sending.discard_held()
        self.replica.hide()
        return ops

    def resolve(self, conflict: int, choice: Choice, value: Any, decided: Decided) -> None:
        """Decide a conflict; the decision waits for a socket where there is none."""
        if self.status == "gone":
            decided(self._ended or Disconnected("the tree is closed"))
            return
        message = self.deciding.ask(self.sending.next_ref(), conflict, self.replica.seq, choice, value, decided)
        if self.status == "open":
            self._outside.say(message)

    def flush(self) -> None:
        """Send what may go. Its numbers are stored before."""
        if self.status != "open" or self._paused or self.whole.holds or self.queue.flying:
            return
        self.following.level()
        edits = self.sending.edits(self.following.client, self.following.epoch, self.following.base)
        if edits and not self.save(sending=True):
            self._pause(1)
            return
        for edit, too_large in edits:
            (self._outside.post if too_large else self._outside.say)(edit)

    def post(self, edit: Edit) -> None:
        self._outside.post(edit)

    # ---- the file

    def keep(self, store: Store) -> None:
        """Take up what the file holds of this tree, and keep it level from now on. Raises StoreFailed."""
        self.keeping = Keeping(store, self.number, self.following, self.reporting, self._measure)
        self.keeping.load()
        self.role = self.keeping.role

    def save(self, *, sending: bool = False) -> bool:
        """Bring the file level; answers whether it is. What is new and cannot be stored is refused; where it was just
        about to be sent, nothing is."""
        if self.keeping is None:
            return True
        try:
            self.keeping.save()
        except StoreFailed as failed:
            if sending:
                self.sending.lost()
            self.queue.refuse_unstored(failed)
            self.replica.hide()
            self._outside.tell(Unstored(failed.why))
            return False
        return True

    def _answered(self, entry: Entry, result: Result) -> None:
        if entry.mode == "replay" or entry.dropped:
            self.reporting.answered(entry.place, entry.op, result)

    def report(self) -> None:
        """Once the last op of a replay is answered."""
        if not self.reporting.complete and not any(entry.mode == "replay" for entry in self.queue.unanswered()):
            self._outside.tell(self.reporting.end())

    # ---- what the server says

    def hear(self, message: ServerMessage) -> None:
        """Any message that names this tree."""
        match message:
            case Ops():
                self._ops(message)
            case Outcome() | Error() if self.whole.answered(message):
                self.following.reached(self.replica.seq)
                self.report()
                self.flush()
            case Outcome():
                after = self.sending.answered(message)
                self.following.heard_of(message.seq)
                self.following.reached(self.replica.seq)
                self._go_on(after)
            case Snapshot():
                self._snapshot(message)
            case Resumed() if message.ref == self._open_ref:
                self._entered(message)
            case PresenceView():
                self.people.hear(message)
                self._outside.tell(message)
            case RoleChanged():
                self._become(message.role)
                self._outside.tell(message)
                self.flush()
            case Notice():
                self._notice(message)
            case Error():
                self._error(message)
            case Resolved():
                self.deciding.answered(message)
            case ConflictNews():
                self.deciding.news(message)
                self._outside.tell(message)
            case Progress():
                self.progress.hear(message)
                self._outside.tell(message)
            case VersionKept():
                self._outside.tell(message)
            case _:
                pass

    def _go_on(self, after: After, error: Error | None = None) -> None:
        self.replica.hide()
        self.report()
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
        last = self.following.snapshot(message)
        if self.keeping is not None:
            self.keeping.snapshot(message)
        if not last:
            return
        self._differs = False
        self._outside.tell(Replaced(seq=message.position.seq, reason=message.reason or ""))
        if message.ref is not UNSET:
            self._entered(message)
        else:
            self.flush()

    def _entered(self, message: Snapshot | Resumed) -> None:
        self.status = "open"
        self.people.entered(message)
        self.following.entered(message)
        self.queue.opened(message.last_n)
        self.queue.replay()
        self.replica.hide()
        self._become(message.role)
        if self.people.own_state is not None:
            self.present(self.people.own_state)
        for decision in self.deciding.entered(message.conflicts):
            self._outside.say(decision)
        self.flush()

    def _become(self, role: Role) -> None:
        self.role = role
        if self.keeping is not None:
            self.keeping.role = role
        if role in EDITING:
            self.queue.release()

    def _ops(self, frame: Ops) -> None:
        if self.status != "open" or frame.seq <= self.replica.seq:
            return  # what came before the answer to `open` is told again after it
        if frame.after > self.replica.seq:
            self._ask_again()
            return
        for change in self.following.frame(frame):
            self._outside.tell(change)
        if self.keeping is not None:
            self.keeping.frame(frame)
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
        self.status, self._asks_later = "opening", True
        self._pause(failures)

    # ---- notices and errors

    def _notice(self, notice: Notice) -> None:
        self._outside.tell(notice)
        if notice.code == "tree_deleted":
            self.end(fault("not_found", "the tree was deleted"))
        elif notice.code == "draining":  # of this tree alone; one for the whole socket does not come here
            self._ask_later(1)

    def _error(self, error: Error) -> None:
        if self.deciding.failed(error):
            return
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
            self.deciding.end(error)
            self.whole.end(error)
            self._outside.gone(error)
