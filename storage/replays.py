"""Whether the rows of a tree are what its log makes of them, from its newest version on; see `checks`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from storage.postgres import PostgresStore
from sync.errors import NotFound
from sync.growing import tree_of
from sync.history import History
from sync.identity import TreeKey
from sync.nodes import Connection, Node, State


async def differing(store: PostgresStore, key: TreeKey) -> int:
    """How many live nodes, connections and own fields of a tree are not what its log says. The log only grows: what is
    committed meanwhile changes nothing. 0 where the tree or a part of the log is gone, which other checks find.
    Raises Unavailable."""
    try:
        loaded = await store.load(key)
        logged, _ = await History(store).tree_at(key, loaded.head.epoch, loaded.head.seq)
    except NotFound:
        return 0
    except LookupError:  # an op names what the ops before it have not made
        return 1
    return _differences(tree_of(loaded).state(), logged.state())


def _differences(rows: State, logged: State) -> int:
    unlike = _unlike(_by_id(rows.nodes), _by_id(logged.nodes))
    unlike += _unlike(_by_id(rows.connections), _by_id(logged.connections))
    own = [name for name in State.__struct_fields__ if name not in ("nodes", "connections")]
    return unlike + len([name for name in own if getattr(rows, name) != getattr(logged, name)])


def _by_id(values: Iterable[Node] | Iterable[Connection]) -> dict[str, Any]:
    return {one.id: one for one in values}


def _unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    return sum(one.get(name) != other.get(name) for name in one.keys() | other.keys())
