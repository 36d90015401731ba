"""Bytes to messages and back: the one owner of msgspec's codecs on the wire.

The fast path decodes and checks types, ranges and unknown op fields in one pass (0.8 µs for a one-op edit). Where it
fails, the slow path reads the frame without types and judges each op of an edit by itself, so that one bad op is
answered `invalid` under its own n while the ops beside it land, and a poisoned op cannot block its client's queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgpack
import msgspec

from sync.errors import BadMessage, Unreadable
from sync.limits import VALUE_DEPTH
from sync.nodes import Connection, Node, State
from sync.ops import Op
from sync.protocol import Activity, ClientMessage, Edit, Hello, Open, PresenceUpdate, ServerMessage
from sync.untyped import DuplicateKey, loads_json, pairs, unstorable

CodecName = Literal["json", "msgpack"]


class Malformed(msgspec.Struct, frozen=True):
    """An op that could be numbered but not understood; it is answered `rejected`, `invalid`, and consumes its n."""

    place: int
    n: int
    why: str


class Decoded(msgspec.Struct, frozen=True):
    """A message, and for an edit the ops that were none: (n, why), at the place where they stood. `size`: its bytes,
    where whoever hands it on does not say them; 0: not known."""

    message: ClientMessage
    malformed: tuple[Malformed, ...] = ()
    size: int = 0


class SlicedState(msgspec.Struct, frozen=True):
    """A state whose nodes and connections are still bytes: 3 ms for 10,000 of them."""

    name: str
    description: str
    discovery_phase: str
    is_template: bool
    canvas_state: dict[str, Any]
    nodes: list[msgspec.Raw]
    connections: list[msgspec.Raw]


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
            return decode_loosely(loads_json(data))
        # Nothing is encoded that was not sent, so encoding again yields the same quotes unless a key stood twice (RFC
        # 8259 §4 leaves that open) or something was escaped or unknown; then the strict reader decides. 0.5 µs.
        if data.count(b'"') != self._encoder.encode(message).count(b'"') or b"\\u0022" in data or b"\\u0000" in data:
            return decode_loosely(loads_json(data))
        return Decoded(_storable(message))

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
            message = self._client.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return decode_loosely(_loads_msgpack(data))
        # the same bytes again: then no key stood twice, and nothing was unknown; else the strict reader decides
        if data != self._encoder.encode(message) or _has_bad_ref(message):
            return decode_loosely(_loads_msgpack(data))
        return Decoded(_storable(message))

    def decode_server(self, data: bytes) -> ServerMessage:
        try:
            return self._server.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadMessage(f"not a message of the protocol: {error}") from error


JSON = JsonCodec()
MSGPACK = MsgpackCodec()


_state: msgspec.json.Decoder[State] = msgspec.json.Decoder(State)


_sliced: msgspec.json.Decoder[SlicedState] = msgspec.json.Decoder(SlicedState)
_node: msgspec.json.Decoder[Node] = msgspec.json.Decoder(Node)
_connection: msgspec.json.Decoder[Connection] = msgspec.json.Decoder(Connection)


def decode_state(data: bytes) -> State:
    """A state as `JSON.encode_value` wrote it: what a version keeps."""
    return _state.decode(data)


def slice_state(data: bytes) -> SlicedState:
    """The same with its parts still encoded, for `decode_nodes` and `decode_connections`."""
    return _sliced.decode(data)


def decode_nodes(parts: Sequence[msgspec.Raw]) -> list[Node]:
    return [_node.decode(part) for part in parts]


def decode_connections(parts: Sequence[msgspec.Raw]) -> list[Connection]:
    return [_connection.decode(part) for part in parts]


def read_json(data: bytes) -> Any:
    """Untyped JSON in which every value can be stored: for HTTP bodies. Raises BadMessage."""
    raw = loads_json(data)
    why = unstorable(raw)
    if why is not None:
        raise BadMessage(why)
    return raw


def decode_edit(data: bytes) -> Decoded:
    """The `edit` message as an HTTP body, where `type` may be left out. Raises BadMessage."""
    try:
        decoded = JSON.decode(data)
    except BadMessage:
        raw = loads_json(data)
        if not isinstance(raw, dict) or isinstance(raw, DuplicateKey) or "type" in raw:
            raise
        decoded = decode_loosely({**raw, "type": "edit"})
    if not isinstance(decoded.message, Edit):
        raise BadMessage("not an edit")
    return msgspec.structs.replace(decoded, size=len(data))


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


def _storable(message: ClientMessage) -> ClientMessage:
    """The message, if what it holds that no judge will look at could be stored. Raises BadMessage."""
    if type(message) is Edit:  # most are
        return message
    why = None
    match message:
        case PresenceUpdate():
            why = unstorable(message.state, VALUE_DEPTH + 1)
        case Activity():
            why = unstorable(msgspec.to_builtins(message.events), VALUE_DEPTH + 2)
        case Hello() | Open():
            why = unstorable(msgspec.to_builtins(message))
    if why is not None:
        error = BadMessage(why)
        ref = getattr(message, "ref", msgspec.UNSET)
        error.ref = None if ref is msgspec.UNSET else ref
        raise error
    return message


def _has_bad_ref(message: ClientMessage) -> bool:
    """A NUL, which JSON cannot bring past the strict reader, and msgpack can; 0.05 µs."""
    ref = getattr(message, "ref", None)
    return type(ref) is str and "\0" in ref


def _readable_ref(raw: dict[str, Any]) -> int | str | None:
    ref = raw.get("ref")
    if type(ref) is int and 0 <= ref < 2**53:
        return ref
    return ref if isinstance(ref, str) and len(ref) <= 64 and unstorable(ref) is None else None


def _loads_msgpack(data: bytes) -> Any:
    try:
        return msgpack.unpackb(data, object_pairs_hook=pairs, strict_map_key=True)
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as error:
        raise Unreadable(f"not msgpack: {error}") from error
