"""Faults by the name of the call, set one by one: for tests of a hub whose storage misbehaves."""

from __future__ import annotations

import asyncio

from sync.ports import Store
from tests.faults import Fault, FaultyStore


class Trouble:
    """What goes wrong next: faults by the name of the call, each for one call or, with `always`, for all of them."""

    def __init__(self) -> None:
        self.once: dict[str, list[Fault]] = {}
        self.always: dict[str, Fault] = {}
        self.calls: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    def decide(self, name: str) -> Fault:
        self.calls.append(name)
        waiting = self.once.get(name)
        return waiting.pop(0) if waiting else self.always.get(name, "none")

    async def pause(self, name: str) -> None:
        gate = self.gates.get(name)
        if gate is not None:
            await gate.wait()

    def around(self, store: Store) -> Store:
        return FaultyStore(store, self.decide, self.pause)
