"""The one task that looks after every socket, on a clock that a test owns."""

from __future__ import annotations

import pytest

from server.endpoint import Endpoint, Timings
from server.frames import PING, frame
from server.heartbeat import TICK, Heartbeat
from tests.clocks import ManualClock, settle
from tests.sockets import make_endpoint


class Watched:
    """A socket as the heartbeat sees it."""

    def __init__(self, due: float) -> None:
        self.full = False
        self.full_since = 0.0
        self.due = due
        self.awaiting: bytes | None = None
        self.ends: float | None = None
        self.pings: list[bytes] = []
        self.checks: list[tuple[float, float]] = []
        self.closed: tuple[int, str, float | None] | None = None
        self.aborted = False

    def ping(self, frame: bytes, payload: bytes, due: float) -> None:
        self.pings.append(frame)
        self.awaiting, self.due = payload, due

    def check(self, now: float, unix: float) -> None:
        self.checks.append((now, unix))

    def close(self, code: int, reason: str, within: float | None = None) -> None:
        self.closed = (code, reason, within)

    def abort(self) -> None:
        self.aborted = True


def watch(clock: ManualClock, endpoint: Endpoint) -> Watched:
    socket = Watched(due=clock.monotonic() + endpoint.timings.ping_every)
    endpoint.sockets.add(socket)
    return socket


async def test_a_silent_socket_is_pinged_after_20_seconds_and_closed_within_45() -> None:
    clock = ManualClock()
    endpoint, _, _ = make_endpoint(clock=clock)
    heartbeat = Heartbeat(endpoint)
    heartbeat.start(lambda _name, error: pytest.fail(str(error)))
    socket = watch(clock, endpoint)
    await clock.advance(19)
    assert socket.pings == []
    await clock.advance(2)
    assert socket.pings == [frame(socket.awaiting or b"", PING)]
    await clock.advance(18)
    assert socket.closed is None
    await clock.advance(3)
    assert socket.closed == (1001, "no answer to a ping", TICK)
    await heartbeat.close()


async def test_an_answered_ping_is_followed_by_the_next_with_another_payload() -> None:
    clock = ManualClock()
    endpoint, _, _ = make_endpoint(clock=clock)
    heartbeat = Heartbeat(endpoint)
    heartbeat.start(lambda _name, error: pytest.fail(str(error)))
    socket = watch(clock, endpoint)
    for _ in range(5):
        await clock.advance(21)
        socket.awaiting, socket.due = None, clock.monotonic() + 20  # what the transport does with the right pong
    assert len(set(socket.pings)) == len(socket.pings) == 5
    assert socket.closed is None
    await heartbeat.close()


async def test_a_reader_that_stands_still_is_closed() -> None:
    clock = ManualClock()
    endpoint, _, _ = make_endpoint(clock=clock, timings=Timings(ping_every=1000))
    heartbeat = Heartbeat(endpoint)
    socket = watch(clock, endpoint)
    socket.full, socket.full_since = True, clock.monotonic()
    await clock.advance(29.9)
    await heartbeat.round()
    assert socket.closed is None
    await clock.advance(0.1)
    await heartbeat.round()
    assert socket.closed == (4429, "reads too slowly", None)


async def test_a_close_that_nobody_answers_is_cut() -> None:
    clock = ManualClock()
    endpoint, _, _ = make_endpoint(clock=clock)
    heartbeat = Heartbeat(endpoint)
    socket = watch(clock, endpoint)
    socket.ends = clock.monotonic() + 5
    await heartbeat.round()
    assert not socket.aborted
    await clock.advance(5)
    await heartbeat.round()
    assert (socket.aborted, socket.checks, socket.pings) == (True, [], [])


async def test_every_open_socket_is_asked_what_time_has_changed() -> None:
    clock = ManualClock()
    endpoint, _, _ = make_endpoint(clock=clock)
    sockets = [watch(clock, endpoint) for _ in range(1201)]  # more than are looked at without letting others run
    await Heartbeat(endpoint).round()
    assert all(socket.checks == [(clock.monotonic(), clock.now())] for socket in sockets)


async def test_unused_buckets_are_forgotten_within_a_minute() -> None:
    clock = ManualClock()
    endpoint, _, _ = make_endpoint(clock=clock)
    meter = endpoint.admission.arrive("192.0.2.1")
    assert meter is not None
    endpoint.admission.leave([meter])
    heartbeat = Heartbeat(endpoint)
    heartbeat.start(lambda _name, error: pytest.fail(str(error)))
    await clock.advance(61)
    await heartbeat.close()
    assert endpoint.admission.arrive("192.0.2.1") is not meter


async def test_its_death_is_reported() -> None:
    clock = ManualClock()
    endpoint, _, _ = make_endpoint(clock=clock)
    deaths: list[tuple[str, str]] = []
    heartbeat = Heartbeat(endpoint)
    heartbeat.start(lambda name, error: deaths.append((name, str(error))))
    socket = watch(clock, endpoint)

    def fail(now: float, unix: float) -> None:
        raise RuntimeError("a bug")

    socket.check = fail  # type: ignore[method-assign]
    await clock.advance(1)
    await settle()
    assert deaths == [("heartbeat", "a bug")]
    await heartbeat.close()


async def test_closing_it_is_no_death() -> None:
    clock = ManualClock()
    endpoint, _, _ = make_endpoint(clock=clock)
    deaths: list[str] = []
    heartbeat = Heartbeat(endpoint)
    await heartbeat.close()
    heartbeat.start(lambda name, _error: deaths.append(name))
    await clock.advance(1)
    await heartbeat.close()
    await settle()
    assert deaths == []
