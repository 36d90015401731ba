"""Wide rooms: the next batch is sent before the frames of the last are written; nobody can tell by what he gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sync import delivery
from sync.identity import TreeKey
from sync.telling import HELD_COMMITS, HELD_SECONDS
from tests.clocks import settle
from tests.hubs import Deployment, Socket, root
from tests.trouble import Trouble


class Commits(asyncio.Event):
    """Lets statements through one by one."""

    def __init__(self) -> None:
        super().__init__()
        self._permits = asyncio.Semaphore(0)

    async def wait(self) -> Any:
        await self._permits.acquire()

    async def let(self, commits: int = 1) -> None:
        for _ in range(2 * commits):  # on its way there and on its way back
            self._permits.release()
        await settle()


@pytest.fixture
async def commits(trouble: Trouble) -> Commits:
    return Commits()


@pytest.fixture
async def one(trouble: Trouble) -> AsyncIterator[Deployment]:
    """An instance to which every room is wide."""
    deployment = Deployment(around=trouble.around, wide=1)
    await deployment.start()
    yield deployment
    await deployment.close()


def title(text: str) -> dict[str, Any]:
    return {"op": "update", "node": "root", "set": {"title": text}}


def ranges(socket: Socket) -> list[tuple[int, int]]:
    return [(frame["after"], frame["seq"]) for frame in socket.outbox.take("ops")]


async def flooded(one: Deployment, trouble: Trouble, commits: Commits) -> tuple[TreeKey, Socket, Socket]:
    """A writer and a reader in a wide room whose first commit is durable and not told; the second is in flight."""
    key = await one.tree(root())
    writer, reader = one.socket("writer"), one.socket("reader")
    for socket in (writer, reader):
        await socket.open(key)
    await writer.ask(key, title("known"))
    reader.outbox.take()
    trouble.gates["commit"] = commits
    writer.edit(key, title("first"))
    await settle()
    writer.edit(key, title("second"))
    writer.outbox.take()
    await commits.let()
    assert len(one.hubs[0].places()[0].untold) == 1
    return key, writer, reader


async def test_a_commit_that_none_follows_is_told_at_once(one: Deployment) -> None:
    """[BR2, ED9]"""
    key = await one.tree(root())
    writer, reader = one.socket("writer"), one.socket("reader")
    for socket in (writer, reader):
        await socket.open(key)
        socket.outbox.take()
    writer.edit(key, title("New"))
    await settle()
    assert [message["type"] for message in writer.outbox.messages[:2]] == ["outcome", "ops"]
    assert ranges(reader) == [(2, 3)]


async def test_authors_are_answered_while_everyone_waits_for_the_next_commit(
    one: Deployment, trouble: Trouble, commits: Commits
) -> None:
    """[ED8, ED9]"""
    _, writer, reader = await flooded(one, trouble, commits)
    assert trouble.calls.count("commit") == 3
    assert [result["seq"] for message in writer.outbox.take("outcome") for result in message["results"]] == [4]
    assert ranges(reader) == []
    await commits.let()
    assert ranges(reader) == ranges(writer) == [(3, 4), (4, 5)]


async def test_a_few_commits_leave_in_one_write(one: Deployment, trouble: Trouble, commits: Commits) -> None:
    """[BR2]"""
    key, writer, reader = await flooded(one, trouble, commits)
    writes: list[bytes] = []
    write = reader.outbox.write

    def noting(frame: bytes) -> None:
        writes.append(frame)
        write(frame)

    reader.outbox.write = noting  # type: ignore[method-assign]
    for number in range(2, HELD_COMMITS + 1):
        writer.edit(key, title(f"T{number}"))
        assert writes == []
        await commits.let()
    assert len(writes) == 1
    assert ranges(reader) == [(seq, seq + 1) for seq in range(3, 3 + HELD_COMMITS)]
    await commits.let()


async def test_a_database_that_stops_does_not_keep_what_is_durable_from_anyone(
    one: Deployment, trouble: Trouble, commits: Commits
) -> None:
    """[BR2]"""
    _, _, reader = await flooded(one, trouble, commits)
    await one.clock.advance(HELD_SECONDS)
    assert ranges(reader) == [(3, 4)]
    await commits.let()
    assert ranges(reader) == [(4, 5)]


# ---- whoever comes in between


async def test_who_joins_in_between_gets_each_op_once(one: Deployment, trouble: Trouble, commits: Commits) -> None:
    """[OP3, BR1]"""
    key, _, reader = await flooded(one, trouble, commits)
    late = one.socket("late")
    answer = await late.open(key)
    assert ranges(reader) == [(3, 4)]
    before = ranges(late)
    await commits.let()
    frames = [*before, *ranges(late)]
    assert [after for after, _ in frames] == [answer["position"]["seq"], *(seq for _, seq in frames[:-1])]
    assert frames[-1] == (4, 5)


async def test_who_comes_back_in_between_gets_each_op_once(one: Deployment, trouble: Trouble, commits: Commits) -> None:
    """[OP2, BR1]"""
    key, _, _ = await flooded(one, trouble, commits)
    back = one.socket("back")
    room = one.hubs[0].places()[0].room
    position = {"epoch": room.epoch, "seq": 3, "mark": room.recent.mark_at(3)}
    answer = await back.open(key, position)
    assert answer["type"] == "resumed"
    await commits.let()
    assert ranges(back) == [(3, 4), (4, 5)]


async def test_who_comes_back_while_a_large_commit_is_to_be_told_is_answered_first(
    one: Deployment, trouble: Trouble, commits: Commits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[OP2, BR9] Everyone else gets a snapshot, which is nothing for somebody who is not in yet."""
    key, _, reader = await flooded(one, trouble, commits)
    room = one.hubs[0].places()[0].room
    monkeypatch.setattr(delivery, "FRAME_BYTES", 100)
    back = one.socket("back")
    await back.open(key, {"epoch": room.epoch, "seq": 4, "mark": room.recent.mark_at(4)})
    assert [message["reason"] for message in reader.outbox.take("snapshot")] == ["large"]
    assert back.outbox.take()[0]["type"] == "resumed"
    monkeypatch.undo()
    await commits.let()
    assert ranges(back) == ranges(reader) == [(4, 5)]


async def test_a_snapshot_in_place_of_a_large_commit_has_the_commit_behind_it(
    trouble: Trouble, commits: Commits
) -> None:
    """[BR1, BR9] The room has shrunk meanwhile: its next commit is told at once, with the one that waited."""
    one = Deployment(around=trouble.around, wide=3)
    await one.start()
    key = await one.tree(root())
    writer, reader, third = one.socket("writer"), one.socket("reader"), one.socket("third")
    for socket in (writer, reader, third):
        await socket.open(key)
    trouble.gates["commit"] = commits
    writer.edit(key, *({"op": "update", "node": "root", "set": {f"metadata.k{n}": "x" * 90_000}} for n in range(4)))
    await settle()
    writer.edit(key, title("second"))
    for socket in (writer, reader):
        socket.outbox.take()
    await commits.let()
    assert reader.outbox.messages == []
    one.hubs[0].leave(third.session)
    await commits.let()
    told = [message for message in reader.outbox.take() if message["type"] in ("ops", "snapshot")]
    assert [message["type"] for message in told] == ["snapshot"]
    assert (told[0]["reason"], told[0]["position"]["seq"]) == ("large", 7)
    own = [message["type"] for message in writer.outbox.take() if message["type"] in ("outcome", "snapshot")]
    assert own == ["outcome", "outcome", "snapshot"]
    await one.close()


async def test_who_has_drained_in_between_gets_each_op_once(
    one: Deployment, trouble: Trouble, commits: Commits
) -> None:
    """[BR10, BR1]"""
    key = await one.tree(root())
    writer, slow = one.socket("writer"), one.socket("slow")
    for socket in (writer, slow):
        await socket.open(key)
        socket.outbox.take()
    slow.outbox.full = True
    await writer.ask(key, title("missed"))
    trouble.gates["commit"] = commits
    writer.edit(key, title("first"))
    await settle()
    writer.edit(key, title("second"))
    await commits.let()
    slow.outbox.full = False
    one.hubs[0].drained(slow.session)
    await settle()
    await commits.let()
    assert ranges(slow) == [(2, 3), (3, 4), (4, 5)]


async def test_a_server_that_stops_tells_all_that_is_durable(
    one: Deployment, trouble: Trouble, commits: Commits
) -> None:
    """[CL1]"""
    _, _, reader = await flooded(one, trouble, commits)
    stopping = asyncio.create_task(one.hubs[0].drain())
    await settle()
    await commits.let()
    await one.clock.advance(1)
    await stopping
    told = [message["type"] for message in reader.outbox.take() if message["type"] in ("ops", "notice")]
    assert told == ["ops", "ops", "notice"]
