"""Effective ops: what an accepted op did, as it is logged, broadcast and applied by every replica.

An effective op is complete: whoever holds the tree at the seq before it, with or without the trash, reaches the same
tree by applying it, and nothing in it is judged again. It differs from what the client asked (`sync.ops`): a sibling
wish has become an order key, fields that were already so are gone. `by`, `n` and `at` belong to the frame it travels
in (WIRE): an index into the frame's authors, the author's number, and the time where it differs from the frame's.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from sync.nodes import ORIGIN, Node, NodeType, Point
from sync.nodes import Connection as TreeConnection


class Framed(msgspec.Struct, kw_only=True, tag_field="op", gc=False):
    """The three fields that the frame adds to each effective op; unset in the log."""

    by: int | UnsetType = UNSET
    n: int | UnsetType = UNSET
    at: str | UnsetType = UNSET


class Insert(Framed, tag="insert", kw_only=True):
    node: str
    parent: str | None
    order: str
    type: NodeType
    title: str
    description: str = ""
    position: Point = ORIGIN
    is_collapsed: bool = False
    template_data: dict[str, Any] = {}
    metadata: dict[str, Any] = {}


class Update(Framed, tag="update", kw_only=True):
    """`node` or `connection`, never both. Paths as in SEMANTICS 17, and `label` for a connection.

    `merged`: the values hold others' changes too, so that this counts as another's change for its author, until his
    base has reached it (SEMANTICS 13).
    """

    node: str | UnsetType = UNSET
    connection: str | UnsetType = UNSET
    set: dict[str, Any] | UnsetType = UNSET
    unset: list[str] | UnsetType = UNSET
    merged: bool | UnsetType = UNSET


class Text(Framed, tag="text", kw_only=True):
    """The delta as it was applied, transformed over what was concurrent; `merged` says that it had to be."""

    node: str
    path: str
    delta: list[int | str]
    merged: bool | UnsetType = UNSET


class Move(Framed, tag="move", kw_only=True):
    """Placement as one value (P7): parent and order always stand together; position where it changes."""

    node: str
    parent: str | None
    order: str
    position: Point | UnsetType = UNSET


class Delete(Framed, tag="delete", kw_only=True):
    """The node goes to the trash with its subtree and every connection that touches it."""

    node: str


class Restore(Framed, tag="restore", kw_only=True):
    """What came back, in full: a replica need not have seen the trash."""

    node: str
    nodes: list[Node]
    connections: list[TreeConnection]


class Purge(Framed, tag="purge", kw_only=True):
    """A node in the trash is gone for good, with all that lies below it and the connections that touch them."""

    node: str


class Connect(Framed, tag="connect", kw_only=True, rename={"source": "from", "target": "to"}):
    connection: str
    source: str
    target: str
    label: str = ""


class Disconnect(Framed, tag="disconnect", kw_only=True):
    connection: str


class Configure(Framed, tag="configure", kw_only=True):
    set: dict[str, Any] | UnsetType = UNSET
    unset: list[str] | UnsetType = UNSET


class Import(Framed, tag="import", kw_only=True):
    """New nodes, parents before their children, and new connections."""

    nodes: list[Node]
    connections: list[TreeConnection]


Effect = Insert | Update | Text | Move | Delete | Restore | Purge | Connect | Disconnect | Configure | Import
