"""What orchestrators, monitors and operators ask: /livez, /readyz, /health, /metrics."""

from __future__ import annotations

import msgspec

from server.http import Answer, Call, Doors, Operation, Parameter
from server.metrics import CONTENT_TYPE, Metrics
from server.reports import Brief, Dependency, HealthReport, Reports


class Readiness(msgspec.Struct, kw_only=True):
    """`checks` stands there where `?verbose` asked for it."""

    ready: bool
    checks: list[Dependency] | msgspec.UnsetType = msgspec.UNSET


class Alive(msgspec.Struct, kw_only=True):
    alive: bool = True


class Operations:
    """The endpoints of DESIGN §12."""

    def __init__(self, reports: Reports, metrics: Metrics, doors: Doors, *, open_metrics: bool) -> None:
        """`open_metrics`: no operator token is set and only this machine can ask, so anybody may read the numbers."""
        self._reports = reports
        self._metrics = metrics
        self._doors = doors
        self._open_metrics = open_metrics

    def operations(self) -> list[Operation]:
        return [
            self._probe("/livez", "livez"),
            self._probe("/healthz", "healthz"),  # its older name, still asked for
            Operation(
                method="GET",
                path="/readyz",
                name="readyz",
                summary="Whether new work should come here; 503 where not. `?verbose` says why",
                handle=self.ready,
                access="public",
                gives=Readiness,
                also=(503,),
                query=(Parameter("verbose", "string", "with it, whatever its value, each dependency is told"),),
            ),
            Operation(
                method="GET",
                path="/health",
                name="health",
                summary="How the instance is; without the operator's or an admin's token only its status",
                handle=self.health,
                access="public",
                gives=(Brief, HealthReport),
                also=(503,),
            ),
            Operation(
                method="GET",
                path="/metrics",
                name="metrics",
                summary="Numbers for Prometheus",
                handle=self.metrics,
                access="public" if self._open_metrics else "operator",
                media_type="text/plain",
            ),
        ]

    def _probe(self, path: str, name: str) -> Operation:
        return Operation(
            method="GET",
            path=path,
            name=name,
            summary="Whether the process answers at all",
            handle=self.alive,
            access="public",
            gives=Alive,
        )

    async def alive(self, call: Call) -> Answer:
        return Answer(Alive())

    async def ready(self, call: Call) -> Answer:
        is_ready, checks = await self._reports.ready()
        verbose = "verbose" in call.request.query_params
        return Answer(Readiness(ready=is_ready, checks=checks if verbose else msgspec.UNSET), 200 if is_ready else 503)

    async def health(self, call: Call) -> Answer:
        report = await self._reports.health()
        status = 503 if report.status in ("unavailable", "draining") else 200
        if await self._may_see_all(call):
            return Answer(report, status)
        return Answer(Brief(status=report.status), status)

    async def metrics(self, call: Call) -> Answer:
        return Answer(self._metrics.text(), media_type=CONTENT_TYPE)

    async def _may_see_all(self, call: Call) -> bool:
        """A token that is wrong is said to be wrong; none at all gets the brief answer."""
        if "authorization" not in call.request.headers:
            return False
        if self._doors.is_operator(call.request):
            return True
        return (await self._doors.bearer_of(call.request)).role == "admin"
