"""What is looked at while a soak lasts: memory, descriptors, tasks, rooms, connections, every ten seconds."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx2
import psutil

from tests.commands import OPERATOR, Command

MEBIBYTE = 1024 * 1024
SAMPLE_SECONDS = 10.0
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


class Series(NamedTuple):
    """One line of the picture. `limit`: how many of `unit` it may grow in an hour; None: it is only shown."""

    name: str
    unit: str
    limit: float | None
    samples: list[tuple[float, float]]  # (seconds since the beginning, value)


class Watch:
    """Samples a stack. Rooms and sockets go up and down with the people; they explain the rest and are not judged."""

    def __init__(self, instances: Sequence[Command], dsn: str, kept: Path) -> None:
        """`kept` is the file of the samples, written with each: of a soak that fails, they are what is looked at."""
        self._instances = instances
        self._kept = kept
        self._dsn = dsn
        self._began = time.monotonic()
        self.series: dict[str, Series] = {}

    async def run(self, seconds: float, every: float = SAMPLE_SECONDS) -> None:
        """Look until that many seconds are over."""
        end = self._began + seconds
        connection = await asyncpg.connect(self._dsn)
        try:
            while time.monotonic() < end:
                with contextlib.suppress(httpx2.HTTPError):  # on a busy machine a sample may be missing
                    await self.look(connection)
                await asyncio.sleep(every)
        finally:
            await connection.close()

    async def look(self, connection: asyncpg.Connection[Any]) -> None:
        """Take one sample of everything. Raises httpx2.HTTPError, and takes nothing then."""
        asked = [await metrics(instance) for instance in self._instances]
        for number, instance in enumerate(self._instances, start=1):
            process, told = psutil.Process(instance.process.pid), asked[number - 1]
            self._take(f"server {number} memory", "MiB", 1.0, process.memory_info().rss / MEBIBYTE)
            self._take(f"server {number} descriptors", "", 1.0, process.num_fds() - told["sockets"])
            self._take(f"server {number} tasks", "", 1.0, told["tasks"])
            self._take(f"server {number} rooms", "", None, told["rooms"])
            self._take(f"server {number} sockets", "", None, told["sockets"])
        self._take("database connections", "", 1.0, float(await connection.fetchval(CONNECTIONS)))
        self._take("clients' memory", "MiB", None, psutil.Process().memory_info().rss / MEBIBYTE)
        self._take("clients' tasks", "", None, float(len(asyncio.all_tasks())))
        self._keep()

    def _take(self, name: str, unit: str, limit: float | None, value: float) -> None:
        series = self.series.setdefault(name, Series(name, unit, limit, []))
        series.samples.append((time.monotonic() - self._began, value))

    def _keep(self) -> None:
        """The newest sample of each series as a row of CSV."""
        lines = list(self.series.values())
        new = len(lines[0].samples) == 1
        with self._kept.open("w" if new else "a", newline="", encoding="utf-8") as written:
            out = csv.writer(written)
            if new:
                out.writerow(["seconds", *(one.name + (f" ({one.unit})" if one.unit else "") for one in lines)])
            out.writerow([round(lines[0].samples[-1][0], 1), *(round(one.samples[-1][1], 3) for one in lines)])


async def metrics(instance: Command) -> dict[str, float]:
    """The metrics of an instance, by name without the prefix; of one with labels the sum."""
    async with httpx2.AsyncClient(base_url=instance.url) as client:
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {OPERATOR}"}, timeout=30.0)
    told: dict[str, float] = {}
    for line in answer.text.splitlines():
        if line.startswith("treesync_"):
            name, value = line.rsplit(" ", 1)
            name = name.split("{")[0].removeprefix("treesync_")
            told[name] = told.get(name, 0.0) + float(value)
    return told
