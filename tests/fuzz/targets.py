"""What reads bytes of strangers, each as a function of bytes. Whatever it raises is a finding: what a stranger may
cause is a typed error, and those are taken here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec

from server.frames import VIOLATION, FrameParser
from sync.codec import JSON, MSGPACK, Codec, Decoded, decode_edit, read_json
from sync.errors import BadMessage
from sync.protocol import Edit

LIMIT = 65_536
_PIECES = (1, 2, 7, 64, 1500)  # bytes of one read


def frames(data: bytes) -> None:
    """Cut in whatever pieces, the same frames are read, and nothing above the limit is held."""
    whole = FrameParser(LIMIT).feed(data)
    assert sum(len(event.payload) for event in whole) <= len(data) + 200 * len(whole)
    assert all(event.opcode != VIOLATION for event in whole[:-1]), "read on after a violation"
    for piece in _PIECES:
        parser = FrameParser(LIMIT)
        events = [event for at in range(0, len(data), piece) for event in parser.feed(data[at : at + piece])]
        assert events == whole, f"{piece} bytes at a time: {events} for {whole}"
        assert all(len(event.payload) <= LIMIT for event in events)


def _message(codec: Codec, data: bytes) -> None:
    decoded = _decoded(codec.decode, data)
    if decoded is not None:
        again = codec.decode(codec.encode(decoded.message))
        assert _plain(again) == _plain(decoded), "not what it was, once encoded again"
        other = MSGPACK if codec is JSON else JSON
        assert _plain(other.decode(other.encode(decoded.message))) == _plain(decoded), (
            "another thing in the other encoding"
        )
    _server(codec, data)


def json_message(data: bytes) -> None:
    """What a client's text frame carries."""
    _message(JSON, data)


def msgpack_message(data: bytes) -> None:
    """What a client's binary frame carries."""
    _message(MSGPACK, data)


def http_body(data: bytes) -> None:
    """What a request's body is read as."""
    try:
        value = read_json(data)
    except BadMessage:
        pass
    else:
        assert JSON.encode_value(value)
    decoded = _decoded(decode_edit, data)
    assert decoded is None or isinstance(decoded.message, Edit)


def _server(codec: Codec, data: bytes) -> None:
    """A client reads what a server sends: it may be another's, too."""
    with suppress(BadMessage):
        codec.decode_server(data)


def _decoded(read: Callable[[bytes], Decoded], data: bytes) -> Decoded | None:
    try:
        return read(data)
    except BadMessage:
        return None


def _plain(decoded: Decoded) -> object:
    return msgspec.to_builtins(decoded.message)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "frames": frames,
    "json": json_message,
    "msgpack": msgpack_message,
    "body": http_body,
}
