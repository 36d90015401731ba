"""What the load's report is made of."""

from __future__ import annotations

from io import StringIO
from typing import Any

import msgspec
import pytest
from rich.console import Console

from server.cli import CommandFailed
from server.cli_clients import demo, load, table
from server.load import Plan, Room, of_users
from server.load_report import Latency, Report, latency


def test_percentiles_by_nearest_rank() -> None:
    assert latency([]) == Latency(0, 0.0, 0.0, 0.0, 0.0)
    assert latency([0.005]) == Latency(1, 5.0, 5.0, 5.0, 5.0)
    found = latency(one / 1000 for one in range(1, 101))
    assert (found.samples, found.p50, found.p90, found.p99, found.most) == (100, 51.0, 91.0, 100.0, 100.0)


def three_in_a_room() -> Room:
    room = Room(1, "acme")
    room.trees = [None, None, None]  # type: ignore[list-item]
    return room


def test_writes_and_sightings_meet_whichever_comes_first() -> None:
    room = three_in_a_room()
    assert room.sighted(5, 1.5) is None
    assert room.written(5, 1.0) == [0.5]
    assert room.sighted(5, 1.75) == 0.75
    assert not room._written
    assert not room._seen
    assert room.written(6, 2.0) == []
    assert [room.sighted(6, 2.5), room.sighted(6, 3.0)] == [0.5, 1.0]
    assert not room._written


def report(**fields: Any) -> Report:
    some = Latency(3, 1.0, 2.0, 3.0, 4.0)
    known: dict[str, Any] = {
        "seconds": 2.0,
        "rooms": 1,
        "clients": 2,
        "edits": 10,
        "edits_per_second": 5.0,
        "durable": some,
        "seen": some,
        "outcomes": {"applied": 10},
        "unanswered": 0,
        "skipped": 0,
        "reconnects": 0,
        "resyncs": 0,
        "divergence": 0,
        "differing": [],
    }
    return Report(**known | fields)


def test_a_report_is_good_without_divergence_and_with_all_answers() -> None:
    assert report().is_good
    assert not report(divergence=1).is_good
    assert not report(unanswered=1).is_good


def test_errors_are_what_went_wrong_and_not_what_was_refused() -> None:
    assert report(outcomes={"applied": 9, "rejected not_found": 1}).errors == 0
    assert report(unanswered=1, reconnects=2, divergence=3).errors == 6


@pytest.mark.parametrize(("users", "rooms"), [(1, 1), (10, 1), (25, 3), (1000, 100)])
def test_people_are_spread_over_trees_and_keep_a_human_pace(users: int, rooms: int) -> None:
    plan = of_users("http://127.0.0.1:1", users, 10.0, tenants=1, seed=1, codec="json")
    assert (plan.rooms, plan.sockets, plan.rate) == (rooms, users, users / 5)
    assert Plan(url="http://127.0.0.1:1", rooms=3, clients=4).sockets == 12


def test_a_report_can_be_read_by_people_and_programs() -> None:
    written = StringIO()
    Console(file=written, width=120).print(
        table(report(differing=["tree 1, client c: another tree at seq 5"], divergence=1, skipped=2))
    )
    shown = written.getvalue()
    assert "applied 10" in shown
    assert "autosave, edit to durable" in shown
    assert "sync, edit to seen by another" in shown
    assert "another tree at seq 5" in shown
    assert msgspec.to_builtins(report())["durable"]["p99"] == 3.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"rooms": 0},
        {"clients": 0},
        {"rooms": 100, "clients": 100},
        {"seconds": 0},
        {"rate": -1},
        {"users": 5_001},
        {"users": -1},
    ],
)
def test_a_load_without_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CommandFailed):
        load(**wrong)


@pytest.mark.parametrize("wrong", [{"bots": 9}, {"bots": -1}, {"seconds": 0}])
def test_a_demo_without_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CommandFailed):
        demo(**wrong)
