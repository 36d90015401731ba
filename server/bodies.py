"""The bodies of HTTP requests and answers, beside those the wire has already (`sync.protocol`)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from server.auth import ID_CHARACTERS
from sync.identity import Position
from sync.nodes import State
from sync.ops import ImportedConnection, ImportedNode, Op, Seq, Title
from sync.ports import TreeSummary, Visibility
from sync.protocol import Choice, ConflictDetail, Mode, Policy, Ref, Role


class NewTree(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A tree to be made, with its first nodes. Siblings stand in the list's order."""

    name: Title
    visibility: Visibility = "private"
    description: str = ""
    discovery_phase: str = "strategy"
    is_template: bool = False
    canvas_state: dict[str, Any] | UnsetType = UNSET
    nodes: list[ImportedNode] = []
    connections: list[ImportedConnection] = []


class TreeChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What stands here is changed, the rest stays. `canvas_state` changes key by key."""

    name: Title | UnsetType = UNSET
    description: str | UnsetType = UNSET
    discovery_phase: str | UnsetType = UNSET
    is_template: bool | UnsetType = UNSET
    canvas_state: dict[str, Any] | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET


class TreePage(msgspec.Struct, kw_only=True):
    """Trees, last updated first. `next` is the `before` of the following page; null: this is the last."""

    trees: list[TreeSummary]
    next: str | None


class LastChange(msgspec.Struct, frozen=True, kw_only=True):
    """Who made the op that brought a tree to where it was, through what, and when (RFC 3339)."""

    at: str
    user: str
    via: str = ""


class TreeView(msgspec.Struct, kw_only=True):
    """A whole tree at one position; of a past one with the `change` that led there."""

    id: int
    role: Role
    position: Position
    state: State
    change: LastChange | UnsetType = UNSET


class EditRequest(msgspec.Struct, kw_only=True):
    """An edit: `mode`, `policy` and `ops` as on a socket. Under one `client_id` an op counts once, however often it is
    sent. Each op is judged alone: a bad one is `rejected` in the outcome, the others land."""

    client_id: Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS, pattern="^[^:]*$")]
    ops: list[Op]
    mode: Mode | UnsetType = UNSET
    policy: Policy | UnsetType = UNSET
    epoch: str | UnsetType = UNSET
    ref: Ref | UnsetType = UNSET


class NewRole(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    role: Role


class Member(msgspec.Struct, kw_only=True):
    user: str
    role: Role


class Members(msgspec.Struct, kw_only=True):
    """Who may do what, beside the tenant's admins. The owner's role cannot be taken."""

    owner: str
    visibility: Visibility
    members: list[Member]


class ConflictPage(msgspec.Struct, kw_only=True):
    """Open conflict records of a tree, newest first. `next` is the `before` of the following page; null: the last."""

    conflicts: list[ConflictDetail]
    next: int | None


class TreeConflict(ConflictDetail, kw_only=True, frozen=True):
    """A conflict record, and the tree it is of."""

    tree: int


class OwnConflictPage(msgspec.Struct, kw_only=True):
    """Open conflict records that concern one person, newest first."""

    conflicts: list[TreeConflict]
    next: str | None


class Decision(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to do about a conflict record. `base`: the seq its reader had seen; `value` goes with the choice `value`:
    for several paths a map from path to value."""

    base: Seq
    choice: Choice
    value: Any = UNSET


class Problem(msgspec.Struct, kw_only=True):
    """An error (RFC 9457). `code` is for programs, `detail` for people."""

    type: str
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    code: str
