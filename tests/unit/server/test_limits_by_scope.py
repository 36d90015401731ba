"""Each limit by itself: of a socket, a user, a tenant, an address; of messages, ops, bytes, sockets (reliability B 34).

Ada has sent as much as the scope allows. Whoever shares that scope with her is over it too, whoever does not is not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from server.connection import Connection
from server.endpoint import Endpoint
from server.limits import ADDRESS, CONNECTION, TENANT, USER, Bounds, Rate
from tests.applications import running
from tests.clocks import settle
from tests.sockets import FakeSocket, connect, edit, hello, make_endpoint, say

ALLOWANCES = {"connection": CONNECTION, "user": USER, "tenant": TENANT, "address": ADDRESS}
LEAST = {"messages": Rate(10, 20), "ops": Rate(5, 10), "bytes": Rate(2_000, 4_000)}


class Other(NamedTuple):
    """Somebody beside ada, who is of acme and comes from 192.0.2.1."""

    token: str
    address: str
    shares: frozenset[str]


OTHERS = {
    "herself, from elsewhere": Other("acme/ada", "192.0.2.2", frozenset({"user", "tenant"})),
    "a colleague": Other("acme/bo", "192.0.2.2", frozenset({"tenant"})),
    "somebody in the same house": Other("globex/eve", "192.0.2.1", frozenset({"address"})),
    "one of her name elsewhere": Other("globex/ada", "192.0.2.2", frozenset()),
}


def bounds(scope: str, kind: str) -> Bounds:
    """The defaults, with one rate of one scope low."""
    low: Any = {kind: LEAST[kind]}
    replaced: Any = {scope: ALLOWANCES[scope]._replace(**low)}
    return Bounds(**replaced)


async def entered(endpoint: Endpoint, token: str, address: str) -> tuple[Connection, FakeSocket]:
    connection, socket = connect(endpoint, address=address)
    say(connection, hello(token))
    await settle()
    assert [message["type"] for message in socket.said()] == ["welcome"]
    return connection, socket


def is_over(connection: Connection, socket: FakeSocket, kind: str) -> bool:
    """Whether one more is refused."""
    if kind == "ops":
        say(connection, edit(1))
        said = socket.said()
        return [one["results"][0]["code"] for one in said if one["type"] == "outcome"] == ["rate"]
    say(connection, {"type": "open", "tree": 7, "ref": 1})
    return [one["code"] for one in socket.said()] == ["rate"]


def spend_all(connection: Connection, kind: str) -> None:
    """As much as is allowed, and not more; little of what else is counted."""
    if kind == "messages":
        for _ in range(20):
            say(connection, {"type": "close", "tree": 7})
    elif kind == "ops":
        say(connection, edit(*range(1, 11)))
    else:
        say(connection, b'{"type":"close","tree":7}'.ljust(3_990))


@pytest.mark.parametrize("kind", LEAST)
@pytest.mark.parametrize("scope", ALLOWANCES)
async def test_a_limit_is_of_those_who_share_its_scope(scope: str, kind: str) -> None:
    """[LM2] [ED6]"""
    for name, other in OTHERS.items():
        endpoint, _, _ = make_endpoint(bounds=bounds(scope, kind))
        theirs = await entered(endpoint, other.token, other.address)
        ada = await entered(endpoint, "acme/ada", "192.0.2.1")
        spend_all(ada[0], kind)
        ada[1].said()
        assert is_over(*theirs, kind) == (scope in other.shares), name
        assert is_over(*ada, kind)


@pytest.mark.parametrize("scope", ["user", "tenant", "address"])
async def test_a_number_of_sockets_is_of_those_who_share_its_scope(scope: str) -> None:
    """[LM3] One too many is told so and closed; the others stay."""
    for name, other in OTHERS.items():
        one: Any = {f"sockets_per_{scope}": 1}
        endpoint, _, _ = make_endpoint(bounds=Bounds(**one))
        ada = await entered(endpoint, "acme/ada", "192.0.2.1")
        if scope == "address" and scope in other.shares:
            assert endpoint.admission.arrive(other.address) is None
            continue
        connection, socket = connect(endpoint, address=other.address)
        say(connection, hello(other.token))
        await settle()
        assert (socket.closed is not None) == (scope in other.shares), name
        assert socket.closed in (None, (4429, "too many sockets"))
        assert ada[1].closed is None


async def test_http_spends_from_the_same_limits() -> None:
    """[LM2] 429 with Retry-After, for that tenant alone."""
    async with running(tenant_ops_per_second=2.0) as one:
        tree, other = await one.tree(), await one.tree(tenant="globex")

        async def edits(number: int, tree: int, tenant: str) -> Any:
            ops = [{"n": number, "base": 0, "op": "update", "node": "root", "set": {"title": f"T{number}"}}]
            return await one.ask(
                "POST", f"/api/v1/trees/{tree}/edits", {"client_id": "script", "ops": ops}, tenant=tenant
            )

        answers = [await edits(number, tree, "acme") for number in range(1, 9)]
        assert {answer.status_code for answer in answers} == {200, 429}
        assert answers[-1].headers["retry-after"] == "1"
        assert (await edits(1, other, "globex")).status_code == 200


async def test_reported_events_count_as_ops() -> None:
    """[AC12]"""
    endpoint, hub, _ = make_endpoint(bounds=bounds("user", "ops"))
    ada, hers = await entered(endpoint, "acme/ada", "192.0.2.1")

    def report(events: int) -> list[tuple[str, int]]:
        said = [{"id": f"e{n}", "kind": "node_viewed"} for n in range(events)]
        say(ada, {"type": "activity", "tree": 7, "ref": events, "events": said})
        return [(one["code"], one["ref"]) for one in hers.said()]

    assert report(11) == [("rate", 11)]
    assert report(10) == []
    assert report(1) == [("rate", 1)]
    assert len(hub.received) == 1
