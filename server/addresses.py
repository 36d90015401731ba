"""What of a client's address is kept (SPECS, Schema): all of it, its network, or nothing."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Literal

Keep = Literal["full", "truncated", "off"]
_NETWORK_BITS = {4: 24, 6: 48}  # an office or a household, not a person: what analytics tools truncate to


def kept(address: str, keep: Keep) -> str:
    """The address as it may be stored; "" for what is no address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    match keep:
        case "full":
            return str(parsed)
        case "truncated":
            return str(ip_network((parsed, _NETWORK_BITS[parsed.version]), strict=False).network_address)
        case "off":
            return ""
