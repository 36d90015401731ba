"""One socket's conversation, above frames and below the hub."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.connection import State
from server.endpoint import Timings
from server.limits import Bounds
from server.transport import MSGPACK_WIRE
from sync.codec import MSGPACK, Decoded
from sync.errors import Forbidden, NotFound, TooMany, Unavailable
from sync.limits import Limits
from sync.protocol import Hello, Open
from tests.clocks import settle
from tests.sockets import RecordedSession, connect, edit, hello, make_endpoint, ready, say

# ---- hello


async def test_hello_is_answered_with_welcome() -> None:
    """[HS5]"""
    endpoint, hub, _ = make_endpoint(limits=Limits(message_bytes=5000))
    connection, socket = connect(endpoint)
    say(connection, hello(ref=3, client="tests/1"))
    await settle()
    (welcome,) = socket.said()
    assert welcome["limits"]["message_bytes"] == 5000
    del welcome["limits"]
    assert welcome == {
        "type": "welcome",
        "ref": 3,
        "protocol": 1,
        "tenant": "acme",
        "user": "ada",
        "instance": "i-1",
        "server_time": "2027-01-15T08:00:00.000Z",
        "expires_at": "2027-01-15T09:00:00.000Z",
        "spread_ms": 2,
    }
    assert socket.is_admitted
    assert connection.state is State.READY
    assert [(session.client_id, session.address, session.user_agent) for session in hub.sessions] == [
        ("c1", "192.0.2.1", "tests")
    ]


async def test_msgpack_carries_the_same_maps() -> None:
    """[WS1]"""
    endpoint, _, _ = make_endpoint()
    connection, socket = connect(endpoint)
    socket.wire = MSGPACK_WIRE
    say(connection, MSGPACK.encode(Hello(protocol=1, token="acme/ada", client_id="c1")), binary=True)
    await settle()
    (frame,) = socket.frames
    assert frame[0] == 0x82
    assert MSGPACK.decode_server(frame[4:]).tenant == "acme"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "first",
    [
        {"type": "open", "tree": 7},
        {"type": "ping", "ref": 1},
        {"type": "auth", "token": "acme/ada"},
        {"type": "hello", "protocol": 1},
        {"type": "hello", "protocol": "1", "client_id": "c1"},
        {"type": "hello", "protocol": 1, "token": "acme/ada", "client_id": ""},
        {"type": "hello", "protocol": 1, "token": "acme/ada", "client_id": "x" * 65},
        {"type": "hello", "protocol": 1, "token": "acme/ada", "client_id": "a:b"},
        {"type": "hello", "protocol": 1, "token": 5, "client_id": "c1"},
        {"type": "nonsense"},
        b"[]",
        b"{",
        b"",
        b"null",
        b"[" * 60_000,
    ],
)
async def test_a_first_message_that_is_no_hello_closes_with_4400(first: dict[str, Any] | bytes) -> None:
    """[HS1, HS6]"""
    endpoint, hub, tokens = make_endpoint()
    connection, socket = connect(endpoint)
    say(connection, first)
    await settle()
    assert socket.closed is not None
    assert socket.closed[0] == 4400
    assert [message["code"] for message in socket.said()] == ["bad_message"]
    assert hub.sessions == [] == tokens.seen


@pytest.mark.parametrize("protocol", [0, 2, -1, 2**52])
async def test_another_protocol_closes_with_4409(protocol: int) -> None:
    """[HS3]"""
    endpoint, _, tokens = make_endpoint()
    connection, socket = connect(endpoint)
    say(connection, {**hello(), "protocol": protocol})
    await settle()
    assert socket.closed == (4409, "protocol 1 is spoken here")
    assert tokens.seen == []


@pytest.mark.parametrize("token", [None, "", "nonsense"])
async def test_no_token_or_a_bad_one_closes_with_4401(token: str | None) -> None:
    """[HS4, HS11]"""
    endpoint, hub, _ = make_endpoint()
    connection, socket = connect(endpoint)
    say(connection, hello(token, ref=1))
    await settle()
    (error,) = socket.said()
    assert (error["type"], error["code"], error["ref"]) == ("error", "unauthorised", 1)
    assert socket.closed is not None
    assert socket.closed[0] == 4401
    assert hub.sessions == []


async def test_the_token_may_come_in_the_authorization_header() -> None:
    """[HS4]"""
    endpoint, hub, tokens = make_endpoint()
    connection, socket = connect(endpoint, token="acme/bo")
    say(connection, hello(None))
    await settle()
    assert tokens.seen == ["acme/bo"]
    assert hub.sessions[0].identity.user == "bo"
    assert socket.closed is None


async def test_a_token_in_hello_goes_before_one_in_the_header() -> None:
    endpoint, hub, _ = make_endpoint()
    connection, _ = connect(endpoint, token="acme/bo")
    say(connection, hello("acme/ada"))
    await settle()
    assert hub.sessions[0].identity.user == "ada"


@pytest.mark.parametrize(("kind", "seen"), [(None, "human"), ("human", "human"), ("agent", "agent")])
async def test_an_agent_says_that_it_is_one(kind: str | None, seen: str) -> None:
    """[HS9]"""
    endpoint, hub, _ = make_endpoint()
    await ready(endpoint, **({"kind": kind} if kind else {}))
    assert hub.sessions[0].identity.kind == seen


async def test_a_second_hello_is_answered_and_changes_nothing() -> None:
    endpoint, hub, _ = make_endpoint()
    connection, socket = await ready(endpoint)
    say(connection, hello("acme/bo", ref=2))
    await settle()
    assert [(message["code"], message["ref"]) for message in socket.said()] == [("bad_message", 2)]
    assert [session.identity.user for session in hub.sessions] == ["ada"]


async def test_while_the_token_is_looked_up_a_few_messages_wait_in_order() -> None:
    endpoint, hub, tokens = make_endpoint()
    gate = asyncio.Event()
    tokens.slow = lambda: gate.wait()  # type: ignore[assignment]
    connection, socket = connect(endpoint)
    say(connection, hello())
    for tree in range(1, 4):
        say(connection, {"type": "open", "tree": tree, "ref": tree})
    await settle()
    assert socket.said() == []
    gate.set()
    await settle()
    assert [message["type"] for message in socket.said()] == ["welcome", "error", "error", "error"]
    assert [decoded.message.tree for decoded in hub.received if isinstance(decoded.message, Open)] == [1, 2, 3]


async def test_too_many_messages_before_the_answer_close_with_4429() -> None:
    endpoint, hub, tokens = make_endpoint()
    tokens.slow = asyncio.Event().wait  # type: ignore[assignment]
    connection, socket = connect(endpoint)
    say(connection, hello())
    await settle()
    for _ in range(33):
        say(connection, {"type": "ping"})
    assert socket.closed is not None
    assert socket.closed[0] == 4429
    assert hub.received == []
    for task in list(endpoint.tasks):
        task.cancel()
    await settle()


async def test_a_socket_that_goes_while_its_token_is_looked_up_is_never_welcomed() -> None:
    endpoint, hub, tokens = make_endpoint()
    gate = asyncio.Event()
    tokens.slow = lambda: gate.wait()  # type: ignore[assignment]
    connection, socket = connect(endpoint)
    say(connection, hello())
    await settle()
    connection.lost()
    gate.set()
    await settle()
    assert (hub.sessions, socket.frames, endpoint.admission.sockets) == ([], [], 0)
    assert endpoint.tasks == set()


async def test_a_token_that_cannot_be_looked_up_in_time_closes_with_1013() -> None:
    endpoint, _, tokens = make_endpoint(timings=Timings(hello=0.01))
    tokens.slow = asyncio.Event().wait  # type: ignore[assignment]
    connection, socket = connect(endpoint)
    say(connection, hello())
    await asyncio.wait(endpoint.tasks, timeout=5)
    assert socket.closed == (1013, "the token could not be checked in time")


@pytest.mark.parametrize(
    ("error", "code", "close"),
    [
        (Unavailable("the database is away"), "unavailable", 1013),
        (Forbidden("this tenant is closed"), "forbidden", 4403),
        (TooMany("later"), "rate", 1013),
        (NotFound("no such tenant"), "not_found", 4401),
    ],
)
async def test_what_keeps_a_socket_out_tells_it_when_to_come_back(error: Exception, code: str, close: int) -> None:
    """[HS11]"""
    endpoint, _, tokens = make_endpoint()

    async def fail() -> None:
        raise error

    tokens.slow = fail
    connection, socket = connect(endpoint)
    say(connection, hello())
    await settle()
    assert [message["code"] for message in socket.said()] == [code]
    assert socket.closed is not None
    assert socket.closed[0] == close


async def test_one_socket_too_many_of_a_user_closes_with_4429() -> None:
    """[LM3, HS11]"""
    endpoint, hub, _ = make_endpoint(bounds=Bounds(sockets_per_user=1))
    first, _ = await ready(endpoint)
    second, socket = connect(endpoint)
    say(second, hello())
    await settle()
    assert [message["code"] for message in socket.said()] == ["rate"]
    assert socket.closed == (4429, "too many sockets")
    second.lost()
    first.lost()
    assert hub.sessions == []
    await ready(endpoint)


# ---- ready


async def test_messages_reach_the_hub_as_they_were_decoded() -> None:
    endpoint, hub, _ = make_endpoint()
    connection, _ = await ready(endpoint)
    say(connection, {"type": "open", "tree": 7})
    say(connection, edit(1, 2))
    say(connection, {"type": "presence", "tree": 7, "state": {}})
    say(connection, {"type": "close", "tree": 7})
    assert [type(decoded.message).__name__ for decoded in hub.received] == ["Open", "Edit", "PresenceUpdate", "Close"]


async def test_ping_is_answered_with_pong() -> None:
    """[WS7, WS8]"""
    endpoint, hub, _ = make_endpoint()
    connection, socket = await ready(endpoint)
    say(connection, {"type": "ping", "ref": 4})
    say(connection, {"type": "ping", "ref": "a"})
    say(connection, {"type": "ping"})
    assert socket.said() == [{"type": "pong", "ref": 4}, {"type": "pong", "ref": "a"}, {"type": "pong"}]
    assert hub.received == []


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "nonsense", "ref": 8},
        {"type": "open", "tree": "7", "ref": 8},
        {"type": "open", "tree": 0, "ref": 8},
        {"type": "open", "tree": 2**53, "ref": 8},
        {"type": "edit", "tree": 7, "ops": [{"op": "delete", "node": "n1"}], "ref": 8},
        {"type": "edit", "tree": 7, "ops": 5, "ref": 8},
        {"type": "presence", "tree": 7, "state": [], "ref": 8},
    ],
)
async def test_a_message_that_can_be_read_but_not_understood_is_answered_and_the_socket_stays(
    bad: dict[str, Any],
) -> None:
    """[WS4, ED14]"""
    endpoint, hub, _ = make_endpoint()
    connection, socket = await ready(endpoint)
    say(connection, bad)
    assert [(answer["code"], answer["ref"]) for answer in socket.said()] == [("bad_message", 8)]
    assert socket.closed is None
    assert hub.received == []


@pytest.mark.parametrize("bad", [b"", b"{", b'{"type":"ping"}x', b"[" * 60_000])
async def test_bytes_that_are_no_json_are_answered_and_close_with_4400(bad: bytes) -> None:
    """[WS4]"""
    endpoint, _, _ = make_endpoint()
    connection, socket = await ready(endpoint)
    say(connection, bad)
    assert [answer["code"] for answer in socket.said()] == ["bad_message"]
    assert socket.closed is not None
    assert socket.closed[0] == 4400


async def test_the_wrong_kind_of_frame_closes_with_4400() -> None:
    """[WS5]"""
    endpoint, _, _ = make_endpoint()
    connection, socket = await ready(endpoint)
    say(connection, {"type": "ping"}, binary=True)
    assert socket.closed == (4400, "json travels in text frames")


async def test_nothing_is_heard_after_a_close() -> None:
    endpoint, hub, _ = make_endpoint()
    connection, socket = await ready(endpoint)
    socket.close(1012, "restarting")
    say(connection, {"type": "open", "tree": 7})
    assert (hub.received, socket.said()) == ([], [])


async def test_a_client_fault_in_the_hub_is_answered_with_its_ref_and_tree() -> None:
    """[ER2]"""
    endpoint, hub, _ = make_endpoint()

    def refuse(_session: RecordedSession, _decoded: Decoded) -> None:
        raise NotFound("no such tree")

    hub.on_edit = refuse
    connection, socket = await ready(endpoint)
    say(connection, edit(1))
    assert socket.said() == [{"type": "error", "ref": 5, "code": "not_found", "why": "no such tree", "tree": 7}]
    assert socket.closed is None


async def test_a_fault_nobody_foresaw_is_logged_and_closes_this_socket_alone() -> None:
    """[CL4]"""
    logged: list[str] = []
    endpoint, hub, _ = make_endpoint(log=lambda event, **_fields: logged.append(event))

    def fail(_session: RecordedSession, _decoded: Decoded) -> None:
        raise RuntimeError("a bug")

    hub.on_edit = fail
    connection, socket = await ready(endpoint)
    _, other = await ready(endpoint)
    say(connection, edit(1))
    assert socket.closed == (1011, "internal error")
    assert other.closed is None
    assert logged == ["connection failed"]


async def test_leaving_is_told_to_the_hub_once_and_frees_every_count() -> None:
    endpoint, hub, _ = make_endpoint()
    connection, _ = await ready(endpoint)
    connection.lost()
    connection.lost()
    assert (len(hub.left), hub.sessions, endpoint.admission.sockets) == (1, [], 0)


async def test_room_in_the_outbox_is_told_to_the_hub() -> None:
    endpoint, hub, _ = make_endpoint()
    early, _ = connect(endpoint)
    early.drained()
    connection, _ = await ready(endpoint)
    connection.drained()
    assert hub.drained_ == hub.sessions
