"""Keeping queued deltas level with confirmed text: what others type moves them, as the server will (SEMANTICS 14).

Sans-I/O. Each delta in the queue has a local form beside the op as it is sent: the one that applies to confirmed text
with the own ops before it. Whatever changes confirmed text walks up the queue and is transformed on the way (`ladder`),
so that an own op that comes back as it was expected leaves what follows it alone, and one that does not (an update that
was merged, an op that was set aside) is a change like any other to the deltas behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import UNSET

from sync import effects
from sync.effects import Effect
from sync.ops import Op, Text, Update
from sync.text import Delta, difference, transformed
from treesync_client.entry import Entry
from treesync_client.fields import Field, text_after, touches
from treesync_client.queue import Queue


class Drafts:
    """`confirmed` answers the confirmed text of a field."""

    def __init__(self, queue: Queue, confirmed: Callable[[Field], str]) -> None:
        self._queue = queue
        self._confirmed = confirmed
        self._known: dict[Field, str] = {}  # of each field with a delta waiting

    def look(self) -> None:
        """Confirmed state is about to change: remember what it says now."""
        self._known = {}
        if self._queue.holds_text:
            for entry in self._queue:
                if isinstance(entry.op, Text) and not entry.hidden and not entry.dropped:
                    field = (entry.op.node, entry.op.path)
                    self._known.setdefault(field, self._confirmed(field))

    def passed(self, effect: Effect, own: Entry | None) -> None:
        """One effective op was applied to confirmed state; `own` is the entry that asked for it."""
        for field, before in self._known.items():
            after = self._confirmed(field)
            if own is not None and not own.hidden and touches(own.op, field):
                waiting = self._waiting(field)
                expected = text_after(own.shown, field, before)
                _climb(difference(expected, after), waiting[waiting.index(own) + 1 :])
            elif after is not before and after != before:
                _climb(_change(effect, field, before, after), self._waiting(field))
            self._known[field] = after
        if own is not None:
            own.hidden = own.unsaved = True

    def replaced(self, last_n: int) -> None:
        """Confirmed state is another one now, that holds the own ops up to `last_n`."""
        for field, before in self._known.items():
            waiting = self._waiting(field)
            while waiting and (n := waiting[0].n) is not None and n <= last_n:
                taken = waiting.pop(0)
                before = text_after(taken.shown, field, before)
                if isinstance(taken.op, Text):  # what is done twice is no longer what was typed
                    taken.hidden = taken.unsaved = True
            _climb(difference(before, self._confirmed(field)), waiting)

    def withdrawn(self, entries: Iterable[Entry]) -> None:
        """They have left the queue; what did not become part of confirmed state is no more under what follows it."""
        if not self._queue.holds_text:
            return
        for entry in entries:
            if entry.hidden:
                continue
            for field in {(one.op.node, one.op.path) for one in self._queue if isinstance(one.op, Text)}:
                if touches(entry.op, field):
                    text = self._confirmed(field)
                    expected = text_after(entry.shown, field, text)
                    _climb(difference(expected, text), self._waiting(field))

    def to_updates(self, last_n: int, measure: Callable[[Op], int]) -> None:
        """Bases say nothing any more: a delta that the server has not used becomes an update of the whole text, with
        the text its author saw (SEMANTICS 11)."""
        for field, text in self._known.items():
            for entry in self._waiting(field):
                after = text_after(entry.shown, field, text)
                if isinstance(entry.op, Text) and (entry.n is None or entry.n > last_n):
                    entry.rewrite(written_out(entry.op, text, after), measure(entry.op) + len(after) * 4)
                text = after
        self._known = {}

    def _waiting(self, field: Field) -> list[Entry]:
        """What the queue would do to that field, over confirmed state."""
        return [entry for entry in self._queue if not entry.hidden and not entry.dropped and touches(entry.op, field)]


def written_out(op: Text, before: str, after: str) -> Update:
    """A delta as an update of the whole text."""
    return Update(n=op.n, base=op.base, node=op.node, set={op.path: after}, was={op.path: before}, unset=UNSET)


def _change(effect: Effect, field: Field, before: str, after: str) -> Delta:
    """What was done to a text, as the server takes it (SEMANTICS 15)."""
    if isinstance(effect, effects.Text) and (effect.node, effect.path) == field:
        return effect.delta
    return difference(before, after)


def _climb(change: Delta, entries: Iterable[Entry]) -> None:
    """Take a change of the text below up the queue."""
    for entry in entries:
        if not change:
            return
        if not isinstance(entry.op, Text):
            return  # it sets the text anew
        change, entry.local = transformed(change, entry.local)
        entry.unsaved = True
