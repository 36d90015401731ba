"""Before a batch is cut, the log is read as far back as its oldest base needs, and no farther (SEMANTICS 16)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sync import backlog, commit
from sync.commit import PATIENCE_SECONDS, RETRY_SECONDS
from sync.identity import TreeKey
from sync.ports import LoggedOp, Store
from tests.clocks import settle
from tests.faults import FaultyStore
from tests.hubs import Deployment, Socket, root
from tests.trouble import Trouble

HISTORY = 20  # deltas on the root's description, behind seq 2


class Late:
    """Two instances; the second opens the tree when all has been written, so that its room remembers nothing."""

    def __init__(self, trouble: Trouble, limits: Any = None) -> None:
        self.trouble = trouble
        self.deployment = Deployment(hubs=2, around=trouble.around, limits=limits)

    async def begin(self, history: int = HISTORY) -> None:
        await self.deployment.start()
        self.key: TreeKey = await self.deployment.tree(root())
        first = self.deployment.socket("cy")
        await first.open(self.key)
        for place in range(history):
            await first.ask(self.key, text(place, "x", base=2 + place))
        self.deployment.hubs[0].leave(first.session)
        self.ada, self.bo = await self.opened("ada"), await self.opened("bo")
        self.trouble.calls.clear()

    async def opened(self, user: str) -> Socket:
        socket = self.deployment.socket(user, hub=1)
        await socket.open(self.key)
        return socket

    @property
    def reads(self) -> int:
        return self.trouble.calls.count("log") + self.trouble.calls.count("turn.log")

    def description(self) -> str:
        return self.deployment.hubs[1].places()[0].room.tree.nodes["root"].node.description


def text(keep: int, insert: str, base: int, path: str = "description") -> dict[str, Any]:
    delta: list[Any] = [keep, insert] if keep else [insert]
    return {"op": "text", "node": "root", "path": path, "delta": delta, "base": base}


def title(value: str, base: int) -> dict[str, Any]:
    return {"op": "update", "node": "root", "set": {"title": value}, "base": base}


def told(socket: Socket) -> list[str]:
    outcomes = [message for message in socket.outbox.messages if message["type"] == "outcome"]
    return [result.get("code", result["status"]) for outcome in outcomes for result in outcome["results"]]


@pytest.fixture
async def late() -> AsyncIterator[Late]:
    late = Late(Trouble())
    await late.begin()
    yield late
    await late.deployment.close()


async def test_what_is_needed_is_read(late: Late) -> None:
    """[TX16]"""
    assert [one["status"] for one in await late.ada.ask(late.key, text(3, "!", base=5))] == ["merged"]
    assert late.description() == "xxx" + "x" * (HISTORY - 3) + "!"
    assert late.reads == 1


async def test_it_is_read_once_for_all_that_waits(late: Late) -> None:
    """[TX16]"""
    late.ada.edit(late.key, text(3, "a", base=5))
    late.bo.edit(late.key, text(4, "b", base=6), text(6, "c", base=7))
    await settle()
    assert (told(late.ada), told(late.bo), late.reads) == (["merged"], ["merged", "merged"], 1)


@pytest.mark.parametrize(
    "op",
    [
        title("T", base=2),
        text(0, "t", base=2, path="title"),
        text(HISTORY, "!", base=HISTORY + 2),
        {"op": "move", "node": "root", "position": {"x": 1, "y": 1}, "base": 2},
        {"op": "update", "node": "root", "set": {"is_collapsed": True}, "base": 2},
        {"op": "update", "node": "root", "set": {"description": "d"}, "was": {"description": "seen"}, "base": 2},
        {"op": "insert", "node": "n", "parent": "root", "type": "metric", "title": "N", "base": 2},
        {"op": "configure", "set": {"name": "N"}, "base": 2},
        {"op": "delete", "node": "root", "base": 2},
        {"op": "unknown", "base": 2},
    ],
)
async def test_what_is_not_needed_is_not_read(late: Late, op: dict[str, Any]) -> None:
    """[TX16] The field was not changed since, its author says what he saw, or it is judged without."""
    await late.ada.ask(late.key, op)
    assert late.reads == 0


@pytest.mark.parametrize(
    "op", [{"op": "update", "node": "root", "set": {"description": "d"}, "base": 5}, text(1, "!", base=5)]
)
@pytest.mark.parametrize("mode", ["live", "replay", "force"])
async def test_every_mode_has_it_read(late: Late, op: dict[str, Any], mode: str) -> None:
    """[MG2, TX16]"""
    await late.ada.ask(late.key, op, mode=mode)
    assert late.reads == 1


async def test_labels_settings_and_places_are_asked_for_too() -> None:
    """[MG2, RS5] What they were at the base stands in the record."""
    deployment = Deployment(hubs=2)
    await deployment.start()
    key = await deployment.tree(root())
    other = deployment.socket("cy")
    await other.open(key)
    inserts = [{"op": "insert", "node": n, "parent": "root", "type": "metric", "title": n, "base": 2} for n in "ab"]
    link = {"op": "connect", "connection": "c", "from": "a", "to": "b", "label": "old", "base": 2}
    await other.ask(key, *inserts, link)  # seq 3, 4, 5
    label: dict[str, Any] = {"op": "update", "connection": "c", "set": {"label": "theirs"}, "base": 5}
    name: dict[str, Any] = {"op": "configure", "set": {"name": "Theirs", "canvas_state.zoom": 2}, "base": 5}
    place = {"op": "move", "node": "b", "parent": "a", "position": {"x": 0, "y": 0}, "base": 5}
    await other.ask(key, label, name, place)
    ada = deployment.socket("ada", hub=1)
    await ada.open(key)
    mine = [{**label, "set": {"label": "mine"}}, {**name, "set": {"name": "Mine", "canvas_state.zoom": 3}}]
    nothing = {"op": "update", "connection": "none", "set": {"label": "x"}, "base": 5}
    results = await ada.ask(key, *mine, {**place, "parent": None}, nothing, mode="replay")
    bases = [path["base"] for result in results[:3] for path in result["conflict"]["paths"].values()]
    assert bases[:2] == ["old", "Strategy"]
    assert bases[2]["parent"] == "root"
    await deployment.close()


async def test_a_tree_that_is_deleted_meanwhile(late: Late) -> None:
    """[OP7] Who waits for the log of it is told."""
    late.trouble.gates["log"] = asyncio.Event()
    late.ada.edit(late.key, text(3, "!", base=5))
    await settle()
    await late.deployment.directory.trash_tree(late.key)
    late.trouble.gates["log"].set()
    await settle(60)
    assert told(late.ada) == ["forbidden"]
    assert [message["code"] for message in late.ada.outbox.messages if message["type"] == "notice"] == ["tree_deleted"]


async def test_others_keep_their_turn_meanwhile(late: Late) -> None:
    """[TX16] What waits behind an old edit is judged behind it."""
    late.trouble.gates["log"] = asyncio.Event()
    late.ada.edit(late.key, title("first", base=2), text(3, "!", base=5))
    late.bo.edit(late.key, title("second", base=2))
    late.ada.edit(late.key, title("third", base=2))
    await settle()
    assert told(late.ada) == told(late.bo) == []
    late.bo.edit(late.key, text(1, "?", base=4))  # comes while the log is being read, and needs more of it
    late.trouble.gates["log"].set()
    await settle(60)
    assert told(late.ada) == ["applied", "merged", "applied"]
    assert told(late.bo) == ["applied", "applied"]
    log = late.deployment.database.trees[late.key].ops(HISTORY + 2, 1_000)
    assert [(op.author.user, op.n) for op in log] == [("ada", 1), ("ada", 2), ("bo", 1), ("ada", 3), ("bo", 2)]


async def test_a_database_that_does_not_answer(late: Late) -> None:
    """[ED19] Nothing is lost; after a while the edit is given back with its n."""
    late.trouble.once["log"] = ["before"]
    late.ada.edit(late.key, text(3, "!", base=5))
    await settle()
    assert told(late.ada) == []
    await late.deployment.clock.advance(RETRY_SECONDS)
    await settle()
    assert told(late.ada) == ["merged"]
    late.ada.outbox.take()
    late.trouble.always |= {"log": "before", "turn.log": "before"}
    late.bo.edit(late.key, text(3, "?", base=3))
    for _ in range(int(PATIENCE_SECONDS / RETRY_SECONDS) + 2):
        await late.deployment.clock.advance(RETRY_SECONDS)
        await settle()
    assert told(late.bo) == ["unavailable"]
    late.trouble.always.clear()
    await late.deployment.clock.advance(RETRY_SECONDS)
    late.bo.outbox.take()
    late.bo.edit(late.key, {**text(3, "?", base=5), "n": 1})
    await settle(60)
    assert told(late.bo) == ["merged"]


async def test_under_the_heads_lock_too(late: Late) -> None:
    """[TX16] The last commit was lost, or nobody knows."""
    late.trouble.once["commit"] = ["after"]
    late.ada.edit(late.key, text(3, "!", base=5))
    late.bo.edit(late.key, title("T", base=2))
    await settle()
    late.bo.edit(late.key, text(1, "?", base=3))
    await late.deployment.clock.advance(RETRY_SECONDS)
    await settle(60)
    assert (told(late.ada), told(late.bo)) == (["duplicate"], ["duplicate", "merged"])
    assert late.trouble.calls.count("turn.log") == 1


async def test_a_lost_batch_is_judged_again_with_what_was_read() -> None:
    """[TX16] Also where the other instance wrote the same text."""
    late = Late(Trouble())
    await late.begin()
    other = late.deployment.socket("di", hub=0)
    await other.open(late.key)
    late.trouble.gates["commit"] = asyncio.Event()
    late.ada.edit(late.key, text(3, "!", base=5))
    other.edit(late.key, text(0, "> ", base=HISTORY + 2))
    await settle()
    late.trouble.gates["commit"].set()
    await settle(80)
    assert sorted(told(late.ada) + told(other)) == ["applied", "merged"]
    assert late.description() == "> " + "x" * HISTORY + "!"
    assert late.deployment.hubs[0].places()[0].room.tree.nodes == late.deployment.hubs[1].places()[0].room.tree.nodes
    await late.deployment.close()


# ---- bounds


async def test_a_long_way_is_read_in_parts(monkeypatch: pytest.MonkeyPatch, late: Late) -> None:
    """[TX16]"""
    monkeypatch.setattr(commit, "FIRST_ROWS", 2)
    monkeypatch.setattr(commit, "MORE_ROWS", 5)
    assert [one["status"] for one in await late.ada.ask(late.key, text(3, "!", base=5))] == ["merged"]
    assert (late.reads, late.description()) == (4, "x" * HISTORY + "!")  # 2 + 5 + 5 + 5 of 17 rows


async def test_too_much_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch, late: Late) -> None:
    """[TX15] The op is judged by what is here; its content is kept."""
    monkeypatch.setattr(commit, "FIRST_ROWS", 2)
    monkeypatch.setattr(commit, "MORE_ROWS", 2)
    monkeypatch.setattr(backlog, "KEPT_OPS_WAITED_FOR", 5)
    results = await late.ada.ask(late.key, text(3, "!", base=5), title("T", base=2))
    assert [one["status"] for one in results] == ["conflict", "applied"]
    assert late.reads == 3


async def test_a_log_with_a_gap(monkeypatch: pytest.MonkeyPatch, late: Late) -> None:
    """[TX15]"""

    async def nothing(self: Store, key: TreeKey, after: int, through: int) -> list[LoggedOp]:
        return []

    monkeypatch.setattr(FaultyStore, "log", nothing)
    assert [one["status"] for one in await late.ada.ask(late.key, text(3, "!", base=5))] == ["conflict"]


async def test_memory_is_given_back(late: Late) -> None:
    """[TX16] What was read is forgotten when nothing waits for it."""
    await late.ada.ask(late.key, text(3, "!", base=5))
    room = late.deployment.hubs[1].places()[0].room
    assert room.backlog.floor == 5
    for _ in range(backlog.KEPT_OPS + 1):
        await late.bo.ask(late.key, title(f"T{room.seq}", base=room.seq))
    assert room.backlog.floor >= HISTORY + 2
    assert len(room.backlog.changes("root", "title", 0)) <= backlog.KEPT_OPS + 1


async def test_a_delta_that_waits_in_a_record_keeps_its_base(late: Late) -> None:
    """[TX16, CR11] When it is decided, it stands on the text as it was."""
    base = HISTORY + 2
    await late.bo.ask(late.key, {"op": "delete", "node": "root", "base": base})
    (waiting,) = await late.ada.ask(late.key, text(HISTORY, "!", base=base), mode="replay")
    assert waiting["status"] == "conflict"
    await late.bo.ask(late.key, {"op": "restore", "node": "root", "base": base + 1})
    for place in range(3):
        await late.bo.ask(late.key, text(0, str(place), base=base + 2 + place))
    room = late.deployment.hubs[1].places()[0].room
    for _ in range(backlog.KEPT_OPS + 1):
        await late.bo.ask(late.key, title(f"T{room.seq}", base=room.seq))
    assert room.backlog.floor > base + 3
    late.ada.outbox.take()
    number = waiting["conflict"]["id"]
    late.ada.send(
        {"type": "resolve", "ref": 2, "tree": late.key.tree, "conflict": number, "base": room.seq, "choice": "mine"}
    )
    await settle(60)
    (answer,) = [message for message in late.ada.outbox.messages if message.get("ref") == 2]
    assert answer["type"] == "resolved", answer
    assert late.description() == "210" + "x" * HISTORY + "!"


async def test_other_trees_do_not_wait_for_it(late: Late) -> None:
    """[TX16]"""
    keys = [await late.deployment.tree(root()) for _ in range(3)]
    others = [late.deployment.socket(f"u{place}", hub=1) for place in range(3)]
    for key, other in zip(keys, others, strict=True):
        await other.open(key)
    late.trouble.gates["log"] = asyncio.Event()
    late.ada.edit(late.key, text(3, "!", base=5))
    for key, other in zip(keys, others, strict=True):
        assert [one["status"] for one in await other.ask(key, title("T", base=2))] == ["applied"]
    assert told(late.ada) == []
    late.trouble.gates["log"].set()
    await settle(60)
    assert told(late.ada) == ["merged"]
