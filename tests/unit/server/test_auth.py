"""Tokens: what is let in, and the many things that are not."""

from __future__ import annotations

import time
from datetime import datetime, tzinfo
from typing import Any, Self

import jwt
import pytest

from server.auth import Gate, Tokens, is_operator, mint
from server.keys import Keys
from storage.memory import MemoryDatabase
from storage.memory_directory import MemoryDirectory
from sync.errors import Unauthorised, Unavailable
from sync.identity import Identity
from tests.unit.server.bad_tokens import (
    EC_KEY,
    GOOD,
    NOW,
    RSA_KEY,
    SECRET,
    by_hand,
    forgeries,
    key_set,
    with_claims,
)

FORGERIES = list(forgeries())


@pytest.fixture(autouse=True)
def frozen_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library compares `nbf` and `iat` with its own idea of now."""

    class Frozen(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(NOW, tz)

    monkeypatch.setattr("jwt.api_jwt.datetime", Frozen)


class Issuer:
    """Counts how often its keys are asked for."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked = 0
        self.now = 0.0

    def fetch(self) -> bytes:
        self.asked += 1
        if not self.content:
            raise OSError("nobody there")
        return self.content

    def monotonic(self) -> float:
        return self.now

    def keys(self) -> Keys:
        return Keys(self.fetch, self.monotonic)


def tokens(**changes: Any) -> Tokens:
    wanted: dict[str, Any] = {"secret": SECRET, "keys": Issuer(key_set()).keys(), "now": lambda: float(NOW)} | changes
    return Tokens(**wanted)


def test_there_are_enough_forgeries() -> None:
    assert len(FORGERIES) >= 60
    assert len({name for name, _ in FORGERIES}) == len(FORGERIES)


@pytest.mark.parametrize(("name", "token"), FORGERIES, ids=[name for name, _ in FORGERIES])
async def test_a_forgery_is_not_let_in(name: str, token: str) -> None:
    with pytest.raises(Unauthorised) as caught:
        await tokens().verify(token)
    assert token not in caught.value.why or len(token) < 4
    assert SECRET not in caught.value.why


async def test_a_good_token_names_its_bearer() -> None:
    identity = await tokens().verify(with_claims(role="admin", name="Ada", email="ada@acme.example"))
    assert identity == Identity(
        tenant="acme", user="ada", role="admin", name="Ada", email="ada@acme.example", expires_at=float(NOW + 60)
    )


async def test_optional_claims_may_be_absent_or_null() -> None:
    identity = await tokens().verify(with_claims(name=None, email=None))
    assert (identity.role, identity.name, identity.email, identity.kind) == ("member", "", "", "human")


@pytest.mark.parametrize("exp", [NOW + 1, NOW + 0.5])
async def test_a_token_is_good_to_the_end(exp: float) -> None:
    assert (await tokens().verify(with_claims(exp=exp))).expires_at == exp


async def test_an_expired_token_says_so() -> None:
    with pytest.raises(Unauthorised) as caught:
        await tokens().verify(with_claims(exp=NOW - 1))
    assert caught.value.code == "expired"


@pytest.mark.parametrize("claim", ["nbf", "iat"])
async def test_an_issuers_clock_may_be_a_little_ahead(claim: str) -> None:
    assert (await tokens().verify(with_claims(**{claim: NOW + 9}))).user == "ada"


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA_KEY, "RS256", "rsa"), (EC_KEY, "ES256", "ec")])
async def test_a_published_key_signs_too(key: Any, algorithm: str, kid: str) -> None:
    assert (await tokens().verify(jwt.encode(GOOD, key, algorithm, headers={"kid": kid}))).user == "ada"


async def test_without_a_secret_no_hmac_token_is_good() -> None:
    with pytest.raises(Unauthorised):
        await tokens(secret=None).verify(with_claims())


async def test_without_keys_no_signature_is_good() -> None:
    with pytest.raises(Unauthorised):
        await tokens(keys=None).verify(jwt.encode(GOOD, RSA_KEY, "RS256", headers={"kid": "rsa"}))


async def test_a_short_secret_signs_nothing() -> None:
    with pytest.raises(Unauthorised):
        await tokens(secret="short").verify(by_hand({"alg": "HS256"}, GOOD, "short"))


async def test_audience_and_issuer_are_required_once_they_are_set() -> None:
    strict = tokens(audience="treesync", issuer="https://issuer.example")
    good = {"aud": ["treesync", "other"], "iss": "https://issuer.example"}
    assert (await strict.verify(with_claims(**good))).user == "ada"
    for bad in (
        {},
        {"aud": "treesync"},
        {"iss": good["iss"]},
        good | {"aud": "tree"},
        good | {"iss": "https://issuer"},
    ):
        with pytest.raises(Unauthorised):
            await strict.verify(with_claims(**bad))


async def test_a_flood_of_unknown_keys_fetches_once_a_minute() -> None:
    issuer = Issuer(key_set())
    flooded = tokens(keys=issuer.keys())
    for number in range(50):
        issuer.now += 1.0
        with pytest.raises(Unauthorised):
            await flooded.verify(jwt.encode(GOOD, RSA_KEY, "RS256", headers={"kid": f"made-up-{number}"}))
    assert issuer.asked == 1
    issuer.now += 60.0
    with pytest.raises(Unauthorised):
        await flooded.verify(jwt.encode(GOOD, RSA_KEY, "RS256", headers={"kid": "made-up"}))
    assert issuer.asked == 2
    assert (await flooded.verify(jwt.encode(GOOD, RSA_KEY, "RS256", headers={"kid": "rsa"}))).user == "ada"
    assert issuer.asked == 2


async def test_keys_stay_good_while_their_issuer_is_away() -> None:
    issuer = Issuer(key_set())
    away = tokens(keys=issuer.keys())
    token = jwt.encode(GOOD, RSA_KEY, "RS256", headers={"kid": "rsa"})
    await away.verify(token)
    issuer.now, issuer.content = 3600.0, b""
    assert (await away.verify(token)).user == "ada"
    assert issuer.asked == 2


async def test_a_withdrawn_key_is_noticed() -> None:
    issuer = Issuer(key_set())
    ours = tokens(keys=issuer.keys())
    token = jwt.encode(GOOD, EC_KEY, "ES256", headers={"kid": "ec"})
    await ours.verify(token)
    issuer.now, issuer.content = 600.0, key_set().replace(b'"kid": "ec"', b'"kid": "ec2"')
    with pytest.raises(Unauthorised):
        await ours.verify(token)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b'{"keys": 7}', b'{"keys": [7]}', b"\xff", b"{" * 9999]
)
async def test_keys_that_cannot_be_read_are_our_fault_not_the_clients(content: bytes) -> None:
    with pytest.raises(Unavailable):
        await tokens(keys=Issuer(content).keys()).verify(jwt.encode(GOOD, RSA_KEY, "RS256", headers={"kid": "rsa"}))


def test_the_operator_is_known_by_his_credential_alone() -> None:
    assert is_operator("an operator's token", "an operator's token")
    assert not is_operator("an operator's token ", "an operator's token")
    assert not is_operator("é", "an operator's token")
    assert not is_operator("", None)
    assert not is_operator("None", None)


async def test_what_is_minted_is_let_in() -> None:
    token = mint(SECRET, tenant="acme", user="ada", expires_at=time.time() + 60, role="admin", name="Ada L.")
    identity = await tokens(now=time.time).verify(token)
    assert (identity.tenant, identity.user, identity.role, identity.name) == ("acme", "ada", "admin", "Ada L.")


@pytest.mark.parametrize("wrong", [{"tenant": ""}, {"user": "x" * 65}, {"role": "owner"}, {"name": "x" * 201}])
def test_what_would_be_refused_is_not_minted(wrong: dict[str, Any]) -> None:
    claims: dict[str, Any] = {"tenant": "acme", "user": "ada", "expires_at": NOW + 60.0} | wrong
    with pytest.raises(ValueError, match="token"):
        mint(SECRET, **claims)


class CountingDirectory(MemoryDirectory):
    admitted = 0
    broken = False

    async def admit(self, identity: Identity) -> None:
        if self.broken:
            raise Unavailable("the database is away")
        self.admitted += 1
        await super().admit(identity)


async def test_a_person_is_written_down_once_and_again_when_something_changed(virtual: list[float]) -> None:
    directory = CountingDirectory(MemoryDatabase(VirtualClock(virtual)))
    gate = Gate(tokens(), directory, lambda: virtual[0])
    for _ in range(3):
        await gate.enter(with_claims())
    assert directory.admitted == 1
    await gate.enter(with_claims(name="Ada"))
    assert directory.admitted == 2
    virtual[0] += 600.0
    await gate.enter(with_claims(name="Ada"))
    assert directory.admitted == 3


async def test_a_newcomer_waits_for_the_database_and_a_known_person_does_not(virtual: list[float]) -> None:
    directory = CountingDirectory(MemoryDatabase(VirtualClock(virtual)))
    gate = Gate(tokens(), directory, lambda: virtual[0])
    await gate.enter(with_claims())
    directory.broken = True
    assert (await gate.enter(with_claims())).user == "ada"
    with pytest.raises(Unavailable):
        await gate.enter(with_claims(sub="bo"))


@pytest.fixture
def virtual() -> list[float]:
    return [0.0]


class VirtualClock:
    def __init__(self, moment: list[float]) -> None:
        self.moment = moment

    def now(self) -> float:
        return NOW + self.moment[0]

    def monotonic(self) -> float:
        return self.moment[0]

    def token(self, size: int) -> str:
        return "0" * size

    async def sleep(self, seconds: float) -> None:
        self.moment[0] += seconds
