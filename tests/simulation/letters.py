"""Where every letter that was typed has gone: each is typed once in a run, so that its way can be told (P6).

An op puts into a text exactly what its author typed and takes out only what he took out, whatever was typed meanwhile.
What else goes with a text goes by an op that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.effects import Effect, Text, Update
from sync.ports import LoggedOp
from sync.tree import Tree
from sync.values import read

if TYPE_CHECKING:
    from tests.simulation.copies import Asked

FIRST_TYPED = 0x20000  # below are the words that everyone uses
Field = tuple[str, str]


class Letters:
    """Follows the log over a tree that has the trash too."""

    def __init__(self, tree: Tree, waited: dict[str, list[Asked]]) -> None:
        """`waited`: the ops of each conflict record, by the client that carries them out when it is decided."""
        self._tree = tree
        self._waited = waited
        self._before: dict[Field, set[str]] = {}
        self._set_at: dict[Field, int] = {}
        # what stood in a field from a seq on, and whose op put it there
        self._past: dict[Field, list[tuple[int, set[str], str]]] = {}

    def before(self, op: LoggedOp) -> None:
        self._before = {field: self._letters(field) for field in _fields_of(op.effect)}

    def after(self, op: LoggedOp, asked: Asked | None) -> None:
        """Check what an op did. `asked`: as its author sent it; None: the server's, or of no client here."""
        for field, before in self._before.items():
            after = self._letters(field)
            if isinstance(op.effect, Text):
                waited = self._waited.get(op.author.client)
                assert asked is not None or waited is not None, f"nobody typed {op}"
                if asked is not None:
                    _typed(asked, before, after, whole=field in self._rewritten_since(asked.base))
                else:
                    _typed_before(waited or [], before, after)
            elif isinstance(op.effect, Update) and op.mode == "replay" and asked is not None and asked.base:
                wanted = asked.op.get("set", {}).get(field[1])
                since = {client for seq, _, client in self._past.get(field, ()) if seq > asked.base}
                if isinstance(wanted, str) and since and op.author.client not in since:
                    self._merged(asked, field, before, after)
            if not isinstance(op.effect, Text):
                self._set_at[field] = op.seq
            self._past.setdefault(field, []).append((op.seq, after, op.author.client))

    def _rewritten_since(self, seq: int) -> set[Field]:
        """Fields that were set as a whole: what stays the same between two letters that do not is new all the same."""
        return {field for field, when in self._set_at.items() if when > seq}

    def at(self, field: Field, seq: int) -> set[str]:
        """What stood in a field at a seq, as far as it was changed by updates and deltas."""
        known = [letters for when, letters, _ in self._past.get(field, ()) if when <= seq]
        return known[-1] if known else set()

    def _merged(self, asked: Asked, field: Field, before: set[str], after: set[str]) -> None:
        """What either has typed is there, and what either took out is not."""
        mine = _only_typed(asked.op["set"][field[1]])
        was = asked.op.get("was", {}).get(field[1])
        base = _only_typed(was) if isinstance(was, str) else self.at(field, asked.base)
        assert (mine - base) | (before - base) <= after, f"typed and not merged: {asked}, over {before}"
        assert after <= mine | before, f"nobody typed {after - mine - before}: {asked}"
        assert not after & ((base - mine) | (base - before)), f"taken out, and back: {asked}"

    def _letters(self, field: Field) -> set[str]:
        value = self._value(field)
        return _only_typed(value) if isinstance(value, str) else set()

    def _value(self, field: Field) -> object:
        held = self._tree.nodes.get(field[0])
        return read(held.node, field[1]) if held is not None else None


def _typed(asked: Asked, before: set[str], after: set[str], *, whole: bool) -> None:
    """SEMANTICS 14: all that was typed, and no more; all that was taken out and was still there, and no more."""
    assert after - before == _only_typed(asked.types), f"{asked} brought {after - before}"
    taken, meant = before - after, before & _only_typed(asked.removes)
    assert taken <= meant if whole else taken == meant, f"{asked} took {taken} of {before}"


def _typed_before(waited: list[Asked], before: set[str], after: set[str]) -> None:
    """A delta that was set aside, and is carried out now, with those that were typed behind it."""
    types = set().union(*(_only_typed(asked.types) for asked in waited))
    removes = set().union(*(_only_typed(asked.removes) for asked in waited))
    assert after - before <= types, f"{after - before - types} was never typed"
    assert before - after <= removes, f"{before - after - removes} was never taken out"


def _only_typed(text: str) -> set[str]:
    return {letter for letter in text if ord(letter) >= FIRST_TYPED and ord(letter) < 0x30000}


def _fields_of(effect: Effect) -> list[Field]:
    if isinstance(effect, Text):
        return [(effect.node, effect.path)]
    if isinstance(effect, Update) and isinstance(effect.node, str):
        return [(effect.node, path) for path in (*(effect.set or ()), *(effect.unset or ()))]
    return []
