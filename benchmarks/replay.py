"""B6: somebody comes back after an hour without network. All ops of his queue, sent as clients send them."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter as Tally
from collections.abc import Iterator
from typing import Any

from benchmarks.machine import Server, make_tree, token
from benchmarks.peers import Counter, Peer, connect, edit, join
from sync.limits import Limits

_STATUS = b',"status":'  # of a result, where it follows n; progress begins with a status of its own
_STATUSES = ("applied", "merged", "unchanged", "conflict", "rejected", "superseded", "duplicate")
_RELAYED = b'"op":"update"'
_LIMITS = Limits()
_WITHIN = 60.0  # seconds; far above any budget


def messages(tree: int, mode: str, ops: list[dict[str, Any]], base: int) -> Iterator[tuple[bytes, int]]:
    """Edits within the limits of a message, with the number of their ops."""
    texts: list[str] = []
    size = 0
    for n, op in enumerate(ops, start=1):
        text = json.dumps({"n": n, "base": base, **op}, separators=(",", ":"))
        if texts and (len(texts) == _LIMITS.edit_ops or size + len(text) > _LIMITS.message_bytes - 200):
            yield _edit(tree, mode, texts), len(texts)
            texts, size = [], 0
        texts.append(text)
        size += len(text) + 1
    yield _edit(tree, mode, texts), len(texts)


def _edit(tree: int, mode: str, ops: list[str]) -> bytes:
    return f'{{"type":"edit","tree":{tree},"mode":"{mode}","ops":[{",".join(ops)}]}}'.encode()


class Sender:
    """Sends edits with at most `limits.unanswered_ops` under way, and counts what became of their ops."""

    def __init__(self, peer: Peer, edits: list[tuple[bytes, int]]) -> None:
        self._peer = peer
        self._edits = edits
        self._left = sum(count for _, count in edits)
        self._under_way = 0
        self._results = Counter(_STATUS)
        self._statuses = {status: Counter(f'"status":"{status}"'.encode()) for status in _STATUSES}
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.became: Tally[str] = Tally()
        peer.on_data = self._heard

    async def run(self) -> float:
        """Seconds until the last op is durable and reported."""
        began = time.perf_counter()
        self._send()
        await asyncio.wait_for(self._done, _WITHIN)
        return time.perf_counter() - began

    def _send(self) -> None:
        while self._edits and self._under_way + self._edits[0][1] <= _LIMITS.unanswered_ops:
            frame, count = self._edits.pop(0)
            self._under_way += count
            self._peer.send(frame)

    def _heard(self, data: bytes) -> None:
        found = self._results.feed(data)
        for status, counter in self._statuses.items():
            self.became[status] += counter.feed(data)
        self._left -= found
        self._under_way -= found
        if self._left == 0 and not self._done.done():
            self._done.set_result(None)
        self._send()


# ---- a thousand ops that nobody disturbed, against a relay


async def ours_thousand(server: Server, clients: int) -> float:
    """1,000 queued ops of all kinds; so many clients, their author among them, have the tree open."""
    jwt = token("ada")
    tree = make_tree(server, jwt, 1_000)
    peers = await asyncio.gather(*(join(server.port, jwt, f"back{one}", tree) for one in range(clients)))
    sender = Sender(peers[0], list(messages(tree, "replay", [_queued(one) for one in range(1_000)], base=2)))
    took = await sender.run()
    assert sender.became["applied"] == 1_000, sender.became
    for peer in peers:
        peer.transport.abort()
    return took


def _queued(one: int) -> dict[str, Any]:
    node = f"n{one}"
    match one % 10:
        case 0 | 1:
            return {"op": "text", "node": node, "path": "description", "delta": ["typed on a train"]}
        case 2:
            return {"op": "insert", "node": f"new{one}", "parent": node, "type": "metric", "title": "thought of"}
        case 3:
            return {"op": "move", "node": node, "position": {"x": one, "y": 7}}
        case 4:
            return {"op": "move", "node": node, "after": f"n{one - 2}"}
        case _:
            return {"op": "update", "node": node, "set": {"title": f"Grow by {one} per cent"}}


async def relay_thousand(server: Server, clients: int) -> float:
    """The relay passes 1,000 messages of one op each on to so many clients: until all have them."""
    peers = await asyncio.gather(*(connect(server.port, "/train", _RELAYED) for _ in range(clients)))
    frames = [edit(1, n, f"n{n}", f"Grow by {n} per cent", base=2) for n in range(1, 1_001)]
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def heard(_: int) -> None:
        if all(peer.count == len(frames) for peer in peers) and not done.done():
            done.set_result(None)

    for peer in peers:
        peer.on_count = heard
    began = time.perf_counter()
    for frame in frames:
        peers[0].send(frame, 0x82)
    await asyncio.wait_for(done, _WITHIN)
    took = time.perf_counter() - began
    for peer in peers:
        peer.transport.abort()
    return took


# ---- ten thousand against five thousand


async def ours_ten_thousand(server: Server) -> tuple[float, float, Tally[str]]:
    """10,000 queued ops against 5,000 that someone else made meanwhile; seconds, the server's CPU seconds, and what
    became of them."""
    ada, bo = token("ada"), token("bo")
    tree = make_tree(server, ada, 5_000)
    other = await join(server.port, bo, "meanwhile", tree)
    await Sender(other, list(messages(tree, "live", [_meanwhile(one) for one in range(5_000)], base=2))).run()
    other.transport.abort()
    peer = await join(server.port, ada, "back", tree)
    queue = sorted((op for one in range(5_000) for op in _both(one)), key=lambda op: op["op"] != "text")
    sender = Sender(peer, list(messages(tree, "replay", queue, base=2)))
    cpu = server.cpu_seconds()
    took = await sender.run()
    cpu = server.cpu_seconds() - cpu
    peer.transport.abort()
    return took, cpu, sender.became


def _meanwhile(one: int) -> dict[str, Any]:
    """Half of it in titles, half in descriptions."""
    if one % 2:
        return {"op": "text", "node": f"n{one}", "path": "description", "delta": ["theirs"]}
    return {"op": "update", "node": f"n{one}", "set": {"title": f"Theirs {one}"}}


def _both(one: int) -> list[dict[str, Any]]:
    """Two ops for each node: one meets theirs in every second node, one is on something else."""
    node = f"n{one}"
    if one % 4 == 3:
        return [
            {"op": "insert", "node": f"new{one}", "parent": node, "type": "metric", "title": "thought of"},
            {"op": "text", "node": node, "path": "description", "delta": ["mine"]},
        ]
    if one % 4 == 2:
        mine = {"op": "update", "node": node, "set": {"title": f"Mine {one}"}}
        return [mine, {"op": "update", "node": node, "set": {"template_data.core_why": f"because {one}"}}]
    return [
        {"op": "update", "node": node, "set": {"metadata.color": "green"}},
        {"op": "move", "node": node, "position": {"x": one, "y": 7}},
    ]
