"""Typing over a bad line: every replica reads the same and nothing typed is lost, in 10,000 schedules."""

from __future__ import annotations

import pytest

from sync.values import Refused
from tests.pipelining import Server, Typing
from tests.typed_rooms import Overwriting, TypedRoom

SEEDS, PARTS, STEPS = 10_000, 20, 120


def fails(seed: int, *, forgetful: bool, patient: bool) -> bool:
    try:
        Typing(seed, Server(forgetful=forgetful), patient=patient).run(STEPS)
    except (AssertionError, KeyError, Refused):
        return True
    return False


@pytest.mark.parametrize("part", range(PARTS))
def test_replicas_agree_and_every_character_that_nobody_deleted_is_there(part: int) -> None:
    for seed in range(part, SEEDS, PARTS):
        try:
            Typing(seed, Server(), clients=2 + seed % 3).run(STEPS)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_a_long_run() -> None:
    Typing(14, Server(), clients=5).run(3_000)


@pytest.mark.parametrize("patient", [True, False])
def test_transforming_over_others_ops_only_is_found_out(patient: bool) -> None:
    """What the rule forbids, with one message unconfirmed and with several: the simulation notices."""
    assert any(fails(seed, forgetful=True, patient=patient) for seed in range(200))
    assert not any(fails(seed, forgetful=False, patient=True) for seed in range(200))


def test_there_is_something_to_transform() -> None:
    """Of what is sent, a good part meets something concurrent, and some of it several deltas."""
    servers = [Server() for _ in range(50)]
    for seed, server in enumerate(servers):
        Typing(seed, server).run(STEPS)
    assert sum(len(server.log) for server in servers) > 500
    assert all(server.met for server in servers)
    assert sum(server.met for server in servers) > 500


@pytest.mark.parametrize("kept", [1_000, 3])
def test_typing_to_a_real_room(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same clients, and the judge that serves people; with all it needs in memory, and with next to nothing."""
    monkeypatch.setattr("sync.backlog.KEPT_OPS", kept)
    merged = 0
    for seed in range(400):
        room = TypedRoom(seed)
        try:
            Typing(seed, room, clients=2 + seed % 3).run(STEPS)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        merged += room.merged
    assert merged > 1_000


@pytest.mark.parametrize("kept", [1_000, 3])
def test_typing_while_a_script_sets_whole_texts(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets from old bases, live, forced and replayed: what people type over them is transformed like any other."""
    monkeypatch.setattr("sync.backlog.KEPT_OPS", kept)
    for seed in range(400):
        try:
            Overwriting(seed, TypedRoom(seed), clients=2 + seed % 3).run(STEPS)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
