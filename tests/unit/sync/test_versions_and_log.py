"""A kept version with the ops after it is the tree, whichever version, whatever the ops."""

from __future__ import annotations

from random import Random

import pytest

from sync.apply import Stamp, apply
from sync.codec import JSON, decode_state
from sync.history import tree_of_state
from sync.restoring import same_content
from tests import past


@pytest.mark.parametrize("part", range(10))
def test_a_thousand_logs_from_any_version(part: int) -> None:
    """[HI5] [HI6] Read from its bytes, without what only the server remembers: digest, content, order, connections."""
    for seed in range(part * 100, part * 100 + 100):
        one = past.grown(seed)
        kept = sorted(Random(seed).sample(range(one.seq + 1), min(4, one.seq + 1)))
        for seq in kept:
            tree = tree_of_state(decode_state(JSON.encode_value(past.at(one, seq).state())))
            for effect, stamp in one.log[seq:]:
                apply(tree, effect, Stamp(stamp.seq, stamp.user, stamp.client))
            assert tree.digest == one.tree.digest, (seed, seq)
            assert same_content(tree, one.tree), (seed, seq)
