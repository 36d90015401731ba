"""Order keys: text that sorts siblings, with room for another key between any two (fractional indexing).

After D. Greenspan, "Implementing fractional indexing" (observablehq.com/@dgreensp/implementing-fractional-indexing):
a key is an integer, whose first letter says how long it is, and a fraction; appending counts the integer up, so that
keys of a list written in order stay short. Digits are base 62 in ASCII order, which is also the database's order
(`COLLATE "C"`) and JavaScript's. Only the server makes keys that last (SEMANTICS 19).
"""

from __future__ import annotations

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS = frozenset(DIGITS)
_ZERO = DIGITS[0]
_FIRST = "a" + _ZERO
_LOWEST = "A" + _ZERO * 26


def key_between(low: str | None, high: str | None) -> str:
    """A key above `low` and below `high`; None: no bound. Raises ValueError unless low < high and both are keys."""
    if low is not None:
        _check(low)
    if high is not None:
        _check(high)
    if low is not None and high is not None and low >= high:
        raise ValueError(f"{low} does not stand before {high}")
    if low is None:
        return _FIRST if high is None else _before(high)
    return _after(low) if high is None else _between(low, high)


def spaced_keys(count: int, last: str | None = None) -> list[str]:
    """`count` short keys in order, behind `last`: what siblings get when their keys have grown too long."""
    keys: list[str] = []
    for _ in range(count):
        last = key_between(last, None)
        keys.append(last)
    return keys


def _check(key: str) -> None:
    if key == _LOWEST or not _DIGITS.issuperset(key) or len(key) < _integer_length(key[:1]) or key[-1:] == "":
        raise ValueError(f"no order key: {key!r}")
    if len(key) > _integer_length(key[0]) and key.endswith(_ZERO):
        raise ValueError(f"no order key: {key!r}")


def _integer_length(head: str) -> int:
    if "a" <= head <= "z":
        return ord(head) - ord("a") + 2
    if "A" <= head <= "Z":
        return ord("Z") - ord(head) + 2
    raise ValueError(f"no order key begins with {head!r}")


def _split(key: str) -> tuple[str, str]:
    length = _integer_length(key[0])
    return key[:length], key[length:]


def _before(high: str) -> str:
    integer, fraction = _split(high)
    if integer == _LOWEST:
        return integer + _midpoint("", fraction)
    if integer < high:
        return integer
    lower = _decrement(integer)
    return lower if lower != _LOWEST else lower + _midpoint("", None)


def _after(low: str) -> str:
    integer, fraction = _split(low)
    higher = _increment(integer)
    return integer + _midpoint(fraction, None) if higher is None else higher


def _between(low: str, high: str) -> str:
    low_integer, low_fraction = _split(low)
    high_integer, high_fraction = _split(high)
    if low_integer == high_integer:
        return low_integer + _midpoint(low_fraction, high_fraction)
    higher = _increment(low_integer)
    if higher is not None and higher < high:
        return higher
    return low_integer + _midpoint(low_fraction, None)


def _midpoint(low: str, high: str | None) -> str:
    """A fraction strictly between two; "" is zero and None is one. Neither may end in a zero."""
    prefix = 0
    if high is not None:
        while prefix < len(high) and (low[prefix : prefix + 1] or _ZERO) == high[prefix]:
            prefix += 1
        if prefix:
            return high[:prefix] + _midpoint(low[prefix:], high[prefix:])
    low_digit = DIGITS.index(low[0]) if low else 0
    high_digit = DIGITS.index(high[0]) if high is not None else len(DIGITS)
    if high_digit - low_digit > 1:
        return DIGITS[(low_digit + high_digit + 1) // 2]
    if high is not None and len(high) > 1:
        return high[0]
    return DIGITS[low_digit] + _midpoint(low[1:], None)


def _increment(integer: str) -> str | None:
    head, digits = integer[0], list(integer[1:])
    for place in range(len(digits) - 1, -1, -1):
        following = DIGITS.index(digits[place]) + 1
        if following < len(DIGITS):
            digits[place] = DIGITS[following]
            return head + "".join(digits)
        digits[place] = _ZERO
    if head == "Z":
        return "a" + _ZERO
    if head == "z":
        return None
    larger = chr(ord(head) + 1)
    digits = [*digits, _ZERO] if larger > "a" else digits[:-1]
    return larger + "".join(digits)


def _decrement(integer: str) -> str:
    """The integer before; the lowest has none and is never asked about."""
    head, digits = integer[0], list(integer[1:])
    last = DIGITS[-1]
    for place in range(len(digits) - 1, -1, -1):
        preceding = DIGITS.index(digits[place]) - 1
        if preceding >= 0:
            digits[place] = DIGITS[preceding]
            return head + "".join(digits)
        digits[place] = last
    if head == "a":
        return "Z" + last
    smaller = chr(ord(head) - 1)
    digits = [*digits, last] if smaller < "Z" else digits[:-1]
    return smaller + "".join(digits)
