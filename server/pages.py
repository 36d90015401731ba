"""The files of web/: the page at `/` and the browser client, with headers that let them do what they do and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# `connect-src 'self'` covers ws: to the same host (CSP 3 §6.7.2.8); the page's empty icon is a data: URL
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A worker has the policy it is served with, not its page's (HTML Standard, § policy containers): it fetches the page's
# files and no others
_WORKER = "sw.js"
WORKER_POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'"
# What is no page may do nothing at all where a browser opens it
_BARE_POLICY = "default-src 'none'; frame-ancestors 'none'"
_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": _BARE_POLICY,
}


def web_directory() -> Path:
    """Where the files are: beside this module in a wheel, beside the package in a checkout."""
    installed = Path(__file__).parent / "web"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "web"


class Pages(StaticFiles):
    """Serves the files, revalidated by ETag each time so that a new version is seen at once."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, html=True)

    def file_response(self, full_path: PathLike, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(full_path, *args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        # by name: a 304 has no media type, but a browser takes its policy in place of the one it kept
        name = Path(full_path).name
        if name.endswith(".html"):
            response.headers["Content-Security-Policy"] = PAGE_POLICY
        elif name == _WORKER:
            response.headers["Content-Security-Policy"] = WORKER_POLICY
        else:  # pages of other sites may import the client; whether it may connect is the Origin check's to say
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response


class SecurityHeaders:
    """Adds the headers every answer has, where the answer did not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _EVERYWHERE.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
