"""Origins: what a page may be, and everything it may not (the reliability bar: 40 cases, no wrong accept)."""

from __future__ import annotations

import pytest

from server.origin import OriginPolicy

LISTED = ("https://app.example.com", "http://localhost:3000", "https://example.org:8443", "http://[::1]:5173/")
POLICY = OriginPolicy(LISTED)
HOST = "sync.example.net"

ACCEPTED = [
    "https://app.example.com",
    "https://app.example.com:443",
    "HTTPS://APP.EXAMPLE.COM",
    "http://localhost:3000",
    "https://example.org:8443",
    "http://[::1]:5173",
    "https://sync.example.net",
    "http://sync.example.net",
]
REFUSED = [
    "null",
    "",
    " ",
    "*",
    "https://",
    "app.example.com",
    "//app.example.com",
    "http://app.example.com",  # another scheme
    "https://app.example.com:444",
    "https://app.example.com:80",
    "https://app.example.com:0443",
    "https://app.example.com:",
    "https://app.example.com:99999",
    "https://app.example.com:443443",
    "https://app.example.com/",
    "https://app.example.com/path",
    "https://app.example.com?x",
    "https://app.example.com#x",
    "https://app.example.com.evil.test",  # suffix
    "https://app.example.comevil.test",
    "https://evil-app.example.com",
    "https://evilapp.example.com",
    "https://x.app.example.com",  # a sub-domain
    "https://example.com",  # the domain above
    "https://app.example.co",  # prefix
    "https://app.example.com.",
    "https://app_example.com",
    "https://appXexample.com",
    "https://app.example.com@evil.test",
    "https://evil.test@app.example.com",
    "https://evil.test#https://app.example.com",
    "https://evil.test?https://app.example.com",
    "https://evil.test\\.app.example.com",
    "https://app.example.com evil.test",
    "https://app.example.com, https://app.example.com",
    "https://app.example.com\t",
    "https://app.example.com\n",
    "https://аpp.example.com",  # U+0430, Cyrillic
    "https://app.exam\u200bple.com",
    "https://app。example。com",  # ideographic full stops
    "https://ａｐｐ.example.com",  # full width
    "https://app.example.ⅽom",
    "https://xn--pp-0ka.example.com",  # a look-alike in punycode
    "http://localhost",
    "http://localhost:3001",
    "http://127.0.0.1:3000",  # localhost by another name
    "http://[::1]",
    "http://::1:5173",
    "ws://app.example.com",
    "wss://app.example.com",
    "file://",
    "chrome-extension://abcdef",
    "javascript://app.example.com",
    "https:/app.example.com",
    "https:app.example.com",
    "https://sync.example.net:8000",
    "https://sync.example.net.evil.test",
    "https://" + "a" * 10_000 + ".example.com",
]


@pytest.mark.parametrize("origin", ACCEPTED)
def test_listed_and_own_origins_are_accepted(origin: str) -> None:
    assert POLICY.allows([origin], HOST, secure=False)


@pytest.mark.parametrize("origin", REFUSED)
def test_every_other_origin_is_refused(origin: str) -> None:
    """[WS3]"""
    assert not POLICY.allows([origin], HOST, secure=False)


def test_there_are_enough_cases() -> None:
    assert len({*ACCEPTED, *REFUSED}) >= 60


def test_without_an_origin_there_is_no_page() -> None:
    assert POLICY.allows([], HOST, secure=True)


def test_two_origins_are_refused() -> None:
    assert not POLICY.allows(["https://app.example.com", "https://app.example.com"], HOST, secure=False)


@pytest.mark.parametrize(
    ("origin", "host", "secure", "same"),
    [
        ("http://localhost:8000", "localhost:8000", False, True),
        ("http://localhost:8000", "LOCALHOST:8000", False, True),
        ("http://localhost:8000", "localhost:8001", False, False),
        ("http://localhost:8000", "localhost", False, False),
        ("http://localhost", "localhost:80", False, True),
        ("https://a.test", "a.test:443", True, True),
        ("https://a.test", "a.test", True, True),
        ("https://a.test", "a.test", False, True),  # TLS ended at a proxy that says nothing
        ("http://a.test", "a.test", True, False),  # a page without TLS may have been changed on its way
        ("http://a.test", "a.test:443", False, False),
        ("http://[2001:db8::1]:8000", "[2001:db8::1]:8000", False, True),
        ("http://a.test", None, False, False),
        ("http://a.test", "", False, False),
        ("http://a.test", "a.test, a.test", False, False),
        ("http://a.test", "a.test/", False, False),
        ("http://a.test", "x@a.test", False, False),
    ],
)
def test_same_origin(origin: str, host: str | None, secure: bool, same: bool) -> None:
    assert OriginPolicy().allows([origin], host, secure=secure) is same


def test_a_star_lets_every_page_in_but_a_sandboxed_one() -> None:
    policy = OriginPolicy(["*"])
    assert policy.allows(["https://anywhere.test"], None, secure=True)
    assert not policy.allows(["null"], None, secure=True)


@pytest.mark.parametrize(
    "entry", ["example.com", "https://example.com/path", "https://*.example.com", "null", "ftp://x"]
)
def test_an_entry_that_is_no_origin_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="not an origin"):
        OriginPolicy([entry])
