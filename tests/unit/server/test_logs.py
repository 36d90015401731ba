"""Logs: what they look like, and that no secret ever stands in them (reliability B37)."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from server import logs
from server.logs import Redaction, configure
from server.settings import Settings
from tests.applications import OPERATOR, SECRET, running

CANARY = "canary-7c1e5f0d9a"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def configured(**settings: Any) -> io.StringIO:
    stream = io.StringIO()
    configure(Settings(**({"log_format": "json"} | settings)), [SECRET], stream)
    return stream


def test_a_line_is_one_json_object() -> None:
    stream = configured()
    structlog.get_logger("treesync").info("hello", tree=7, seconds=0.5, who=["a", 1, None])
    logging.getLogger("asyncpg").warning("from a %s", "library")
    ours, theirs = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (ours["event"], ours["level"], ours["tree"], ours["logger"]) == ("hello", "info", 7, "treesync")
    assert ours["who"] == ["a", 1, None]
    assert "timestamp" in ours
    assert (theirs["event"], theirs["logger"]) == ("from a library", "asyncpg")


def test_a_terminal_gets_text() -> None:
    stream = configured(log_format="text")
    structlog.get_logger("treesync").warning("hello", tree=7)
    assert "hello" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_less_than_the_level_is_not_logged() -> None:
    stream = configured(log_level="warning")
    structlog.get_logger("treesync").info("hello")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_secret_is_logged_wherever_it_turns_up(log_format: str) -> None:
    url = f"postgresql://u:{CANARY}@db/t"
    stream = configured(log_format=log_format, operator_token=CANARY * 2, database_url=url)
    log = structlog.get_logger("treesync")
    log.warning(f"in the event {TOKEN}")
    log.warning("x", token=CANARY, password=CANARY, Authorization=CANARY)
    log.warning("x", header=f"Bearer {CANARY}", deep={"authorization": CANARY, "list": [f"a {SECRET}"]})
    log.warning("x", url=f"redis://:{CANARY}@bus:6379", path=f"/ws?token={CANARY}&x=1", thing=ValueError(TOKEN))
    logging.getLogger("uvicorn.error").info('"WebSocket /ws?token=%s" [accepted]', CANARY)
    try:
        raise RuntimeError(f"with {TOKEN} and {SECRET} and {url}")
    except RuntimeError:
        log.exception("x")
        logging.getLogger("library").exception("x")
    text = stream.getvalue()
    assert CANARY not in text
    assert SECRET not in text
    assert "eyJ" not in text
    assert text.count(logs.HIDDEN) >= 10


def test_ordinary_words_are_left_alone() -> None:
    clean = Redaction(["", "short"]).text("short words, http://host/path?x=1 and eyJ")
    assert clean == "short words, http://host/path?x=1 and eyJ"


def test_a_task_that_dies_unseen_is_logged_without_its_secrets() -> None:
    stream = configured()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": "task died", "exception": ValueError(TOKEN)})

    asyncio.run(main())
    assert "task died" in stream.getvalue()
    assert "eyJ" not in stream.getvalue()


async def test_no_request_leaves_its_token_in_the_log() -> None:
    stream = configured(log_level="debug")
    logging.getLogger("httpx2").setLevel(logging.ERROR)  # the client of this test, which logs what it asks for
    async with running() as app:
        forged = app.token("eve")[:-3]
        for bearer in (app.token(), forged, CANARY, OPERATOR + CANARY):
            for path in ("/api/v1/trees", f"/api/v1/trees?token={bearer}", "/admin/rooms", "/health", "/nothing"):
                await app.ask("GET", path, bearer=bearer)
                await app.ask("POST", path, bearer=bearer, content=bearer.encode())
        said = stream.getvalue() + str(app.logged)
    assert CANARY not in said
    assert SECRET not in said
    assert app.token() not in said
    assert forged not in said


def test_trouble_is_a_warning_and_the_rest_is_told() -> None:
    stream = configured()
    report = logs.reporter(structlog.get_logger("treesync"))
    report("job.done", rows=3)
    report("job.failed", error="x")
    report("heads.unavailable", why="x")
    levels = [json.loads(line)["level"] for line in stream.getvalue().splitlines()]
    assert levels == ["info", "warning", "warning"]
