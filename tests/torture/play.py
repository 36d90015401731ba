"""One tree and everybody who edits it: their hands, how they settle, and the judgement of what happened."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

from server.auth import mint
from tests.clocks import RealClock
from tests.commands import SECRET
from tests.torture.history import History
from tests.torture.oracles import violations
from tests.torture.peer import SHARED, Peer
from tests.torture.stage import TENANT, Instance, Stage

# after the last edit and the last fault, until every queue is empty and every peer agrees (reliability B9)
SETTLE_SECONDS = 10.0
GIVE_UP_SECONDS = 30.0  # what is not level by then never will be; between the two it is the machine that is slow
FOLLOW_SECONDS = 5.0  # an instance is level with the database, without Redis too (BR11)
PAUSE_SECONDS = 0.03  # between two ops at most: 300 ops take 4.5 s, in which the faults fall
_FIRST_CHARACTER = 0xF0000  # private use, outside the BMP: each typed character is its own, and two UTF-16 units long
_CHARACTERS = 0x10FFFD - _FIRST_CHARACTER
_TREE = {
    "name": "Torture",
    "visibility": "tenant_edit",
    "nodes": [{"id": SHARED, "type": "objective", "title": "Shared", "description": "once upon a time 🌳 "}]
    + [{"id": f"n{one}", "parent": SHARED, "type": "outcome", "title": f"t{one}"} for one in range(6)],
}


class Play:
    """See the module. Peers are started by `begin` and stopped by `end`; both are the block's of `async with`."""

    def __init__(self, stage: Stage, history: History, everyone: list[Peer], chance: Random) -> None:
        self.history = history
        self.everyone = everyone
        self.settled = 0.0  # seconds after the last edit and the last fault
        self._stage = stage
        self._chance = chance
        self._names = [f"n{one}" for one in range(6)]
        self._done = 0  # ops, typed characters included

    @classmethod
    async def make(cls, stage: Stage, seed: object, *, peers: int = 8) -> Play:
        """A new tree with so many peers, who go to whichever instance chance names each time they connect."""
        made = await stage.instances[0].ask("POST", "/api/v1/trees", _TREE)
        history = History(tree=made["id"])
        ports = [instance.door.port for instance in stage.instances]
        expires = RealClock().now() + 24 * 3600
        everyone = [
            Peer(
                f"u{one}",
                ports,
                mint(SECRET, tenant=TENANT, user=f"u{one}", expires_at=expires),
                history,
                Random(f"{seed}:{one}"),
            )
            for one in range(peers)
        ]
        return cls(stage, history, everyone, Random(f"{seed}:hands"))

    async def __aenter__(self) -> Play:
        for peer in self.everyone:
            peer.start()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await asyncio.gather(*(peer.stop() for peer in self.everyone))

    # ---- hands

    async def edit(self, ops: int, *, pause: float = PAUSE_SECONDS) -> None:
        for _ in range(ops):
            await asyncio.sleep(self._chance.random() * pause)
            await self._one()

    async def edit_until(self, enough: asyncio.Event, *, pause: float = PAUSE_SECONDS) -> None:
        while not enough.is_set():
            await self.edit(1, pause=pause)

    async def _one(self) -> None:
        """Half of what people do is typing into one text; the rest is everything else that they do to a tree."""
        peer, number = self._chance.choice(self.everyone), self._done
        self._done += 1
        if self._chance.random() < 0.5 and number < _CHARACTERS:
            peer.type(chr(_FIRST_CHARACTER + number))
            if self._chance.random() < 0.2:
                peer.erase()
        else:
            self._other_op(peer, number)
        await peer.push()

    def _other_op(self, peer: Peer, number: int) -> None:
        chance = self._chance
        node, other = chance.choice(self._names), chance.choice([SHARED, *self._names])
        match chance.randrange(10):
            case 0 | 1 | 2:
                peer.do(op="update", node=node, set={"title": f"{peer.user}:{number}"})
            case 3 | 4:
                name = f"x{number}"
                self._names.append(name)
                peer.do(op="insert", node=name, parent=other, type="solution", title=name)
            case 5 | 6:
                peer.do(op="move", node=node, parent=other, position={"x": number, "y": 0})
            case 7:
                peer.do(op="delete", node=node)
            case 8:
                peer.do(op="restore", node=node)
            case _:
                peer.do(op="connect", connection=f"c{number}", **{"from": node, "to": other}, label="")

    # ---- the end

    async def settle(self) -> float:
        """Seconds until all are level with nothing unanswered."""
        began = time.monotonic()
        while time.monotonic() - began < GIVE_UP_SECONDS and not await self._is_level():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        self.settled = time.monotonic() - began
        return self.settled

    async def _is_level(self) -> bool:
        for peer in self.everyone:
            await peer.push()
        heads = {peer.position["seq"] if peer.position else None for peer in self.everyone}
        return len(heads) == 1 and all(peer.settled for peer in self.everyone)

    async def judge(self) -> list[str]:
        """What is wrong, once all have settled or given up."""
        if self.settled >= GIVE_UP_SECONDS:
            waiting = [peer.user for peer in self.everyone if peer.unanswered]
            return [*self.history.wrong, f"B9: not settled after {GIVE_UP_SECONDS:g} s: {waiting}"]
        states = [await self._level_state(instance) for instance in self._stage.instances]
        return violations(self.history, await self._stage.log(self.history.tree), states, self.everyone)

    async def _level_state(self, instance: Instance) -> dict[str, Any]:
        """What an instance answers once it has come as far as a peer: where nobody is connected to it and Redis was
        away, that may take FOLLOW_SECONDS."""
        began = time.monotonic()
        while True:
            answer: dict[str, Any] = await instance.ask("GET", f"/api/v1/trees/{self.history.tree}")
            answer["state"]["nodes"].sort(key=lambda node: node["id"])
            answer["state"]["connections"].sort(key=lambda connection: connection["id"])
            if answer["position"] == self.everyone[0].position or time.monotonic() - began > FOLLOW_SECONDS:
                return answer
            await asyncio.sleep(0.05)
