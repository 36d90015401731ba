"""Ops as clients ask for them. What becomes of one is its effective op (`sync.effects`) and its result.

Decoding checks types, ranges and unknown fields in the same pass (msgspec); rules that need the tree are judged in
`sync.judge`, rules on values in `sync.values`. Fields that may be absent are UNSET, not None: `parent: null` is a root
and no parent at all is a drag. No field is encoded that was not sent: the codecs tell a key that stood twice by it.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sync.limits import TITLE_CHARACTERS
from sync.nodes import NodeType, Point

# 2^53: the largest range in which a JavaScript number is an exact integer
Counter = Annotated[int, Meta(ge=1, lt=2**53)]
Seq = Annotated[int, Meta(ge=0, lt=2**53)]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
Title = Annotated[str, Meta(min_length=1, max_length=TITLE_CHARACTERS)]


class Asked(msgspec.Struct, kw_only=True, frozen=True, tag_field="op", forbid_unknown_fields=True, gc=False):
    """What every op carries: its number in the client's queue and the seq its author had seen."""

    n: Counter
    base: Seq


class Insert(Asked, tag="insert", kw_only=True, frozen=True, omit_defaults=True):
    node: Id
    parent: Id | None = None
    after: Id | UnsetType | None = UNSET
    type: NodeType
    title: Title
    description: str | UnsetType = UNSET
    position: Point | UnsetType = UNSET
    is_collapsed: bool | UnsetType = UNSET
    template_data: dict[str, Any] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


class Update(Asked, tag="update", kw_only=True, frozen=True):
    node: Id | UnsetType = UNSET
    connection: Id | UnsetType = UNSET
    set: dict[str, Any] | UnsetType = UNSET
    unset: list[str] | UnsetType = UNSET
    was: dict[str, Any] | UnsetType = UNSET


class Text(Asked, tag="text", kw_only=True, frozen=True):
    """A delta on a text field: n keeps n code points, -n deletes n, text is inserted (SEMANTICS 14)."""

    node: Id
    path: str
    delta: list[int | str]


class Move(Asked, tag="move", kw_only=True, frozen=True):
    """With `parent` a reparent (position obligatory), without it a reorder or a drag (SEMANTICS 19)."""

    node: Id
    parent: Id | UnsetType | None = UNSET
    after: Id | UnsetType | None = UNSET
    position: Point | UnsetType = UNSET


class Delete(Asked, tag="delete", kw_only=True, frozen=True):
    node: Id


class Restore(Asked, tag="restore", kw_only=True, frozen=True):
    node: Id
    parent: Id | UnsetType | None = UNSET


class Purge(Asked, tag="purge", kw_only=True, frozen=True):
    """Remove for good what is in the trash. The server's own: people ask for it by HTTP, a job for what is old."""

    node: Id


class Connect(Asked, tag="connect", kw_only=True, frozen=True, rename={"source": "from", "target": "to"}):
    connection: Id
    source: Id
    target: Id
    label: str | UnsetType = UNSET


class Disconnect(Asked, tag="disconnect", kw_only=True, frozen=True):
    connection: Id


class Configure(Asked, tag="configure", kw_only=True, frozen=True):
    set: dict[str, Any] | UnsetType = UNSET
    unset: list[str] | UnsetType = UNSET
    was: dict[str, Any] | UnsetType = UNSET


class ImportedNode(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`parent` names another imported node; absent or null: the op's own parent. Siblings stand in the list's order."""

    id: Id
    parent: Id | None = None
    type: NodeType
    title: Title
    description: str | UnsetType = UNSET
    position: Point | UnsetType = UNSET
    is_collapsed: bool | UnsetType = UNSET
    template_data: dict[str, Any] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


class ImportedConnection(
    msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, rename={"source": "from", "target": "to"}
):
    id: Id
    source: Id
    target: Id
    label: str | UnsetType = UNSET


class Import(Asked, tag="import", kw_only=True, frozen=True, omit_defaults=True):
    parent: Id | None = None
    after: Id | UnsetType | None = UNSET
    nodes: list[ImportedNode]
    connections: list[ImportedConnection] = []


Op = Insert | Update | Text | Move | Delete | Restore | Purge | Connect | Disconnect | Configure | Import


def target_of(op: Op) -> str:
    """The one thing an op is about, kept beside its result: it tells a reused n from a resent one (SEMANTICS 4)."""
    kind = type(op)
    if kind is Update:
        return op.node or op.connection or ""  # type: ignore[union-attr]
    if kind in _ON_CONNECTIONS:
        return op.connection  # type: ignore[union-attr,return-value]
    if kind is Import:  # its first top: a list in another order than parents first is logged in that order
        return next((node.id for node in op.nodes if node.parent is None), "")  # type: ignore[union-attr]
    return "" if kind is Configure else op.node  # type: ignore[union-attr,return-value]


_ON_CONNECTIONS = (Connect, Disconnect)
