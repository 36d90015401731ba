"""How far back the log must be known before an edit can be judged (SEMANTICS 16).

Most edits were made against the newest tree, and of an old one most fields were not changed by anyone since: the marks
tell. Only what is left makes a range of the log worth reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sync import ops
from sync.backlog import Backlog, Thing
from sync.codec import Malformed
from sync.marks import CREATED, ORDER, Mark, Marks, mark_of
from sync.ops import Op
from sync.pending import ClientKey
from sync.tree import Tree
from sync.values import is_view_state

Question = tuple[Thing, str, Marks]

_WITH_WAS = (ops.Update, ops.Configure)


def reach(tree: Tree, backlog: Backlog, edit: Sequence[Op | Malformed], client: ClientKey, oldest: int) -> int:
    """The seq after which the log must be known to judge these ops of a client; the backlog's floor where it is known
    already. What lies before `oldest` is not worth reading (`limits.resume_ops`)."""
    texts = {(op.node, op.path) for op in edit if isinstance(op, ops.Text)}
    least = backlog.floor
    for op in edit:
        if isinstance(op, Malformed) or op.base >= backlog.floor:
            continue
        for thing, path, marks in _questions(tree, op):
            base, mark = max(op.base, marks[CREATED].seq), mark_of(marks, path)
            if base >= backlog.floor:
                continue
            if mark.seq <= base:
                backlog.unchanged(thing, path, base)
            elif base >= oldest and ((thing, path) in texts or _is_asked_for(op, path, mark, client)):
                least = min(least, base)
    return least


def _is_asked_for(op: Op, path: str, mark: Mark, client: ClientKey) -> bool:
    """Whether the value at the base will be: someone else changed it since, and the author does not say what it was."""
    seen = (op.was or ()) if isinstance(op, _WITH_WAS) else ()
    return path not in seen and mark.by_others(*client)[0] > op.base


def _questions(tree: Tree, op: Op) -> Iterator[Question]:
    """The paths whose changes or values at the base an op may be judged by."""
    match op:
        case ops.Text():
            yield from _of_node(tree, op.node, op.path)
        case ops.Update(node=str() as node):
            yield from _of_node(tree, node, *(op.set or ()), *(op.unset or ()))
        case ops.Update(connection=str() as connection):
            held = tree.connections.get(connection)
            if held is not None:
                yield (connection,), "label", held.marks
        case ops.Configure():
            for path in (*(op.set or ()), *(op.unset or ())):
                if not is_view_state(path):
                    yield None, path, tree.details.marks
        case ops.Move(parent=None | str()):
            yield from _of_node(tree, op.node, ORDER)
        case _:
            pass


def _of_node(tree: Tree, node: str, *paths: str) -> Iterator[Question]:
    held = tree.nodes.get(node)
    if held is not None:
        for path in paths:
            if not is_view_state(path):
                yield node, path, held.marks
