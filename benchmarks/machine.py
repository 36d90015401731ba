"""The processes a benchmark runs: PostgreSQL and the load on one core, the measured server alone on the other."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from storage.embedded import EmbeddedPostgres
from tests.redis_server import RedisServer

CHECKOUT = Path(__file__).parent.parent
SERVER_CORE = {0}
LOAD_CORE = {1}
SECRET = secrets.token_hex(32)
OPERATOR = secrets.token_hex(16)
# far above what a person sends, so that the limits that protect a server do not decide its speed here
NO_LIMITS = dict.fromkeys(
    (
        "TREESYNC_SOCKETS",
        "TREESYNC_SOCKETS_PER_USER",
        "TREESYNC_SOCKETS_PER_TENANT",
        "TREESYNC_SOCKETS_PER_ADDRESS",
        "TREESYNC_MESSAGES_PER_SECOND",
        "TREESYNC_OPS_PER_SECOND",
        "TREESYNC_TENANT_OPS_PER_SECOND",
    ),
    "10000000",
)


def pin(cores: set[int]) -> None:
    """Keep this process to some cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def unwind_when_stopped() -> None:
    """Let SIGTERM end what was started, as Ctrl-C does: its default leaves servers and databases behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # 128 + SIGTERM, as shells expect


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Database:
    """An embedded PostgreSQL."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.dsn = dsn
        self._folder = folder

    def cpu_seconds(self) -> float:
        """Of the processes that live now; read it twice while the same ones serve."""
        return sum(_cpu_of(one) for one in psutil.process_iter(["name", "cwd"]) if self._owns(one))

    def _owns(self, process: psutil.Process) -> bool:
        # the data folder is the working directory of each of its processes (PostgreSQL manual 18.3)
        return process.info["name"] == "postgres" and (process.info["cwd"] or "").startswith(str(self._folder))


def _cpu_of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


class Server:
    """A server process on the loopback. `database` is what it writes to, None for the relay."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port
        self.database: Database | None = None
        self._handle = psutil.Process(process.pid)

    def cpu_seconds(self) -> float:
        times = self._handle.cpu_times()
        return float(times.user + times.system)

    def memory_bytes(self) -> int:
        """Resident memory."""
        return int(self._handle.memory_info().rss)

    def metric(self, name: str) -> float:
        """The sum of a metric's samples, read from /metrics."""
        return sum(value for sample, value in self._samples() if sample.split("{")[0] == name)

    def quantile(self, name: str, share: str) -> float:
        """The sample of a metric whose label `quantile` is this."""
        return dict(self._samples())[f'{name}{{quantile="{share}"}}']

    def _samples(self) -> list[tuple[str, float]]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/metrics", headers={"Authorization": f"Bearer {OPERATOR}"}
        )
        with urllib.request.urlopen(request) as answer:
            lines = answer.read().decode().splitlines()
        return [(line.rpartition(" ")[0], float(line.rpartition(" ")[2])) for line in lines if not line.startswith("#")]


@contextmanager
def run(command: list[str], port: int, cores: set[int], extra: dict[str, str], folder: Path) -> Iterator[Server]:
    """A command started in a folder, until the block ends."""
    process = subprocess.Popen(
        command,
        cwd=folder,  # the first place where `python -m` looks for modules
        env={**os.environ, **extra},
        preexec_fn=lambda: pin(cores),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        await_port(process, port)
        yield Server(process, port)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            raise RuntimeError(f"the server ended: {process.stderr.read()[-2000:].decode(errors='replace')}")
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError("the server does not listen")


@contextmanager
def relay() -> Iterator[Server]:
    """The baseline."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.relay:app", "--port", str(port)]
    command += ["--ws", "websockets-sansio", "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    command += ["--log-level", "warning", "--ws-per-message-deflate", "false"]
    with run(command, port, SERVER_CORE, {}, CHECKOUT) as server:
        yield server


@contextmanager
def postgres() -> Iterator[Database]:
    """An embedded PostgreSQL on the load's core."""
    with tempfile.TemporaryDirectory(prefix="treesync-bench-") as folder:
        os.chmod(folder, 0o755)  # the database's own user must reach its folder
        pin(LOAD_CORE)
        embedded = EmbeddedPostgres(Path(folder) / "postgres")
        dsn = asyncio.run(embedded.start())
        try:
            yield Database(dsn, Path(folder))
        finally:
            asyncio.run(embedded.stop())


@contextmanager
def redis() -> Iterator[str]:
    """A Redis-compatible server on the load's core; its URL."""
    with tempfile.TemporaryDirectory(prefix="treesync-bench-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


@contextmanager
def treesync(
    database: Database, redis_url: str = "", checkout: Path = CHECKOUT, module: str = "server", **extra: str
) -> Iterator[Server]:
    """A treesync server as an operator starts it, of this checkout or of another; `extra` are more settings."""
    port = free_port()
    settings = {
        **NO_LIMITS,
        "DATABASE_URL": database.dsn,
        "REDIS_URL": redis_url,
        "PORT": str(port),
        "TREESYNC_JWT_SECRET": SECRET,
        "TREESYNC_OPERATOR_TOKEN": OPERATOR,
        "LOG_LEVEL": "error",
        **extra,
    }
    with run([sys.executable, "-m", module, "serve"], port, SERVER_CORE, settings, checkout) as server:
        server.database = database
        time.sleep(2)  # its first jobs
        yield server


def token(user: str, tenant: str = "bench") -> str:
    import jwt

    claims = {"sub": user, "tenant": tenant, "exp": int(time.time()) + 86_400}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def make_tree(server: Server, jwt: str, nodes: int) -> int:
    """A tree of `nodes` nodes under one root, open to the whole tenant; its number. Its head stands at seq 2."""
    root = {"id": "root", "type": "objective", "title": "Root"}
    others = [{"id": f"n{number}", "parent": "root", "type": "outcome", "title": "t"} for number in range(nodes)]
    return post_tree(server, jwt, [root, *others])


def post_tree(server: Server, jwt: str, nodes: list[dict[str, Any]]) -> int:
    """Make a tree of these nodes; its number."""
    body = {"name": "Benchmark", "visibility": "tenant_edit", "nodes": nodes}
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/api/v1/trees",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {jwt}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return int(json.loads(answer.read())["id"])


def describe() -> str:
    """The machine and the versions a figure belongs to."""
    from importlib.metadata import version

    names = ("uvicorn", "uvloop", "websockets", "msgspec", "asyncpg", "starlette")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    memory = psutil.virtual_memory().total // 2**30
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{os.cpu_count()} cores, {memory} GiB, {system}, Python {platform.python_version()}, {versions}"
