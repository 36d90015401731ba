"""Keeping queued deltas level with confirmed text: what others type moves them, as the server will (SEMANTICS 14).

Sans-I/O. Each delta in the queue has a local form beside the op as it is sent, and remembers the text on which that
stands. Whatever changes confirmed text walks up the deltas and is transformed on the way (`sync.text.ladder`), so that
an own op that comes back as it was expected leaves what follows it alone, and one that does not (an update that was
merged, an op that was set aside) is a change like any other to the deltas behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator

from msgspec import UNSET
from msgspec.structs import replace

from sync import effects
from sync.effects import Effect
from sync.ops import Import, Op, Text, Update
from sync.text import Delta, applied, difference, transformed
from sync.values import Refused
from treesync_client.entry import Entry
from treesync_client.fields import Field, text_after, touched
from treesync_client.queue import Queue


class Drafts:
    """`confirmed` answers the confirmed text of a field."""

    def __init__(self, queue: Queue, confirmed: Callable[[Field], str]) -> None:
        self._queue = queue
        self._confirmed = confirmed
        self._lines: dict[Field, list[Entry]] = {}  # of each field with a delta waiting, what the queue does to it

    def look(self) -> None:
        """Confirmed state is about to change: see which fields have a delta waiting, in one walk over the queue."""
        self._lines = {}
        if self._queue.holds_text:
            for entry in self._queue:
                if isinstance(entry.op, Text) and not entry.hidden and not entry.dropped:
                    self._lines[entry.op.node, entry.op.path] = []
        if not self._lines:
            return
        nodes = {node for node, _ in self._lines}
        for entry in self._queue:  # which may be long: most of it is about other nodes
            if isinstance(entry.op, Import) or getattr(entry.op, "node", None) in nodes:
                for field in touched(entry.op, self._lines):
                    self._lines[field].append(entry)

    def passed(self, effect: Effect, own: Entry | None) -> None:
        """One effective op was applied to confirmed state; `own` is the entry that asked for it."""
        if own is not None:
            own.hidden = own.unsaved = True
        for field in self._lines:
            exact = own is None and isinstance(effect, effects.Text) and (effect.node, effect.path) == field
            self._level(field, effect.delta if exact and isinstance(effect, effects.Text) else None)

    def replaced(self, last_n: int) -> None:
        """Confirmed state is another one now, that holds the own ops up to `last_n`."""
        for field in self._lines:
            for entry in self._waiting(field):
                if isinstance(entry.op, Text) and entry.n is not None and entry.n <= last_n:
                    entry.hidden = entry.unsaved = True  # done twice it would no longer be what was typed
            self._level(field)

    def withdrawn(self) -> None:
        """Entries have left the queue: what of them is not in confirmed state is no more below the rest."""
        self.look()
        for field in self._lines:
            self._level(field)

    def to_updates(self, last_n: int, measure: Callable[[Op], int]) -> None:
        """Bases say nothing any more: a delta that the server has not used becomes an update of the whole text, with
        the text its author saw (SEMANTICS 11)."""
        for entry in self._queue:
            if isinstance(entry.op, Text) and not entry.hidden and (entry.n is None or entry.n > last_n):
                made = written_out(entry)
                entry.rewrite(made, measure(made))

    def settle_below(self, places: Container[int]) -> None:
        """Of a queue that was read from a file, the text below the deltas at these places: where it says nothing, they
        stand on confirmed text with what is queued before them."""
        self.look()
        for field in self._lines:
            text = self._confirmed(field)
            for entry in self._waiting(field):
                if isinstance(entry.op, Text) and entry.place in places:
                    entry.below = text
                text = _above(entry, field, text)

    def going_without_saying(self, entries: Iterable[Entry]) -> set[Entry]:
        """Those deltas of them of which `settle_below` would find the text below; each field is walked once."""
        asked = {entry for entry in entries if isinstance(entry.op, Text)}
        if not asked:
            return set()
        self.look()
        found: set[Entry] = set()
        for field in {(entry.op.node, entry.op.path) for entry in asked if isinstance(entry.op, Text)}:
            text: str | None = None
            for entry in self._waiting(field):
                if entry in asked and (text is None or text == entry.below):
                    found.add(entry)
                text = _above(entry, field, text or "")
        return found

    def _level(self, field: Field, change: Delta | None = None) -> None:
        """Bring the deltas that stand on confirmed text level with it; what is behind a queued value waits for what
        becomes of that. `change`: what was done, where it was done to a text (SEMANTICS 15 for the rest)."""
        text = self._confirmed(field)
        for entry in self._waiting(field):
            if not isinstance(entry.op, Text):
                return
            if text is entry.below or text == entry.below:
                return
            if change is None or not _makes(change, entry.below, text):
                change = difference(entry.below, text)
            change = entry.climb(change, text)
            text = applied(text, entry.local)

    def _waiting(self, field: Field) -> Iterator[Entry]:
        """What the queue would do to that field, over confirmed state."""
        return (entry for entry in self._lines.get(field, ()) if not entry.hidden and not entry.dropped)


def _above(entry: Entry, field: Field, text: str) -> str:
    """The text once it is done: a delta on its own text, anything else on `text`."""
    return text_after(entry.shown, field, entry.below if isinstance(entry.op, Text) else text)


def _makes(delta: Delta, before: str, after: str) -> bool:
    """Whether that is what was done: not where an own op below had been hidden or had left since."""
    try:
        return applied(before, delta) == after
    except Refused:
        return False


def written_out(entry: Entry) -> Update:
    """A delta as an update of the whole text."""
    op = entry.op
    assert isinstance(op, Text), "only a delta is written out"
    after = text_after(entry.shown, (op.node, op.path), entry.below)
    return Update(n=op.n, base=op.base, node=op.node, set={op.path: after}, was={op.path: entry.below}, unset=UNSET)


def fitted(entry: Entry, shown: str) -> Op:
    """The op for a view in which its field says `shown` now."""
    op = entry.shown
    if not isinstance(op, Text) or shown == entry.below:
        return op
    return replace(op, delta=transformed(difference(entry.below, shown), entry.local)[1])
