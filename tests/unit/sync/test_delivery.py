"""Slow readers, large frames, and bytes that everyone shares."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from sync import delivery, recent
from sync.codec import JSON, MSGPACK, JsonCodec
from sync.conflict_records import ConflictRecord
from sync.identity import TreeKey
from sync.limits import Limits
from tests.clocks import settle
from tests.hubs import Deployment, ListOutbox, PlainWire, Socket, payloads, root
from tests.trouble import Trouble


def title(text: str) -> dict[str, Any]:
    return {"op": "update", "node": "root", "set": {"title": text}}


async def opened(one: Deployment, key: TreeKey, user: str) -> Socket:
    socket = one.socket(user)
    await socket.open(key)
    socket.outbox.take()
    return socket


async def behind(one: Deployment, key: TreeKey, commits: int, ops: int = 1) -> tuple[Socket, Socket]:
    """A slow reader who has missed so many commits of so many ops, and the writer."""
    slow, writer = await opened(one, key, "slow"), await opened(one, key, "writer")
    slow.outbox.full = True
    for number in range(commits):
        await writer.ask(key, *(title(f"T{number}-{one_op}") for one_op in range(ops)))
    assert slow.outbox.take("ops") == []
    return slow, writer


def frames(socket: Socket) -> list[tuple[int, int]]:
    return [(frame["after"], frame["seq"]) for frame in socket.outbox.take("ops")]


async def drain(one: Deployment, socket: Socket) -> None:
    socket.outbox.full = False
    one.hubs[0].drained(socket.session)
    await settle(60)


def whole(ranges: list[tuple[int, int]], first: int, last: int) -> bool:
    return [after for after, _ in ranges] == [first, *(seq for _, seq in ranges[:-1])] and ranges[-1][1] == last


async def test_a_kept_snapshot_says_how_far_the_ops_behind_it_go(one: Deployment) -> None:
    """[OP13]"""
    key = await one.tree(root())
    writer = await opened(one, key, "writer")
    await writer.ask(key, title("T"))
    late = one.socket("late")
    await late.open(key)
    messages = {message["type"]: message for message in late.outbox.take()}
    assert (messages["snapshot"]["position"]["seq"], messages["snapshot"]["head"]) == (2, 3)
    assert (messages["ops"]["after"], messages["ops"]["seq"]) == (2, 3)


# ---- slow readers


async def test_a_slow_reader_is_served_from_the_newest_commits(one: Deployment) -> None:
    """[BR10, BR1]"""
    key = await one.tree(root())
    slow, writer = await behind(one, key, 4)
    await drain(one, slow)
    assert frames(slow) == [(2, 3), (3, 4), (4, 5), (5, 6)]
    await writer.ask(key, title("live again"))
    assert frames(slow) == [(6, 7)]
    assert one.hubs[0].stats.slow_readers == 1


async def test_a_socket_that_fills_up_again_on_the_way(one: Deployment) -> None:
    """[BR10]"""
    key = await one.tree(root())
    slow, _ = await behind(one, key, 4)
    write = slow.outbox.write

    def write_one(frame: bytes) -> None:
        write(frame)
        slow.outbox.full = True

    slow.outbox.write = write_one  # type: ignore[method-assign]
    seen: list[tuple[int, int]] = []
    for _ in range(5):
        await drain(one, slow)
        seen += frames(slow)
    assert seen == [(2, 3), (3, 4), (4, 5), (5, 6)]


@pytest.mark.parametrize("ops", [1, 3])
async def test_a_very_slow_reader_is_served_from_the_log(
    one: Deployment, monkeypatch: pytest.MonkeyPatch, ops: int
) -> None:
    """[BR10, BR1] In chunks, which need not end where a commit does."""
    monkeypatch.setattr(recent, "KEPT_OPS", 5)
    monkeypatch.setattr("sync.entrance.CHUNK_OPS", 4)
    monkeypatch.setattr(delivery, "CHUNK_OPS", 4)
    key = await one.tree(root())
    slow, writer = await behind(one, key, 7, ops)
    await drain(one, slow)
    assert whole(frames(slow), 2, 2 + 7 * ops)
    await writer.ask(key, title("live again"))
    assert frames(slow) == [(2 + 7 * ops, 3 + 7 * ops)]


async def test_commits_that_come_while_the_log_is_read(
    one: Deployment, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[BR1] Nothing is missed, and nothing comes twice, however often the socket drains meanwhile."""
    monkeypatch.setattr(recent, "KEPT_OPS", 2)
    key = await one.tree(root())
    slow, writer = await behind(one, key, 5)
    trouble.gates["log"] = asyncio.Event()
    await drain(one, slow)
    await drain(one, slow)
    for number in range(4):
        await writer.ask(key, title(f"U{number}"))
    trouble.gates.pop("log").set()
    await settle(100)
    assert whole(frames(slow), 2, 11)


async def test_a_log_that_cannot_be_read_is_asked_again(
    one: Deployment, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[BR10, ED19]"""
    monkeypatch.setattr(recent, "KEPT_OPS", 1)
    key = await one.tree(root())
    slow, _ = await behind(one, key, 3)
    trouble.once = {"log": ["before", "before"]}
    await drain(one, slow)
    assert frames(slow) == []
    await one.clock.advance(2.5)
    assert whole(frames(slow), 2, 5)


@pytest.mark.parametrize("gone", ["left", "deleted"])
async def test_catching_up_ends_with_the_reader_and_with_the_tree(
    one: Deployment, trouble: Trouble, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    """[CL4]"""
    monkeypatch.setattr(recent, "KEPT_OPS", 1)
    key = await one.tree(root())
    slow, _ = await behind(one, key, 3)
    trouble.once = {"log": ["before"]}
    await drain(one, slow)
    if gone == "left":
        one.hubs[0].leave(slow.session)
    else:
        await one.directory.trash_tree(key)
    calls = trouble.calls.count("log")
    await one.clock.advance(5)
    assert trouble.calls.count("log") <= calls + 1
    assert frames(slow) == []


async def test_a_reader_beyond_resuming_gets_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """[OP4, BR10]"""
    monkeypatch.setattr(recent, "KEPT_OPS", 1)
    one = Deployment(limits=Limits(resume_ops=3))
    await one.start()
    key = await one.tree(root())
    slow, _ = await behind(one, key, 5)
    await drain(one, slow)
    (snapshot,) = slow.outbox.take("snapshot")
    assert (snapshot["reason"], snapshot["position"]["seq"]) == ("too_far", 7)
    await one.close()


async def test_outcomes_errors_roles_and_conflicts_are_never_dropped(one: Deployment) -> None:
    """[BR10]"""
    key = await one.tree(root())
    slow, _ = await behind(one, key, 1)
    assert (await slow.ask(key, title("Mine")))[0]["status"] == "applied"
    slow.edit(TreeKey("acme", 99), title("x"))
    await one.directory.set_member(key, "slow", "viewer")
    await one.directory.set_visibility(key, "tenant_view")
    one.hubs[0].rights_changed(key)
    await settle()
    assert {message["type"] for message in slow.outbox.take()} == {"outcome", "error", "role", "conflict"}


async def test_a_snapshot_leaves_as_the_socket_drains(one: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """[OP6] Its parts share a position, ops follow the last, and the role is that of the moment."""
    monkeypatch.setattr("sync.snapshots.PART_NODES", 2)
    key = await one.tree(*(root(f"n{number}") for number in range(5)), root())
    writer = await opened(one, key, "writer")
    slow = one.socket("slow")
    slow.outbox.full = True
    slow.send({"type": "open", "ref": 1, "tree": key.tree})
    await settle()
    assert slow.outbox.messages == []
    await writer.ask(key, title("New"))
    await one.directory.set_visibility(key, "tenant_view")
    one.hubs[0].rights_changed(key)
    await settle()
    await drain(one, slow)
    role, *parts = [message for message in slow.outbox.take() if message["type"] != "presence"]
    assert (role["type"], parts[-1]["type"]) == ("role", "ops")
    assert [part["part"] for part in parts[:-1]] == [1, 2, 3]
    assert {(part["position"]["seq"], part["parts"], part["role"], part["ref"]) for part in parts[:-1]} == {
        (2, 3, "viewer", 1)
    }
    assert sorted(node["id"] for part in parts[:-1] for node in part["state"]["nodes"]) == sorted(
        ["root", *(f"n{number}" for number in range(5))]
    )
    assert (parts[-1]["after"], parts[-1]["seq"]) == (2, 3)


async def test_a_snapshot_that_waited_counts_the_records_of_the_moment(one: Deployment) -> None:
    """What was told meanwhile stands before it; counted as when it was queued, a client would forget it again."""
    key = await one.tree(root())
    writer = await opened(one, key, "writer")
    await writer.ask(key, title("Theirs"))
    slow, device = one.socket("slow"), one.socket("slow", "slow-2")
    slow.outbox.full = True
    slow.send({"type": "open", "ref": 1, "tree": key.tree})
    await settle()
    await device.open(key)
    (result,) = await device.ask(key, title("Mine"), mode="replay")
    assert result["status"] == "conflict"
    await drain(one, slow)
    kinds = [message for message in slow.outbox.take() if message["type"] in ("conflict", "snapshot")]
    assert [message["type"] for message in kinds] == ["conflict", "snapshot"]
    assert kinds[1]["conflicts"] == 1


# ---- large frames


async def test_a_large_commit_is_a_snapshot_for_everyone(one: Deployment) -> None:
    """[BR9] Of the newest state, and no frame follows it."""
    key = await one.tree(root())
    ada, bo = await opened(one, key, "ada"), await opened(one, key, "bo")
    await ada.ask(key, *({"op": "update", "node": "root", "set": {f"metadata.k{n}": "x" * 90_000}} for n in range(4)))
    for socket in (ada, bo):
        messages = socket.outbox.take()
        assert {message["reason"] for message in messages if message["type"] == "snapshot"} == {"large"}
        assert {message["position"]["seq"] for message in messages if message["type"] == "snapshot"} == {6}
        assert not [message for message in messages if message["type"] == "ops"]
    await bo.ask(key, title("after"))
    assert frames(ada) == [(6, 7)]


async def test_a_slow_reader_gets_a_snapshot_in_place_of_a_large_commit(one: Deployment) -> None:
    """[BR9, BR10]"""
    key = await one.tree(root())
    slow, writer = await behind(one, key, 1)
    await writer.ask(
        key, *({"op": "update", "node": "root", "set": {f"metadata.k{n}": "x" * 90_000}} for n in range(4))
    )
    slow.outbox.take()
    await drain(one, slow)
    messages = slow.outbox.take()
    assert {message["reason"] for message in messages if message["type"] == "snapshot"} == {"large"}
    assert max(len(json.dumps(message)) for message in messages) < 400_000


@pytest.mark.parametrize("size", [90_000, 250_000])
async def test_ops_from_the_log_come_in_frames_of_a_bounded_size(
    one: Deployment, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """[BR9] Halved until they fit; a single one that does not becomes a snapshot."""
    monkeypatch.setattr(recent, "KEPT_OPS", 1)
    key = await one.tree(root())
    slow, writer = await behind(one, key, 0)
    for number in range(5):
        await writer.ask(key, {"op": "update", "node": "root", "set": {f"metadata.k{number}": "x" * size}})
    if size > 200_000:
        monkeypatch.setattr(delivery, "FRAME_BYTES", 200_000)
    await writer.ask(key, title("last"))
    await drain(one, slow)
    messages = [message for message in slow.outbox.take() if message["type"] in ("ops", "snapshot")]
    if size > 200_000:
        assert {message["reason"] for message in messages} == {"large"}
        assert messages[-1]["position"]["seq"] == 8
    else:
        assert whole([(frame["after"], frame["seq"]) for frame in messages], 2, 8)
        assert max(len(json.dumps(frame)) for frame in messages) < 256 * 1024


# ---- the same bytes


async def test_a_commit_is_framed_once_per_codec(one: Deployment) -> None:
    """[BR2] The same bytes for everyone, the author too."""
    key = await one.tree(root())
    framed: list[bytes] = []

    class Counting(PlainWire):
        def frame(self, payload: bytes) -> bytes:
            if b"ops" in payload[:14]:
                framed.append(payload)
            return super().frame(payload)

    wires = {"json": Counting(JSON), "msgpack": Counting(MSGPACK)}
    sockets = [await opened(one, key, f"u{number}") for number in range(6)]
    kept: list[list[bytes]] = []
    for number, socket in enumerate(sockets):
        outbox = RawOutbox()
        outbox.wire = wires["json" if number % 2 else "msgpack"]
        socket.session.outbox = outbox
        kept.append(outbox.frames)
    sockets[1].edit(key, title("New"))
    await settle()
    assert len(framed) == 2
    assert len({id(frames[-1]) for frames in kept[::2]}) == 1
    assert msgspec.msgpack.decode(*payloads(kept[0][-1]))["seq"] == 3
    assert msgspec.json.decode(*payloads(kept[3][-1]))["ops"][0]["set"] == {"title": "New"}
    outcome, ops = map(msgspec.json.decode, payloads(kept[1][0]))  # the author's own, in one write
    assert (outcome["type"], ops["seq"]) == ("outcome", 3)


class RawOutbox(ListOutbox):
    def __init__(self) -> None:
        super().__init__()
        self.frames: list[bytes] = []

    def write(self, frame: bytes) -> None:
        self.frames.append(frame)


async def test_a_large_commit_on_another_codec_too_is_a_snapshot_for_who_catches_up(
    one: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[BR9] A frame that went out on one codec may be too large on the other."""
    key = await one.tree(root())
    slow, _ = await behind(one, key, 2)
    monkeypatch.setattr(delivery, "FRAME_BYTES", 100)
    await drain(one, slow)
    assert {message["reason"] for message in slow.outbox.take("snapshot")} == {"large"}


async def test_a_snapshot_that_comes_instead_of_an_answer_answers(one: Deployment) -> None:
    """[WS7, OP11]"""
    key = await one.tree(root())
    slow = one.socket("slow")
    slow.outbox.full = True
    slow.send({"type": "open", "ref": 8, "tree": key.tree})
    await settle()
    one.hubs[0].resync(key)
    await drain(one, slow)
    (snapshot,) = slow.outbox.take("snapshot")
    assert (snapshot["ref"], snapshot["reason"]) == (8, "resync")


def test_of_a_record_that_is_too_large_no_more_is_encoded_than_shows_it() -> None:
    """[CR16] Whatever waits in it, and however often it is told."""
    looked: list[Any] = []

    class Looking(JsonCodec):
        def encode_value(self, value: Any) -> bytes:
            looked.append(value)
            return super().encode_value(value)

        def encode(self, message: Any) -> bytes:
            assert message.conflict.ops == []
            return super().encode(message)

    ops = [{"op": "update", "set": {"title": "x" * 100_000}}] * 1_000
    record = ConflictRecord(id=1, kind="aside", user="ada", ops=ops)
    assert b'"id":1' in delivery._conflict_payload(Looking(), 7, record)
    assert len(looked) == 3
