"""uvicorn, started and stopped our way (DESIGN §12)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final

import uvicorn

from server.http_guard import HttpGuard

CLOSE_SECONDS: Final = 3  # after the drain: for the sockets' closes (2 s each, all at once) and requests under way
DRAIN_SECONDS: Final = 6.0  # for the hub; with CLOSE_SECONDS and the lifespan's end under the 10 s of DESIGN §12


class Server(uvicorn.Server):
    """A server that empties the hub before it closes anything. `uvicorn.Server.run` or `await serve()` starts it."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        stop_taking: Callable[[], None],
        drain: Callable[[], Awaitable[None]],
        log: Callable[..., None],
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        """`stop_taking`: not ready from now on, no new sockets; `drain`: commit what is in flight and tell everyone."""
        super().__init__(config)
        self._stop_taking = stop_taking
        self._drain = drain
        self._drain_seconds = drain_seconds
        self._log = log
        self.failure: BaseException | None = None  # what stopped it, where that was no signal

    def fail(self, task: str, error: BaseException) -> None:
        """A task that nothing can go on without has died: stop, loudly."""
        self._log("task died, stopping", task=task, error=repr(error), exc_info=error)
        self.failure = self.failure or error
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn closes all sockets first and ends the lifespan last, too late to commit anything. So before that:"""
        self._stop_taking()
        for server in self.servers:
            server.close()
        try:
            await asyncio.wait_for(self._drain(), self._drain_seconds)
        except TimeoutError:
            self._log(
                "drain took too long; what was not acknowledged stays with its clients", seconds=self._drain_seconds
            )
        except Exception as error:  # whatever it is, the sockets still get their close code
            self._log("drain failed", error=repr(error), exc_info=error)
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):  # peers that never answered; uvicorn leaves them open
            connection.transport.abort()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's, but a signal that was obeyed is not raised again: that would end the process before its exit
        handlers run, and it is one of those that stops the embedded PostgreSQL."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def configure(
    app: Any,
    websocket: type[asyncio.Protocol],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    trusted_proxies: tuple[str, ...] = (),
    root_path: str = "",
) -> uvicorn.Config:
    """uvicorn's options. The access log stays off: it would hold addresses and query strings."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=HttpGuard,
        ws=websocket,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        root_path=root_path,
        timeout_keep_alive=30,  # load balancers reuse lines for about a minute; uvicorn's 5 s makes them race our close
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )
