"""JSON between rows and values: one encoder, a decoder per type, and the times of rows as the wire writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from sync.errors import Unstorable

_encoder = msgspec.json.Encoder()
_map: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
_maps: msgspec.json.Decoder[list[dict[str, Any]]] = msgspec.json.Decoder(list[dict[str, Any]])
_LONG_NUMBER = re.compile(r"\d{17}")  # 2^53 has 16 digits
_LARGEST_EXACT = 2**53


def encoded(value: Any) -> str:
    """Raises Unstorable for what no JSON can hold."""
    try:
        return _encoder.encode(value).decode()
    except (UnicodeEncodeError, msgspec.MsgspecError, OverflowError, RecursionError, TypeError) as error:
        raise Unstorable("a value cannot be stored") from error


def encoded_lines(values: Sequence[Any]) -> str:
    """Many values, each ended by a line feed: a quarter of the time of as many calls. Raises Unstorable likewise."""
    try:
        return _encoder.encode_lines(values).decode()
    except (UnicodeEncodeError, msgspec.MsgspecError, OverflowError, RecursionError, TypeError) as error:
        raise Unstorable("a value cannot be stored") from error


def decoded_map(text: str) -> dict[str, Any]:
    """A map from jsonb, which writes 1e22 as an integer: integers beyond 2^53 were floats (the wire takes no others)
    and become floats again."""
    if _LONG_NUMBER.search(text):
        found: dict[str, Any] = json.loads(text, parse_int=_number)
        return found
    return _map.decode(text)


def decoded_maps(text: str) -> list[dict[str, Any]]:
    """A list of maps from jsonb likewise."""
    if _LONG_NUMBER.search(text):
        found: list[dict[str, Any]] = json.loads(text, parse_int=_number)
        return found
    return _maps.decode(text)


def _number(digits: str) -> int | float:
    whole = int(digits)
    return whole if -_LARGEST_EXACT < whole < _LARGEST_EXACT else float(digits)


@lru_cache(maxsize=64)  # of the log's rows many in a row have one time; 5 % of reading them
def rfc3339(moment: datetime) -> str:
    """A timestamptz as the wire writes it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
