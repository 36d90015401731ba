"""The arithmetic of many sockets and the simulation that checks it: each by cases that can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.scaling.__main__ import table
from benchmarks.scaling.arithmetic import World, instances_for, need
from benchmarks.scaling.costs import FILE, Costs, load, save, solved
from benchmarks.scaling.simulation import Simulation, quantile

COSTS = Costs(
    machine="none",
    measured="2026-01-01",
    edit=100.0,
    delivery=10.0,
    statement=500.0,
    follow=200.0,
    ping=40.0,
    database_edit=50.0,
    database_statement=500.0,
    relay=80.0,
    commit_seconds=0.004,
    socket_kb=5.0,
    room_kb=10.0,
)
WORLD = World(sockets=20_000, per_room=4, edits_per_socket=0.025, instances=10)


def test_costs_are_found_again_in_loads_they_made() -> None:
    loads = [(1.0, 200.0, 0.02), (1.0, 10.0, 0.1), (1.0, 2.0, 0.9), (1.0, 5.0, 0.03)]
    values = [60 + 9 * frames + 480 * statements for _, frames, statements in loads]
    assert solved(loads, values) == pytest.approx([60, 9, 480])


def test_no_cost_is_negative() -> None:
    """The second falls as its quantity grows: noise, not a gain."""
    found = solved([(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)], [10.0, 9.0, 8.0])
    assert found == pytest.approx([8.87, 0.0], abs=0.1)


def test_a_room_is_open_where_the_balancer_threw_its_sockets() -> None:
    assert msgspec.structs.replace(WORLD, per_room=1).apart == pytest.approx(1)
    assert msgspec.structs.replace(WORLD, per_room=2, instances=2).apart == pytest.approx(1.5)
    assert msgspec.structs.replace(WORLD, per_room=100_000, instances=3).apart == pytest.approx(3)
    assert msgspec.structs.replace(WORLD, together=1.0).apart == 1
    assert msgspec.structs.replace(WORLD, together=0.5, per_room=2, instances=2).apart == pytest.approx(1.25)


def test_the_need_is_the_sum_of_what_each_thing_costs() -> None:
    world = msgspec.structs.replace(WORLD, per_room=2, instances=2)
    found = need(world, COSTS, edits_per_statement=2.0)
    assert [world.edits, world.rooms, found.bus_messages] == pytest.approx([500, 10_000, 250])
    expected = {"edits": 0.05, "statements": 0.125, "deliveries": 0.01, "following": 0.05, "pings": 0.04}
    assert found.by == pytest.approx(expected)
    assert found.instance_cores == pytest.approx(0.275)
    assert found.database_cores == pytest.approx(0.025 + 0.125)
    assert found.relay_cores == pytest.approx(0.02)
    assert found.instance_gb == pytest.approx((20_000 * 5 + 15_000 * 10) / 1024**2)
    assert instances_for(found, 0.25) == 2


@pytest.mark.parametrize("world", [WORLD, msgspec.structs.replace(WORLD, together=1.0)])
def test_the_simulation_is_as_busy_as_the_arithmetic_says(world: World) -> None:
    outcome = Simulation(world, COSTS, database_cores=2, seed=7).run(30.0)
    found = need(world, COSTS, outcome.edits_per_statement)
    assert outcome.core_busy == pytest.approx(found.instance_cores / world.instances, rel=0.1)
    assert outcome.database_busy == pytest.approx(found.database_cores / world.instances / 2, rel=0.1)


def test_the_same_seed_is_the_same_run() -> None:
    outcomes = [Simulation(WORLD, COSTS, database_cores=2, seed=seed).run(2.0) for seed in (3, 3, 4)]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0] != outcomes[2]


def test_every_edit_is_answered_where_there_is_room_for_them() -> None:
    outcome = Simulation(WORLD, COSTS, database_cores=2, seed=1).run(5.0)
    assert outcome.edits > 150
    assert outcome.waiting < 10
    assert 0.003 < outcome.durable_p50 < outcome.durable_p99 < 0.05
    assert outcome.seen_p99 > outcome.durable_p50


def test_beyond_its_core_an_instance_only_falls_behind() -> None:
    """At several times what a core can do, edits pile up: the simulation does not flatter."""
    world = msgspec.structs.replace(WORLD, sockets=2_000_000)
    outcome = Simulation(world, COSTS, database_cores=2, seed=1).run(2.0, warm_up=0.5)
    assert outcome.core_busy > 0.95
    assert outcome.waiting > 1_000
    assert outcome.durable_p99 > 0.2


def test_edits_that_come_while_a_statement_is_under_way_share_the_next() -> None:
    calm = Simulation(msgspec.structs.replace(WORLD, together=1.0), COSTS, database_cores=2, seed=1).run(4.0)
    world = msgspec.structs.replace(WORLD, sockets=400_000, together=1.0)
    busy = Simulation(world, COSTS, database_cores=2, seed=1).run(4.0)
    assert calm.edits_per_statement < 1.5
    assert busy.edits_per_statement > 2 * calm.edits_per_statement


def test_a_quantile_of_nothing_is_nothing() -> None:
    assert quantile([], 0.99) == 0
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0


def test_costs_are_kept_and_those_that_are_kept_can_be_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("costs") / "costs.json"
    save(COSTS, path)
    assert load(path) == COSTS
    assert load(FILE).edit > 0


@pytest.mark.parametrize("together", [0.0, 1.0])
def test_the_document_has_what_the_command_prints(together: float) -> None:
    said = (Path(__file__).parents[3] / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert "\n".join(table(World(together=together), load())) in said
