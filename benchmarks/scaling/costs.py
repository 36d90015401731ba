"""What one instance and one database were measured to need for each edit, delivery, statement, ping, socket and room.

Three loads that differ in listeners and in edits per statement give three equations for each process; least squares
solves them. The figures stand in costs.json with their date and machine, so that the arithmetic can be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil
import uvloop

from benchmarks import scenarios
from benchmarks.machine import Server, describe, make_tree, postgres, redis, token, treesync
from benchmarks.peers import join

FILE = Path(__file__).parent / "costs.json"
# (rooms, clients in each, writers in each, edits in flight of each writer): many listeners, many edits to a statement,
# and few of both
SHAPES = ((1, 200, 8, 8), (1, 10, 8, 8), (1, 2, 2, 1), (40, 5, 5, 1))
_PINGS = 20_000
_SOCKETS, _PER_ROOM = 2_000, 50


class Costs(msgspec.Struct, kw_only=True, frozen=True):
    """Microseconds of CPU, kilobytes, seconds; `machine` and `measured` say of what and when."""

    machine: str
    measured: str
    edit: float  # of an instance, to read, judge, settle and encode one edit
    delivery: float  # to write one frame to one socket
    statement: float  # of an instance, to send one commit statement and take its answer
    follow: float  # to take one commit of another instance from the bus and apply it
    ping: float  # to answer one
    database_edit: float  # of PostgreSQL, to store one edit
    database_statement: float  # of PostgreSQL, for one commit statement however few its edits
    relay: float  # of Redis, for one message published and passed on to one other instance
    commit_seconds: float  # median of a commit, from sending to its answer: the disk's flush, the way and its CPU
    socket_kb: float
    room_kb: float


class Load(NamedTuple):
    """What one load cost, in microseconds of CPU for each of its edits."""

    deliveries: float  # for each edit
    statements: float  # for each edit
    server: float
    database: float


def solved(rows: Sequence[Sequence[float]], values: Sequence[float]) -> list[float]:
    """Least squares by the normal equations, each row weighted by its value, so that the cheap loads count as much as
    the dear ones. Answers no negative cost: what comes out below zero is taken as zero and the rest solved again."""
    kept = list(range(len(rows[0])))
    while kept:
        scaled = [[row[one] / value for one in kept] for row, value in zip(rows, values, strict=True)]
        found = _normal(scaled)
        if min(found) >= 0:
            return [found[kept.index(one)] if one in kept else 0.0 for one in range(len(rows[0]))]
        kept.pop(found.index(min(found)))
    return [0.0] * len(rows[0])


def _normal(rows: Sequence[Sequence[float]]) -> list[float]:
    """The x for which `rows` · x comes nearest to ones (Gauss's elimination with the largest pivot)."""
    size = len(rows[0])
    matrix = [
        [sum(row[i] * row[j] for row in rows) for j in range(size)] + [sum(row[i] for row in rows)] for i in range(size)
    ]
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(matrix[row][column]))
        matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        for row in range(size):
            if row != column:
                share = matrix[row][column] / matrix[column][column]
                matrix[row] = [one - share * other for one, other in zip(matrix[row], matrix[column], strict=True)]
    return [matrix[row][size] / matrix[row][row] for row in range(size)]


def measure(seconds: float, rounds: int) -> Costs:
    """Run the loads; a few minutes."""
    with postgres() as database, treesync(database) as server:
        loads = [_load(server, shape, seconds) for _ in range(rounds) for shape in SHAPES]
        ping = uvloop.run(_pings(server))
        commit = server.quantile("treesync_commit_quantile_seconds", "0.5")
        socket = uvloop.run(scenarios.idle_bytes(server, _SOCKETS, _PER_ROOM)) / 1024
        room = uvloop.run(_rooms(server)) / 1024 - socket
    edit, delivery, statement = solved(
        [[1, one.deliveries, one.statements] for one in loads], [one.server for one in loads]
    )
    database_edit, database_statement = solved([[1, one.statements] for one in loads], [one.database for one in loads])
    follow, relay = _across(seconds, delivery)
    return Costs(
        machine=describe(),
        measured=date.today().isoformat(),
        edit=round(edit, 1),
        delivery=round(delivery, 2),
        statement=round(statement, 1),
        follow=round(follow, 1),
        ping=round(ping, 2),
        database_edit=round(database_edit, 1),
        database_statement=round(database_statement, 1),
        relay=round(relay, 1),
        commit_seconds=round(commit, 5),
        socket_kb=round(socket, 2),
        room_kb=round(room, 1),
    )


def _load(server: Server, shape: tuple[int, int, int, int], seconds: float) -> Load:
    names = ("treesync_ops_total", "treesync_deliveries_total", "treesync_statements_total")
    before = [server.metric(name) for name in names]
    sample = uvloop.run(scenarios.ours_flood(server, *shape, seconds))
    ops, frames, statements = (server.metric(name) - old for name, old in zip(names, before, strict=True))
    return Load(frames / ops, statements / ops, sample.server_cost, sample.database_cost)


async def _pings(server: Server) -> float:
    tree = make_tree(server, token("ada"), 1)
    peer = await join(server.port, token("ada"), "ping", tree)
    before = server.cpu_seconds()
    for _ in range(_PINGS):
        answered = asyncio.ensure_future(peer.expect(b'"pong"'))
        await asyncio.sleep(0)
        peer.send(b'{"type":"ping"}')
        await answered
    used = server.cpu_seconds() - before
    peer.transport.close()
    return used / _PINGS * 1e6


async def _rooms(server: Server) -> float:
    """Bytes of a room of ten nodes with one socket in it."""
    jwt = token("ada")
    trees = [make_tree(server, jwt, 10) for _ in range(400)]
    before = server.memory_bytes()
    peers = [await join(server.port, jwt, f"r{tree}", tree) for tree in trees]
    await asyncio.sleep(1)
    used = (server.memory_bytes() - before) / len(trees)
    for peer in peers:
        peer.transport.close()
    return used


def _across(seconds: float, delivery: float) -> tuple[float, float]:
    """What another instance needs for each commit it only follows, with ten listeners; and Redis to bring it there."""
    listeners = 10
    with postgres() as database, redis() as url, treesync(database, url) as one, treesync(database, url) as other:
        return uvloop.run(_followed(one, other, _listening(url), listeners, seconds, delivery))


def _listening(url: str) -> psutil.Process:
    """The process of the Redis at this URL."""
    port = url.rpartition(":")[2].partition("/")[0]
    found = [one for one in psutil.process_iter(["cmdline"]) if f":{port}" in " ".join(one.info["cmdline"] or [])]
    return found[0]


async def _followed(
    one: Server, other: Server, relay: psutil.Process, listeners: int, seconds: float, delivery: float
) -> tuple[float, float]:
    jwt = token("ada")
    tree = make_tree(one, jwt, 8)
    writers = [await join(one.port, jwt, f"w{number}", tree) for number in range(8)]
    readers = [await join(other.port, jwt, f"r{number}", tree) for number in range(listeners)]
    writing = [scenarios._writer_of(peer, tree, number, 1) for number, peer in enumerate(writers)]

    def spent() -> tuple[float, float, float]:
        times = relay.cpu_times()
        return other.cpu_seconds(), times.user + times.system, other.metric("treesync_bus_messages_total")

    before = spent()
    await scenarios.flood(one, readers, writing, seconds)
    cpu, relayed, heard = (now - then for now, then in zip(spent(), before, strict=True))
    for peer in writers + readers:
        peer.transport.close()
    return max(cpu / heard * 1e6 - listeners * delivery, 0.0), relayed / heard * 1e6


def load(path: Path = FILE) -> Costs:
    return msgspec.json.decode(path.read_bytes(), type=Costs)


def save(costs: Costs, path: Path = FILE) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(costs), indent=1) + b"\n")
