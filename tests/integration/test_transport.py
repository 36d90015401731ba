"""Real sockets on a loopback port: the handshake, frames, close codes, and readers and writers of every kind."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from websockets.exceptions import InvalidStatus

from server.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from server.heartbeat import Heartbeat
from server.limits import Bounds
from server.transport import EARLY_BYTES
from sync.limits import Limits
from tests.clocks import ManualClock
from tests.served import RawClient, client, serve
from tests.sockets import client_frame, hello, make_endpoint
from tests.unit.server.test_origin import ACCEPTED, LISTED, REFUSED
from tests.waiting import until

BIG = b"x" * 65_000


def header_values(origins: list[str]) -> list[str]:
    """Those that can stand in a header at all; a client library refuses the others, a server never sees them."""
    return [
        origin for origin in origins if origin.isascii() and origin.strip() == origin and origin and len(origin) < 8000
    ]


# ---- handshake


async def test_a_conversation() -> None:
    """[WS1, HS5, WS8]"""
    endpoint, hub, _ = make_endpoint()
    async with serve(endpoint) as served, client(served) as socket:
        assert socket.subprotocol == "treesync.v1.json"
        await socket.send(json.dumps(hello()))
        welcome = json.loads(await socket.recv())
        assert (welcome["type"], welcome["user"]) == ("welcome", "ada")
        await socket.send('{"type":"ping","ref":1}')
        assert json.loads(await socket.recv()) == {"type": "pong", "ref": 1}
        assert hub.sessions[0].address == "127.0.0.1"
        assert hub.sessions[0].user_agent.startswith("Python")
        await socket.close()
        await until(lambda: hub.sessions == [], "the hub was told")
        assert (socket.close_code, len(hub.left), endpoint.admission.sockets) == (1000, 1, 0)


async def test_msgpack_travels_in_binary_frames() -> None:
    """[WS1]"""
    endpoint, _, _ = make_endpoint()
    async with serve(endpoint) as served, client(served, subprotocols=["treesync.v1.msgpack"]) as socket:
        import msgpack

        await socket.send(msgpack.packb(hello()))
        welcome = msgpack.unpackb(await socket.recv())
        assert welcome["type"] == "welcome"


async def test_the_authorization_header_can_carry_the_token() -> None:
    """[HS4]"""
    endpoint, hub, _ = make_endpoint()
    async with serve(endpoint) as served:
        headers = {"Authorization": "Bearer acme/bo"}
        async with client(served, additional_headers=headers) as socket:
            await socket.send(json.dumps(hello(None)))
            await socket.recv()
            assert hub.sessions[0].identity.user == "bo"


async def test_unknown_subprotocols_are_closed_with_4409() -> None:
    """[WS2]"""
    endpoint, _, _ = make_endpoint()
    async with serve(endpoint) as served:
        raw = await RawClient.open(served, "Sec-WebSocket-Protocol: treesync.v9.json")
        assert await raw.close_code() == 4409


async def test_every_other_path_is_404_and_http_goes_on() -> None:
    endpoint, _, _ = make_endpoint()
    async with serve(endpoint) as served:
        for path in ("/", "/ws/", "/api/v1/trees"):
            with pytest.raises(InvalidStatus) as refused:
                await client(served, path=path)
            assert refused.value.response.status_code == 404
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
        writer.close()


async def test_origins() -> None:
    """[WS3] Each over a real handshake: a page that may not connect is told so by 4403, and never gets a session."""
    endpoint, hub, _ = make_endpoint(origins=LISTED)
    accepted = [origin for origin in ACCEPTED if "sync.example.net" not in origin]
    refused = header_values(REFUSED)
    assert len(accepted) + len(refused) >= 40
    async with serve(endpoint) as served:
        for origin in [*accepted, f"http://127.0.0.1:{served.port}"]:
            raw = await RawClient.welcomed(served, f"Origin: {origin}")
            await raw.drop()
        await until(lambda: hub.sessions == [], "all have left")
        welcomed = len(hub.left)
        for origin in refused:
            raw = await RawClient.open(served, f"Origin: {origin}")
            raw.send(client_frame(hello()))
            assert (origin, await raw.close_code()) == (origin, 4403)
        raw = await RawClient.open(served, "Origin: http://a.test", "Origin: http://a.test")
        assert raw.head.startswith(b"HTTP/1.1 400 ")
        assert (len(hub.left), hub.sessions) == (welcomed, [])


async def test_one_socket_too_many_of_an_address_is_closed_with_4429() -> None:
    endpoint, _, _ = make_endpoint(bounds=Bounds(sockets_per_address=1))
    async with serve(endpoint) as served:
        first = await RawClient.open(served)
        second = await RawClient.open(served)
        assert await second.close_code() == 4429
        await first.drop()
        await until(lambda: endpoint.admission.sockets == 0, "the first is gone")
        third = await RawClient.welcomed(served)
        await third.drop()


async def test_a_thousand_half_handshakes_do_no_harm() -> None:
    endpoint, _, _ = make_endpoint()
    async with serve(endpoint) as served:
        lines = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(1000)]
        for _, writer in lines:
            writer.write(b"GET /ws HTTP/1.1\r\nUpgrade: webs")
        raw = await RawClient.welcomed(served)
        await raw.drop()
        for _, writer in lines:
            writer.transport.abort()


# ---- before hello


async def test_a_flood_before_hello_is_closed() -> None:
    endpoint, hub, tokens = make_endpoint()
    async with serve(endpoint) as served:
        raw = await RawClient.open(served)
        for _ in range(EARLY_BYTES // 100):
            raw.send(client_frame(b"x" * 100, PING))
        assert await raw.close_code() == 4429
        assert tokens.seen == [] == hub.left


@pytest.mark.parametrize("size", [EARLY_BYTES + 1, 65_536, 2**40])
async def test_a_first_message_over_16_kib_is_not_waited_for(size: int) -> None:
    endpoint, _, tokens = make_endpoint()
    async with serve(endpoint) as served:
        raw = await RawClient.open(served)
        raw.send(b"\x81\xff" + size.to_bytes(8, "big") if size > 65_535 else b"\x81\xfe" + size.to_bytes(2, "big"))
        raw.send(b"\0\0\0\0" + b'{"type":"hello"')
        assert await raw.close_code() == 1009
        assert tokens.seen == []


async def test_no_hello_in_time_is_closed_with_4408() -> None:
    """[HS2]"""
    clock = ManualClock()
    endpoint, _, _ = make_endpoint(clock=clock)
    heartbeat = Heartbeat(endpoint)
    async with serve(endpoint) as served:
        heartbeat.start(lambda _name, error: pytest.fail(str(error)))
        raw = await RawClient.open(served)
        raw.send(client_frame(b"", PING))  # a sign of life is no hello
        await clock.advance(11)
        assert await raw.close_code() == 4408
        await heartbeat.close()


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (client_frame({"type": "ping"}), 4400),
        (client_frame(hello("nonsense")), 4401),
        (client_frame({**hello(), "protocol": 9}), 4409),
        (client_frame(hello(), BINARY), 4400),
        (client_frame(b"\xff\xfe"), 1007),
        (client_frame(hello("down")), 1013),
    ],
)
async def test_what_keeps_a_socket_out(first: bytes, code: int) -> None:
    """[HS1, HS3, HS4]"""
    endpoint, hub, _ = make_endpoint()
    async with serve(endpoint) as served:
        raw = await RawClient.open(served)
        raw.send(first)
        assert await raw.close_code() == code
        assert hub.left == []


# ---- frames


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (client_frame({"type": "ping"}, masked=False), 1002),
        (client_frame({"type": "ping"}, first=0xC0), 1002),
        (client_frame(b"", 0x3), 1002),
        (client_frame(b"x", CONTINUATION), 1002),
        (client_frame(b"x" * 126, PING), 1002),
        (client_frame(b"", PING, first=0), 1002),
        (client_frame(b"\x03", CLOSE), 1002),
        (client_frame(b"\x03\xed", CLOSE), 1002),  # 1005
        (client_frame(b"\xc3\x28"), 1007),
        (client_frame(b"x" * 65_537), 1009),
        (client_frame({"type": "ping"}, BINARY), 4400),
        (client_frame(b"{"), 4400),
    ],
)
async def test_broken_rules_have_their_code_and_disturb_nobody_else(bad: bytes, code: int) -> None:
    """[WS5, WS6, CL4]"""
    endpoint, hub, _ = make_endpoint()
    async with serve(endpoint) as served:
        other = await RawClient.welcomed(served)
        raw = await RawClient.welcomed(served)
        raw.send(bad + client_frame({"type": "open", "tree": 7}))
        assert await raw.close_code() == code
        assert hub.received == []
        await until(lambda: len(hub.sessions) == 1, "the hub was told")
        other.send(client_frame({"type": "ping"}) + client_frame(b"", CLOSE))
        assert [event.opcode for event in await other.frames()] == [TEXT, CLOSE]


async def test_a_message_of_exactly_the_limit_is_read_whole_or_in_fragments() -> None:
    """[WS6]"""
    endpoint, hub, _ = make_endpoint(limits=Limits(message_bytes=2000))
    message = json.dumps({"type": "open", "tree": 7}).encode().ljust(2000)
    pieces = [message[start : start + 300] for start in range(0, 2000, 300)]
    fragments = client_frame(pieces[0], TEXT, first=0)
    fragments += b"".join(client_frame(piece, CONTINUATION, first=0) for piece in pieces[1:])
    async with serve(endpoint) as served:
        raw = await RawClient.welcomed(served)
        raw.send(client_frame(message))
        raw.send(fragments + client_frame(b"", CONTINUATION))
        await until(lambda: len(hub.received) == 2, "both were read")
        raw.send(fragments + client_frame(b" ", CONTINUATION))
        assert await raw.close_code() == 1009


async def test_bytes_may_come_one_at_a_time() -> None:
    endpoint, hub, _ = make_endpoint()
    async with serve(endpoint) as served:
        raw = await RawClient.open(served)
        for byte in client_frame(hello()) + client_frame({"type": "open", "tree": 7}):
            raw.send(bytes([byte]))
            await asyncio.sleep(0)
        await until(lambda: len(hub.received) == 1, "it was read")
        await raw.drop()


async def test_pings_are_answered_and_stray_pongs_passed_over() -> None:
    endpoint, _, _ = make_endpoint()
    async with serve(endpoint) as served:
        raw = await RawClient.welcomed(served)
        raw.send(client_frame(b"stray", PONG) + client_frame(b"there?", PING) + client_frame(b"\x03\xe8bye", CLOSE))
        pong, close = await raw.frames()
        assert (pong.opcode, pong.payload) == (PONG, b"there?")
        assert (close.opcode, close.code) == (CLOSE, 1000)
        await raw.drop()


async def test_five_thousand_mutated_messages_are_survived() -> None:
    """Only documented close codes, no unhandled exception (the endpoint's log would raise), and others are served."""
    endpoint, _, _ = make_endpoint()
    chance = random.Random(27)
    good = [
        client_frame({"type": "open", "tree": 7, "ref": 1}),
        client_frame({"type": "ping"}),
        client_frame(b"a", PING),
    ]
    codes: set[int | None] = set()
    errors: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
    async with serve(endpoint) as served:
        sent = 0
        while sent < 5000:
            raw = await RawClient.welcomed(served)
            for _ in range(25):
                raw.send(mutated(chance.choice(good), chance))
                sent += 1
            raw.send(client_frame(b"", CLOSE))
            raw.end()
            codes.add(await raw.close_code())
        last = await RawClient.welcomed(served)
        await last.drop()
    asyncio.get_running_loop().set_exception_handler(None)
    assert errors == []
    assert codes <= {None, 1000, 1002, 1005, 1007, 1009, 4400, 4429, *range(3000, 5000)}
    assert {1002, 4400} <= codes


def mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(changed))
        match chance.randrange(4):
            case 0:
                changed[place] ^= 1 << chance.randrange(8)
            case 1:
                changed[place] = chance.randrange(256)
            case 2:
                del changed[place:]
            case _:
                changed[place:place] = chance.randbytes(chance.randint(1, 4))
        if not changed:
            break
    return bytes(changed)
