"""WebSocket frames (RFC 6455), the server's side, sans I/O: bytes in, events out; a payload in, a frame's bytes out.

`websockets` has such a core too; this one differs in what thousands of sockets need of it: no object per frame on the
way out, one pass over the common frame on the way in, and about 200 bytes of state per idle socket. Extensions are
not spoken (per-message deflate costs 45 kB a socket and invites bombs), so every reserved bit is a violation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

try:
    from websockets.speedups import apply_mask as _c_apply_mask

    unmask: Callable[[bytes, bytes], bytes] = _c_apply_mask
except ImportError:  # a platform for which websockets ships no wheel
    from websockets.utils import apply_mask as _apply_mask

    unmask = _apply_mask

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
VIOLATION: Final = -1  # no opcode of the RFC: the peer broke a rule, and the connection is to be failed with `code`

NORMAL: Final = 1000
PROTOCOL_ERROR: Final = 1002
NO_STATUS: Final = 1005  # never on the wire: a close frame without a code (§7.4.1)
INVALID_TEXT: Final = 1007
TOO_BIG: Final = 1009

CONTROL_BYTES: Final = 125  # §5.5: the payload of a control frame
_REASON_BYTES: Final = CONTROL_BYTES - 2
# §7.4.1 and the IANA registry up to 1014; 1004, 1005, 1006 and 1015 must not be sent, 3000-4999 are for applications
_CLOSE_CODES: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


class Event(NamedTuple):
    """What a peer sent. Data frames come whole, whatever fragments they were sent in; `code` belongs to CLOSE and
    VIOLATION, whose payload is the reason. After either nothing more is read."""

    opcode: int
    payload: bytes
    code: int = 0


class _Broken(Exception):
    def __init__(self, code: int, reason: str) -> None:
        self.event = Event(VIOLATION, reason.encode(), code)


class FrameParser:
    """Reads what one client sends. `limit` bounds a whole message, fragments and unfinished ones included."""

    __slots__ = ("_buffer", "_fragments", "_held", "_needed", "_opcode", "limit", "over")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.over = False  # a close frame or a violation was read
        self._buffer: bytes | bytearray = b""  # the start of a frame that is not there yet
        self._needed = 0  # no use in looking again before so many bytes are there
        self._opcode = CONTINUATION  # of the message whose fragments are being gathered, CONTINUATION if none
        self._fragments: bytearray | None = None
        self._held = 0

    def feed(self, data: bytes) -> list[Event]:
        """Every event that these bytes complete, in order."""
        if not self._buffer and not self._opcode and not self.over:
            event = self._whole(data)
            if event is not None:
                return [event]
        return self._feed(data)

    def _whole(self, data: bytes) -> Event | None:
        # The common case: one read is one masked, unfragmented data frame, and is read without a second look.
        size = len(data)
        if size < 6 or (data[0] != 0x81 and data[0] != 0x82):
            return None
        length = data[1] & 0x7F
        start = 6
        if length == 126:
            length = data[2] << 8 | data[3]
            if length < 126:
                return None
            start = 8
        if size != start + length or length > self.limit or data[1] < 0x80 or data[1] == 0xFF:
            return None
        payload = unmask(data[start:], data[start - 4 : start])
        if data[0] == 0x81 and not _is_text(payload):
            return None
        return Event(data[0] & 0x0F, payload)

    def _feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        if self.over:
            return events
        if isinstance(self._buffer, bytearray):
            self._buffer += data
        elif self._buffer:
            self._buffer = bytearray(self._buffer) + data  # grows in place: tiny reads cost no quadratic copying
        else:
            self._buffer = data
        if len(self._buffer) < self._needed:
            return events
        try:
            self._read(events)
        except _Broken as broken:
            self._finish(broken.event, events)
        return events

    def _read(self, events: list[Event]) -> None:
        data, place = bytes(self._buffer), 0
        while not self.over:
            header = self._header(data, place)
            if header is None:
                break
            start, length = header
            if len(data) < start + length:
                self._needed = start + length - place
                break
            mask = data[start - 4 : start]
            self._frame(data[place], unmask(data[start : start + length], mask), events)
            place = start + length
        if not self.over:
            self._buffer = data[place:]

    def _header(self, data: bytes, place: int) -> tuple[int, int] | None:
        """Where the payload starts and how long it is; None where the header is not all there. Rules are checked as
        soon as their byte is there, so that a forbidden frame is never waited for."""
        there = len(data) - place
        self._needed = 0 if there == 0 else 2
        if there < 2:
            return None
        first, second = data[place], data[place + 1]
        self._check_header(first, second)
        length, start = second & 0x7F, place + 6
        if length == 126:
            if there < 4:
                self._needed = 4
                return None
            length, start = int.from_bytes(data[place + 2 : place + 4], "big"), place + 8
            _check_minimal(length, 126)
        elif length == 127:
            if there < 10:
                self._needed = 10
                return None
            length, start = int.from_bytes(data[place + 2 : place + 10], "big"), place + 14
            _check_minimal(length, 65_536)
        if first & 0x0F < CLOSE and self._held + length > self.limit:
            raise _Broken(TOO_BIG, f"a message has at most {self.limit} bytes")
        if len(data) < start:
            self._needed = start - place
            return None
        return start, length

    def _check_header(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if first & 0x70:
            raise _Broken(PROTOCOL_ERROR, "a reserved bit is set, and no extension was agreed")  # §5.2
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise _Broken(PROTOCOL_ERROR, f"opcode {opcode} is reserved")  # §5.2
        if not second & 0x80:
            raise _Broken(PROTOCOL_ERROR, "a client's frame must be masked")  # §5.1
        if opcode >= CLOSE:
            if not first & 0x80:
                raise _Broken(PROTOCOL_ERROR, "a control frame may not be fragmented")  # §5.5
            if second & 0x7F > CONTROL_BYTES:
                raise _Broken(PROTOCOL_ERROR, "a control frame has at most 125 bytes")  # §5.5
        elif opcode == CONTINUATION and not self._opcode:
            raise _Broken(PROTOCOL_ERROR, "nothing to continue")  # §5.4
        elif opcode != CONTINUATION and self._opcode:
            raise _Broken(PROTOCOL_ERROR, "a new message inside a fragmented one")  # §5.4

    def _frame(self, first: int, payload: bytes, events: list[Event]) -> None:
        opcode, final = first & 0x0F, first & 0x80
        if opcode == CLOSE:
            self._finish(_close_event(payload), events)
        elif opcode >= PING:
            events.append(Event(opcode, payload))
        elif final and not self._opcode:
            events.append(_message(opcode, payload))
        else:
            self._gather(opcode, payload)
            if final:
                events.append(self._gathered())

    def _gather(self, opcode: int, payload: bytes) -> None:
        if self._fragments is None:
            self._opcode, self._fragments = opcode, bytearray()
        self._fragments += payload  # one buffer: a million empty fragments hold no memory
        self._held += len(payload)

    def _gathered(self) -> Event:
        assert self._fragments is not None
        opcode, payload = self._opcode, bytes(self._fragments)
        self._opcode, self._fragments, self._held = CONTINUATION, None, 0
        return _message(opcode, payload)

    def _finish(self, event: Event, events: list[Event]) -> None:
        self.over = True
        self._buffer, self._fragments = b"", None
        events.append(event)


def frame(payload: bytes, opcode: int) -> bytes:
    """A whole frame as a server sends it: final, unmasked (§5.1)."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65_536:
        return bytes((0x80 | opcode, 126, size >> 8, size & 0xFF)) + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; the reason is cut to what fits (§5.5.1), NO_STATUS makes an empty one."""
    if code == NO_STATUS:
        return frame(b"", CLOSE)
    cut = reason.encode()[:_REASON_BYTES].decode(errors="ignore").encode()  # never through a character
    return frame(code.to_bytes(2, "big") + cut, CLOSE)


def _message(opcode: int, payload: bytes) -> Event:
    if opcode == TEXT and not _is_text(payload):
        raise _Broken(INVALID_TEXT, "text must be UTF-8")  # §8.1
    return Event(opcode, payload)


def _is_text(payload: bytes) -> bool:
    if payload.isascii():
        return True
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_minimal(length: int, least: int) -> None:
    if length < least or length >= 2**63:
        raise _Broken(PROTOCOL_ERROR, "a length must be written in the fewest bytes and below 2^63")  # §5.2


def _close_event(payload: bytes) -> Event:
    if not payload:
        return Event(CLOSE, b"", NO_STATUS)
    if len(payload) == 1:
        raise _Broken(PROTOCOL_ERROR, "a close frame's code has two bytes")  # §5.5.1
    code = int.from_bytes(payload[:2], "big")
    if code not in _CLOSE_CODES and not 3000 <= code < 5000:
        raise _Broken(PROTOCOL_ERROR, f"code {code} may not be sent")  # §7.4
    if not _is_text(payload[2:]):
        raise _Broken(INVALID_TEXT, "a close reason must be UTF-8")  # §5.5.1
    return Event(CLOSE, payload[2:], code)
