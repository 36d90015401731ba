"""Records what one client is told in a few runs, for replicas in other languages.

`python -m tests.simulation.histories` writes tests/vectors/histories.json:

    [{"name": …, "frames": [{"message": a snapshot or ops message as it came, "digest": …, "state": …}, …]}, …]

`digest` is that of the tree after the message; `state` the whole of it, as in a snapshot, on every few frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from sync.limits import Limits
from tests.simulation import copies
from tests.simulation.copies import Copy
from tests.simulation.plan import Plan
from tests.simulation.replica import Record, Replica, canonical
from tests.simulation.world import World, bounds

FILE = Path(__file__).parent.parent / "vectors" / "histories.json"
STATE_EVERY = 6  # frames: a state is ten times as large as the ops that lead to it
KINDS = {
    *("insert", "update", "text", "move", "delete", "restore", "purge", "connect", "disconnect", "configure", "import"),
    *("merged text", "merged update", "resolve", "of the trash"),
}
EVENTS = {"decide": 0.3, "purge": 0.08, "cut": 0.06, "resync": 0.02, "reopen": 0.02}


def history(seed: int, *, ops: int = 90) -> Record:
    """What the first client of a run was told, with the tree after each message."""
    limits = Limits(nodes_per_tree=14)
    plan = Plan(seed=seed, ops=ops, clients=4, instances=2, store_delay=0.05, pause=0.3, events=EVENTS, limits=limits)
    world = World(plan)
    frames: list[Record] = []
    receive = Copy.receive

    def recorded(self: Copy, message: Record) -> None:
        receive(self, message)
        replica = self.replica
        if self.client is not world.clients[0] or message["type"] not in ("snapshot", "ops") or replica is None:
            return
        if replica.seq == _seq_of(message):  # else it came while the tree was being opened again
            frames.append({"message": message, "digest": replica.digest(), "state": state_of(replica)})

    copies.Copy.receive = recorded  # type: ignore[method-assign]
    try:
        with bounds(plan):
            world.loop.run(world.run())
    finally:
        copies.Copy.receive = receive  # type: ignore[method-assign]
    for place, frame in enumerate(frames[:-1]):
        if place % STATE_EVERY:
            del frame["state"]
    return {"name": f"seed {seed}", "frames": frames}


def _seq_of(message: Record) -> int:
    return int(message["seq"] if message["type"] == "ops" else message["position"]["seq"])


def state_of(replica: Replica) -> Record:
    """A state as a snapshot carries it."""
    state: Record = msgspec.json.decode(
        canonical(
            {**replica.details, "nodes": [*replica.nodes.values()], "connections": [*replica.connections.values()]}
        )
    )
    return state


def kinds_of(recorded: Record) -> set[str]:
    """What a history shows."""
    found: set[str] = set()
    held: set[str] = set()
    for frame in recorded["frames"]:
        message = frame["message"]
        if message["type"] == "snapshot":
            found.add(f"snapshot {message.get('reason', '')}".strip())
            held = {node["id"] for node in message["state"]["nodes"]}
            continue
        for op in message["ops"]:
            found.add(op["op"])
            found |= {f"merged {op['op']}"} if op.get("merged") else set()
            found |= {"resolve"} if message["authors"][op["by"]].get("via") == "resolve" else set()
            found |= (
                {"of the trash"} if op["op"] in ("update", "text") and op.get("node", "root") not in held else set()
            )
            held |= {op["node"]} if op["op"] == "insert" else set()
            held |= {node["id"] for node in op.get("nodes", ())}
    return found


def chosen(most: int = 200) -> list[Record]:
    """The first few runs that show everything together."""
    shown: set[str] = set()
    taken: list[Record] = []
    for seed in range(most):
        recorded = history(seed)
        new = (kinds_of(recorded) & KINDS) - shown
        if new and (len(new) > 2 or len(shown) > len(KINDS) - 4):
            taken.append(recorded)
            shown |= new
        if shown == KINDS:
            return taken
    raise AssertionError(f"no run showed {KINDS - shown}")


def main() -> None:
    found: list[Any] = chosen()
    FILE.write_bytes(msgspec.json.encode(found) + b"\n")
    frames = sum(len(one["frames"]) for one in found)
    print(f"{len(found)} histories, {frames} frames, {FILE.stat().st_size} bytes: {FILE}")


if __name__ == "__main__":
    main()
