"""Tokens: who is asking. Verifying them, admitting their bearers, and minting them for development.

The algorithm is never taken from the token: HS256 goes with our secret, everything else with the one algorithm its
published key is bound to (RFC 8725 §3.1).
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable
from math import isfinite
from typing import Any

import jwt
from jwt.exceptions import PyJWTError

from server.keys import ASYMMETRIC, Keys
from sync.errors import Unauthorised
from sync.identity import Identity, TenantRole
from sync.ports import Directory
from sync.untyped import unstorable

TOKEN_CHARACTERS = 8192  # tokens of common issuers have 1 to 2 kB; a header line has 8 kB in most proxies
ID_CHARACTERS = 64
_NAME_CHARACTERS = 200
_EMAIL_CHARACTERS = 320  # 64 before the @, 255 after it (RFC 5321 §4.5.3.1)
_CLOCK_SKEW = 10  # seconds an issuer's clock may be ahead of ours; `exp` gets none of it
_ADMITTED = 10_000  # people remembered as known to the database, about 200 bytes each
_ADMIT_AGAIN = 600.0  # seconds after which name and email are written again


class Tokens:
    """Verifies bearer tokens. One of `secret` and `keys` may be missing, not both."""

    def __init__(
        self,
        *,
        secret: str | None,
        keys: Keys | None,
        now: Callable[[], float],
        audience: str | None = None,
        issuer: str | None = None,
    ) -> None:
        self._secret = secret
        self._keys = keys
        self._now = now
        self._audience = audience
        self._issuer = issuer

    async def verify(self, token: str) -> Identity:
        """The identity a token proves. Raises Unauthorised; Unavailable while an issuer's keys cannot be had."""
        try:
            if not token.isascii() or len(token) > TOKEN_CHARACTERS:
                raise Unauthorised("the token is malformed")
            header = jwt.get_unverified_header(token)
            key, algorithm = await self._key_for(header)
            claims = self._claims(token, key, algorithm)
        except (PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Unauthorised(_reason(error)) from None
        return _identity(claims, self._now())

    async def _key_for(self, header: dict[str, Any]) -> tuple[Any, str]:
        algorithm = header.get("alg")
        if algorithm == "HS256" and self._secret is not None:
            return self._secret, "HS256"
        if algorithm in ASYMMETRIC and self._keys is not None and isinstance(header.get("kid"), str):
            key = await self._keys.key(header["kid"])
            return key, str(key.algorithm_name)
        raise Unauthorised("the token is signed in a way that is not accepted here")

    def _claims(self, token: str, key: Any, algorithm: str) -> dict[str, Any]:
        required = ["exp", "sub"] + ["aud"] * (self._audience is not None) + ["iss"] * (self._issuer is not None)
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._audience,
            issuer=self._issuer,
            leeway=_CLOCK_SKEW,
            options={"require": required, "enforce_minimum_key_length": True, "verify_exp": False},
        )


def _reason(error: BaseException) -> str:
    match error:
        case jwt.MissingRequiredClaimError():
            return f"the token has no `{error.claim}`"
        case jwt.InvalidAudienceError() | jwt.InvalidIssuerError():
            return "the token is meant for someone else"
        case jwt.ImmatureSignatureError():
            return "the token is not valid yet"
        case _:
            return "the token does not verify"


def _identity(claims: dict[str, Any], now: float) -> Identity:
    """Raises Unauthorised where a claim is missing or is not what it should be."""
    expires_at = claims["exp"]
    if type(expires_at) not in (int, float) or not isfinite(expires_at) or not 0 < expires_at < 2**53:
        raise Unauthorised("the token's `exp` is no time")
    if expires_at <= now:
        raise Unauthorised("the token has expired", code="expired")
    role = claims.get("role", "member")
    if role not in ("member", "admin"):
        raise Unauthorised("the token's `role` is neither member nor admin")
    checked_role: TenantRole = role
    return Identity(
        tenant=_id_claim(claims, "tenant"),
        user=_id_claim(claims, "sub"),
        role=checked_role,
        name=_text_claim(claims, "name", _NAME_CHARACTERS),
        email=_text_claim(claims, "email", _EMAIL_CHARACTERS),
        expires_at=float(expires_at),
    )


def _id_claim(claims: dict[str, Any], name: str) -> str:
    """Control characters are kept out of ids: they end up in channel names, logs and settings of the database."""
    value = claims.get(name)
    if type(value) is not str or not 1 <= len(value) <= ID_CHARACTERS or not value.isprintable():
        raise Unauthorised(f"the token's `{name}` is no id of 1 to {ID_CHARACTERS} characters")
    return value


def _text_claim(claims: dict[str, Any], name: str, limit: int) -> str:
    value = claims.get(name, "")
    if value is None:
        return ""
    if type(value) is not str or len(value) > limit or unstorable(value) is not None:
        raise Unauthorised(f"the token's `{name}` is no text of up to {limit} characters")
    return value


class Gate:
    """A token in, an admitted identity out: what sockets and HTTP both stand behind."""

    def __init__(self, tokens: Tokens, directory: Directory, monotonic: Callable[[], float]) -> None:
        self._tokens = tokens
        self._directory = directory
        self._monotonic = monotonic
        self._admitted: OrderedDict[tuple[str, str, str, str, str], float] = OrderedDict()

    async def enter(self, token: str) -> Identity:
        """Raises Unauthorised, or Unavailable where a newcomer cannot be written down."""
        identity = await self._tokens.verify(token)
        person = (identity.tenant, identity.user, identity.role, identity.name, identity.email)
        written = self._admitted.get(person)
        if written is None or self._monotonic() - written >= _ADMIT_AGAIN:
            await self._directory.admit(identity)
            self._admitted[person] = self._monotonic()
            self._admitted.move_to_end(person)
            if len(self._admitted) > _ADMITTED:
                self._admitted.popitem(last=False)
        return identity


def is_operator(presented: str, expected: str | None) -> bool:
    """Compared in constant time; without an operator token nobody is one."""
    return expected is not None and hmac.compare_digest(presented.encode(), expected.encode())


def mint(
    secret: str,
    *,
    tenant: str,
    user: str,
    expires_at: float,
    role: TenantRole = "member",
    name: str = "",
    email: str = "",
    audience: str | None = None,
    issuer: str | None = None,
) -> str:
    """A token that `Tokens` with the same secret accepts. Raises ValueError where its claims would be refused."""
    claims: dict[str, Any] = {"sub": user, "tenant": tenant, "role": role, "exp": int(expires_at)}
    optional = {"name": name, "email": email, "aud": audience, "iss": issuer}
    claims |= {claim: value for claim, value in optional.items() if value}
    try:
        _identity(claims, 0.0)
    except Unauthorised as error:
        raise ValueError(error.why) from None
    return jwt.encode(claims, secret, algorithm="HS256")
