"""Every reader of strangers' bytes: hostile inputs in every run, and whatever was a finding once."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.bombs import cost, ways
from tests.fuzz.corpus import found
from tests.fuzz.seeds import inputs, seeds
from tests.fuzz.targets import LIMIT, TARGETS

RUNS = 1_000  # of each target; a night has 100,000 in all and more


@pytest.mark.parametrize("target", TARGETS)
def test_hostile_inputs_are_answered_by_typed_errors(target: str) -> None:
    for data in (*seeds(target), *islice(inputs(target, seed=28), RUNS)):
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_so_is_anything_at_all(target: str) -> None:
    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(st.binary(max_size=400))
    def run(data: bytes) -> None:
        TARGETS[target](data)

    run()


@pytest.mark.parametrize(
    ("target", "data"),
    [pytest.param(target, data, id=name) for target in TARGETS for name, data in found(target)],
)
def test_what_was_found_once_stays_mended(target: str, data: bytes) -> None:
    TARGETS[target](data)


def test_bombs_are_refused_and_what_is_allowed_is_read() -> None:
    """[WS4] [WS5] How long it takes is told by `python -m tests.fuzz.bombs`."""
    read = {
        (way, name)
        for way, by, made, _ in ways(body_bytes=LIMIT)
        for name, data in made.items()
        if not cost(by, data, times=1)[1]
    }
    allowed = {"a number with many zeros", "as many keys as there is room for"}
    assert read == {(way, name) for way in ("socket, json", "body") for name in allowed}
