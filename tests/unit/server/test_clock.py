from __future__ import annotations

from string import hexdigits

from server.clock import SystemClock


def test_a_token_has_its_length_and_comes_once() -> None:
    clock = SystemClock()
    tokens = [clock.token(size) for size in (1, 8, 15, 32, 5_000) for _ in range(200) if size > 1 or _ == 0]
    assert len(set(tokens)) == len(tokens)
    assert {len(token) for token in tokens} == {1, 8, 15, 32, 5_000}
    assert set("".join(tokens)) <= set(hexdigits.lower())
