"""/livez, /readyz, /health, /metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.reports import Pace
from tests.applications import Running, running
from tests.unit.server.test_trees import problem


@pytest.fixture
async def app() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


async def later(app: Running, seconds: float = 1.0) -> None:
    await app.app.clock.advance(seconds)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/livez", "/healthz"])
async def test_alive_asks_nobody(app: Running, path: str) -> None:
    app.away = True
    assert (await app.ask("GET", path, user=None)).json() == {"alive": True}


async def test_ready_while_the_database_answers(app: Running) -> None:
    assert (await app.ask("GET", "/readyz", user=None)).json() == {"ready": True}
    app.away = True
    await later(app)
    answer = await app.ask("GET", "/readyz?verbose", user=None)
    assert answer.status_code == 503
    [check] = answer.json()["checks"]
    assert (check["name"], check["state"], check["why"]) == ("database", "away", "Unavailable")
    app.away = False
    await later(app)
    assert (await app.ask("GET", "/readyz", user=None)).status_code == 200


async def test_the_database_is_asked_once_a_second_however_often_probes_come(app: Running) -> None:
    await app.ask("GET", "/readyz", user=None)
    app.away = True
    assert (await app.ask("GET", "/readyz", user=None)).status_code == 200
    await later(app)
    assert (await app.ask("GET", "/readyz", user=None)).status_code == 503


async def test_a_silent_bus_degrades_and_does_not_unready(app: Running) -> None:
    await app.app.bus.close()
    assert (await app.ask("GET", "/readyz", user=None)).status_code == 200
    report = (await app.operator("GET", "/health")).json()
    assert report["status"] == "degraded"
    assert report["reasons"] == ["bus is away: not connected"]


async def test_a_stopping_instance_takes_no_new_work(app: Running) -> None:
    app.app.stop_taking()
    assert (await app.ask("GET", "/readyz", user=None)).status_code == 503
    answer = await app.ask("GET", "/health", user=None)
    assert (answer.status_code, answer.json()) == (503, {"status": "draining"})


async def test_health_tells_strangers_one_word(app: Running) -> None:
    for bearer in ({"user": None}, {"user": "ada"}):
        answer = await app.ask("GET", "/health", **bearer)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert problem(await app.ask("GET", "/health", bearer="made up")) == (401, "unauthorised")


async def test_health_tells_an_admin_what_he_would_ask(app: Running) -> None:
    tree = await app.tree()
    await app.ask("GET", f"/api/v1/trees/{tree}")
    await app.ask("PATCH", f"/api/v1/trees/{tree}", {"name": "x"})
    for report in (
        (await app.ask("GET", "/health", role="admin")).json(),
        (await app.operator("GET", "/health")).json(),
    ):
        assert report["status"] == "ok"
        assert {one["name"] for one in report["dependencies"]} == {"database", "bus"}
        assert (report["rooms"], report["sockets"], report["participants"]) == (1, 0, 0)
        assert report["ops_per_second"] > 0
        for name in ("commit_p50_ms", "commit_p99_ms", "lag_seconds", "queued_bytes", "waiting_ops"):
            assert report[name] >= 0
        assert "acme" not in str(report), "an admin sees no tenant, not even his own"


async def test_health_without_a_database_is_unavailable(app: Running) -> None:
    app.away = True
    answer = await app.operator("GET", "/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")


def families(text: str) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(text)}


async def test_metrics_are_of_bounded_kinds(app: Running) -> None:
    assert problem(await app.ask("GET", "/metrics", role="admin")) == (401, "unauthorised")
    tree = await app.tree()
    await app.ask("GET", f"/api/v1/trees/{tree}")
    await app.ask("GET", "/api/v1/trees/999")
    answer = await app.operator("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = families(answer.text)
    assert all(name.startswith("treesync_") for name in found)
    labels = {label for family in found.values() for sample in family.samples for label in sample.labels}
    assert labels <= {"operation", "status", "reason", "quantile", "le", "cache"}
    requests = {
        (sample.labels["operation"], sample.labels["status"]): sample.value
        for sample in found["treesync_http_requests"].samples
        if sample.name.endswith("_total")
    }
    assert requests["create_tree", "201"] == 1
    assert requests["read_tree", "200"] == 1
    assert requests["read_tree", "404"] == 1
    assert found["treesync_rooms"].samples[0].value == 1
    assert found["treesync_bus_up"].samples[0].value == 1


async def test_metrics_are_open_on_this_machine_where_no_operator_is_named() -> None:
    async with running(operator_token=None) as app:
        assert (await app.ask("GET", "/metrics", user=None)).status_code == 200
    async with running(operator_token=None, host="0.0.0.0") as app:
        assert problem(await app.ask("GET", "/metrics", user=None)) == (401, "unauthorised")


def test_pace_is_that_of_the_last_seconds() -> None:
    moment = [0.0]
    pace = Pace(lambda: moment[0])
    assert pace.at(0) == 0
    for second in range(1, 21):
        moment[0] = float(second)
        pace.feed(100 * second)
    assert pace.at(2000) == 100
    for second in range(21, 41):
        moment[0] = float(second)
        pace.feed(2000)
    assert pace.at(2000) == 0
