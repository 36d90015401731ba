"""The command line: every command can be imported, the small ones do what they say."""

from __future__ import annotations

import importlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from server.__main__ import main
from server.auth import Tokens
from server.cli import COMMANDS
from tests.applications import SECRET

CANARY = "canary-0b9c1d2e"


@pytest.fixture(autouse=True)
def somewhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TREESYNC_JWT_SECRET", "TREESYNC_OPERATOR_TOKEN", "DATABASE_URL", "HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str) -> int:
    """The exit status of `treesync …`."""
    try:
        main(arguments)
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_there_and_explains_itself(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, _, name = COMMANDS[command][0].partition(":")
    assert getattr(importlib.import_module(module), name) is not None
    assert run(command, "--help") == 0
    assert command in capsys.readouterr().out


async def test_a_printed_token_is_good_for_the_secret_of_this_directory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("token", "--tenant", "acme", "--user", "ada", "--role", "admin", "--ttl", "60") == 0
    token = capsys.readouterr().out.strip()
    secret = (tmp_path / ".treesync" / "development-secret").read_text().strip()
    identity = await Tokens(secret=secret, keys=None, now=time.time).verify(token)
    assert (identity.tenant, identity.user, identity.role) == ("acme", "ada", "admin")
    assert 55 < identity.expires_at - time.time() <= 60


async def test_a_printed_token_is_good_for_the_configured_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TREESYNC_JWT_SECRET", SECRET)
    assert run("token", "--tenant", "acme", "--user", "ada", "--name", "Ada L.") == 0
    identity = await Tokens(secret=SECRET, keys=None, now=time.time).verify(capsys.readouterr().out.strip())
    assert (identity.name, identity.role) == ("Ada L.", "member")
    assert not (tmp_path / ".treesync").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--tenant", "acme"),
        ("--user", "ada"),
        ("--tenant", "", "--user", "ada"),
        ("--tenant", "acme", "--user", "x" * 65),
        ("--tenant", "acme", "--user", "ada", "--role", "owner"),
        ("--tenant", "acme", "--user", "ada", "--ttl", "0"),
        ("--tenant", "acme", "--user", "ada", "--ttl", "inf"),
        ("--tenant", "acme", "--user", "ada", "--ttl", "nan"),
    ],
)
def test_no_token_for_nonsense(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("token", *arguments) in (1, 2)  # 2: the command line itself was wrong
    said = capsys.readouterr()
    assert "eyJ" not in said.out
    assert "Traceback" not in said.err


def test_no_token_where_an_issuer_makes_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TREESYNC_JWKS_URL", "https://issuer.example/keys")
    assert run("token", "--tenant", "acme", "--user", "ada") == 1
    assert "TREESYNC_JWKS_URL" in capsys.readouterr().err


def test_bad_settings_are_told_in_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DATABASE_URL", f"mysql://u:{CANARY}@db")
    assert run("config") == 1
    said = capsys.readouterr()
    assert "DATABASE_URL: " in said.err
    assert CANARY not in said.err + said.out
    assert "Traceback" not in said.err


def test_the_settings_in_force_are_printed_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TREESYNC_OPERATOR_TOKEN", CANARY * 2)
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("TREESYNC_PROT", "x")
    assert run("config") == 0
    said = capsys.readouterr()
    assert "PORT=9000" in said.out
    assert "TREESYNC_OPERATOR_TOKEN=(set)" in said.out
    assert "TREESYNC_PROT" in said.err
    assert CANARY not in said.out


REPORT: dict[str, Any] = {
    "status": "degraded",
    "reasons": ["bus is away: not connected"],
    "dependencies": [{"name": "database", "state": "ok", "latency_ms": 0.4, "why": ""}],
    "rooms": 3,
    "participants": 5,
    "sockets": 4,
    "ops_per_second": 1.5,
    "waiting_ops": 0,
    "commit_p50_ms": 1.0,
    "commit_p99_ms": 2.0,
}


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[str | None]]]:
    """A server that gives one answer; its URL, and the credentials it was shown."""
    shown: list[str | None] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers.get("Authorization"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, name="answering", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", shown
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("status", "report", "expected"),
    [
        (200, {"status": "ok"}, 0),
        (200, REPORT, 0),
        (503, {"status": "unavailable"}, 1),
        (503, {"status": "draining"}, 1),
        (500, {"title": "no"}, 1),
        (200, [], 1),
    ],
)
def test_health_ends_with_what_an_orchestrator_understands(
    status: int, report: Any, expected: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TREESYNC_OPERATOR_TOKEN", CANARY * 2)
    with answering(status, json.dumps(report).encode()) as (url, shown):
        assert run("health", "--url", url) == expected
    assert shown == [f"Bearer {CANARY * 2}"]
    said = capsys.readouterr()
    assert CANARY not in said.out + said.err
    if report is REPORT:
        assert "bus is away" in said.out
        assert "3, 5 participants" in said.out


def test_health_says_where_nobody_answers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("health", "--url", "http://127.0.0.1:9") == 1
    assert "http://127.0.0.1:9/health" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "asked"), [("127.0.0.1", "http://127.0.0.1:1"), ("::1", "http://[::1]:1"), ("localhost", "localhost:1")]
)
def test_health_asks_where_the_settings_say(
    host: str, asked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOST", host)
    monkeypatch.setenv("PORT", "1")
    assert run("health") == 1
    assert asked in capsys.readouterr().err
