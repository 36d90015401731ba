"""Tokens that must never be let in: each a name and a forgery (reliability B35)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SECRET = "a secret of our own, of more than 32 bytes"
OTHER_SECRET = "somebody else's secret, of more than 32 bytes"
NOW = 1_800_000_000
GOOD: dict[str, Any] = {"sub": "ada", "tenant": "acme", "exp": NOW + 60}
GONE = object()  # stands for a claim that is left out

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
STRANGER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def segment(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(header: Any, claims: Any, secret: str = SECRET, digest: Any = hashlib.sha256) -> str:
    """An HMAC token that no library had a say in."""
    signed = f"{segment(header)}.{segment(claims)}"
    return f"{signed}.{segment(hmac.new(secret.encode(), signed.encode(), digest).digest())}"


def with_claims(**changes: Any) -> str:
    claims = {name: value for name, value in (GOOD | changes).items() if value is not GONE}
    return by_hand({"alg": "HS256", "typ": "JWT"}, claims)


def with_header(**changes: Any) -> str:
    header = {name: value for name, value in ({"alg": "HS256", "typ": "JWT"} | changes).items() if value is not GONE}
    return by_hand(header, GOOD)


def public_pem(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def key_set() -> bytes:
    """What the issuer publishes: an RSA and an EC key, and three that must be ignored."""
    published = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY.public_key()))
    curve = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC_KEY.public_key()))
    shared = {"kty": "oct", "kid": "shared", "k": segment(OTHER_SECRET.encode()), "alg": "HS256"}
    keys = [
        published | {"kid": "rsa", "alg": "RS256", "use": "sig"},
        curve | {"kid": "ec", "alg": "ES256"},
        published | {"kid": "enc", "use": "enc"},
        shared,
        {"kty": "new-kind", "kid": "new"},
    ]
    return json.dumps({"keys": keys}).encode()


def forgeries() -> Iterator[tuple[str, str]]:
    yield from _malformed()
    yield from _wrong_signatures()
    yield from _confusions()
    yield from _bad_headers()
    yield from _bad_claims()


def _malformed() -> Iterator[tuple[str, str]]:
    good = with_claims()
    head, claims, signature = good.split(".")
    yield "empty", ""
    yield "a space", " "
    yield "one dot", "."
    yield "two dots", ".."
    yield "three dots", "..."
    yield "no signature segment", f"{head}.{claims}"
    yield "a fourth segment", f"{good}.x"
    yield "not base64", "$$$.$$$.$$$"
    yield "header no JSON", f"{segment(b'{')}.{claims}.{signature}"
    yield "header a list", by_hand(["HS256"], GOOD)
    yield "header null", by_hand(None, GOOD)
    yield "claims a list", by_hand({"alg": "HS256"}, [GOOD])
    yield "claims no JSON", by_hand({"alg": "HS256"}, b"{")
    yield "claims bad UTF-8", by_hand({"alg": "HS256"}, b"\xff\xfe")
    yield "claims nested 100,000 deep", by_hand({"alg": "HS256"}, b"[" * 2000 + b"]" * 2000)
    yield "64 KiB", by_hand({"alg": "HS256"}, GOOD | {"padding": "x" * 65536})
    yield "64 KiB of dots", "." * 65536
    yield "beyond ASCII", good + "é"
    yield "a lone surrogate", good + "\ud800"
    yield "a NUL", good + "\x00"
    yield "bearer said twice", f"Bearer {good}"


def _wrong_signatures() -> Iterator[tuple[str, str]]:
    head, claims, signature = with_claims().split(".")
    yield "signature empty", f"{head}.{claims}."
    yield "signature cut", f"{head}.{claims}.{signature[:-4]}"
    yield "signature of zeros", f"{head}.{claims}.{segment(bytes(32))}"
    yield "other secret", by_hand({"alg": "HS256"}, GOOD, OTHER_SECRET)
    yield "empty secret", by_hand({"alg": "HS256"}, GOOD, "")
    yield "claims exchanged", f"{head}.{segment(GOOD | {'tenant': 'evil'})}.{signature}"
    yield "role added", f"{head}.{segment(GOOD | {'role': 'admin'})}.{signature}"
    yield "header exchanged", f"{segment({'alg': 'HS256'})}.{claims}.{signature}"
    yield "stranger's RSA key", jwt.encode(GOOD, STRANGER_KEY, "RS256", headers={"kid": "rsa"})
    yield "RSA key, EC kid", jwt.encode(GOOD, RSA_KEY, "RS256", headers={"kid": "ec"})
    yield "EC key, RSA kid", jwt.encode(GOOD, EC_KEY, "ES256", headers={"kid": "rsa"})


def _confusions() -> Iterator[tuple[str, str]]:
    for name in ("none", "None", "NONE", "nOnE"):
        yield f"alg {name}", f"{segment({'alg': name})}.{segment(GOOD)}."
    yield "alg none, signed", with_header(alg="none")
    yield "HS256 with the public RSA key", by_hand({"alg": "HS256", "kid": "rsa"}, GOOD, public_pem(RSA_KEY))
    yield "HS256 with the public EC key", by_hand({"alg": "HS256", "kid": "ec"}, GOOD, public_pem(EC_KEY))
    yield "HS256 with a published secret", by_hand({"alg": "HS256", "kid": "shared"}, GOOD, OTHER_SECRET)
    yield "HS384", by_hand({"alg": "HS384"}, GOOD, SECRET, hashlib.sha384)
    yield "HS512", by_hand({"alg": "HS512"}, GOOD, SECRET, hashlib.sha512)
    yield "RS256 said, HMAC made", with_header(alg="RS256", kid="rsa")
    yield "RS512 with a key for RS256", jwt.encode(GOOD, RSA_KEY, "RS512", headers={"kid": "rsa"})
    yield "PS256 with a key for RS256", jwt.encode(GOOD, RSA_KEY, "PS256", headers={"kid": "rsa"})
    yield "a key meant for encryption", jwt.encode(GOOD, RSA_KEY, "RS256", headers={"kid": "enc"})


def _bad_headers() -> Iterator[tuple[str, str]]:
    yield "alg missing", with_header(alg=GONE)
    yield "alg null", with_header(alg=None)
    yield "alg a list", with_header(alg=["HS256"])
    yield "alg a number", with_header(alg=256)
    yield "alg lower case", with_header(alg="hs256")
    yield "crit unknown", with_header(crit=["exp"])
    yield "crit empty", with_header(crit=[])
    yield "crit no list", with_header(crit="b64")
    yield "b64 false", with_header(b64=False)
    yield "b64 false and critical", with_header(b64=False, crit=["b64"])
    yield "kid a number", with_header(alg="RS256", kid=7)
    yield "kid missing", jwt.encode(GOOD, RSA_KEY, "RS256")
    yield "kid unknown", jwt.encode(GOOD, RSA_KEY, "RS256", headers={"kid": "../../etc/passwd"})
    yield "kid of an unknown kind of key", jwt.encode(GOOD, RSA_KEY, "RS256", headers={"kid": "new"})
    yield "key in the header", jwt.encode(GOOD, STRANGER_KEY, "RS256", headers={"jwk": {"kty": "RSA"}, "kid": "x"})
    yield "key set in the header", jwt.encode(GOOD, STRANGER_KEY, "RS256", headers={"jku": "http://x", "kid": "x"})


def _bad_claims() -> Iterator[tuple[str, str]]:
    for claim in ("exp", "sub", "tenant"):
        yield f"{claim} missing", with_claims(**{claim: GONE})
        yield f"{claim} null", with_claims(**{claim: None})
        yield f"{claim} a list", with_claims(**{claim: ["acme"]})
        yield f"{claim} a map", with_claims(**{claim: {}})
        yield f"{claim} true", with_claims(**{claim: True})
    for claim in ("sub", "tenant"):
        yield f"{claim} empty", with_claims(**{claim: ""})
        yield f"{claim} a number", with_claims(**{claim: 7})
        yield f"{claim} of 65 characters", with_claims(**{claim: "x" * 65})
        yield f"{claim} with a NUL", with_claims(**{claim: "a\x00b"})
        yield f"{claim} with a line break", with_claims(**{claim: "a\nb"})
        yield f"{claim} with a lone surrogate", with_claims(**{claim: "a\ud800"})
        yield f"{claim} with a direction mark", with_claims(**{claim: "a\u202eb"})
    yield "exp just over", with_claims(exp=NOW)
    yield "exp a second ago", with_claims(exp=NOW - 1)
    yield "exp negative", with_claims(exp=-1)
    yield "exp zero", with_claims(exp=0)
    yield "exp text", with_claims(exp=str(NOW + 60))
    yield "exp NaN", with_claims(exp=float("nan"))
    yield "exp infinite", with_claims(exp=float("inf"))
    yield "exp beyond 2^53", with_claims(exp=2**53)
    yield "exp of 5,000 digits", by_hand({"alg": "HS256"}, f'{{"sub":"a","tenant":"b","exp":{"9" * 5000}}}'.encode())
    yield "nbf ahead", with_claims(nbf=NOW + 3600)
    yield "nbf text", with_claims(nbf="soon")
    yield "iat ahead", with_claims(iat=NOW + 3600)
    yield "iat text", with_claims(iat="then")
    yield "aud of someone else", with_claims(aud="https://other.example")
    for role in ("owner", "operator", "Admin", "", None, 1, ["admin"], {"admin": True}):
        yield f"role {role!r}", with_claims(role=role)
    yield "name a number", with_claims(name=7)
    yield "name of 201 characters", with_claims(name="x" * 201)
    yield "name with a NUL", with_claims(name="a\x00")
    yield "email a list", with_claims(email=["a@b.example"])
    yield "email of 321 characters", with_claims(email="x" * 321)
