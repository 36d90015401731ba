"""What an applied op has overwritten, as losses of whom it took something from (SEMANTICS 25)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET, UnsetType, structs

from sync import effects
from sync.backlog import Backlog, Thing
from sync.claims import PLACEMENT
from sync.marks import PARENT
from sync.ops import Op
from sync.ports import LoggedOp
from sync.protocol import ConflictPath, Lost
from sync.records import DELETED, Loss
from sync.tree import Before
from sync.values import ABSENT


def losses_of(
    asked: Op, logged: LoggedOp, overwrote: dict[str, Lost], before: Before, backlog: Backlog
) -> Iterator[Loss]:
    """One per value; one for all the nodes that a delete took."""
    effect = logged.effect
    if isinstance(effect, effects.Delete):
        yield _deleted(effect.node, logged, overwrote)
        return
    thing = _thing(effect)
    for path, lost in overwrote.items():
        if path == PARENT and isinstance(effect, effects.Move):
            yield _displaced(effect, lost, asked, logged, before, backlog)
        else:
            yield _replaced(thing, path, lost, asked, logged, backlog)


def _thing(effect: effects.Effect) -> Thing:
    if isinstance(effect, effects.Configure):
        return None
    connection = getattr(effect, "connection", None)
    return (connection,) if isinstance(connection, str) else getattr(effect, "node", None)


def _replaced(thing: Thing, path: str, lost: Lost, asked: Op, logged: LoggedOp, backlog: Backlog) -> Loss:
    value = (getattr(logged.effect, "set", None) or {}).get(path)
    seen = (getattr(asked, "was", None) or {}).get(path, ABSENT)
    base = backlog.value_at(thing, path, asked.base, value) if seen is ABSENT else seen
    return _loss(thing, path, lost, logged, ConflictPath(base=base, mine=lost.value, theirs=value))


def _displaced(effect: effects.Move, lost: Lost, asked: Op, logged: LoggedOp, before: Before, backlog: Backlog) -> Loss:
    held = next(held for node_id, held in before.nodes if node_id == effect.node)
    assert held is not None, "a node that is moved was there"
    node = held.node
    mine = {"parent": node.parent, "order": node.order, "position": structs.asdict(node.position)}
    theirs = {"parent": effect.parent, "order": effect.order}
    base = backlog.placement_at(effect.node, asked.base)
    return _loss(effect.node, PLACEMENT, lost, logged, ConflictPath(base=base, mine=mine, theirs=theirs))


def _loss(thing: Thing, path: str, lost: Lost, logged: LoggedOp, found: ConflictPath) -> Loss:
    by = logged.author.user
    shown = structs.replace(found, by=by, seq=logged.seq)
    return Loss(thing=thing, path=path, user=lost.by, paths={path: shown}, by=by, seq=logged.seq)


def _deleted(node: str, logged: LoggedOp, overwrote: dict[str, Lost]) -> Loss:
    """It belongs to whoever changed something there last; all who did are told."""
    by, seq = logged.author.user, logged.seq
    newest = max(overwrote.values(), key=lambda lost: lost.seq)
    base: UnsetType = UNSET
    return Loss(
        thing=node,
        path=DELETED,
        user=newest.by,
        paths={one: ConflictPath(base=base, mine=lost.value, by=by, seq=seq) for one, lost in overwrote.items()},
        by=by,
        seq=seq,
        others=tuple(lost.by for lost in overwrote.values()),
    )
