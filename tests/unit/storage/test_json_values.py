from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from storage.json_values import decoded_map, encoded, rfc3339
from sync.errors import Unstorable


def test_what_json_cannot_hold_is_unstorable() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for value in ("\ud800", {"a": "\udfff"}, object(), deep):
        with pytest.raises(Unstorable):
            encoded(value)


def test_integers_beyond_the_exact_range_were_floats() -> None:
    text = (
        '{"a": 10000000000000000000000, "b": 9007199254740991, "c": "12345678901234567890", "d": [-9007199254740992]}'
    )
    found = decoded_map(text)
    assert found == {"a": 1e22, "b": 2**53 - 1, "c": "12345678901234567890", "d": [-(2.0**53)]}
    assert [type(found["a"]), type(found["b"]), type(found["d"][0])] == [float, int, float]


def test_short_numbers_take_the_fast_way() -> None:
    assert decoded_map('{"a": [1, 2.5, null, true], "b": {}}') == {"a": [1, 2.5, None, True], "b": {}}


def test_times_are_utc_with_microseconds() -> None:
    assert rfc3339(datetime(2026, 11, 21, 3, 0, tzinfo=UTC)) == "2026-11-21T03:00:00.000000Z"
    elsewhere = timezone(timedelta(hours=2))
    assert rfc3339(datetime(2026, 11, 21, 3, 0, 0, 7, tzinfo=elsewhere)) == "2026-11-21T01:00:00.000007Z"
