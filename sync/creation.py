"""Making a tree: its first commit, judged by the same code as every later one."""

from __future__ import annotations

from msgspec import UNSET

from sync.backlog import Backlog
from sync.codec import Malformed
from sync.cut import Cut
from sync.errors import Invalid
from sync.identity import Author, Identity, TreeKey
from sync.limits import Limits
from sync.marks import CREATED, Mark
from sync.nodes import Details
from sync.ops import Configure, Import, ImportedConnection, ImportedNode, Op
from sync.pending import Answer, PendingEdit
from sync.ports import Batch
from sync.records import Records
from sync.tree import HeldDetails, Tree


def first_batch(
    key: TreeKey,
    epoch: str,
    mark: str,
    author: Author,
    details: Details,
    nodes: list[ImportedNode],
    connections: list[ImportedConnection],
    limits: Limits | None = None,
) -> Batch:
    """The commit that makes a tree: a `configure` with its fields, and an `import` where it is to have nodes.

    The whole tree is in its log from the first seq, so that any seq can be read. Raises Invalid with the reason.
    """
    ops: list[Op | Malformed] = [Configure(n=1, base=0, set=_fields(details))]
    if nodes:
        ops.append(Import(n=2, base=0, nodes=nodes, connections=connections))
    elif connections:
        raise Invalid("connections need nodes")
    tree = Tree(HeldDetails(Details(), {CREATED: Mark(0, author.user, author.client)}))
    cut = Cut(
        tree,
        seq=0,
        now=0.0,
        records=Records(),
        limits=limits or Limits(),
        backlog=Backlog(0),
        counters={},
        firsts={},
        respace_id="",
    )
    cut.take(_edit(author, key.tenant, ops), None)
    for result in cut.judged[0].results:
        if result.status not in ("applied", "unchanged"):
            raise Invalid(result.why or "the tree cannot be made", code=result.code or "invalid")
    rows, connection_rows, _ = cut.rows()
    return Batch(
        key=key,
        epoch=epoch,
        commit=0,
        seq=0,
        mark=mark,
        ops=cut.ops,
        nodes=rows,
        connections=connection_rows,
        details=tree.details.details,
        detail_marks=tree.details.marks,
        counters=cut.client_counters(),
        results=cut.results,
        conflicts=[],
        node_count=tree.live,
    )


def _fields(details: Details) -> dict[str, object]:
    canvas = {f"canvas_state.{key}": value for key, value in details.canvas_state.items()}
    return {
        "name": details.name,
        "description": details.description,
        "discovery_phase": details.discovery_phase,
        "is_template": details.is_template,
        **canvas,
    }


def _edit(author: Author, tenant: str, ops: list[Op | Malformed]) -> PendingEdit:
    def unread(outcome: Answer) -> None:
        """Nobody waits for it: the results are read where the batch is made."""

    return PendingEdit(
        identity=Identity(tenant=tenant, user=author.user, expires_at=0),
        author=author,
        ops=ops,
        mode="force",
        policy="apply_clean",
        ref=UNSET,
        size=0,
        participant=None,
        reply=unread,
        waiting_since=0,
    )
