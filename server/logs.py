"""Structured logs to stderr: text on a terminal, one JSON object a line elsewhere; secrets are taken out on the way.

Nothing logs a token on purpose. The filter is the second wall: whatever looks like a token, whatever stands under a
telling name, and the very values of our own secrets are replaced wherever they turn up, tracebacks included.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, TextIO

import orjson
import structlog
from pydantic import SecretStr

from server.settings import Settings

HIDDEN = "***"
# three base64url segments of which the first begins like {" : a JWT, whole or cut
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,2}")
_BEARER = re.compile(r"(?i)(bearer\s+)[^\s\"',]+")
_PASSWORD = re.compile(r"(?i)([a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(@)")
_QUERY = re.compile(r"(?i)([?&](?:token|access_token|authorization|password)=)[^&\s\"']+")
_TELLING = frozenset({"token", "authorization", "secret", "password", "cookie"})
_SHORTEST_SECRET = 8  # a shorter one would blank out ordinary words
_TROUBLE = frozenset({"error", "why", "exc_info"})
_QUIET = ("uvicorn", "asyncio", "websockets")  # their every step; we say what matters ourselves

Event = MutableMapping[str, Any]


class Redaction:
    """A structlog processor that takes secrets out of an event, at any depth."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted({secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True)

    def __call__(self, logger: Any, method: str, event: Event) -> Event:
        return {key: HIDDEN if key.lower() in _TELLING else self._clean(value) for key, value in event.items()}

    def text(self, text: str) -> str:
        """The text without anything secret."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = _TOKEN.sub(HIDDEN, text)
        text = _BEARER.sub(rf"\1{HIDDEN}", text)
        text = _PASSWORD.sub(rf"\1{HIDDEN}\2", text)
        return _QUERY.sub(rf"\1{HIDDEN}", text)

    def _clean(self, value: Any) -> Any:
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case dict():
                return self("", "", value) if all(isinstance(key, str) for key in value) else self.text(repr(value))
            case list() | tuple() | set() | frozenset():
                return [self._clean(item) for item in value]
            case _:
                return self.text(repr(value))


def configure(settings: Settings, secrets: Iterable[str] = (), stream: TextIO | None = None) -> Redaction:
    """Set up logging for this process: ours and the libraries' alike. Called once, by the command line."""
    stream = sys.stderr if stream is None else stream
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and stream.isatty())
    redaction = Redaction([*secrets, *secrets_of(settings)])
    shared: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redaction, _renderer(as_text)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # a traceback a second while the database is away; `/health` and our own warnings say it once
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    return redaction


def reporter(logger: Any) -> Callable[..., None]:
    """What the rest of the program logs with: an event with an error or a reason is a warning, any other is told."""

    def report(event: str, **fields: Any) -> None:
        level = logger.warning if fields.keys() & _TROUBLE else logger.info
        level(event, **fields)

    return report


def secrets_of(settings: Settings) -> list[str]:
    """The values that must not be seen, as set; a URL counts whole and so does its password."""
    values = (getattr(settings, name) for name in Settings.model_fields)
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def _renderer(as_text: bool) -> Any:
    if as_text:
        return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return structlog.processors.JSONRenderer(serializer=_encoded)


def _encoded(event: Event, **_: Any) -> str:
    return orjson.dumps(event, default=repr).decode()
