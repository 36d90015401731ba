"""Reading a tree as it was: the newest version before a seq, and the effective ops from there (P8, DESIGN §9)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sync.apply import Stamp, apply
from sync.codec import decode_state
from sync.errors import NotFound
from sync.identity import TreeKey
from sync.marks import CREATED, Mark
from sync.nodes import Details, State
from sync.ports import LoggedOp, Store
from sync.tasks import give_way
from sync.tree import Held, HeldConnection, HeldDetails, Tree
from sync.version_states import slices
from sync.versions import TreeVersion

_SLICE = 100  # ops that are worked on before others get their turn; 1 ms, of large texts 10 ms
_UNKNOWN = {CREATED: Mark(0, "", "")}  # who changed what is not asked of the past


class History:
    """See the module."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def at(self, key: TreeKey, epoch: str, seq: int) -> tuple[State, str]:
        """The state at a seq, and the mark of the commit that made it. Raises NotFound where the log lacks it."""
        tree, mark = await self.tree_at(key, epoch, seq)
        await give_way()
        return tree.state(), mark

    async def tree_at(self, key: TreeKey, epoch: str, seq: int) -> tuple[Tree, str]:
        """The tree likewise, with the trash of what was deleted since the version that it was read from."""
        version = await self._store.version_before(key, epoch, seq)
        tree = await _planted(version)
        start, mark = version.seq if version is not None else 0, ""
        async for row in self.rows(key, start, seq):
            apply(tree, row.effect, Stamp(row.seq, row.author.user, row.author.client))
            mark = row.mark
        return tree, mark or await self._store.mark_at(key, seq) or ""

    async def rows(self, key: TreeKey, after: int, through: int) -> AsyncIterator[LoggedOp]:
        """Ops of the log, read a page at a time; others get their turn between. Raises NotFound where it lacks some."""
        while after < through:
            page = await self._store.log_page(key, after, through)
            if not page or page[0].seq != after + 1 or page[-1].seq != after + len(page):
                raise NotFound("the log does not reach back so far")
            for place, row in enumerate(page, 1):
                yield row
                if place % _SLICE == 0:
                    await give_way()
            after += len(page)


async def _planted(version: TreeVersion | None) -> Tree:
    """A tree to apply the log to; an empty one where there is no version yet."""
    if version is None:
        return tree_of_version(None)
    parts = slices(version.state)
    tree = tree_of_state(next(parts))
    for part in parts:
        _plant(tree, part)
        await give_way()
    return tree


def tree_of_version(version: TreeVersion | None) -> Tree:
    """The same at once."""
    if version is None:
        return Tree(HeldDetails(Details(), dict(_UNKNOWN)))
    return tree_of_state(decode_state(version.state))


def tree_of_state(state: State) -> Tree:
    """A tree from what a snapshot carries: without trash, and without memory of who changed what."""
    details = Details(
        name=state.name,
        description=state.description,
        discovery_phase=state.discovery_phase,
        is_template=state.is_template,
        canvas_state=state.canvas_state,
    )
    tree = Tree(HeldDetails(details, dict(_UNKNOWN)))
    _plant(tree, state)
    return tree


def _plant(tree: Tree, state: State) -> None:
    for node in state.nodes:
        tree.put_node(node.id, Held(node, _UNKNOWN))
    for connection in state.connections:
        tree.put_connection(connection.id, HeldConnection(connection, _UNKNOWN))
