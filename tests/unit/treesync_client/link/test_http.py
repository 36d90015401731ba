"""Addresses of a server."""

from __future__ import annotations

import pytest

from treesync_client import (
    Client,
)
from treesync_client.link.http import addresses


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
