"""Bytes to messages and back: the one owner of msgspec's codecs on the wire.

The fast path decodes and checks types, ranges and unknown op fields in one pass (0.8 µs for a one-op edit). Where it
fails, the slow path reads the frame without types and judges each op of an edit by itself, so that one bad op is
answered `invalid` under its own n while the ops beside it land, and a poisoned op cannot block its client's queue.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, Literal, Protocol

import msgpack
import msgspec

from sync.errors import BadMessage, Unreadable
from sync.limits import VALUE_DEPTH
from sync.nodes import State
from sync.ops import Op
from sync.protocol import ClientMessage, Edit, ServerMessage

CodecName = Literal["json", "msgpack"]

_ENVELOPE_DEPTH = 6  # message, ops, op, set: what may stand around a value


class Malformed(msgspec.Struct, frozen=True):
    """An op that could be numbered but not understood; it is answered `rejected`, `invalid`, and consumes its n."""

    place: int
    n: int
    why: str


class Decoded(msgspec.Struct, frozen=True):
    """A message, and for an edit the ops that were none: (n, why), at the place where they stood."""

    message: ClientMessage
    malformed: tuple[Malformed, ...] = ()


class Codec(Protocol):
    """One encoding of the protocol. Stateless, shared by every socket that speaks it."""

    name: CodecName
    binary: bool

    def encode(self, message: ServerMessage | ClientMessage) -> bytes: ...

    def encode_value(self, value: Any) -> bytes:
        """A part of a message, to be embedded as `msgspec.Raw`."""
        ...

    def decode(self, data: bytes) -> Decoded:
        """Raises BadMessage for bytes that are no message."""
        ...

    def decode_server(self, data: bytes) -> ServerMessage:
        """For clients. Raises BadMessage."""
        ...


class JsonCodec:
    """`treesync.v1.json`, text frames."""

    name: CodecName = "json"
    binary = False

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._client: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
        self._server: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)

    def encode(self, message: ServerMessage | ClientMessage) -> bytes:
        return self._encoder.encode(message)

    def encode_value(self, value: Any) -> bytes:
        return self._encoder.encode(value)

    def decode(self, data: bytes) -> Decoded:
        try:
            message = self._client.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return decode_loosely(_loads_json(data))
        # Optional fields are UNSET, so encoding again yields the same quotes unless a key stood twice (RFC 8259 §4
        # leaves that open) or something was escaped or unknown; then the strict reader decides. 0.5 µs.
        if data.count(b'"') != self._encoder.encode(message).count(b'"') or b"\\u0000" in data:
            return decode_loosely(_loads_json(data))
        return Decoded(message)

    def decode_server(self, data: bytes) -> ServerMessage:
        try:
            return self._server.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadMessage(f"not a message of the protocol: {error}") from error


class MsgpackCodec:
    """`treesync.v1.msgpack`, binary frames, the same maps."""

    name: CodecName = "msgpack"
    binary = True

    def __init__(self) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._client: msgspec.msgpack.Decoder[ClientMessage] = msgspec.msgpack.Decoder(ClientMessage)
        self._server: msgspec.msgpack.Decoder[ServerMessage] = msgspec.msgpack.Decoder(ServerMessage)

    def encode(self, message: ServerMessage | ClientMessage) -> bytes:
        return self._encoder.encode(message)

    def encode_value(self, value: Any) -> bytes:
        return self._encoder.encode(value)

    def decode(self, data: bytes) -> Decoded:
        try:
            return Decoded(self._client.decode(data))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return decode_loosely(_loads_msgpack(data))

    def decode_server(self, data: bytes) -> ServerMessage:
        try:
            return self._server.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadMessage(f"not a message of the protocol: {error}") from error


JSON = JsonCodec()
MSGPACK = MsgpackCodec()


_state: msgspec.json.Decoder[State] = msgspec.json.Decoder(State)


def decode_state(data: bytes) -> State:
    """A state as `JSON.encode_value` wrote it: what a version keeps."""
    return _state.decode(data)


def read_json(data: bytes) -> Any:
    """Untyped JSON in which every value can be stored: for HTTP bodies. Raises BadMessage."""
    raw = _loads_json(data)
    why = unstorable(raw)
    if why is not None:
        raise BadMessage(why)
    return raw


def decode_edit(data: bytes) -> Decoded:
    """The `edit` message as an HTTP body, where `type` may be left out. Raises BadMessage."""
    try:
        decoded = JSON.decode(data)
    except BadMessage:
        raw = _loads_json(data)
        if not isinstance(raw, dict) or "type" in raw:
            raise
        decoded = decode_loosely({**raw, "type": "edit"})
    if not isinstance(decoded.message, Edit):
        raise BadMessage("not an edit")
    return decoded


class DuplicateKey(dict[str, Any]):
    """A map in which a key stood twice; it is no valid value anywhere."""


def decode_loosely(raw: Any) -> Decoded:
    """Read an untyped message, judging each op of an edit alone. Raises BadMessage where the message itself is bad."""
    if not isinstance(raw, dict) or isinstance(raw, DuplicateKey):
        raise BadMessage("a message is a map in which no key stands twice")
    try:
        return _decode_map(raw)
    except BadMessage as error:
        error.ref = _readable_ref(raw)
        raise


def _decode_map(raw: dict[str, Any]) -> Decoded:
    if raw.get("type") != "edit" or not isinstance(raw.get("ops"), list):
        return Decoded(_convert_message(raw))
    good: list[Op] = []
    malformed: list[Malformed] = []
    for place, item in enumerate(raw["ops"]):
        read = _read_op(place, item)
        if isinstance(read, Malformed):
            malformed.append(read)
        else:
            good.append(read)
    message = _convert_message({**raw, "ops": []})
    assert isinstance(message, Edit)
    message.ops = good
    return Decoded(message, tuple(malformed))


def _read_op(place: int, item: Any) -> Op | Malformed:
    why = unstorable(item)
    if why is None:
        try:
            op: Op = msgspec.convert(item, Op, strict=True)
            return op
        except (msgspec.MsgspecError, RecursionError) as error:
            why = str(error)
    n = item.get("n") if isinstance(item, dict) else None
    if type(n) is not int or not 1 <= n < 2**53:
        raise BadMessage(f"op {place} has no readable n: {why}")
    return Malformed(place, n, why)


def _convert_message(raw: dict[str, Any]) -> ClientMessage:
    why = unstorable(raw)
    if why is not None:
        raise BadMessage(why)
    try:
        message: ClientMessage = msgspec.convert(raw, ClientMessage, strict=True)
        return message
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadMessage(f"not a message of the protocol: {error}") from error


def _readable_ref(raw: dict[str, Any]) -> int | str | None:
    ref = raw.get("ref")
    if type(ref) is int and 0 <= ref < 2**53:
        return ref
    return ref if isinstance(ref, str) and len(ref) <= 64 and unstorable(ref) is None else None


def unstorable(value: Any, depth: int = VALUE_DEPTH + _ENVELOPE_DEPTH) -> str | None:
    """Why PostgreSQL's jsonb, JavaScript or JSON itself could not hold this value; None if they all can.

    Walks level by level, so that a deep value costs no recursion: NUL and lone surrogates (jsonb refuses them), NaN
    and infinity (no JSON), integers beyond 2^53 (JavaScript would change them), keys that are no text or stand twice.
    """
    level: list[Any] = [value]
    for _ in range(depth):
        inner: list[Any] = []
        for item in level:
            why = _unstorable_leaf(item)
            if why is not None:
                return why
            inner.extend(_inside(item))
        if not inner:
            return None
        level = inner
    return f"nested deeper than {VALUE_DEPTH}"


def _inside(item: Any) -> Iterable[Any]:
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    return item if isinstance(item, list) else ()


def _unstorable_leaf(item: Any) -> str | None:
    match item:
        case str():
            if "\x00" in item:
                return "text may not hold U+0000"
            if not item.isascii() and any("\ud800" <= letter <= "\udfff" for letter in item):
                return "text may not hold a lone surrogate"
        case bool() | None:
            return None
        case int():
            if not -(2**53) < item < 2**53:
                return "an integer must lie between -2^53 and 2^53"
        case float():
            if not math.isfinite(item):
                return "a number must be finite"
        case DuplicateKey():
            return "a key stands twice in one map"
        case dict() | list():
            return None
        case _:
            return f"a value may not be {type(item).__name__}"
    return None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else DuplicateKey(found)


def _loads_json(data: bytes) -> Any:
    try:
        return json.loads(data, object_pairs_hook=_pairs)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {error}") from error


def _loads_msgpack(data: bytes) -> Any:
    try:
        return msgpack.unpackb(data, object_pairs_hook=_pairs, strict_map_key=True)
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as error:
        raise Unreadable(f"not msgpack: {error}") from error
