"""The HTTP side as one ASGI application: operations, their description, the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount

from server.docs import POLICY, page
from server.faults import WrongMethod
from server.http import Answer, Call, Doors, Operation, failed
from server.openapi import document
from server.pages import Pages, SecurityHeaders
from sync.errors import BadMessage, NotFound, TreesyncError

_PREFLIGHT_SECONDS = 600  # how long a browser may remember what another site's page is allowed to send


def build_site(
    operations: Sequence[Operation], doors: Doors, *, web: Path | None, allowed_origins: Sequence[str]
) -> Starlette:
    """`web`: the directory of the page; None: there is none."""
    every = [*operations, *_descriptions(operations)]
    routes: list[BaseRoute] = [doors.route(operation) for operation in every]
    if web is not None and web.is_dir():
        routes.append(Mount("/", Pages(web), name="page"))
    cross_origin = Middleware(
        CORSMiddleware,
        allow_origins=list(allowed_origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type"],
        max_age=_PREFLIGHT_SECONDS,
    )
    return Starlette(
        routes=routes,
        middleware=[Middleware(SecurityHeaders), cross_origin],
        exception_handlers={HTTPException: _no_route},
    )


def _descriptions(operations: Sequence[Operation]) -> list[Operation]:
    """/openapi.json and /docs, made once and served as bytes. They describe themselves too."""

    async def give_document(call: Call) -> Answer:
        return Answer(content, headers={"Cache-Control": "no-cache"})

    async def give_page(call: Call) -> Answer:
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
        return Answer(html, headers=headers, media_type="text/html; charset=utf-8")

    own = [
        Operation(
            method="GET",
            path="/openapi.json",
            name="openapi",
            summary="This description",
            handle=give_document,
            access="public",
        ),
        Operation(
            method="GET",
            path="/docs",
            name="docs",
            summary="This description as a page",
            handle=give_page,
            access="public",
            media_type="text/html",
        ),
    ]
    described = document([*operations, *own])
    content, html = orjson.dumps(described), page(described)
    return own


async def _no_route(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses, in the one shape errors have here."""
    assert isinstance(error, HTTPException)
    fault: TreesyncError
    match error.status_code:
        case 404:
            fault = NotFound("no such path")
        case 405:
            fault = WrongMethod("that method is not served on this path")
        case _:
            fault = BadMessage(str(error.detail))
    response = failed(fault)
    if error.headers and "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response
