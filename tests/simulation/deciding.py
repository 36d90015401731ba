"""What people do with conflict records: decide them, sometimes twice, sometimes others'. And how owners purge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from storage.memory_rows import TreeRows
from sync.conflict_records import ConflictRecord
from sync.errors import TreesyncError
from sync.identity import Identity, TreeKey
from sync.marks import CREATED
from sync.ports import NodeRow
from sync.protocol import Outcome, Resolve
from tests.simulation.plan import TENANT
from tests.simulation.replica import Record

if TYPE_CHECKING:
    from tests.simulation.copies import Copy
    from tests.simulation.world import Instance, World

FINAL = ("mine", "theirs", "value")  # decided by a person: such a record never changes again
_node = msgspec.json.Decoder(NodeRow)


def records_of(rows: TreeRows) -> dict[int, ConflictRecord]:
    """The records as they are stored."""
    return {record.id: record for record in rows.conflict_records()}


class Deciding:
    """See the module. `decided` holds what was answered of each record: it is closed once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.random
        self.decided: dict[tuple[int, int], Record] = {}  # (tree, record) -> what closed it
        self.answers: dict[str, int] = {}  # how decisions were answered

    # ---- records

    def decide(self, copy: Copy) -> None:
        """Somebody decides a record he knows of, or one he makes up; on his socket, by HTTP, or both at once."""
        message = self._decision(copy)
        ways = self._random.choice(["socket", "socket", "http", "both", "twice"])
        if ways in ("socket", "both", "twice"):
            for _ in range(2 if ways == "twice" else 1):
                copy.resolve(message)
        if ways in ("http", "both"):
            self._by_http(copy, message)

    def _decision(self, copy: Copy) -> Record:
        rows = self._world.database.trees[TreeKey(TENANT, copy.tree)]
        user = copy.client.identity.user
        open_ones = [one for one in records_of(rows).values() if one.closed is None]
        own = [one for one in open_ones if user in one.parties]
        chosen = self._random.choice(own) if own and self._random.random() < 0.85 else None
        number = chosen.id if chosen is not None else self._random.randint(1, max(len(rows.conflicts), 1))
        message: Record = {"type": "resolve", "conflict": number, "base": copy.replica.seq if copy.replica else 0}
        message["choice"] = self._random.choice(FINAL)
        if message["choice"] == "value" and self._random.random() < 0.95:
            message["value"] = self._value(chosen)
        return message

    def _value(self, record: ConflictRecord | None) -> Any:
        """One that fits, mostly."""
        value = self._random.choice(["decided", "both of it", 7, None])
        if record is None or len(record.paths) < 2 or self._random.random() < 0.1:
            return value
        return dict.fromkeys(record.paths, value)

    def _by_http(self, copy: Copy, message: Record) -> None:
        instance = self._world.any_instance()
        if instance is not None:
            with instance.owner.acting():
                self._world.loop.create_task(self._submit(instance, copy, message), name="decide")

    async def _submit(self, instance: Instance, copy: Copy, message: Record) -> None:
        await self._world.clock.sleep(self._random.random() * 0.05)
        decision = msgspec.convert({key: value for key, value in message.items() if key != "type"}, Resolve)
        try:
            answer = await instance.hub.resolve(copy.client.identity, copy.tree, decision)
        except TreesyncError:
            return
        self.answered(copy, msgspec.to_builtins(answer), message["conflict"])

    def answered(self, copy: Copy, answer: Record, number: int) -> None:
        """`resolved`, or an error: it is so already, and it is so for ever."""
        kind = answer.get("code") or answer["closed"]["choice"]
        self.answers[kind] = self.answers.get(kind, 0) + 1
        if "closed" not in answer:
            return
        assert answer["conflict"] == number, answer
        rows = self._world.database.trees[TreeKey(TENANT, copy.tree)]
        stored = records_of(rows)[number]
        assert copy.client.identity.user in stored.parties or copy.client.identity.user == "u0", f"not his: {answer}"
        if answer["closed"]["choice"] in FINAL:
            self.told(copy.tree, number, answer["closed"])

    def told(self, tree: int, number: int, closed: Record) -> None:
        """Somebody was told that a person has decided a record."""
        stored = records_of(self._world.database.trees[TreeKey(TENANT, tree)])[number].closed
        assert stored is not None, f"told to be closed, and not stored so: {number}, {closed}"
        assert msgspec.to_builtins(stored) == closed, f"{number} was closed by {stored}, told was {closed}"
        known = self.decided.setdefault((tree, number), closed)
        assert known == closed, f"record {number} was closed twice: {known}, {closed}"

    # ---- the trash

    def purge(self, key: TreeKey) -> None:
        """The owner purges something: mostly what is in the trash; the same request may come twice, anywhere."""
        rows = self._world.database.trees[key]
        nodes = [_node.decode(row) for row in rows.nodes.values()]
        trashed = [row.node.id for row in nodes if row.deleted is not None]
        known = trashed if self._random.random() < 0.9 else [row.node.id for row in nodes]
        node = self._random.choice(known or ["nobody"])
        request = self._world.clock.token(8)
        for _ in range(self._random.choice([1, 1, 2])):
            instance = self._world.any_instance()
            if instance is not None:
                with instance.owner.acting():
                    self._world.loop.create_task(self._purge(instance, key, node, request), name="purge")

    async def _purge(self, instance: Instance, key: TreeKey, node: str, request: str) -> None:
        owner = Identity(tenant=TENANT, user="u0", expires_at=2e9)
        try:
            outcome: Outcome = await instance.hub.purge(owner, key.tree, [node], request)
        except TreesyncError:
            return
        (result,) = outcome.results
        assert result.status in ("applied", "duplicate", "rejected"), result
        if result.status == "applied":
            row = self._world.database.trees[key].nodes.get(node)
            made = _node.decode(row).marks[CREATED].seq if row is not None else None
            assert made is None or made > (result.seq or 0), (
                f"purged, and its row is there: {node}"
            )  # its id is free again
