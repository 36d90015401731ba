"""The small commands: token, health, config."""

from __future__ import annotations

import os
import sys
import time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import orjson

from server.auth import mint
from server.cli import CommandFailed
from server.secret import signing_secret
from server.settings import Settings, read_settings
from server.settings_table import effective, unknown_names
from sync.identity import TenantRole

_HEALTH_WITHIN = 2.5  # seconds; under the 3 s the image gives its health check


def token(
    *,
    tenant: str,
    user: str,
    role: TenantRole = "member",
    ttl: float = 3600,
    name: str = "",
    email: str = "",
) -> None:
    """Print a token for the configured secret, or for the development secret of this directory.

    Parameters
    ----------
    tenant
        The company, within which everything stays.
    user
        The person.
    role
        `admin` may do everything in the tenant.
    ttl
        Seconds until it expires.
    name
        What others see; the user's id where it is left out.
    email
        Kept with the person.
    """
    settings = read_settings()
    secret = signing_secret(settings)
    if secret is None:
        raise CommandFailed(
            "TREESYNC_JWT_SECRET: tokens come from the issuer of TREESYNC_JWKS_URL; none can be made here"
        )
    if not 0 < ttl < 10 * 366 * 86_400:
        raise CommandFailed("--ttl is a number of seconds, at most ten years")
    try:
        made = mint(
            secret,
            tenant=tenant,
            user=user,
            role=role,
            name=name,
            email=email,
            expires_at=time.time() + ttl,
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
        )
    except ValueError as error:
        raise CommandFailed(str(error)) from None
    print(made)


def health(*, url: str | None = None, json: bool = False) -> None:
    """Ask a running server how it is; ends with 0 where it is ok or degraded, with 1 where it is not.

    Parameters
    ----------
    url
        Where it listens; by default where these settings would have it.
    json
        Print the whole report.
    """
    settings = read_settings()
    report = _ask(f"{(url or own_url(settings)).rstrip('/')}/health", settings)
    if json:
        print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        for line in _lines(report):
            print(line)
    if report.get("status") not in ("ok", "degraded"):
        sys.exit(1)


def config() -> None:
    """Print the settings in force, secrets masked."""
    for name, value in effective(read_settings()).items():
        print(f"{name}={value}")
    for name in unknown_names(os.environ):
        print(f"# {name} is set, but no setting reads it", file=sys.stderr)


def own_url(settings: Settings) -> str:
    """Where a server with these settings listens; one that listens everywhere is asked on loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host.strip("[]"))
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _ask(url: str, settings: Settings) -> dict[str, Any]:
    headers = {}
    if settings.operator_token is not None:
        headers["Authorization"] = f"Bearer {settings.operator_token.get_secret_value()}"
    try:
        with urlopen(Request(url, headers=headers), timeout=_HEALTH_WITHIN) as answer:
            content = answer.read()
    except HTTPError as error:  # 503 carries a report as well
        content = error.read()
    except (URLError, OSError, ValueError) as error:
        raise CommandFailed(f"no server answers at {url} ({getattr(error, 'reason', error)})") from None
    try:
        report = orjson.loads(content)
    except orjson.JSONDecodeError:
        report = None
    if not isinstance(report, dict) or not isinstance(report.get("status"), str | int):
        raise CommandFailed(f"what answers at {url} is no treesync")
    return report


def _lines(report: dict[str, Any]) -> list[str]:
    if "rooms" not in report:
        return [str(report["status"])]
    lines = [f"{report['status']}: {reason}" for reason in report["reasons"]] or [str(report["status"])]
    for one in report["dependencies"]:
        latency = f"{one['latency_ms']} ms" if one.get("latency_ms") is not None else one["why"]
        lines.append(f"{one['name']:<12}{one['state']}  {latency}")
    lines.append(f"{'rooms':<12}{report['rooms']}, {report['participants']} participants, {report['sockets']} sockets")
    lines.append(
        f"{'edits':<12}{report['ops_per_second']} ops/s, {report['waiting_ops']} waiting, "
        f"commit p50 {report['commit_p50_ms']} ms, p99 {report['commit_p99_ms']} ms"
    )
    return lines
