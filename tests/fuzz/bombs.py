"""What is small on the wire and large to read: `python -m tests.fuzz.bombs` (reliability B30).

Each is as long as its way lets it be, a socket's message 64 KiB and an edit's body by HTTP 8 MiB, and must be refused
within REFUSED_SECONDS of CPU: so long it stops its server's loop. What is allowed, however odd, must be read as soon.
Compressed bombs there are none, for nothing is decompressed (`server.frames`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import msgpack

from sync.codec import JSON, MSGPACK, decode_edit
from sync.errors import BadMessage
from sync.limits import Limits

REFUSED_SECONDS = 0.05
REFUSED_SECONDS_BODY = 1.5  # of 8 MiB, which is read in a thread
_TIMES = 3  # the least of so many counts
_MESSAGE, _BODY = Limits().message_bytes, Limits().edit_bytes


def _op(value: bytes) -> bytes:
    return b'{"n":1,"base":0,"op":"update","node":"n","set":{"metadata.k":' + value + b"}}"


def _edit(*ops: bytes) -> bytes:
    return b'{"type":"edit","tree":7,"client_id":"c","ops":[' + b",".join(ops) + b"]}"


def _as_long_as(size: int, begin: bytes, piece: bytes, end: bytes = b"") -> bytes:
    """`piece` so often that it all fits."""
    envelope = len(_edit(_op(b""))) + len(begin) + len(end)
    return begin + piece * max(0, (size - envelope) // (len(piece) + len(end[:0]))) + end


def values(size: int) -> dict[str, bytes]:
    """By what each is, as JSON of at most so many bytes."""
    half = size // 2 - 100
    return {
        "lists, as deep as it goes": b"[" * half + b"]" * half,
        "maps, as deep as it goes": b'{"a":' * (size // 6 - 50) + b"1" + b"}" * (size // 6 - 50),
        "an integer": _as_long_as(size, b"", b"9"),
        "a number with many zeros": _as_long_as(size, b"1e", b"0"),
        "one key, again and again": b"{" + _as_long_as(size, b"", b'"k":1,', b'"k":1') + b"}",
        "as many keys as there is room for": b"{" + b",".join(b'"%d":1' % n for n in range(size // 12)) + b"}",
        "escapes": b'"' + _as_long_as(size, b"", b"\\u0041") + b'\\u0000"',
        "half of a pair of surrogates": b'"' + _as_long_as(size, b"", b"a") + b'\\ud83d"',
        "numbers that are none": b"[" + _as_long_as(size, b"", b"NaN,", b"NaN") + b"]",
    }


def bombs(size: int) -> dict[str, bytes]:
    found = {name: _edit(_op(value)) for name, value in values(size).items()}
    small = _op(b"NaN")
    found["ops that are none"] = _edit(*[small] * (size // (len(small) + 2) - 2))
    return {name: data[:size] for name, data in found.items()}


def packed(size: int) -> dict[str, bytes]:
    """The same in msgpack, and what only that can say: lengths that are not there."""
    deep = b"\x91" * (size - 200) + b"\x01"
    begin = b"\x83" + msgpack.packb("type") + msgpack.packb("edit") + msgpack.packb("tree") + b"\x07"
    ops = begin + msgpack.packb("ops")
    return {
        "lists, as deep as it goes": ops + deep,
        "a list of four thousand million": ops + b"\xdd\xff\xff\xff\xff" + b"\xc0" * (size - 200),
        "a map of four thousand million": ops + b"\xdf\xff\xff\xff\xff" + b"\xc0" * (size - 200),
        "a text of four gigabytes": ops + b"\xdb\xff\xff\xff\xff",
        "one key, again and again": ops
        + b"\xdd\x00\x00\x00\x01\xdf"
        + (9_000).to_bytes(4, "big")
        + b"\xa1k\x01" * 9_000,
    }


def cost(read: Callable[[bytes], Any], data: bytes, times: int = _TIMES) -> tuple[float, bool]:
    """(seconds of CPU, whether it was refused, or an op of it)"""
    least, refused = 1e9, False
    for _ in range(times):
        began = time.process_time()
        try:
            refused = bool(read(data).malformed)
        except BadMessage:
            refused = True
        least = min(least, time.process_time() - began)
    return least, refused


def ways(body_bytes: int = _BODY) -> list[tuple[str, Callable[[bytes], Any], dict[str, bytes], float]]:
    """(way, what reads it, what comes by name, seconds it may take)"""
    return [
        ("socket, json", JSON.decode, bombs(_MESSAGE), REFUSED_SECONDS),
        ("socket, msgpack", MSGPACK.decode, packed(_MESSAGE), REFUSED_SECONDS),
        ("body", decode_edit, bombs(body_bytes), REFUSED_SECONDS_BODY),
    ]


def main() -> int:
    slow = 0
    for way, read, made, most in ways():
        for name, data in made.items():
            seconds, refused = cost(read, data)
            slow += seconds > most
            said = f"{'refused' if refused else 'read':<8}{'SLOW' if seconds > most else ''}"
            print(f"{way:<16} {name:<36} {len(data):>9} bytes {1000 * seconds:8.1f} ms  {said}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
