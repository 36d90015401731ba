"""A request's head in, the answer out."""

from __future__ import annotations

import logging

import pytest

from server.handshake import Accepted, Handshake, Refused
from server.origin import OriginPolicy

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 §1.3, with the answer that stands there
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def head(*extra: str, path: str = "/ws", method: str = "GET", version: str = "1.1", without: str = "") -> bytes:
    lines = [
        "host: sync.example.net",
        "upgrade: websocket",
        "connection: Upgrade",
        f"sec-websocket-key: {KEY}",
        "sec-websocket-version: 13",
        *extra,
    ]
    kept = [line for line in lines if not (without and line.startswith(without))]
    return "\r\n".join([f"{method} {path} HTTP/{version}", *kept, "", ""]).encode("latin-1")


def answer(request: bytes, *, peer: str = "192.0.2.7", secure: bool = False, **rules: object) -> Accepted | Refused:
    handshake = Handshake(OriginPolicy(["https://app.example.com"]), **rules)  # type: ignore[arg-type]
    return handshake.answer(request, peer, secure=secure)


def accepted(request: bytes, **more: object) -> Accepted:
    result = answer(request, **more)  # type: ignore[arg-type]
    assert isinstance(result, Accepted)
    return result


def status(request: bytes, **more: object) -> int:
    result = answer(request, **more)  # type: ignore[arg-type]
    assert isinstance(result, Refused)
    return int(result.answer.split(b" ")[1])


def test_a_plain_upgrade_is_made() -> None:
    result = accepted(head("user-agent: tests"))
    assert result.answer.startswith(b"HTTP/1.1 101 ")
    assert ACCEPT in result.answer
    assert b"sec-websocket-extensions" not in result.answer.lower()
    assert result[1:] == ("treesync.v1.json", "192.0.2.7", "tests", None, None)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("treesync.v1.json", "treesync.v1.json"),
        ("treesync.v1.msgpack", "treesync.v1.msgpack"),
        ("treesync.v1.msgpack, treesync.v1.json", "treesync.v1.msgpack"),
        ("treesync.v1.json,treesync.v1.msgpack", "treesync.v1.json"),
        ("treesync.v9.json, treesync.v1.msgpack", "treesync.v1.msgpack"),
    ],
)
def test_the_first_offered_subprotocol_that_is_spoken_here_is_chosen(offered: str, chosen: str) -> None:
    """[WS1]"""
    result = accepted(head(f"sec-websocket-protocol: {offered}"))
    assert result.subprotocol == chosen
    assert f"Sec-WebSocket-Protocol: {chosen}\r\n".encode() in result.answer
    assert result.close is None


def test_without_a_subprotocol_it_is_json() -> None:
    """[WS1]"""
    result = accepted(head())
    assert result.subprotocol == "treesync.v1.json"
    assert b"Sec-WebSocket-Protocol" not in result.answer


def test_subprotocols_none_of_which_is_spoken_here_are_closed_with_4409() -> None:
    """[WS2]"""
    result = accepted(head("sec-websocket-protocol: treesync.v9.json, chat"))
    assert result.close is not None
    assert result.close[0] == 4409


def test_a_refused_origin_is_told_by_a_close_code() -> None:
    """[WS3]"""
    assert accepted(head("origin: https://evil.test")).close == (4403, "this origin may not connect")
    assert accepted(head("origin: https://app.example.com")).close is None
    assert accepted(head("origin: http://sync.example.net")).close is None


def test_two_origin_or_host_headers_are_refused() -> None:
    twice = head("origin: https://app.example.com", "origin: https://app.example.com")
    result = answer(twice)
    assert isinstance(result, Refused) or result.close is not None
    hosts = accepted(head("host: evil.test", "origin: http://evil.test"))
    assert hosts.close is not None


@pytest.mark.parametrize("path", ["/ws", "/ws?x=1"])
def test_it_is_at_ws(path: str) -> None:
    assert accepted(head(path=path)).close is None


@pytest.mark.parametrize("path", ["/", "/ws/", "/wss", "//ws", "/api/ws", "/WS", "/%77s", "/ws%2f", "*"])
def test_any_other_path_is_404(path: str) -> None:
    assert status(head(path=path)) == 404


def test_a_root_path_may_stand_before_it() -> None:
    assert accepted(head(path="/sync/ws"), root_path="/sync").close is None
    assert accepted(head(path="/ws"), root_path="/sync").close is None
    assert status(head(path="/other/ws"), root_path="/sync") == 404


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (head(method="POST"), 405),
        (head(version="1.0"), 505),
        (head(without="upgrade"), 426),
        (head(without="connection"), 426),
        (head(without="sec-websocket-key"), 400),
        (head("sec-websocket-key: abc", without="sec-websocket-key"), 400),
        (head(f"sec-websocket-key: {KEY}"), 400),
        (head(without="sec-websocket-version"), 400),
        (head("sec-websocket-version: 8", without="sec-websocket-version"), 400),
        (head("x: " + "y" * 10_000), 431),
        (head(*[f"x{number}: y" for number in range(200)]), 431),
        (head(path="/ws?" + "x" * 10_000), 414),
        (b"\x00\x01\x02\r\n\r\n", 400),
        (b"", 400),
        (b"GET /ws HTTP/1.1\r\nbad header\r\n\r\n", 400),
    ],
)
def test_what_is_no_upgrade_gets_its_status(request_: bytes, code: int) -> None:
    assert status(request_) == code


def test_a_stopping_server_takes_no_new_sockets() -> None:
    handshake = Handshake(OriginPolicy())
    result = handshake.answer(head(), "192.0.2.7", secure=False, open_for_new=False)
    assert result.answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 1\r\n" in result.answer


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("authorization: Bearer abc.def", "abc.def"),
        ("authorization: bearer   abc", "abc"),
        ("authorization: Basic abc", None),
        ("authorization: Bearer", None),
        ("authorization: ", None),
        ("x: y", None),
    ],
)
def test_a_token_may_come_in_the_authorization_header(header: str, token: str | None) -> None:
    """[HS4]"""
    assert accepted(head(header)).token == token


def test_no_header_is_ever_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    accepted(head("authorization: Bearer canary", path="/ws?token=canary"))
    status(head("authorization: Bearer canary", method="POST"))
    assert "canary" not in caplog.text
    assert caplog.records == []


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.7", "203.0.113.9", "192.0.2.7"),  # anyone can write that header; only a trusted proxy is believed
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.1", "203.0.113.9"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "<script>", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_the_address_of_a_client_behind_a_proxy(peer: str, forwarded: str, address: str) -> None:
    result = accepted(head(f"x-forwarded-for: {forwarded}"), peer=peer, trusted_proxies=["10.0.0.0/8"])
    assert result.address == address
    as_text = accepted(head(f"x-forwarded-for: {forwarded}"), peer=peer, trusted_proxies="10.0.0.0/8, 192.168.0.1")
    assert as_text.address == address


def test_a_page_without_tls_is_not_the_origin_of_a_server_with_it() -> None:
    request = head("origin: http://sync.example.net", "x-forwarded-proto: https")
    assert accepted(request, peer="10.0.0.1", trusted_proxies=["10.0.0.1"]).close is not None
    assert accepted(request, secure=True).close is not None
    assert accepted(request).close is None  # nobody trusted says so


def test_a_long_user_agent_is_cut() -> None:
    assert len(accepted(head("user-agent: " + "x" * 5000)).user_agent) == 400
