"""`treesync serve` as a process of its own, as an operator runs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from server.auth import mint
from sync.identity import TenantRole
from tests.clocks import RealClock
from tests.waiting import POLL_SECONDS

ROOT = Path(__file__).parent.parent
SECRET = "a secret of the command's tests, more than 32 bytes"
OPERATOR = "the operator of the command's tests"
_OURS = ("TREESYNC_", "DATABASE_", "REDIS_")
_numbers = count(1)
READY_SECONDS = 30.0  # an embedded database is made in one, but machines are busy
STOP_SECONDS = 10.0  # DESIGN §12
ANSWER_SECONDS = 5.0  # to connect, and for each part of an answer


class Command:
    """A running `treesync …`, started in a directory of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, output: Path) -> None:
        self.process = process
        self.port = port
        self.output = output
        self.url = f"http://127.0.0.1:{port}"

    def token(self, user: str = "ada", tenant: str = "acme", role: TenantRole = "member") -> str:
        return mint(SECRET, tenant=tenant, user=user, role=role, expires_at=RealClock().now() + 600)

    async def ask(
        self, method: str, path: str, body: Any = None, *, bearer: str = "", seconds: float = ANSWER_SECONDS
    ) -> httpx2.Response:
        async with httpx2.AsyncClient(base_url=self.url, timeout=seconds) as client:
            headers = {"Authorization": f"Bearer {bearer or self.token()}"}
            return await client.request(method, path, json=body, headers=headers)

    async def until_ready(self, seconds: float = READY_SECONDS) -> None:
        async with asyncio.timeout(seconds):
            while True:
                assert self.process.returncode is None, self.said()
                with contextlib.suppress(httpx2.HTTPError):
                    if (await self.ask("GET", "/readyz")).status_code == 200:
                        return
                await asyncio.sleep(POLL_SECONDS)

    async def ended(self, seconds: float = READY_SECONDS) -> int:
        """Its exit status, once it has ended by itself."""
        return await asyncio.wait_for(self.process.wait(), seconds)

    async def stop(self, how: signal.Signals = signal.SIGTERM, seconds: float = STOP_SECONDS) -> int:
        if self.process.returncode is None:
            self.process.send_signal(how)
        return await self.ended(seconds)

    def said(self) -> str:
        """Everything it has written, to either stream."""
        return self.output.read_text(encoding="utf-8")


@asynccontextmanager
async def treesync(
    *arguments: str, directory: Path, port: int | None = None, module: str = "server", **environment: str
) -> AsyncIterator[Command]:
    """Run a command; it is killed at the end of the block where it still runs. `module`: what stands in for it."""
    taken = port or free_port()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("TREESYNC_", "DATABASE_", "REDIS_"))
    }
    settings = {"PORT": str(taken), "TREESYNC_JWT_SECRET": SECRET, "TREESYNC_OPERATOR_TOKEN": OPERATOR}
    output = directory / f"output-{next(_numbers)}"
    with output.open("wb") as written:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            cwd=directory,
            env=kept | settings | {"PYTHONPATH": str(ROOT)} | environment,
            stdout=written,
            stderr=asyncio.subprocess.STDOUT,
        )
    try:
        yield Command(process, taken, output)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
