"""What time does to a connection, and what it may send in time."""

from __future__ import annotations

import asyncio

import pytest

from server.connection import EXPIRY_GRACE
from server.limits import CONNECTION, Bounds, Rate
from sync.protocol import Edit
from tests.clocks import ManualClock, settle
from tests.sockets import connect, edit, make_endpoint, ready, say

SMALL = Bounds(connection=CONNECTION._replace(messages=Rate(10, 20), ops=Rate(5, 10)))


# ---- time


async def test_no_hello_in_time_closes_with_4408() -> None:
    """[HS2]"""
    clock = ManualClock()
    endpoint, _, _ = make_endpoint(clock=clock)
    connection, socket = connect(endpoint)
    connection.check(clock.monotonic() + 9.9, clock.now())
    assert socket.closed is None
    connection.check(clock.monotonic() + 10, clock.now())
    assert socket.closed == (4408, "no hello within 10 s")


async def test_an_expired_token_closes_with_4401_within_five_seconds() -> None:
    """[HS8]"""
    clock = ManualClock()
    endpoint, _, _ = make_endpoint(clock=clock)
    connection, socket = await ready(endpoint, token="acme/ada/60")
    connection.check(clock.monotonic(), clock.now() + 60 + EXPIRY_GRACE - 0.1)
    assert socket.closed is None
    connection.check(clock.monotonic(), clock.now() + 60 + EXPIRY_GRACE)
    assert [message["code"] for message in socket.said()] == ["unauthorised"]
    assert socket.closed == (4401, "the token has expired")
    assert EXPIRY_GRACE + 1 < 5


async def test_a_fresh_token_keeps_the_socket() -> None:
    """[HS7]"""
    clock = ManualClock()
    endpoint, hub, _ = make_endpoint(clock=clock)
    connection, socket = await ready(endpoint, token="acme/ada/60", kind="agent")
    say(connection, {"type": "auth", "ref": 9, "token": "acme/ada/600"})
    await settle()
    (welcome,) = socket.said()
    assert (welcome["type"], welcome["ref"], welcome["expires_at"]) == ("welcome", 9, "2027-01-15T08:10:00.000Z")
    connection.check(clock.monotonic(), clock.now() + 120)
    assert socket.closed is None
    assert hub.sessions[0].identity.kind == "agent"
    connection.check(clock.monotonic(), clock.now() + 604)
    assert socket.closed is not None


@pytest.mark.parametrize("token", ["acme/bo", "other/ada"])
async def test_a_token_of_another_user_or_tenant_is_forbidden_and_closes_with_4403(token: str) -> None:
    """[HS7]"""
    endpoint, hub, _ = make_endpoint()
    connection, socket = await ready(endpoint)
    say(connection, {"type": "auth", "ref": 9, "token": token})
    await settle()
    assert [(message["code"], message["ref"]) for message in socket.said()] == [("forbidden", 9)]
    assert socket.closed is not None
    assert socket.closed[0] == 4403
    assert (hub.sessions[0].identity.tenant, hub.sessions[0].identity.user) == ("acme", "ada")


@pytest.mark.parametrize(("token", "code"), [("nonsense", "unauthorised"), ("down", "unavailable")])
async def test_a_refresh_that_fails_leaves_the_old_token_in_force(token: str, code: str) -> None:
    """[HS7]"""
    endpoint, _, _ = make_endpoint()
    connection, socket = await ready(endpoint)
    say(connection, {"type": "auth", "ref": 9, "token": token})
    await settle()
    assert [(message["code"], message["ref"]) for message in socket.said()] == [(code, 9)]
    say(connection, {"type": "ping"})
    assert socket.said() == [{"type": "pong"}]


async def test_one_token_is_looked_up_at_a_time() -> None:
    endpoint, _, tokens = make_endpoint()
    connection, socket = await ready(endpoint)
    gate = asyncio.Event()
    tokens.slow = lambda: gate.wait()  # type: ignore[assignment]
    say(connection, {"type": "auth", "ref": 1, "token": "acme/ada"})
    await settle()
    say(connection, {"type": "auth", "ref": 2, "token": "acme/ada"})
    assert [(message["code"], message["ref"]) for message in socket.said()] == [("rate", 2)]
    gate.set()
    await settle()
    assert [(message["type"], message["ref"]) for message in socket.said()] == [("welcome", 1)]


# ---- rates


async def test_ops_over_the_rate_are_rejected_under_their_n() -> None:
    """[ED6, RS6]"""
    endpoint, hub, _ = make_endpoint(bounds=SMALL)
    connection, socket = await ready(endpoint)
    say(connection, edit(*range(1, 11)))
    bad = {"n": 12, "op": "nonsense"}
    say(connection, {**edit(11), "ops": [*edit(11)["ops"], bad]})
    (outcome,) = socket.said()
    assert (outcome["type"], outcome["tree"], outcome["ref"]) == ("outcome", 7, 5)
    assert [(result["n"], result["status"], result["code"]) for result in outcome["results"]] == [
        (11, "rejected", "rate"),
        (12, "rejected", "rate"),
    ]
    assert len([decoded for decoded in hub.received if isinstance(decoded.message, Edit)]) == 1


async def test_messages_over_the_rate_are_answered_then_close_with_4429() -> None:
    """[LM2]"""
    endpoint, hub, _ = make_endpoint(bounds=SMALL)
    connection, socket = await ready(endpoint)
    for ref in range(41):
        say(connection, {"type": "open", "tree": 7, "ref": ref})
    answers = socket.said()
    assert [answer["code"] for answer in answers] == ["not_found"] * 20 + ["rate"] * 20
    assert answers[-1]["ref"] == 39
    assert socket.closed == (4429, "too fast")
    assert len(hub.received) == 20


async def test_presence_over_the_rate_is_dropped_without_a_word() -> None:
    """[LM2]"""
    endpoint, hub, _ = make_endpoint(bounds=SMALL)
    connection, socket = await ready(endpoint)
    for _ in range(30):
        say(connection, {"type": "presence", "tree": 7, "state": {}})
    assert (len(hub.received), socket.said(), socket.closed) == (20, [], None)


async def test_messages_nobody_understands_count_too() -> None:
    endpoint, _, _ = make_endpoint(bounds=SMALL)
    connection, socket = await ready(endpoint)
    for _ in range(41):
        say(connection, {"type": "nonsense"})
    assert socket.closed == (4429, "too fast")


async def test_a_rate_that_was_passed_heals_with_time() -> None:
    clock = ManualClock()
    endpoint, _, _ = make_endpoint(clock=clock, bounds=SMALL)
    connection, socket = await ready(endpoint)
    for _ in range(21):
        say(connection, {"type": "ping"})
    assert socket.said()[-1]["code"] == "rate"
    await clock.advance(1)
    say(connection, {"type": "ping"})
    assert socket.said() == [{"type": "pong"}]


async def test_one_users_flood_is_not_anothers() -> None:
    endpoint, _, _ = make_endpoint(bounds=SMALL)
    loud, _ = await ready(endpoint)
    quiet, socket = await ready(endpoint, token="acme/bo")
    for _ in range(100):
        say(loud, {"type": "ping"})
    say(quiet, {"type": "ping"})
    assert socket.said() == [{"type": "pong"}]
