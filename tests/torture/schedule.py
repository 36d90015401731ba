"""One schedule: peers that edit one tree, faults that befall the stack meanwhile, and the judgement afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import msgspec

from server.auth import mint
from tests.clocks import RealClock
from tests.commands import SECRET
from tests.torture.history import History
from tests.torture.oracles import violations
from tests.torture.peer import SHARED, Peer
from tests.torture.stage import TENANT, Instance, Stage

SETTLE_SECONDS = (
    10.0  # after the last edit and the last fault, until every queue is empty and every peer agrees (reliability B9)
)
FOLLOW_SECONDS = 5.0  # an instance is level with the database, without Redis too (BR11)
_FIRST_CHARACTER = 0xF0000  # private use, outside the BMP: each typed character is its own, and two UTF-16 units long
_TREE = {
    "name": "Torture",
    "visibility": "tenant_edit",
    "nodes": [{"id": SHARED, "type": "objective", "title": "Shared", "description": "once upon a time 🌳 "}]
    + [{"id": f"n{one}", "parent": SHARED, "type": "outcome", "title": f"t{one}"} for one in range(6)],
}


class Told(msgspec.Struct):
    """What became of a schedule."""

    seed: int
    faults: list[str]
    ops: int
    acknowledged: int
    merged: int
    reconnects: int
    settled: float  # seconds after the last edit and the last fault
    waited: list[float]  # seconds from an op to its answer, shortest first
    wrong: list[str]


async def torture(
    stage: Stage, seed: int, *, peers: int = 8, ops: int = 300, faults: int = 4, only: str | None = None
) -> Told:
    """Run a schedule. What is random in it comes from the seed; the machine's own timing does not. `only`: no fault but
    this one."""
    chance = Random(seed)
    made = await stage.instances[0].ask("POST", "/api/v1/trees", _TREE)
    history = History(tree=made["id"])
    ports = [instance.door.port for instance in stage.instances]
    everyone = [_peer(f"u{one}", ports, history, Random(f"{seed}:{one}")) for one in range(peers)]
    for peer in everyone:
        peer.start()
    try:
        hands = asyncio.create_task(_edit(everyone, ops, chance), name="hands")
        await _befall(stage, history, Random(f"{seed}:faults"), faults, [only] if only else sorted(FAULTS))
        await hands
        settled = await _settle(everyone, history)
        states = [await _level_state(instance, history.tree, everyone[0]) for instance in stage.instances]
        log = await stage.log(history.tree)
        wrong = violations(history, log, states, everyone) if settled < SETTLE_SECONDS else list(history.wrong)
    finally:
        await asyncio.gather(*(peer.stop() for peer in everyone))
    if settled >= SETTLE_SECONDS:
        wrong.append(
            f"B9: not settled after {SETTLE_SECONDS:g} s: {[peer.user for peer in everyone if peer.unanswered]}"
        )
    answers = [answer for one in history.invocations.values() for answer in one.answers[:1]]
    return Told(
        seed=seed,
        faults=history.faults,
        ops=len(history.invocations),
        acknowledged=sum(answer["status"] in ("applied", "merged") for answer in answers),
        merged=sum(answer["status"] == "merged" for answer in answers),
        reconnects=sum(peer.reconnects for peer in everyone),
        settled=settled,
        waited=sorted(one.waited for one in history.invocations.values()),
        wrong=wrong,
    )


def _peer(user: str, ports: list[int], history: History, chance: Random) -> Peer:
    token = mint(SECRET, tenant=TENANT, user=user, expires_at=RealClock().now() + 3600)
    return Peer(user, ports, token, history, chance)


async def _level_state(instance: Instance, tree: int, peer: Peer) -> dict[str, Any]:
    """What an instance answers once it has come as far as a peer: where nobody is connected to it and Redis was away,
    that may take FOLLOW_SECONDS."""
    began = time.monotonic()
    while True:
        answer: dict[str, Any] = await instance.ask("GET", f"/api/v1/trees/{tree}")
        answer["state"]["nodes"].sort(key=lambda node: node["id"])
        answer["state"]["connections"].sort(key=lambda connection: connection["id"])
        if answer["position"] == peer.position or time.monotonic() - began > FOLLOW_SECONDS:
            return answer
        await asyncio.sleep(0.05)


async def _settle(everyone: list[Peer], history: History) -> float:
    """Seconds until all are level with nothing unanswered."""
    began = time.monotonic()
    while time.monotonic() - began < SETTLE_SECONDS:
        for peer in everyone:
            await peer.push()
        heads = {peer.position["seq"] for peer in everyone if peer.position is not None}
        if len(heads) == 1 and all(peer.settled for peer in everyone):
            break
        await asyncio.sleep(0.02)
    return time.monotonic() - began


# ---- hands


async def _edit(everyone: list[Peer], ops: int, chance: Random) -> None:
    """Half of what they do is typing into one text; the rest is everything else that people do to a tree."""
    names = [f"n{one}" for one in range(6)]
    for number in range(ops):
        await asyncio.sleep(chance.random() * 0.03)
        peer = chance.choice(everyone)
        if chance.random() < 0.5:
            peer.type(chr(_FIRST_CHARACTER + number))
            if chance.random() < 0.2:
                peer.erase()
        else:
            _other_op(peer, names, number, chance)
        await peer.push()


def _other_op(peer: Peer, names: list[str], number: int, chance: Random) -> None:
    node, other = chance.choice(names), chance.choice([SHARED, *names])
    match chance.randrange(10):
        case 0 | 1 | 2:
            peer.do(op="update", node=node, set={"title": f"{peer.user}:{number}"})
        case 3 | 4:
            name = f"x{number}"
            names.append(name)
            peer.do(op="insert", node=name, parent=other, type="solution", title=name)
        case 5 | 6:
            peer.do(op="move", node=node, parent=other, position={"x": number, "y": 0})
        case 7:
            peer.do(op="delete", node=node)
        case 8:
            peer.do(op="restore", node=node)
        case _:
            peer.do(op="connect", connection=f"c{number}", **{"from": node, "to": other}, label="")


# ---- faults

Fault = Callable[[Stage, Random], Awaitable[None]]


async def _befall(stage: Stage, history: History, chance: Random, faults: int, names: list[str]) -> None:
    for _ in range(faults):
        await asyncio.sleep(0.3 + chance.random() * 0.7)
        name = chance.choice(names)
        history.faults.append(name)
        await FAULTS[name](stage, chance)
    await stage.calm()


async def _kill_instance(stage: Stage, chance: Random) -> None:
    instance = chance.choice(stage.instances)
    await instance.kill()
    await instance.start()


async def _redeploy(stage: Stage, chance: Random) -> None:
    """One instance after the other is stopped, as a deploy stops it, and started again."""
    for instance in stage.instances:
        assert await instance.restart() == 0


async def _freeze_instance(stage: Stage, chance: Random) -> None:
    instance = chance.choice(stage.instances)
    instance.freeze()
    await asyncio.sleep(1 + 2 * chance.random())
    instance.thaw()


async def _cut_clients(stage: Stage, chance: Random) -> None:
    chance.choice(stage.instances).door.cut()


async def _half_open_clients(stage: Stage, chance: Random) -> None:
    chance.choice(stage.instances).door.half_open()


async def _slow_clients(stage: Stage, chance: Random) -> None:
    door = chance.choice(stage.instances).door
    door.delay = 0.02 + 0.1 * chance.random()
    await asyncio.sleep(1)
    door.release()


async def _lose_clients(stage: Stage, chance: Random) -> None:
    door = chance.choice(stage.instances).door
    door.hold()
    await asyncio.sleep(0.5 + 2 * chance.random())
    door.release()


async def _restart_redis(stage: Stage, chance: Random) -> None:
    stage.redis.stop()
    await asyncio.sleep(chance.random())
    await asyncio.to_thread(stage.redis.start)


async def _flush_redis(stage: Stage, chance: Random) -> None:
    stage.redis.command("FLUSHALL")
    stage.redis.command("CLIENT", "KILL", "TYPE", "pubsub")


async def _freeze_redis(stage: Stage, chance: Random) -> None:
    stage.redis.freeze()
    await asyncio.sleep(0.5 + 2 * chance.random())
    stage.redis.thaw()


async def _lose_redis(stage: Stage, chance: Random) -> None:
    stage.to_redis.hold()
    await asyncio.sleep(0.5 + 2 * chance.random())
    stage.to_redis.release()


async def _crash_postgres(stage: Stage, chance: Random) -> None:
    await stage.postgres.stop(immediately=True)
    await asyncio.sleep(chance.random())
    await stage.postgres.start()


async def _cut_postgres(stage: Stage, chance: Random) -> None:
    stage.to_postgres.cut()


async def _lose_postgres(stage: Stage, chance: Random) -> None:
    stage.to_postgres.hold()
    await asyncio.sleep(0.5 + 1.5 * chance.random())
    stage.to_postgres.release()


async def _lose_commits(stage: Stage, chance: Random) -> None:
    """What the database answers is lost, with its connection: whether it committed, nobody knows."""
    for _ in range(5):
        stage.to_postgres.lose_answer()
        await asyncio.sleep(0.1 * chance.random())


FAULTS: dict[str, Fault] = {
    "kill -9 of an instance": _kill_instance,
    "rolling restart": _redeploy,
    "SIGSTOP of an instance": _freeze_instance,
    "clients cut": _cut_clients,
    "clients half-open": _half_open_clients,
    "clients slowed": _slow_clients,
    "clients in a black hole": _lose_clients,
    "Redis killed": _restart_redis,
    "Redis flushed, subscribers cut": _flush_redis,
    "SIGSTOP of Redis": _freeze_redis,
    "Redis in a black hole": _lose_redis,
    "PostgreSQL crashed": _crash_postgres,
    "PostgreSQL cut": _cut_postgres,
    "PostgreSQL in a black hole": _lose_postgres,
    "answers of PostgreSQL lost": _lose_commits,
}
