"""A WebSocket as an asyncio protocol, for uvicorn's `ws=`: no task, no queue and no timer per socket.

uvicorn reads the request and hands the transport over; from then on every read goes through the frame parser into the
connection, and every frame the hub has made once is written raw, as the same bytes, to each socket. Closing is known
to three parties in an order that matters: the connection stops hearing at once, the peer gets a close frame, and the
hub is told in the loop's next turn, because it may be the hub itself that is writing.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final, cast

from uvicorn.config import Config
from uvicorn.protocols.utils import get_remote_addr, is_ssl
from uvicorn.server import ServerState

from server import frames
from server.connection import Connection
from server.endpoint import Endpoint
from server.frames import BINARY, CLOSE, PING, PONG, TEXT, FrameParser, close_frame
from server.handshake import Accepted, Refused
from sync.close_codes import CLOSE_RESTART, CLOSE_TOO_FAST_OR_SLOW
from sync.codec import JSON, MSGPACK, Codec
from sync.ports import Wire
from sync.protocol import SUBPROTOCOLS

HIGH_WATER: Final = 768 * 1024  # what may wait before the hub stops sending what it can send again (SEMANTICS 9)
LOW_WATER: Final = 256 * 1024  # caught up enough to be sent the rest from the log
OUTBOX_BYTES: Final = 1024 * 1024  # what may wait at all (P11)
EARLY_BYTES: Final = 16 * 1024  # what may come before hello is answered: a token of 8 KiB and an `open` or two
_LATE_BYTES: Final = 1024 * 1024  # read and thrown away from a peer that goes on talking while we close


class WebSocketWire:
    """A codec in frames of its kind. Stateless: one per codec serves every socket."""

    __slots__ = ("_opcode", "codec")

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self._opcode = BINARY if codec.binary else TEXT

    def frame(self, payload: bytes) -> bytes:
        return frames.frame(payload, self._opcode)


JSON_WIRE: Final = WebSocketWire(JSON)
MSGPACK_WIRE: Final = WebSocketWire(MSGPACK)
_WIRES: Final[dict[str, Wire]] = dict(zip(SUBPROTOCOLS, (JSON_WIRE, MSGPACK_WIRE), strict=True))


def websocket_protocol(endpoint: Endpoint) -> type[asyncio.Protocol]:
    """The class to give to uvicorn's `ws=`."""
    return type("BoundWebSocket", (WebSocket,), {"__slots__": (), "endpoint": endpoint})


class WebSocket(asyncio.Protocol):
    """One socket: `sync.ports.Outbox` for the hub, `Socket` for its connection, `Tended` for the heartbeat."""

    __slots__ = (
        "_connection",
        "_neighbours",
        "_parser",
        "_quota",
        "awaiting",
        "due",
        "ends",
        "full",
        "full_since",
        "transport",
        "wire",
    )
    endpoint: ClassVar[Endpoint]

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        self._neighbours = cast("set[object]", server_state.connections)  # whom uvicorn tells of a shutdown
        self.transport: asyncio.Transport | None = None
        self._connection: Connection | None = None
        self._parser = FrameParser(min(EARLY_BYTES, self.endpoint.limits.message_bytes))
        self._quota: int | None = EARLY_BYTES  # bytes that may still come in this phase; None: any number
        self.wire: Wire = JSON_WIRE
        self.full = False
        self.full_since = 0.0
        self.due = 0.0
        self.awaiting: bytes | None = None
        self.ends: float | None = None

    # ---- asyncio and uvicorn call these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        self._neighbours.add(self)

    def data_received(self, data: bytes) -> None:
        connection = self._connection
        if connection is None and self.ends is None:
            self._open(data)
            return
        if self._quota is not None and not self._is_within_quota(len(data)):
            return
        for event in self._parser.feed(data):
            opcode = event.opcode
            if opcode in (TEXT, BINARY):
                if self.ends is None and connection is not None:
                    connection.received(event.payload, opcode == BINARY)
            else:
                self._control(event)

    def eof_received(self) -> None:
        self._end(self.endpoint.timings.close)  # and asyncio closes the transport once what waits is written

    def connection_lost(self, error: Exception | None) -> None:
        self._end(0.0)
        self._neighbours.discard(self)
        self.endpoint.sockets.discard(self)
        if self._connection is not None:
            self._connection.lost()

    def pause_writing(self) -> None:
        self.full = True
        self.full_since = self.endpoint.clock.monotonic()

    def resume_writing(self) -> None:
        self.full = False
        if self.ends is None and self._connection is not None:
            self._connection.drained()

    def shutdown(self) -> None:
        """uvicorn is stopping."""
        self.close(CLOSE_RESTART, "restarting", within=2.0)  # uvicorn waits for every socket to be gone

    # ---- sync.ports.Outbox

    @property
    def waiting_bytes(self) -> int:
        """What this reader has not taken yet, for reports."""
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    def write(self, frame: bytes) -> None:
        if self.ends is not None or self.transport is None:
            return
        # Below the high water mark there is room for one frame of any size: the hub makes none above 256 kB but parts
        # of a snapshot, and those it sends to a socket that is not full (SEMANTICS 8).
        if self.full and self.transport.get_write_buffer_size() + len(frame) > OUTBOX_BYTES:
            self.close(CLOSE_TOO_FAST_OR_SLOW, "reads too slowly")
        else:
            self.transport.write(frame)

    def close(self, code: int, reason: str, within: float | None = None) -> None:
        """Say goodbye (RFC 6455 §7.1.2); the peer has `within` seconds to answer, then the line is cut."""
        if self.ends is not None or self.transport is None:
            return
        self.transport.write(close_frame(code, reason))
        self._end(self.endpoint.timings.close if within is None else within)

    # ---- for the connection and the heartbeat

    def admitted(self) -> None:
        self._parser.limit = self.endpoint.limits.message_bytes
        self._quota = None

    def ping(self, frame: bytes, payload: bytes, due: float) -> None:
        """Write a ready ping; no answer to `payload` by `due` means that nobody is there."""
        self.awaiting, self.due = payload, due
        if self.ends is None and self.transport is not None:
            self.transport.write(frame)

    def check(self, now: float, unix: float) -> None:
        if self._connection is not None and self.ends is None:
            self._connection.check(now, unix)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    # ---- within

    def _open(self, head: bytes) -> None:
        endpoint, transport = self.endpoint, self.transport
        assert transport is not None
        remote = get_remote_addr(transport)
        answer = endpoint.handshake.answer(
            head, remote[0] if remote else "", secure=is_ssl(transport), open_for_new=endpoint.open_for_new
        )
        transport.write(answer.answer)
        endpoint.sockets.add(self)
        if isinstance(answer, Refused):
            self._end(endpoint.timings.close)
            transport.close()
        else:
            self._begin(answer)

    def _begin(self, greeting: Accepted) -> None:
        endpoint = self.endpoint
        self.wire = _WIRES[greeting.subprotocol]
        if greeting.close is not None:
            self.close(*greeting.close)
            return
        meter = endpoint.admission.arrive(greeting.address)
        if meter is None:
            self.close(CLOSE_TOO_FAST_OR_SLOW, "too many sockets")
            return
        self._connection = Connection(endpoint, self, greeting, meter)
        self.due = endpoint.clock.monotonic() + endpoint.timings.ping_every

    def _control(self, event: frames.Event) -> None:
        if event.opcode == CLOSE:
            self._answer_close(event.code)
        elif self.ends is not None or self._connection is None:
            return
        elif event.opcode == PING:
            self._connection.counted(len(event.payload))
            if not self.full:  # §5.5.3: only the newest ping needs an answer, and a full outbox has no room for it
                self.write(frames.frame(event.payload, PONG))
        elif event.opcode == PONG:
            self._connection.counted(len(event.payload))
            if event.payload == self.awaiting:  # any other is unsolicited (§5.5.3), and no sign of life
                self.awaiting = None
                self.due = self.endpoint.clock.monotonic() + self.endpoint.timings.ping_every
        else:
            self._fail(event.code, event.payload.decode())

    def _answer_close(self, code: int) -> None:
        assert self.transport is not None
        if self.ends is None:
            self.transport.write(close_frame(code))  # §5.5.1: echo the code
            self._end(self.endpoint.timings.close)
        self.transport.close()  # §7.1.1: the server closes the line first

    def _fail(self, code: int, reason: str) -> None:
        """Fail the connection (§7.1.7). After a broken rule the peer's own close cannot be read any more, so the end
        of our stream tells it that we are done; closing outright could reset the line under the close frame."""
        self.close(code, reason)
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()

    def _end(self, within: float) -> None:
        """Nothing is read or written from here on but the goodbye. The hub hears of it in the next turn of the loop."""
        if self.ends is not None:
            return
        self.ends = self.endpoint.clock.monotonic() + within
        self._quota = _LATE_BYTES
        if self._connection is not None:
            self._connection.stop()
            asyncio.get_running_loop().call_soon(self._connection.lost)

    def _is_within_quota(self, size: int) -> bool:
        assert self._quota is not None
        self._quota -= size
        if self._quota >= 0:
            return True
        if self.ends is None:
            self.close(CLOSE_TOO_FAST_OR_SLOW, "too much before hello was answered")
        else:
            self.abort()
        return False
