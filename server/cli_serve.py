"""`treesync serve`."""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Callable

import structlog
import uvloop

from server import logs
from server.app import Application
from server.cli import CommandFailed
from server.clock import SystemClock
from server.demo import ensure_demo_tree
from server.foundation import opened
from server.runner import Server, configure
from server.secret import signing_secret
from server.settings import Settings, read_settings
from server.settings_table import unknown_names

_BACKLOG = 2048  # connections that may wait while the loop is busy: a storm of reconnects, as uvicorn's own default


def serve(*, host: str | None = None, port: int | None = None, demo: bool = False) -> None:
    """Serve trees, here or to the world.

    Parameters
    ----------
    host
        Address to listen on, in place of HOST.
    port
        Port to listen on, in place of PORT; 0 takes a free one.
    demo
        Make sure that a demo tree is there, and let guests of this machine edit it.
    """
    settings = read_settings(host=host, port=port)
    secret = signing_secret(settings)
    logs.configure(settings, [secret] if secret else [])
    log = logs.reporter(structlog.get_logger("treesync"))
    for name in unknown_names(os.environ):
        log("setting unknown", name=name, why="no setting reads this variable")
    with _listen(settings) as listening:
        failure = uvloop.run(_serve(settings, secret, listening, demo, log))
    if failure is not None:
        raise CommandFailed(f"stopped by a failure: {failure!r}")


def _calm_collector() -> None:
    """Let the cycle collector run a seventieth as often, and never over what was there at the start: what an edit
    makes is freed by counting, and nodes are not tracked at all (`sync.nodes`). It took a fifth of the CPU of an edit.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # CPython's default is 700, 10, 10


async def _serve(
    settings: Settings, secret: str | None, listening: socket.socket, demo: bool, log: Callable[..., None]
) -> BaseException | None:
    """Open everything, serve until a signal, close everything. What stopped it, where that was no signal."""
    clock = SystemClock()
    instance = f"i-{clock.token(6)}"

    def on_death(task: str, error: BaseException) -> None:
        server.fail(task, error)  # no task starts before the server is made, below

    async with opened(settings, clock=clock, instance=instance, log=log, on_death=on_death) as foundation:
        app = Application(settings, foundation, clock=clock, secret=secret, instance=instance, log=log)
        server = Server(
            configure(app.site, app.websocket, trusted_proxies=settings.trusted_proxies),
            stop_taking=app.stop_taking,
            drain=app.drain,
            log=log,
            drain_seconds=settings.drain_seconds,
        )
        try:
            await app.open(on_death)
            if demo:
                app.demo.tree = await ensure_demo_tree(app)
            _announce(app, listening, log)
            _calm_collector()
            await server.serve(sockets=[listening])
        finally:
            await app.close()
    log("stopped", instance=instance)
    return server.failure


def _listen(settings: Settings) -> socket.socket:
    """Bound before anything else is opened, so that a port in use is told at once."""
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CommandFailed(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}") from None


def _announce(app: Application, listening: socket.socket, log: Callable[..., None]) -> None:
    """For people a few lines on standard output; for machines one line in the log."""
    settings = app.settings
    host, port = listening.getsockname()[:2]
    shown = "127.0.0.1" if host == "0.0.0.0" else f"[{'::1' if host == '::' else host}]" if ":" in host else host
    url = f"http://{shown}:{port}"
    log("serving", url=url, instance=app.instance, database=app.database)
    if not sys.stdout.isatty() and settings.environment == "production":
        return
    for name, what in _lines(app, url):
        print(f"  {name:<10} {what}", flush=True)


def _lines(app: Application, url: str) -> list[tuple[str, str]]:
    settings = app.settings
    bus = "Redis" if settings.redis_url else "in this process, one instance (set REDIS_URL to run several)"
    if settings.jwks_url:
        auth = f"keys of {settings.jwks_url}"
    elif settings.jwt_secret:
        auth = "TREESYNC_JWT_SECRET"
    else:
        auth = "a development secret; `treesync token --tenant acme --user ada` prints a token"
    lines: list[tuple[str, str]] = [("database", app.database), ("bus", bus), ("auth", auth)]
    if app.demo.tree is not None:
        lines.append(("demo", f"{url}/?as=ada   <- open both, each in a tab"))
        lines.append(("", f"{url}/?as=bo"))
    else:
        lines.append(("page", f"{url}/"))
    return [*lines, ("api", f"{url}/docs   metrics /metrics   health /health")]
