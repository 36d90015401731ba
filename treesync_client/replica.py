"""A client's copy of a tree: confirmed state, and the view with the queue over it (SEMANTICS 29).

Sans-I/O, and the same code that rooms run: `sync.judge` decides what a queued op would do now, `sync.apply` does it,
and undoing is `Tree.undo`. The view is made when it is looked at: of a run of frames that nobody looks at between,
only the last one costs judging the queue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sync.apply import Stamp, apply
from sync.effects import Effect
from sync.identity import Position
from sync.judge import judge
from sync.limits import Limits
from sync.marks import CREATED, Mark
from sync.nodes import Details, State
from sync.ops import Op, Text
from sync.protocol import FrameAuthor, Ops
from sync.tree import Before, Held, HeldConnection, HeldDetails, Tree
from sync.values import Refused, read
from sync.verdict import Asking, SetAside, Verdict
from treesync_client.drafts import fitted
from treesync_client.entry import Entry
from treesync_client.fields import Field, as_text

# A snapshot says nothing of who changed what: to judging here nobody did, and the server's answer corrects it
_UNKNOWN = {CREATED: Mark(0, "", "")}


class Replica:
    """`position` is that of confirmed state; None before the first snapshot."""

    def __init__(self) -> None:
        self.position: Position | None = None
        self._tree = Tree(HeldDetails(Details(), _UNKNOWN))
        self._shown: list[Before] | None = []  # what the queued ops replaced, oldest first; None: they are not applied
        self._seq = 0

    # ---- confirmed state

    def load(self, position: Position, parts: Sequence[State]) -> None:
        """Take the parts of a snapshot as all of confirmed state."""
        first = parts[0]
        details = Details(
            name=first.name,
            description=first.description,
            discovery_phase=first.discovery_phase,
            is_template=first.is_template,
            canvas_state=first.canvas_state,
        )
        tree = Tree(HeldDetails(details, _UNKNOWN))
        for part in parts:
            for node in part.nodes:
                tree.put_node(node.id, Held(node, _UNKNOWN))
            for connection in part.connections:
                tree.put_connection(connection.id, HeldConnection(connection, _UNKNOWN))
        self._tree = tree
        self._shown = None
        self.position = position

    def confirm(self, frame: Ops, passed: Callable[[int, Effect, FrameAuthor], None]) -> None:
        """Apply the ops of a frame that are not here yet, and tell each when it is done."""
        assert self.position is not None, "ops follow a snapshot"
        self.hide()
        for seq, effect in enumerate(frame.ops, start=frame.after + 1):
            if seq <= self.position.seq:
                continue
            author = frame.authors[effect.by if isinstance(effect.by, int) else 0]
            apply(self._tree, effect, Stamp(seq, author.user, author.client))
            passed(seq, effect, author)
        if frame.seq > self.position.seq:
            self.position = Position(self.position.epoch, frame.seq, frame.mark)

    @property
    def trashed(self) -> int:
        """How many nodes in the trash it holds: those that were deleted since it was loaded."""
        return len(self._tree.nodes) - self._tree.live

    def forget_trash(self) -> None:
        """Hold only what is live, as after a snapshot: effective ops are complete without the rest (RP2)."""
        self.hide()
        tree = self._tree
        for connection_id in [one for one, held in tree.connections.items() if held.deleted is not None]:
            tree.put_connection(connection_id, None)
        for node_id in [one for one, held in tree.nodes.items() if held.deleted is not None]:
            tree.put_node(node_id, None)

    @property
    def state(self) -> State:
        """Confirmed state, whole."""
        self.hide()
        return self._tree.state()

    def text(self, field: Field) -> str:
        """The confirmed text of a field; the empty text where there is none. Nothing is shown over it meanwhile."""
        assert not self._shown, "the queue is taken off first"
        return self._read(field)

    def shown_text(self, field: Field) -> str:
        """The text of a field as the view shows it, the view being made."""
        return self._read(field)

    def _read(self, field: Field) -> str:
        held = self._tree.nodes.get(field[0])
        return "" if held is None else as_text(read(held.node, field[1]))

    @property
    def seq(self) -> int:
        return 0 if self.position is None else self.position.seq

    @property
    def digest(self) -> str:
        """Of confirmed state (SEMANTICS 30)."""
        self.hide()
        return self._tree.digest

    # ---- the view

    @property
    def is_shown(self) -> bool:
        return self._shown is not None

    def hide(self) -> None:
        """Take the queue off confirmed state."""
        for before in reversed(self._shown or ()):
            self._tree.undo(before)
        self._shown = None

    def show(self, entries: Iterable[Entry], user: str, client: str, limits: Limits) -> Tree:
        """The tree with the queue applied over confirmed state; what does not apply now is passed over."""
        if self._shown is None:
            self._shown = []
            self._seq = self.seq
            for entry in entries:
                op = entry.op
                if isinstance(op, Text):
                    op = fitted(entry, self._read((op.node, op.path)))
                self.add(op, Asking(user, client, entry.mode, limits))
        return self._tree

    def add(self, op: Op, asking: Asking) -> None:
        """Apply one more queued op to a view that is shown. Its order keys and seqs are provisional."""
        verdict = self.verdict(op, asking)
        if not isinstance(verdict, Verdict) or verdict.effect is None:
            return
        assert self._shown is not None, "the view is made first"
        for effect in (*verdict.respaced, verdict.effect):
            self._seq += 1
            self._shown.append(apply(self._tree, effect, Stamp(self._seq, asking.user, asking.client)))

    def verdict(self, op: Op, asking: Asking) -> Verdict | Refused | SetAside:
        """What a server that stood where the view stands would say."""
        try:
            return judge(self._tree, op, asking)
        except (Refused, SetAside) as reason:
            return reason
