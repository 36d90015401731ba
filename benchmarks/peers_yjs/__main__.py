"""`python -m benchmarks.peers_yjs`: B1's and B3's load on treesync, the relay, pycrdt-websocket and y-websocket.

Installs the peers below .cache/peers (pip and npm, a minute), runs all four interleaved, and adds a topic to
RESULTS.md. It is no part of `make bench`: it needs package registries and Node.
"""

from __future__ import annotations

import argparse
import asyncio
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec
import uvloop

from benchmarks import report, results, scenarios
from benchmarks.machine import (
    CHECKOUT,
    LOAD_CORE,
    SERVER_CORE,
    Server,
    describe,
    free_port,
    pin,
    postgres,
    relay,
    run,
    treesync,
)
from benchmarks.peers import Counter, Peer, Writer, connect
from benchmarks.results import Figure, Measured

HERE = Path(__file__).parent
CACHE = CHECKOUT / ".cache" / "peers"
MOST_EDITS = 12_000  # of one writer in one round: more than any peer takes in
_TOKEN = b":Grow by "


class Load(msgspec.Struct, frozen=True):
    name: str
    rooms: int
    clients: int
    writers: int
    window: int


LOADS = (
    Load("one room, 200 clients", 1, 200, scenarios.WRITERS, scenarios.IN_FLIGHT // scenarios.WRITERS),
    Load("100 rooms of 5", 100, 5, 5, 1),
)


def install() -> Path:
    """Install the peers where they are not yet; their Python."""
    python = CACHE / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(CACHE / "venv")], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", str(HERE / "requirements.txt")], check=True)
    if not (CACHE / "node_modules").exists():
        (CACHE / "package.json").write_bytes((HERE / "package.json").read_bytes())
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=CACHE, check=True)
    return python


def updates(python: Path) -> list[list[bytes]]:
    """For each writer, the messages of its updates: sync (0), update (2), the bytes with their length before them."""
    file = CACHE / "updates"
    arguments = [str(scenarios.WRITERS), str(MOST_EDITS), str(file)]
    subprocess.run([python, str(HERE / "updates.py"), *arguments], check=True)
    content, place, messages = file.read_bytes(), 0, []
    while place < len(content):
        (size,) = struct.unpack_from("!I", content, place)
        messages.append(b"\x00\x02" + _variable(size) + content[place + 4 : place + 4 + size])
        place += 4 + size
    return [messages[start : start + MOST_EDITS] for start in range(0, len(messages), MOST_EDITS)]


def _variable(number: int) -> bytes:
    """lib0's variable length: seven bits a byte, the highest says that more follow."""
    taken = bytearray()
    while number > 127:
        taken.append(128 | number & 127)
        number >>= 7
    return bytes([*taken, number])


@contextmanager
def pycrdt(python: Path) -> Iterator[Server]:
    port = free_port()
    with run([str(python), str(HERE / "pycrdt_server.py"), str(port)], port, SERVER_CORE, {}, CACHE) as server:
        yield server


@contextmanager
def y_websocket() -> Iterator[Server]:
    port = free_port()
    script = str(CACHE / "node_modules" / "y-websocket" / "bin" / "server.cjs")
    with run(["node", script], port, SERVER_CORE, {"HOST": "127.0.0.1", "PORT": str(port)}, CACHE) as server:
        yield server


async def flood(server: Server, load: Load, made: list[list[bytes]], name: str, seconds: float) -> scenarios.Sample:
    """An edit is answered when its author hears it, as with the relay. Every flood has rooms of its own."""
    paths = [f"/{name}-{room}" for room in range(load.rooms)]
    # the first of each room alone: of a room that several open at once, pycrdt-websocket makes several
    firsts = [await connect(server.port, path, _TOKEN) for path in paths]
    await asyncio.sleep(0.5)
    peers: list[Peer] = []
    writing: list[Writer] = []
    for path, first in zip(paths, firsts, strict=True):
        joined = [first, *await asyncio.gather(*(connect(server.port, path, _TOKEN) for _ in range(load.clients - 1)))]
        peers += joined
        writers = enumerate(joined[: load.writers])
        writing += [_writer(peer, number, made[number], load.window) for number, peer in writers]
    sample = await scenarios.flood(server, peers, writing, seconds)
    for peer in peers:
        peer.transport.abort()
    return sample


def _writer(peer: Peer, number: int, made: list[bytes], window: int) -> Writer:
    writer = Writer(peer, lambda n: made[n - 1], window, opcode=0x82)
    heard = Counter(f"w{number}".encode() + _TOKEN)
    peer.on_data = lambda data: writer.answers(found) if (found := heard.feed(data)) else None
    return writer


class Stage(msgspec.Struct):
    """Treesync and the relay, the peers' Python, and what the writers of the two peers send."""

    ours: Server
    baseline: Server
    python: Path
    made: list[list[bytes]]

    def sample(self, who: str, load: Load, seconds: float) -> scenarios.Sample:
        """The peers are started anew each time: what they have not sent yet they keep, and send it to nobody later."""
        sizes = (load.rooms, load.clients, load.writers, load.window, seconds)
        if who == "treesync":
            return uvloop.run(scenarios.ours_flood(self.ours, *sizes))
        if who == "relay":
            return uvloop.run(scenarios.relay_flood(self.baseline, *sizes))
        with y_websocket() if who == "y-websocket" else pycrdt(self.python) as server:
            return uvloop.run(flood(server, load, self.made, "room", seconds))


WHO = ("treesync", "relay", "y-websocket", "pycrdt-websocket")


def measure(rounds: int, seconds: float) -> Measured:
    """Edits per second of all four, under each load."""
    python = install()
    made = updates(python)
    found: dict[tuple[str, str], list[scenarios.Sample]] = defaultdict(list)
    with postgres() as database, treesync(database) as ours, relay() as baseline:
        stage = Stage(ours, baseline, python, made)
        for _ in range(rounds):
            for load in LOADS:
                for who in WHO:
                    found[load.name, who].append(stage.sample(who, load, seconds))
    return Measured([_figure(load, who, samples) for (load, who), samples in found.items()])


def _figure(load: str, who: str, samples: list[scenarios.Sample]) -> Figure:
    values = [one.edits for one in samples]
    cost = median(one.server_cost for one in samples)
    heard = median(one.deliveries / one.edits for one in samples)
    return Figure(
        what=f"{load}, {who}",
        values=values,
        unit=" edits/s",
        digits=0,
        beside=f"server CPU {cost:.0f} µs an edit, which {heard:.0f} hear",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--dry", action="store_true", help="print only")
    asked = parser.parse_args()
    pin(LOAD_CORE)
    found = measure(asked.rounds, asked.seconds)
    print(report.table(found.figures))
    if not asked.dry:
        folder = CHECKOUT / "benchmarks"
        known = results.load(folder / "results.json")
        known.add("peers", found, machine=describe(), rounds=asked.rounds, seconds=asked.seconds)
        results.save(known, folder / "results.json")
        report.write(known, folder, report.readings((folder / "readings.md").read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
