"""Realistic batches for tests of storage: what a room would write, without a room."""

from __future__ import annotations

from typing import Any

import msgspec

from sync.conflict_records import ConflictRecord
from sync.effects import Configure, Connect, Delete, Effect, Import, Insert, Restore, Update
from sync.identity import Author, TreeKey
from sync.marks import CREATED, Mark, Marks
from sync.nodes import Connection, Details, Node, Point
from sync.ports import (
    Batch,
    ClientCounter,
    ConnectionRow,
    Head,
    LoggedOp,
    NodeRow,
    Receipt,
    StoredResult,
)


def author(user: str = "ada", client: str = "c1") -> Author:
    return Author(user=user, client=client, visit="v1", address="192.0.2.7", user_agent="test/1.0")


def node(node_id: str, parent: str | None = None, *, order: str = "", title: str = "") -> Node:
    """A node with something in every field. Order keys are unique by themselves: `a` and the id."""
    return Node(
        id=node_id,
        parent=parent,
        order=order or f"a{node_id}",
        type="opportunity",
        title=title or f"Title of {node_id} – ünïcode 🌳",
        description="Line one\nline two \\u0000 is text here",
        position=Point(x=1.5, y=-20),
        template_data={"core_why": "because", "score": 0.5, "list": [1, None, True], "deep": {"er": {"est": "x"}}},
        metadata={"color": "#fff"},
    )


def first_batch(tenant: str = "acme", *, user: str = "ada", epoch: str = "e1", name: str = "Strategy") -> Batch:
    """A new tree as `Directory.create` takes it: a root, two children and a connection, in one import."""
    writer = Writer(TreeKey(tenant, 0), Head(epoch=epoch, commit=0, seq=0), author(user, "create:1"))
    nodes = [node("root"), node("left", "root"), node("right", "root")]
    writer.details = Details(name=name, description="What we do next")
    writer.detail_marks = {CREATED: Mark(0, user, "create:1")}
    writer.bring(nodes, [Connection(id="link", source="left", target="right", label="helps")])
    return writer.cut()


class Writer:
    """One client that edits one tree alone: keeps the head and the rows, and cuts batches that follow each other.

    Effects are written without judging them; only the shape of what is stored is realistic, seqs, marks and inverses
    included.
    """

    def __init__(self, key: TreeKey, head: Head, by: Author | None = None, *, last_n: int = 0) -> None:
        self.key = key
        self.head = head
        self.by = by or author()
        self.last_n = last_n
        self.nodes: dict[str, NodeRow] = {}
        self.connections: dict[str, ConnectionRow] = {}
        self.details: Details | None = None
        self.detail_marks: Marks | None = None
        self._clear()

    def _clear(self) -> None:
        self._ops: list[LoggedOp] = []
        self._changed: dict[str, NodeRow] = {}
        self._changed_connections: dict[str, ConnectionRow] = {}
        self._results: list[StoredResult] = []
        self._conflicts: list[ConflictRecord] = []

    # ---- what a client does

    def insert(self, made: Node) -> int:
        effect = Insert(
            node=made.id,
            parent=made.parent,
            order=made.order,
            type=made.type,
            title=made.title,
            description=made.description,
            position=made.position,
            template_data=made.template_data,
            metadata=made.metadata,
        )
        op = self._log(effect, activity="node_created")
        self._put(msgspec.structs.replace(made, seq=op.seq), {CREATED: self._mark(op)})
        return op.n

    def update(self, node_id: str, **fields: Any) -> int:
        row = self.nodes.get(node_id) or NodeRow(node=node(node_id, "root"), marks={CREATED: Mark(1, "ada", "c1")})
        before = {path: getattr(row.node, path) for path in fields}
        op = self._log(Update(node=node_id, set=fields), inverse={"set": before}, activity="node_edited")
        marks = row.marks | {path: self._mark(op) for path in fields}
        self._put(msgspec.structs.replace(row.node, seq=op.seq, **fields), marks)
        return op.n

    def delete(self, node_id: str) -> int:
        row = self.nodes[node_id]
        op = self._log(Delete(node=node_id), inverse={"nodes": {node_id: None}}, activity="node_deleted")
        self._put(msgspec.structs.replace(row.node, seq=op.seq), row.marks, deleted=op.seq)
        return op.n

    def restore(self, node_id: str) -> int:
        row = self.nodes[node_id]
        effect = Restore(node=node_id, nodes=[row.node], connections=[])
        op = self._log(effect, inverse={"nodes": {node_id: None}}, activity="node_restored")
        self._put(msgspec.structs.replace(row.node, seq=op.seq), row.marks)
        return op.n

    def connect(self, connection: Connection) -> int:
        effect = Connect(
            connection=connection.id, source=connection.source, target=connection.target, label=connection.label
        )
        op = self._log(effect, activity="connection_created")
        self._link(connection, op)
        return op.n

    def rename(self, name: str) -> int:
        op = self._log(Configure(set={"name": name}), inverse={"set": {"name": "before"}}, activity="tree_configured")
        self.details = msgspec.structs.replace(self.details or Details(), name=name)
        self.detail_marks = (self.detail_marks or {CREATED: Mark(0, "ada", "create:1")}) | {"name": self._mark(op)}
        return op.n

    def bring(self, nodes: list[Node], connections: list[Connection]) -> int:
        op = self._log(Import(nodes=nodes, connections=connections), activity="nodes_imported")
        for made in nodes:
            self._put(msgspec.structs.replace(made, seq=op.seq), {CREATED: self._mark(op)})
        for connection in connections:
            self._link(connection, op)
        return op.n

    def answer(self, status: str, target: str = "root", *, code: str = "", conflict: int = 0) -> int:
        """An op that consumes its n and leaves no log row."""
        self.last_n += 1
        result = StoredResult(
            user=self.by.user,
            client=self.by.client,
            n=self.last_n,
            target=target,
            status=status,
            code=code,
            conflict=conflict,
        )
        self._results.append(result)
        return self.last_n

    def set_aside(self, conflict: int, title: str, *, node_id: str = "root") -> int:
        """An op that becomes a conflict record."""
        n = self.answer("conflict", node_id, conflict=conflict)
        op = {"op": "update", "n": n, "base": 1, "node": node_id, "set": {"title": title}}
        paths = {"title": {"base": "A", "mine": title, "theirs": "C", "by": "bo", "seq": 2}}
        record = ConflictRecord(
            id=conflict,
            node=node_id,
            user=self.by.user,
            client=self.by.client,
            n=n,
            base=1,
            ops=[op],
            paths=paths,
            parties=sorted({self.by.user, "bo"}),
        )
        self.record(record)
        return n

    def record(self, record: ConflictRecord) -> None:
        """A conflict record that was opened or changed."""
        self._conflicts.append(record)

    # ---- cutting and settling

    def cut(self) -> Batch:
        """Everything since the last cut, as one batch on the head this writer knows."""
        moved = bool(self._ops or self._results)
        counter = ClientCounter(user=self.by.user, client=self.by.client, last_n=self.last_n)
        batch = Batch(
            key=self.key,
            epoch=self.head.epoch,
            commit=self.head.commit,
            seq=self.head.seq,
            mark=f"{self.by.client[-2:]}{self.head.commit + 1:02x}",
            ops=self._ops,
            nodes=list(self._changed.values()),
            connections=list(self._changed_connections.values()),
            details=self.details,
            detail_marks=self.detail_marks,
            counters=[counter] if moved else [],
            results=self._results,
            conflicts=self._conflicts,
            node_count=sum(1 for row in self.nodes.values() if row.deleted is None),
        )
        self._clear()
        self.details, self.detail_marks = None, None
        return batch

    def settle(self, batch: Batch, receipt: Receipt) -> None:
        """The batch was committed: the head moves on."""
        assert receipt.committed
        self.head = msgspec.structs.replace(
            self.head,
            commit=batch.commit + 1,
            seq=batch.seq + len(batch.ops),
            mark=batch.mark if batch.ops else self.head.mark,
            rights=receipt.rights,
            conflicts=max([self.head.conflicts, *(record.id for record in batch.conflicts)]),
        )

    # ---- rows

    def _log(self, effect: Effect, *, inverse: dict[str, Any] | None = None, activity: str = "") -> LoggedOp:
        self.last_n += 1
        op = LoggedOp(
            seq=self.head.seq + len(self._ops) + 1,
            n=self.last_n,
            author=self.by,
            effect=effect,
            inverse=inverse or {},
            activity=activity,
        )
        self._ops.append(op)
        return op

    def _mark(self, op: LoggedOp) -> Mark:
        return Mark(op.seq, self.by.user, self.by.client)

    def _put(self, changed: Node, marks: Marks, *, deleted: int | None = None) -> None:
        row = NodeRow(node=changed, marks=marks, deleted=deleted, by=self.by.user)
        self.nodes[changed.id] = self._changed[changed.id] = row

    def _link(self, connection: Connection, op: LoggedOp) -> None:
        row = ConnectionRow(connection=connection, marks={CREATED: self._mark(op)}, by=self.by.user)
        self.connections[connection.id] = self._changed_connections[connection.id] = row
