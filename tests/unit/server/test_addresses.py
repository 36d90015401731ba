"""Addresses as they are kept."""

from __future__ import annotations

import pytest

from server.addresses import Keep, kept


@pytest.mark.parametrize(
    ("address", "keep", "expected"),
    [
        ("203.0.113.77", "full", "203.0.113.77"),
        ("203.0.113.77", "truncated", "203.0.113.0"),
        ("203.0.113.77", "off", ""),
        ("2001:db8:1:2:3:4:5:6", "full", "2001:db8:1:2:3:4:5:6"),
        ("2001:db8:1:2:3:4:5:6", "truncated", "2001:db8:1::"),
        ("2001:db8:1:2:3:4:5:6", "off", ""),
        ("", "full", ""),
        ("testclient", "full", ""),
        ("203.0.113.77, 10.0.0.1", "full", ""),
    ],
)
def test_an_address_is_kept_as_far_as_is_wished(address: str, keep: Keep, expected: str) -> None:
    assert kept(address, keep) == expected
