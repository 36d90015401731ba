"""A server of one's own for a while: a process with an embedded database in a directory that is removed after."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

from server.cli import CommandFailed

START_SECONDS = 60.0  # an embedded database is made in one or two; machines are busy
STOP_SECONDS = 15.0  # it drains within 10 (DESIGN §12)
_OURS = ("TREESYNC_", "DATABASE_", "REDIS_")


@contextlib.asynccontextmanager
async def own_server(secret: str | None = None) -> AsyncIterator[tuple[str, str]]:
    """(its address, the secret that its tokens are signed with) for as long as the block runs."""
    signing = secret or secrets.token_hex(32)
    with TemporaryDirectory(prefix="treesync-", ignore_cleanup_errors=True) as directory:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        environment |= {
            "TREESYNC_DATA_DIR": str(Path(directory) / "data"),
            "TREESYNC_JWT_SECRET": signing,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "server",
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            cwd=directory,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None, "it is a coroutine that asks"
        loop.add_signal_handler(signal.SIGTERM, task.cancel)  # or the server would stay behind
        try:
            yield await _address(process), signing
        finally:
            loop.remove_signal_handler(signal.SIGTERM)
            await _stop(process)


async def _address(process: asyncio.subprocess.Process) -> str:
    """As it says it once it serves."""
    assert process.stdout is not None, "its output is a pipe"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            async for line in process.stdout:
                name, _, rest = line.decode(errors="replace").strip().partition(" ")
                if name == "api":
                    return rest.split()[0].removesuffix("/docs")
    raise CommandFailed("no server could be started here; name one with --url")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
