"""Making ops: one method for each kind, with what their author sees put in (`base`, `was`, a move's position)."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from sync import ops
from sync.nodes import Details, Node, NodeType, Point
from sync.protocol import Mode
from sync.text import Delta, applied, checked, difference, span
from sync.tree import Tree
from sync.values import ABSENT, NODE_FIELDS, TREE_FIELDS, Refused, read
from treesync_client.errors import Rejected
from treesync_client.fields import as_text
from treesync_client.results import Answer

At = Point | tuple[float, float]  # a place on the canvas


class Editing(ABC):
    """What edits a tree. Each method answers a future with the durable answer; the tree shows the op at once."""

    @property
    @abstractmethod
    def seq(self) -> int:
        """The seq an op's author has seen."""

    @property
    @abstractmethod
    def _view(self) -> Tree:
        """The tree as the author sees it."""

    @abstractmethod
    def edit(self, op: ops.Op, mode: Mode = "live") -> asyncio.Future[Answer]:
        """Queue an op; its `n` is given when it is sent."""

    @abstractmethod
    def _refused(self, why: Rejected) -> asyncio.Future[Answer]:
        """The answer to what is no op at all."""

    def insert(
        self,
        node: str,
        *,
        parent: str | None = None,
        type: NodeType,
        title: str,
        after: str | UnsetType | None = UNSET,
        description: str = "",
        position: At = (0, 0),
        is_collapsed: bool = False,
        template_data: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        mode: Mode = "live",
    ) -> asyncio.Future[Answer]:
        """A new node; `after` a sibling, None: first, left out: last."""
        op = ops.Insert(
            n=1,
            base=self.seq,
            node=node,
            parent=parent,
            after=after,
            type=type,
            title=title,
            description=description or UNSET,
            position=_point(position),
            is_collapsed=is_collapsed or UNSET,
            template_data=dict(template_data) if template_data else UNSET,
            metadata=dict(metadata) if metadata else UNSET,
        )
        return self.edit(op, mode)

    def update(
        self,
        node: str,
        changes: Mapping[str, Any] | None = None,
        /,
        *,
        unset: Sequence[str] = (),
        mode: Mode = "live",
        **fields: Any,
    ) -> asyncio.Future[Answer]:
        """Set fields: `title="…"`, `{"template_data.core_why": "…"}`; `template_data={…}` sets key by key."""
        changed = _paths({**(changes or {}), **fields})
        held = self._view.nodes.get(node)
        was = _read_all(held.node if held is not None else None, NODE_FIELDS, (*changed, *unset))
        op = ops.Update(
            n=1, base=self.seq, node=node, set=changed or UNSET, unset=list(unset) or UNSET, was=was or UNSET
        )
        return self.edit(op, mode)

    def text(self, node: str, path: str, delta: Delta, *, mode: Mode = "live") -> asyncio.Future[Answer]:
        """Change a text where others may be typing: a positive number keeps so many code points, a negative one deletes
        them, text is inserted. `path` is title, description, or one of template_data or metadata. Everyone's typing
        survives; what is typed before it can be sent is one op, whose answer is the same for all of it."""
        op = ops.Text(n=1, base=self.seq, node=node, path=path, delta=list(delta))
        try:
            op = replace(op, delta=checked(op.delta))
        except Refused as refused:
            return self._refused(Rejected(refused.why, code=refused.code, op=op))
        return self.edit(op, mode)

    def splice(
        self, node: str, path: str, at: int, remove: int = 0, insert: str = "", *, mode: Mode = "live"
    ) -> asyncio.Future[Answer]:
        """At a code point of the text as it is shown: remove so many, and insert. More than half of a text is not
        edited but replaced: that goes as `update`, so that two who do it at once are asked, not run together."""
        parts: list[int | str] = [at, insert, -remove]
        return self._typed(node, path, [part for part in parts if part not in (0, "")], mode)

    def write(self, node: str, path: str, text: str, *, mode: Mode = "live") -> asyncio.Future[Answer]:
        """Make a text this one by the smallest splice, so that what others type elsewhere in it stays."""
        return self._typed(node, path, difference(self._shown(node, path), text), mode)

    def _shown(self, node: str, path: str) -> str:
        held = self._view.nodes.get(node)
        return "" if held is None else as_text(read(held.node, path))

    def _typed(self, node: str, path: str, delta: Delta, mode: Mode) -> asyncio.Future[Answer]:
        shown = self._shown(node, path)
        removed = -sum(part for part in delta if isinstance(part, int) and part < 0)
        if removed * 2 > len(shown) > 0 and span(delta) <= len(shown):
            return self.update(node, {path: applied(shown, delta)}, mode=mode)
        return self.text(node, path, delta, mode=mode)

    def move(
        self,
        node: str,
        *,
        parent: str | UnsetType | None = UNSET,
        after: str | UnsetType | None = UNSET,
        position: At | None = None,
        mode: Mode = "live",
    ) -> asyncio.Future[Answer]:
        """To another parent, to another place among its siblings, or (`position` alone) a drag on the canvas."""
        place: Point | UnsetType = UNSET if position is None else _point(position)
        held = self._view.nodes.get(node)
        if position is None and parent is not UNSET and held is not None:
            place = held.node.position  # a reparent carries it (SEMANTICS 19)
        return self.edit(ops.Move(n=1, base=self.seq, node=node, parent=parent, after=after, position=place), mode)

    def delete(self, node: str, *, mode: Mode = "live") -> asyncio.Future[Answer]:
        """To the trash, with everything below it."""
        return self.edit(ops.Delete(n=1, base=self.seq, node=node), mode)

    def restore(
        self, node: str, *, parent: str | UnsetType | None = UNSET, mode: Mode = "live"
    ) -> asyncio.Future[Answer]:
        """Out of the trash, with what went with it."""
        return self.edit(ops.Restore(n=1, base=self.seq, node=node, parent=parent), mode)

    def connect_nodes(
        self, connection: str, source: str, target: str, *, label: str = "", mode: Mode = "live"
    ) -> asyncio.Future[Answer]:
        op = ops.Connect(n=1, base=self.seq, connection=connection, source=source, target=target, label=label or UNSET)
        return self.edit(op, mode)

    def disconnect(self, connection: str, *, mode: Mode = "live") -> asyncio.Future[Answer]:
        return self.edit(ops.Disconnect(n=1, base=self.seq, connection=connection), mode)

    def relabel(self, connection: str, label: str, *, mode: Mode = "live") -> asyncio.Future[Answer]:
        """The label of a connection."""
        return self.edit(ops.Update(n=1, base=self.seq, connection=connection, set={"label": label}), mode)

    def configure(
        self,
        changes: Mapping[str, Any] | None = None,
        /,
        *,
        unset: Sequence[str] = (),
        mode: Mode = "live",
        **fields: Any,
    ) -> asyncio.Future[Answer]:
        """The tree's own fields: `name`, `description`, `discovery_phase`, `is_template`, `canvas_state.zoom`."""
        changed = _paths({**(changes or {}), **fields})
        was = _read_all(self._view.details.details, TREE_FIELDS, (*changed, *unset))
        op = ops.Configure(n=1, base=self.seq, set=changed or UNSET, unset=list(unset) or UNSET, was=was or UNSET)
        return self.edit(op, mode)

    def import_nodes(
        self,
        nodes: Sequence[ops.ImportedNode],
        connections: Sequence[ops.ImportedConnection] = (),
        *,
        parent: str | None = None,
        after: str | UnsetType | None = UNSET,
        mode: Mode = "live",
    ) -> asyncio.Future[Answer]:
        """A whole subtree, as one op."""
        op = ops.Import(
            n=1, base=self.seq, parent=parent, after=after, nodes=list(nodes), connections=list(connections)
        )
        return self.edit(op, mode)


def _point(at: At) -> Point:
    return at if isinstance(at, Point) else Point(*at)


def _paths(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Whole maps become their keys: `template_data={"a": 1}` is `{"template_data.a": 1}`."""
    changed: dict[str, Any] = {}
    for path, value in changes.items():
        if path in ("template_data", "metadata", "canvas_state") and isinstance(value, Mapping):
            changed |= {f"{path}.{key}": one for key, one in value.items()}
        else:
            changed[path] = value
    return changed


def _read_all(thing: Node | Details | None, fields: Iterable[str], paths: Iterable[str]) -> dict[str, Any]:
    """The values their author saw before: what the server compares with where bases say nothing (SEMANTICS 11, 13)."""
    if thing is None:
        return {}
    maps = ("canvas_state",) if isinstance(thing, Details) else ("template_data", "metadata")
    known = [path for path in paths if path in fields or (path.partition(".")[0] in maps and "." in path)]
    seen = {path: read(thing, path) for path in known}
    return {path: value for path, value in seen.items() if value is not ABSENT}
