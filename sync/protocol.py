"""The messages of treesync.v1, as WIRE and PROTOCOL.md give them. Types only: bytes are `sync.codec`'s."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sync.effects import Effect
from sync.identity import ParticipantKind, Position
from sync.limits import Limits
from sync.nodes import State
from sync.ops import Id, Op
from sync.progress_message import Progress
from sync.versions import VersionKind

PROTOCOL_VERSION = 1
SUBPROTOCOLS = ("treesync.v1.json", "treesync.v1.msgpack")

Mode = Literal["live", "replay", "force"]
Policy = Literal["apply_clean", "all_or_nothing"]
Role = Literal["viewer", "commenter", "editor", "owner"]
Ref = Annotated[int, Meta(ge=0, lt=2**53)] | Annotated[str, Meta(max_length=64)]
TreeNumber = Annotated[int, Meta(ge=1, lt=2**53)]


class Message(msgspec.Struct, kw_only=True, tag_field="type"):
    """One message, one frame. Unknown fields are passed over, so that later versions may add some."""


# ---- from a client ----------------------------------------------------------------------------------------------


class Hello(Message, tag="hello", kw_only=True):
    protocol: int
    token: str | UnsetType = UNSET
    client_id: Id
    client: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    ref: Ref | UnsetType = UNSET
    kind: ParticipantKind | UnsetType = UNSET


class Auth(Message, tag="auth", kw_only=True):
    token: str
    ref: Ref | UnsetType = UNSET


class Open(Message, tag="open", kw_only=True):
    """`reason`: why a fresh state is asked for; `digest`: the replica differed from the server's."""

    tree: TreeNumber
    position: Position | UnsetType = UNSET
    reason: Literal["digest"] | UnsetType = UNSET
    ref: Ref | UnsetType = UNSET


class Edit(Message, tag="edit", kw_only=True):
    """`client_id` and `epoch` are for edits by HTTP, which have no hello (SEMANTICS 11)."""

    tree: TreeNumber | UnsetType = UNSET
    mode: Mode | UnsetType = UNSET
    policy: Policy | UnsetType = UNSET
    ops: list[Op]
    ref: Ref | UnsetType = UNSET
    client_id: Id | UnsetType = UNSET
    epoch: str | UnsetType = UNSET


class PresenceUpdate(Message, tag="presence", kw_only=True):
    tree: TreeNumber
    state: dict[str, Any]


class Close(Message, tag="close", kw_only=True):
    tree: TreeNumber


class Ping(Message, tag="ping", kw_only=True):
    ref: Ref | UnsetType = UNSET


class ActivityEvent(msgspec.Struct, kw_only=True, frozen=True):
    """Something a person did that changed no tree. `id` is the client's, so that each is logged once."""

    id: Id
    kind: Annotated[str, Meta(min_length=1, max_length=50)]
    node: Id | UnsetType = UNSET
    duration_ms: Annotated[int, Meta(ge=0, lt=2**31)] | UnsetType = UNSET
    at: str | UnsetType = UNSET
    data: dict[str, Any] | UnsetType = UNSET


class Activity(Message, tag="activity", kw_only=True):
    tree: TreeNumber
    events: Annotated[list[ActivityEvent], Meta(max_length=500)]
    ref: Ref | UnsetType = UNSET


Choice = Literal["mine", "theirs", "value"]


class Resolve(Message, tag="resolve", kw_only=True):
    """Decide a conflict. `value` goes with the choice `value`: for several paths a map from path to value."""

    tree: TreeNumber | UnsetType = UNSET
    conflict: Annotated[int, Meta(ge=1, lt=2**53)]
    base: Annotated[int, Meta(ge=0, lt=2**53)]
    choice: Choice
    value: Any = UNSET
    ref: Ref | UnsetType = UNSET


ClientMessage = Hello | Auth | Open | Edit | Resolve | PresenceUpdate | Close | Ping | Activity

# ---- from the server --------------------------------------------------------------------------------------------


class Welcome(Message, tag="welcome", kw_only=True):
    """`spread_ms`: over how long the clients of this server come back when they lose it together (HS12)."""

    ref: Ref | UnsetType = UNSET
    protocol: int = PROTOCOL_VERSION
    tenant: str
    user: str
    instance: str
    server_time: str
    expires_at: str
    spread_ms: int = 0
    limits: Limits


class ParticipantView(msgspec.Struct, kw_only=True, frozen=True):
    id: str
    user: str
    name: str
    kind: ParticipantKind
    state: dict[str, Any] = {}


SnapshotReason = Literal["epoch", "too_far", "ahead", "erased", "large", "resync"]


class Snapshot(Message, tag="snapshot", kw_only=True):
    """`you` is the receiver's own participant id, by which it knows itself in `presence`; `conflicts` counts the open
    conflict records that concern him. `head` is the tree's seq: the ops from `position` to it follow at once."""

    ref: Ref | UnsetType = UNSET
    tree: int
    reason: SnapshotReason | UnsetType = UNSET
    position: Position
    head: int = 0
    role: Role
    last_n: int
    part: int = 1
    parts: int = 1
    state: State | msgspec.Raw
    you: str | UnsetType = UNSET
    conflicts: int = 0
    participants: list[ParticipantView] = []


class Resumed(Message, tag="resumed", kw_only=True):
    ref: Ref | UnsetType = UNSET
    tree: int
    position: Position
    role: Role
    last_n: int
    you: str | UnsetType = UNSET
    conflicts: int = 0
    participants: list[ParticipantView] = []


class FrameAuthor(msgspec.Struct, kw_only=True, frozen=True):
    user: str
    client: str
    via: str | UnsetType = UNSET


class Ops(Message, tag="ops", kw_only=True):
    """Op i has seq `after + i + 1`. The same bytes go to every participant, the author too."""

    tree: int
    after: int
    seq: int
    mark: str
    digest: str | UnsetType = UNSET
    at: str
    authors: list[FrameAuthor]
    ops: list[Effect]


Status = Literal["applied", "merged", "unchanged", "superseded", "duplicate", "conflict", "rejected", "unknown"]
RejectionCode = Literal[
    "cycle",
    "parent_missing",
    "node_missing",
    "connection_missing",
    "exists",
    "invalid",
    "too_deep",
    "too_large",
    "too_many_nodes",
    "reused",
    "erased",
    "forbidden",
    "stale",
    "gap",
    "rate",
    "unavailable",
]
# These leave n unused: the op stays in its queue (SEMANTICS 3)
UNCONSUMED: frozenset[str] = frozenset({"forbidden", "stale", "gap", "rate", "unavailable"})


class Lost(msgspec.Struct, kw_only=True, frozen=True):
    """A value that an applied op overwrote though its author had not seen it."""

    value: Any
    by: str
    seq: int


LeftOut = Literal["base", "mine", "theirs"]


class ConflictPath(msgspec.Struct, kw_only=True, frozen=True):
    """`base` is unset where the value at the base is not known. `left_out`: what a result does not show."""

    base: Any = UNSET
    mine: Any = None
    theirs: Any = None
    by: str = ""
    seq: int = 0
    left_out: list[LeftOut] | UnsetType = UNSET


class ConflictView(msgspec.Struct, kw_only=True, frozen=True):
    """A set-aside op. `id` is unset where nothing was stored (a failed all-or-nothing edit)."""

    id: int | UnsetType = UNSET
    node: str | UnsetType = UNSET
    connection: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    paths: dict[str, ConflictPath] = {}


class Closing(msgspec.Struct, kw_only=True, frozen=True):
    """How a record was closed. `moot`: later edits decided it; `replaced`: a further loss of the same value opened
    another record. `seq`: of the last op that did it; 0: nothing had to be changed."""

    choice: Literal["mine", "theirs", "value", "moot", "replaced"]
    by: str = ""
    seq: int = 0


class ConflictDetail(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A conflict record in full, as `conflict` messages and HTTP give it.

    `kind`: a whole op that was set `aside`, or a value that was `overwritten`. `user` is whose value it is that is not
    in the tree (`mine` in every path), `client` and `n` name his first op. `ops` are the ops that wait, as sent; of an
    overwritten value there are none. `seqs` are those of the further losses the record stands for.
    """

    id: int
    kind: Literal["aside", "overwritten"]
    node: str = ""
    connection: str = ""
    user: str
    client: str = ""
    n: int = 0
    base: int = 0
    code: str = ""
    ops: list[dict[str, Any]] = []
    paths: dict[str, ConflictPath] = {}
    parties: list[str] = []
    seqs: list[int] = []
    at: str = ""
    closed: Closing | UnsetType = UNSET


class Result(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of one op. Every op of an edit gets one, in order."""

    n: int
    status: Status
    seq: int | UnsetType = UNSET
    effective: Effect | UnsetType = UNSET
    first: dict[str, Any] | UnsetType = UNSET
    conflict: ConflictView | UnsetType = UNSET
    code: RejectionCode | UnsetType = UNSET
    why: str | UnsetType = UNSET
    expected: int | UnsetType = UNSET
    in_trash: bool = False
    overwrote: dict[str, Lost] | UnsetType = UNSET


class Outcome(Message, tag="outcome", kw_only=True):
    """The answer to one edit, after its commit. `seq` is the head after its batch (SEMANTICS 29)."""

    tree: int
    ref: Ref | UnsetType = UNSET
    seq: int
    landed: bool | UnsetType = UNSET
    results: list[Result]


class Resolved(Message, tag="resolved", kw_only=True):
    """The answer to `resolve`, after its commit: what was done with the record, now or before."""

    ref: Ref | UnsetType = UNSET
    tree: int
    conflict: int
    closed: Closing


class ConflictNews(Message, tag="conflict", kw_only=True):
    """A record was opened, grew, or was closed; told to its parties."""

    tree: int
    conflict: ConflictDetail


class PresenceView(Message, tag="presence", kw_only=True):
    tree: int
    participants: list[ParticipantView] = []
    left: list[str] = []


class RoleChanged(Message, tag="role", kw_only=True):
    tree: int
    role: Role


class VersionKept(Message, tag="version", kw_only=True):
    """A version was kept, or given a name: as the list of versions has it."""

    tree: int
    number: int
    seq: int
    kind: VersionKind = "automatic"
    name: str = ""
    description: str = ""
    user: str = ""
    nodes: int = 0
    at: str = ""
    authors: list[str] = []


NoticeCode = Literal["draining", "resync", "replaced", "tree_deleted"]


class Notice(Message, tag="notice", kw_only=True):
    code: NoticeCode
    tree: int | UnsetType = UNSET
    retry_ms: int | UnsetType = UNSET


class Error(Message, tag="error", kw_only=True):
    ref: Ref | UnsetType = UNSET
    code: str
    why: str
    tree: int | UnsetType = UNSET


class Logged(Message, tag="logged", kw_only=True):
    ref: Ref | UnsetType = UNSET
    tree: int


class Pong(Message, tag="pong", kw_only=True):
    ref: Ref | UnsetType = UNSET


ServerMessage = (
    Welcome
    | Snapshot
    | Resumed
    | Ops
    | Outcome
    | Resolved
    | ConflictNews
    | PresenceView
    | RoleChanged
    | Progress
    | VersionKept
    | Notice
    | Error
    | Logged
    | Pong
)
