"""The bounds on a request's head, and uvicorn's server as we start and stop it."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from server import http_guard
from server.http_guard import HEAD_BYTES
from server.runner import Server, configure
from server.transport import websocket_protocol
from tests.served import Served, plain_http, serve
from tests.sockets import make_endpoint
from tests.waiting import until

REQUEST = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


async def line(served: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    served.lines.append(writer)
    return reader, writer


async def answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        return (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]


async def test_a_head_that_does_not_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_guard, "HEAD_SECONDS", 0.05)
    endpoint, _, _ = make_endpoint()
    async with serve(endpoint) as served:
        for start in (b"", b"G", REQUEST[:-2]):
            reader, writer = await line(served)
            writer.write(start)
            async with asyncio.timeout(10):
                assert await reader.read() == b""


async def test_a_second_request_on_a_line_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_guard, "HEAD_SECONDS", 0.05)
    endpoint, _, _ = make_endpoint()
    loop = asyncio.get_running_loop()
    async with serve(endpoint) as served:
        reader, writer = await line(served)
        for _ in range(2):
            writer.write(REQUEST)
            assert await answer(reader) == b"HTTP/1.1 200 OK"
            await reader.readexactly(2)
            answered = loop.time()
            await until(lambda since=answered: loop.time() > since + 0.1, "an idle line is not a slow head")  # type: ignore[misc]
        writer.write(REQUEST[:10])
        async with asyncio.timeout(10):
            assert await reader.read() == b""


async def test_a_head_without_end_is_431() -> None:
    endpoint, _, _ = make_endpoint()
    async with serve(endpoint) as served:
        reader, writer = await line(served)
        writer.write(REQUEST[:-2] + b"X: " + b"x" * (2 * HEAD_BYTES))
        assert await answer(reader) == b"HTTP/1.1 431 Request Header Fields Too Large"


async def test_a_long_body_is_no_long_head() -> None:
    endpoint, _, _ = make_endpoint()
    async with serve(endpoint) as served:
        reader, writer = await line(served)
        size = 4 * HEAD_BYTES
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        assert await answer(reader) == b"HTTP/1.1 200 OK"


async def test_a_signal_stops_the_server_and_not_the_process() -> None:
    endpoint, _, _ = make_endpoint()

    async def drain() -> None:
        return

    config = configure(plain_http, websocket_protocol(endpoint), port=0)
    server = Server(config, stop_taking=lambda: None, drain=drain, log=endpoint.log)
    before = signal.getsignal(signal.SIGTERM)
    with server.capture_signals():
        os.kill(os.getpid(), signal.SIGTERM)
    assert server.should_exit
    assert signal.getsignal(signal.SIGTERM) is before


def test_no_line_is_logged_about_a_request() -> None:
    endpoint, _, _ = make_endpoint()
    config = configure(plain_http, websocket_protocol(endpoint), trusted_proxies=("10.0.0.1",))
    assert (config.access_log, config.log_config, config.server_header) == (False, None, False)
    assert config.forwarded_allow_ips == ["10.0.0.1"]
