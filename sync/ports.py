"""What the product needs from the outside, declared by the one who needs it. `storage/` and `server/` implement these.

Guarantees stand in the comments; `tests/contract/` runs one suite per port over every implementation, the in-memory
one among them. Implementations raise only `sync.errors`: Unavailable where the other side is out of reach (a write
may then have happened), Unstorable where it refused the data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

import msgspec

from sync.codec import Codec
from sync.conflict_records import ConflictReader, ConflictRecord
from sync.effects import Effect
from sync.identity import Author, Identity, TreeKey
from sync.listing import EVERY_TREE, TreeFilter
from sync.marks import Marks
from sync.nodes import Connection, Details, Node
from sync.protocol import ActivityEvent, Role
from sync.trash import TrashReader
from sync.versions import PastReader, VersionStore

Visibility = Literal["private", "tenant_view", "tenant_edit"]
LOOKED_AT = 5_000  # ops in one query of a node's history: 10 ms
PAGE_ROWS = 1_000  # ops of a page of the log; 10 ms
PAGE_BYTES = 1024 * 1024  # of them, as they are stored; more only where one op alone is larger

# ---- what is stored ---------------------------------------------------------------------------------------------


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A tree's narrow row: the compare-and-set is on epoch and commit (SEMANTICS 1). Every commit raises `commit`,
    applied ops raise `seq`. `conflicts` is the id of the newest conflict record, `rights` the version of the rights."""

    epoch: str
    commit: int
    seq: int
    mark: str = ""  # of the commit that made seq; "" at seq 0
    rights: int = 0
    conflicts: int = 0


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """Who may do what in one tree, at one version."""

    version: int
    owner: str
    visibility: Visibility = "private"
    members: dict[str, Role] = {}
    frozen: bool = False
    deleted: bool = False


class NodeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A node as kept: with its marks, the seq of the delete that took it (None: live), and who changed it last."""

    node: Node
    marks: Marks
    deleted: int | None = None
    by: str = ""


class ConnectionRow(msgspec.Struct, frozen=True, kw_only=True):
    connection: Connection
    marks: Marks
    deleted: int | None = None
    by: str = ""


class LoggedOp(msgspec.Struct, kw_only=True, gc=False):
    """One row of the op log: the effective op, who made it, and how to read the values before it.

    `commit`, `mark` and `at` are those of the commit that wrote it (`at` RFC 3339, the database's clock, never below
    the op before). `inverse` holds `{"set": {path: value before}, "unset": [paths that were absent]}` for updates and
    configures, `{"delta": the one that takes it back}` for texts, the placement before for moves, ids for deletes and
    restores, nothing for what made something.
    Read back, `author` holds user, client and via alone, and `activity` is empty: the activity row keeps the rest.
    """

    seq: int
    n: int
    author: Author
    effect: Effect
    inverse: dict[str, Any] = {}
    mode: str = "live"
    activity: str = ""  # the activity type of spec 000: node_created, node_edited, template_filled, …
    commit: int = 0
    mark: str = ""
    at: str = ""


class ClientCounter(msgspec.Struct, frozen=True, kw_only=True):
    """The last n a client has used in a tree."""

    user: str
    client: str
    last_n: int


class StoredResult(msgspec.Struct, frozen=True, kw_only=True):
    """A result that has no row in the log. It holds no content (SEMANTICS 2)."""

    user: str
    client: str
    n: int
    target: str
    status: str
    code: str = ""
    conflict: int = 0


class Batch(msgspec.Struct, kw_only=True):
    """What one commit of one tree writes, all of it or nothing."""

    key: TreeKey
    epoch: str
    commit: int  # the head's commit as the room knows it: the compare-and-set
    seq: int  # the head's seq before; ops[i].seq == seq + i + 1
    mark: str  # random, stored with every op row of this commit
    ops: list[LoggedOp]
    nodes: list[NodeRow]  # as they stand after the batch, each once
    connections: list[ConnectionRow]
    purged_nodes: list[str] = []  # ids of rows that go for good, children with their parents
    purged_connections: list[str] = []
    details: Details | None  # where they changed
    detail_marks: Marks | None
    counters: list[ClientCounter]
    results: list[StoredResult]
    conflicts: list[ConflictRecord]  # new and changed ones, each once, as they stand after the batch
    node_count: int  # live nodes after the batch


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch. `lost`: another commit was first, or another instance holds the row: nothing was written.

    `at` is the commit's time, `rights` the version of the rights at that moment.
    """

    committed: bool
    at: str = ""
    rights: int = 0


class LoadedTree(msgspec.Struct, kw_only=True):
    """A whole tree, read at one moment (REPEATABLE READ, never from a replica: SEMANTICS 7)."""

    key: TreeKey
    head: Head
    rights: Rights
    details: Details
    detail_marks: Marks
    nodes: list[NodeRow]
    connections: list[ConnectionRow]
    conflicts: list[ConflictRecord] = []  # the open ones, by id


class Missing(msgspec.Struct, kw_only=True):
    """What a room lacks: the head now, and if the epoch is still the room's, every op and counter after its commit, and
    every conflict record that changed since, closed ones too."""

    head: Head
    ops: list[LoggedOp]
    counters: list[ClientCounter]
    conflicts: list[ConflictRecord] = []


class First(msgspec.Struct, frozen=True, kw_only=True):
    """The first answer an n got: its target, and the result as a map of the wire (`n` and `status` at least)."""

    target: str
    result: dict[str, Any]


class Recalled(msgspec.Struct, kw_only=True):
    """What storage knows of a client: its counter (0: never seen) and the first answers still kept."""

    last_n: int
    firsts: dict[int, First]


class Turn(Protocol):
    """A tree's head, locked for one commit: who holds it cannot lose (SEMANTICS 5)."""

    async def missing(self, after_commit: int) -> Missing: ...

    async def recall(self, user: str, client: str, numbers: Sequence[int]) -> Recalled: ...

    async def log(self, after: int, through: int) -> list[LoggedOp]:
        """As `Store.log`."""
        ...

    async def conflict(self, number: int) -> ConflictRecord | None: ...

    async def rehearse(self, batch: Batch) -> None:
        """Do all a commit does and take it back. Raises Unstorable where the commit would."""
        ...

    async def commit(self, batch: Batch) -> Receipt: ...


class Store(VersionStore, PastReader, Protocol):
    """What the hub needs of storage. Every call names the tenant; nothing crosses it."""

    async def load(self, key: TreeKey) -> LoadedTree:
        """Raises NotFound where there is no such tree in that tenant, or it is deleted."""
        ...

    async def rights(self, key: TreeKey) -> Rights:
        """Raises NotFound where there is no such tree; a deleted one answers with `deleted`."""
        ...

    async def commit(self, batches: Sequence[Batch]) -> list[Receipt]:
        """One statement for all; each tree succeeds or fails on its own, but an Unstorable fails them all.

        Never waits for another transaction: a head that is locked counts as lost. Durable when it returns.
        """
        ...

    def exclusive(self, key: TreeKey) -> AbstractAsyncContextManager[Turn]:
        """A transaction that holds the tree's head (waits at most 1 s for it, else Unavailable)."""
        ...

    async def missing(self, key: TreeKey, after_commit: int) -> Missing: ...

    async def log(self, key: TreeKey, after: int, through: int) -> list[LoggedOp]:
        """Ops with after < seq <= through, in order."""
        ...

    async def log_page(self, key: TreeKey, after: int, through: int) -> list[LoggedOp]:
        """The first ops of them: PAGE_ROWS and PAGE_BYTES at most, but one in any case."""
        ...

    async def mark_at(self, key: TreeKey, seq: int) -> str | None:
        """The mark stored with the op of that seq; "" for seq 0; None where the log holds no such op."""
        ...

    async def recall(self, key: TreeKey, user: str, client: str, numbers: Sequence[int]) -> Recalled: ...

    async def conflict(self, key: TreeKey, number: int) -> ConflictRecord | None:
        """A conflict record, open or closed; None where the tree has none of that number. Raises NotFound."""
        ...

    async def heads(self, keys: Sequence[TreeKey]) -> dict[TreeKey, Head]:
        """The heads of many trees of any tenants in one query; a tree that is gone is left out."""
        ...

    async def renew_epoch(self, key: TreeKey, epoch: str, new_epoch: str) -> Head:
        """Set a new epoch where the old one still stands, also of the versions of what the log holds; answers the head
        as it is then."""
        ...

    async def node_ops(self, key: TreeKey, node: str, *, before: int, limit: int) -> tuple[list[LoggedOp], int]:
        """Ops that concern a node, the newest first, below a seq: those that name it, and those that took, brought back
        or made it along with others. Looks at LOOKED_AT ops of the tree at most, answers no more than PAGE_BYTES (but
        one op in any case), and below which seq to go on; 0: there are no more."""
        ...

    async def log_activity(self, key: TreeKey, author: Author, events: Sequence[ActivityEvent]) -> None:
        """Each event once: an id that this user has logged before is passed over."""
        ...


class TreeSummary(msgspec.Struct, kw_only=True):
    """A line of the tree list."""

    id: int
    name: str
    description: str
    discovery_phase: str
    is_template: bool
    visibility: Visibility
    owner: str
    role: Role | None
    node_count: int
    created_at: str
    updated_at: str


class Directory(ConflictReader, TrashReader, Protocol):
    """What the HTTP side needs beside the hub: trees as things that are made, listed, shared and thrown away."""

    async def admit(self, identity: Identity) -> None:
        """The first valid token of a person makes tenant and user; name and email follow the token."""
        ...

    async def create(self, identity: Identity, first: Batch, visibility: Visibility, author: Author) -> TreeKey:
        """Make a tree with a first commit (its nodes, as one import) and its `tree_created` activity, in one
        transaction. `first.key.tree` is ignored: the database gives the number; `first.epoch` becomes its epoch."""
        ...

    async def trees(
        self, identity: Identity, *, limit: int, before: str | None = None, only: TreeFilter = EVERY_TREE
    ) -> list[TreeSummary]:
        """Trees this user may see, last updated first. `before` is `updated_at|id` of the last line of a page."""
        ...

    async def summary(self, identity: Identity, tree: int) -> TreeSummary:
        """Raises NotFound."""
        ...

    async def set_visibility(self, key: TreeKey, visibility: Visibility, by: Author | None = None) -> Rights:
        """`by`, here and below: whose activity it is; None: nobody's."""
        ...

    async def set_member(self, key: TreeKey, user: str, role: Role | None, by: Author | None = None) -> Rights:
        """None removes. Works for a user not yet seen. Raises the rights version in the same transaction."""
        ...

    async def set_frozen(self, key: TreeKey, frozen: bool) -> Rights: ...

    async def trash_tree(self, key: TreeKey, by: Author | None = None) -> Rights:
        """Deleted for everyone; purged after 30 days by a job."""
        ...


# ---- between instances ------------------------------------------------------------------------------------------


class Bus(Protocol):
    """A hint to the other instances, never the truth (P4): messages may be lost, doubled or late.

    `publish` returns at once and never raises; what cannot be sent is dropped and counted. One instance's messages on
    one tree arrive in order, if at all. Handlers run on the loop, are synchronous, and get every message of a
    subscribed tree but those of their own instance.
    """

    async def start(self, receive: Callable[[TreeKey, bytes], None]) -> None: ...

    async def subscribe(self, key: TreeKey) -> None:
        """Returns once messages of that tree will arrive; where the bus is down it returns and subscribes later."""
        ...

    async def unsubscribe(self, key: TreeKey) -> None: ...

    def publish(self, key: TreeKey, payload: bytes) -> None: ...

    def healthy(self) -> bool: ...

    async def close(self) -> None: ...


# ---- towards one socket -----------------------------------------------------------------------------------------


class Wire(Protocol):
    """A codec and the framing of its transport: what turns a message into bytes that any such socket can be given."""

    codec: Codec

    def frame(self, payload: bytes) -> bytes: ...


class Outbox(Protocol):
    """The bytes waiting for one socket. Nothing here waits.

    `full` is true from the moment more than the droppable share of the bound waits until it has drained; the owner
    then calls `Hub.drained`. `write` past the bound closes the socket with 4429 (P11).
    """

    wire: Wire
    full: bool

    def write(self, frame: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


class Clock(Protocol):
    """Time and chance as parameters, so that a simulation can own them."""

    def now(self) -> float:
        """Seconds since the epoch of Unix."""
        ...

    def monotonic(self) -> float: ...

    def token(self, size: int) -> str:
        """`size` random characters of lower-case hex."""
        ...

    async def sleep(self, seconds: float) -> None: ...
