"""Real sockets, their ends: closes from either side, readers that are slow or dead, and a server that stops."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.endpoint import Timings
from server.frames import CLOSE, PONG, TEXT, frame
from server.heartbeat import Heartbeat
from server.transport import OUTBOX_BYTES, WebSocket
from sync.codec import JSON, Decoded
from tests.clocks import ManualClock
from tests.served import RawClient, client, closed, serve
from tests.sockets import RecordedSession, client_frame, hello, make_endpoint
from tests.waiting import until
from treesync_client.link.connection import websocket_dial
from treesync_client.link.line import LineLost

BIG = b"x" * 65_000


# ---- closing


@pytest.mark.parametrize(("code", "echoed"), [(1000, 1000), (1001, 1001), (3500, 3500), (4999, 4999)])
async def test_a_close_is_answered_with_its_code(code: int, echoed: int) -> None:
    endpoint, hub, _ = make_endpoint()
    async with serve(endpoint) as served:
        raw = await RawClient.welcomed(served)
        raw.send(client_frame(code.to_bytes(2, "big"), CLOSE))
        assert await raw.close_code() == echoed
        await until(lambda: hub.sessions == [], "the hub was told")


async def test_a_line_that_breaks_is_told_to_the_hub() -> None:
    endpoint, hub, _ = make_endpoint()
    async with serve(endpoint) as served:
        raw = await RawClient.welcomed(served)
        await raw.drop()
        await until(lambda: len(hub.left) == 1, "the hub was told")
        await until(lambda: not endpoint.sockets and not served.server.server_state.connections, "nothing is kept")


async def test_the_hub_may_close_and_write_at_any_time() -> None:
    endpoint, hub, _ = make_endpoint()

    def part(session: RecordedSession, _decoded: Decoded) -> None:
        session.outbox.close(4403, "no more")
        session.outbox.close(1000, "twice")
        session.outbox.write(session.outbox.wire.frame(b"{}"))
        assert session in hub.sessions  # it is told afterwards, never from within

    hub.on_edit = part
    async with serve(endpoint) as served:
        async with client(served) as socket:
            await socket.send(json.dumps(hello()))
            await socket.recv()
            await socket.send('{"type":"edit","tree":7,"ops":[]}')
            assert await closed(socket) == (4403, "no more")
        await until(lambda: len(hub.left) == 1, "the hub was told")


async def test_a_peer_that_does_not_answer_a_close_is_cut() -> None:
    clock = ManualClock()
    endpoint, hub, _ = make_endpoint(clock=clock)
    heartbeat = Heartbeat(endpoint)
    async with serve(endpoint) as served:
        raw = await RawClient.welcomed(served)
        hub.sessions[0].outbox.close(4403, "no more")
        await until(lambda: len(hub.left) == 1, "the hub knows at once")
        assert len(endpoint.sockets) == 1
        await clock.advance(5)
        await heartbeat.round()
        await until(lambda: not endpoint.sockets, "it was cut")
        await raw.drop()


async def test_a_peer_that_goes_on_talking_after_a_close_is_cut() -> None:
    endpoint, hub, _ = make_endpoint()
    async with serve(endpoint) as served:
        raw = await RawClient.welcomed(served)
        hub.sessions[0].outbox.close(4403, "no more")
        for _ in range(20):
            raw.send(client_frame(BIG))
            await asyncio.sleep(0)
        await until(lambda: not endpoint.sockets, "it was cut")
        await raw.drop()
        assert hub.received == []


# ---- slow readers and dead ones


def only(sockets: set[object]) -> WebSocket:
    (socket,) = sockets
    assert isinstance(socket, WebSocket)
    return socket


async def test_a_full_outbox_says_so_and_is_told_when_it_has_drained() -> None:
    endpoint, hub, _ = make_endpoint()
    async with serve(endpoint) as served:
        raw = await RawClient.welcomed(served, receive_buffer=4096)
        session, socket = hub.sessions[0], only(endpoint.sockets)  # type: ignore[arg-type]
        written = 0
        while not socket.full:
            session.outbox.write(frame(BIG, TEXT))
            written += 1
            await asyncio.sleep(0)
        assert hub.drained_ == []
        read = asyncio.create_task(raw.frames(), name="reads at last")
        await until(lambda: not socket.full, "it has drained")
        assert hub.drained_ == [session]
        session.outbox.close(1000, "")
        received = await read
        assert [event.payload for event in received[:-1]] == [BIG] * written
        await raw.drop()


async def test_a_reader_that_stands_still_costs_a_mebibyte_and_is_closed_with_4429() -> None:
    endpoint, hub, _ = make_endpoint()
    async with serve(endpoint) as served:
        slow = await RawClient.welcomed(served, receive_buffer=4096)
        session, socket = hub.sessions[0], only(endpoint.sockets)  # type: ignore[arg-type]
        other = await RawClient.welcomed(served)
        most = 0
        while socket.ends is None:
            session.outbox.write(frame(BIG, TEXT))
            assert socket.transport is not None
            most = max(most, socket.transport.get_write_buffer_size())
            await asyncio.sleep(0)
        assert most <= OUTBOX_BYTES + 200  # and the close frame
        await until(lambda: session in hub.left, "the hub was told")
        assert (await slow.frames())[-1].code == 4429  # a reader that wakes up in time learns why
        other.send(client_frame({"type": "ping"}) + client_frame(b"", CLOSE))
        assert [event.opcode for event in await other.frames()] == [TEXT, CLOSE]


async def test_a_reader_that_stays_full_is_closed_after_30_seconds() -> None:
    clock = ManualClock()
    endpoint, hub, _ = make_endpoint(clock=clock, timings=Timings(ping_every=1000))
    heartbeat = Heartbeat(endpoint)
    async with serve(endpoint) as served:
        raw = await RawClient.welcomed(served, receive_buffer=4096)
        session, socket = hub.sessions[0], only(endpoint.sockets)  # type: ignore[arg-type]
        while not socket.full:
            session.outbox.write(frame(BIG, TEXT))
            await asyncio.sleep(0)
        await clock.advance(29)
        await heartbeat.round()
        assert socket.ends is None
        await clock.advance(1)
        await heartbeat.round()
        await until(lambda: session in hub.left, "it was closed")
        await clock.advance(6)
        await heartbeat.round()
        await until(lambda: not endpoint.sockets, "and cut")
        await raw.drop()


async def test_a_frame_of_any_size_fits_an_outbox_that_is_not_full() -> None:
    endpoint, hub, _ = make_endpoint()
    async with serve(endpoint) as served:
        raw = await RawClient.welcomed(served)
        hub.sessions[0].outbox.write(frame(b"x" * 3_000_000, TEXT))
        hub.sessions[0].outbox.close(1000, "")
        big, close = await raw.frames()
        assert (len(big.payload), close.code) == (3_000_000, 1000)
        await raw.drop()


async def test_a_dead_peer_is_gone_within_45_seconds_though_it_floods() -> None:
    clock = ManualClock()
    endpoint, hub, _ = make_endpoint(clock=clock)
    heartbeat = Heartbeat(endpoint)
    heartbeat.start(lambda _name, error: pytest.fail(str(error)))
    started = clock.monotonic()
    async with serve(endpoint) as served:
        raw = await RawClient.welcomed(served)  # it never answers a ping
        while endpoint.sockets:
            raw.send(client_frame({"type": "ping"}) + client_frame(b"not the one", PONG))
            await clock.advance(1)
            assert clock.monotonic() - started <= 45
        assert len(hub.left) == 1
        await raw.drop()
        await heartbeat.close()


async def test_a_living_peer_stays() -> None:
    clock = ManualClock()
    endpoint, hub, _ = make_endpoint(clock=clock)
    heartbeat = Heartbeat(endpoint)
    async with serve(endpoint) as served, client(served, ping_interval=None) as socket:
        await socket.send(json.dumps(hello()))
        await socket.recv()
        watched = only(endpoint.sockets)  # type: ignore[arg-type]
        for _ in range(5):
            await clock.advance(20)
            await heartbeat.round()
            assert watched.awaiting is not None
            await until(lambda: watched.awaiting is None, "the pong has come")
        assert hub.left == []


async def test_an_expired_token_closes_an_open_socket() -> None:
    """[HS8]"""
    clock = ManualClock()
    endpoint, _, _ = make_endpoint(clock=clock)
    heartbeat = Heartbeat(endpoint)
    async with serve(endpoint) as served, client(served) as socket:
        await socket.send(json.dumps(hello("acme/ada/15")))
        await socket.recv()
        await clock.advance(19)
        await heartbeat.round()
        assert await closed(socket) == (4401, "the token has expired")


# ---- stopping


async def test_stopping_drains_first_then_closes_with_1012() -> None:
    """[CL1]"""
    endpoint, hub, _ = make_endpoint()
    order: list[str] = []

    async def drain() -> None:
        assert not endpoint.open_for_new
        for session in hub.sessions:
            session.outbox.write(session.outbox.wire.frame(b'{"type":"notice","code":"draining","retry_ms":5}'))
        order.append("drained")

    hub.on_leave = lambda _session: order.append("left")
    async with serve(endpoint, drain=drain) as served:
        sockets = [await client(served) for _ in range(20)]
        for socket in sockets:
            await socket.send(json.dumps(hello()))
            await socket.recv()
        silent = await RawClient.welcomed(served)  # never answers the close
        loop = asyncio.get_running_loop()
        started = loop.time()
        stopping = asyncio.create_task(served.stop(), name="stop")
        for socket in sockets:
            assert json.loads(await socket.recv())["code"] == "draining"
            assert await closed(socket) == (1012, "restarting")
        await silent.drop()
        await stopping
        assert loop.time() - started < 10
    assert order == ["drained"] + ["left"] * 21


async def test_a_drain_that_hangs_or_fails_still_closes_with_1012() -> None:
    logged: list[str] = []
    for drain in (asyncio.Event().wait, failing):
        endpoint, _, _ = make_endpoint(log=lambda event, **_fields: logged.append(event))
        async with serve(endpoint, drain=drain, drain_seconds=0.05) as served:  # type: ignore[arg-type]
            raw = await RawClient.welcomed(served)
            stopping = asyncio.create_task(served.stop(), name="stop")
            assert await raw.close_code() == 1012
            await stopping
    assert [event.split(";")[0] for event in logged] == ["drain took too long", "drain failed"]


async def failing() -> None:
    raise RuntimeError("a bug")


async def test_a_stopping_server_takes_no_new_sockets() -> None:
    """[RP13] And says so to our client, which waits as long."""
    endpoint, _, _ = make_endpoint()
    async with serve(endpoint) as served:
        endpoint.open_for_new = False
        with pytest.raises(InvalidStatus) as refused:
            await client(served)
        assert (refused.value.response.status_code, refused.value.response.headers["Retry-After"]) == (503, "1")
        with pytest.raises(LineLost) as lost:
            await websocket_dial(f"ws://127.0.0.1:{served.port}/ws", JSON, "tests")()
        assert lost.value.retry_after == 1.0


async def test_a_task_that_dies_stops_the_server() -> None:
    logged: list[str] = []
    endpoint, _, _ = make_endpoint(log=lambda event, **_fields: logged.append(event))
    async with serve(endpoint) as served, client(served) as socket:
        error = RuntimeError("a bug")
        served.server.fail("commit:0", error)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        await asyncio.wait_for(served.task, 10)
        assert (served.server.failure, logged) == (error, ["task died, stopping"])
