"""Fixtures of every test in a browser: one Chromium for all, and the files of web/ and of these tests on a port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Browser
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from server.pages import Pages, SecurityHeaders, web_directory
from tests.browser.chromium import launched
from tests.browser.stage import Stage, staged
from tests.browser.visitors import Visitors, visiting
from tests.waiting import until

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
async def files(browser: Browser) -> AsyncIterator[str]:
    """An address that serves web/ as the server does, with its headers, and these tests' own files beside it."""
    site = Starlette(
        routes=[
            Mount("/tests", Pages(HERE)),
            Mount("/vectors", Pages(HERE.parent / "vectors")),
            Mount("/", Pages(web_directory())),
        ],
        middleware=[Middleware(SecurityHeaders)],
    )
    server = uvicorn.Server(uvicorn.Config(site, log_level="warning", lifespan="off", ws="none"))
    listening = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve([listening]), name="files of the browser's tests")
    await until(lambda: server.started or task.done(), "the files are served")
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await task


@pytest.fixture(scope="session")
async def servers(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("stage"), "serve", "--demo") as stage:
        yield stage


@pytest.fixture
async def stage(servers: Stage) -> Stage:
    """A running server, the same for all: each test makes trees of its own in it, and may stop it."""
    await servers.make_sure_it_runs()
    return servers


@pytest.fixture
async def visitors(browser: Browser) -> AsyncIterator[Visitors]:
    async with visiting(browser) as visitors:
        yield visitors
