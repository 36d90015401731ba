"""Addresses of a server, and what is made of answers that are not the server's."""

from __future__ import annotations

import asyncio

import pytest

from sync import ops
from sync.errors import TreesyncError
from sync.protocol import Edit
from treesync_client import (
    Client,
)
from treesync_client.link.http import Api, addresses


@pytest.mark.parametrize(
    ("given", "socket", "web"),
    [
        ("ws://h:1/ws", "ws://h:1/ws", "http://h:1"),
        ("http://h:1", "ws://h:1/ws", "http://h:1"),
        ("https://h/below/", "wss://h/below/ws", "https://h/below"),
        ("wss://h/below/ws", "wss://h/below/ws", "https://h/below"),
    ],
)
def test_addresses(given: str, socket: str, web: str) -> None:
    assert addresses(given) == (socket, web)


@pytest.mark.parametrize("given", ["", "h:1", "ftp://h", "ws://"])
def test_no_address(given: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        Client(given, "t")


async def answered(raw: bytes, *, whole: bool = True) -> tuple[str, str]:
    """The codes that an edit and any other request end with, where that is the answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        api = Api(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        edit = Edit(tree=7, mode="live", ops=[ops.Delete(n=1, base=0, node="n1")], ref=1)
        codes = []
        for request in (api.edit(edit, "t"), api.request("GET", "/trees", "t")):
            with pytest.raises(TreesyncError) as failed:
                await request
            codes.append(failed.value.code)
    return codes[0], codes[1]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("200 OK", "unavailable"),
        ("307 Temporary Redirect", "unavailable"),
        ("401 Unauthorized", "unauthorised"),
        ("403 Forbidden", "unauthorised"),
        ("404 Not Found", "invalid"),
        ("408 Request Timeout", "unavailable"),
        ("413 Content Too Large", "too_large"),
        ("429 Too Many Requests", "rate"),
        ("502 Bad Gateway", "unavailable"),
    ],
)
async def test_a_page_of_a_proxy_is_judged_by_its_status(status: str, code: str) -> None:
    """[HT2] [ED19] Nothing of it is taken for an answer of the server."""
    page = b"<html>no</html>"
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n"
    assert await answered(head.encode() + page) == (code, code)


@pytest.mark.parametrize(
    "raw",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"type"',
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100\r\n\r\n{",
        b"nonsense\r\n",
        b"",
    ],
)
async def test_half_an_answer_is_none(raw: bytes) -> None:
    """[ED19]"""
    assert await answered(raw) == ("unavailable", "unavailable")
