"""The one composition root: everything an instance is made of, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

from starlette.applications import Starlette

from server.activity import Activity
from server.addresses import kept
from server.admin import Admin
from server.auth import Gate, Tokens
from server.background import Companion, Loop, OnDeath
from server.cached import Caches, reported, tell_of_rooms
from server.conflicts import Conflicts
from server.endpoint import Endpoint
from server.files import Files
from server.guest import DemoDoor
from server.handshake import Handshake
from server.heartbeat import Heartbeat
from server.history import Histories
from server.http import Doors, Operation
from server.keys import Keys, fetcher
from server.limits import Admission, Bounds, Rate
from server.lists import Lists
from server.members import Membership
from server.metrics import Metrics
from server.operations import Operations
from server.origin import OriginPolicy
from server.pages import web_directory
from server.personal_metrics import PersonalMetrics
from server.persons import Persons
from server.progress import ProgressReports
from server.purge_job import purge_job
from server.release import release
from server.reports import Check, Reports
from server.scheduler import Scheduler
from server.search import Searches
from server.settings import Settings, is_loopback
from server.site import build_site
from server.states import States
from server.structure import AiReady
from server.transport import websocket_protocol
from server.trash import Trash
from server.trees import Trees
from server.versions import Versions
from sync.analytics import Analytics
from sync.feeds import FeedReader
from sync.hierarchy import Hierarchies
from sync.hub import Hub
from sync.personal_metrics import MetricsReader
from sync.ports import Bus, Clock, Directory, Store
from sync.search import Search
from sync.structures import Structures
from sync.templates import Templates

Log = Callable[..., None]


class Knowledge(NamedTuple):
    """What is known of trees and people beside the trees themselves."""

    templates: Templates
    structures: Structures
    analytics: Analytics
    feeds: FeedReader
    metrics: MetricsReader
    search: Search
    hierarchies: Hierarchies


class Foundation(NamedTuple):
    """What an instance stands on: the ports, ready to be used. `check` raises where the database does not answer;
    `database` says in a few words which it is."""

    store: Store
    directory: Directory
    bus: Bus
    check: Check
    companions: Sequence[Companion] = ()
    database: str = ""
    scheduler: Scheduler | None = None  # of jobs; None: another instance runs them
    knowledge: Knowledge | None = None  # None: an instance that keeps trees and nothing of what they come to


class Application:
    """One instance above its ports. Nothing runs before `open`."""

    def __init__(
        self, settings: Settings, foundation: Foundation, *, clock: Clock, secret: str | None, instance: str, log: Log
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.instance = instance
        self.store = foundation.store
        self.directory = foundation.directory
        self.bus = foundation.bus
        self.database = foundation.database
        self.on_death: OnDeath = lambda task, error: log("task died", task=task, error=repr(error))
        self.knowledge = foundation.knowledge
        self.hub = Hub(
            foundation.store,
            foundation.bus,
            clock,
            instance=instance,
            limits=settings.limits,
            log=log,
            templates=None if self.knowledge is None else self.knowledge.templates,
            ownings=None if self.knowledge is None else self.knowledge.analytics,
        )
        self.gate = Gate(_tokens(settings, secret, clock), foundation.directory, clock.monotonic)
        self.caches = Caches(clock)
        tell_of_rooms(self.hub.stats, self.caches)
        self.reports = Reports(
            self.hub,
            clock,
            version=release(),
            needed={"database": foundation.check},
            useful={"bus": foundation.bus.healthy},
            caches=self.caches.report,
        )
        if foundation.scheduler is not None:
            foundation.scheduler.add(purge_job(lambda: nullcontext(self.hub), self.directory, clock))
        self.demo = DemoDoor(secret, clock.now)
        self.endpoint = self._endpoint(log)
        self._companions: list[Companion] = [
            Heartbeat(self.endpoint),
            Loop("pace", self.reports.keep_pace),
            Loop("caches", self.caches.sweep),
            *foundation.companions,
        ]
        self.websocket: type[asyncio.Protocol] = websocket_protocol(self.endpoint)
        self.operations: list[Operation] = []
        self.site = self._site(log)

    def _endpoint(self, log: Log) -> Endpoint:
        settings = self.settings
        return Endpoint(
            hub=self.hub,
            authenticate=self.gate.enter,
            clock=self.clock,
            instance=self.instance,
            limits=settings.limits,
            admission=Admission(_bounds(settings)),
            handshake=Handshake(OriginPolicy(settings.allowed_origins), ",".join(settings.trusted_proxies)),
            log=log,
            keep_address=partial(kept, keep=settings.keep_addresses),
        )

    def _site(self, log: Log) -> Starlette:
        settings = self.settings
        operator = settings.operator_token.get_secret_value() if settings.operator_token else None
        doors = Doors(
            self.gate,
            operator_token=operator,
            body_limit=settings.edit_bytes,
            admission=self.endpoint.admission,
            monotonic=self.clock.monotonic,
            log=log,
        )
        metrics = Metrics(self.hub, self.reports, self.bus.healthy)
        doors.observe_with(metrics.observe)
        open_metrics = operator is None and is_loopback(settings.host)
        states = States(self.hub, self.caches)
        self.operations = [
            *Trees(self.hub, self.directory, self.clock, settings.keep_addresses, states).operations(),
            *Lists(self.directory, None if self.knowledge is None else self.knowledge.search).operations(),
            *Versions(self.hub, self.store).operations(),
            *Histories(self.hub, self.store, settings.keep_addresses).operations(),
            *Files(self.hub, self.directory, self.clock, settings.keep_addresses).operations(),
            *Trash(self.hub, self.directory, self.clock).operations(),
            *Conflicts(self.hub, self.directory, settings.keep_addresses).operations(),
            *Membership(self.hub, self.store, self.directory, settings.keep_addresses).operations(),
            *Operations(self.reports, metrics, doors, open_metrics=open_metrics).operations(),
            *Admin(self.hub, self.reports, self.directory).operations(),
            *self._about_knowledge(log),
            *self.demo.operations(),
        ]
        return build_site(self.operations, doors, web=web_directory(), allowed_origins=settings.allowed_origins)

    def _about_knowledge(self, log: Log) -> list[Operation]:
        if self.knowledge is None:
            return []
        known = self.knowledge
        keep, persons = self.settings.keep_addresses, Persons(known.analytics, log)
        self.caches.tell("structures", lambda: reported(known.structures.asked, known.structures.hits))
        return [
            *ProgressReports(self.hub, known, self.caches, persons).operations(),
            *AiReady(self.store, known.structures, self.clock).operations(),
            *Activity(self.hub, self.store, known.feeds, persons, keep).operations(),
            *Searches(self.store, known.search, known.hierarchies).operations(),
            *PersonalMetrics(known.metrics, persons, self.caches, self.clock).operations(),
        ]

    async def open(self, on_death: OnDeath) -> None:
        """Start the hub and what runs beside it. `on_death` hears of a task nothing can go on without."""
        self.on_death = on_death
        self.hub.on_task_death = on_death
        await self.hub.start()
        for companion in self._companions:
            companion.start(on_death)

    def stop_taking(self) -> None:
        """Not ready from now on, and no new sockets: the first step of stopping."""
        self.endpoint.open_for_new = False
        self.hub.draining = True

    async def drain(self) -> None:
        """Commit what is in flight, tell everyone; the sockets are closed by their server after that."""
        await self.hub.drain()

    async def close(self) -> None:
        for companion in reversed(self._companions):
            await companion.close()
        await self.hub.close()


def _tokens(settings: Settings, secret: str | None, clock: Clock) -> Tokens:
    keys = Keys(fetcher(settings.jwks_url), clock.monotonic) if settings.jwks_url else None
    return Tokens(secret=secret, keys=keys, now=clock.now, audience=settings.jwt_audience, issuer=settings.jwt_issuer)


def _bounds(settings: Settings) -> Bounds:
    """The settings' rates in place of the defaults; a burst is two seconds' worth."""
    bounds = Bounds(
        sockets=settings.sockets,
        sockets_per_user=settings.sockets_per_user,
        sockets_per_tenant=settings.sockets_per_tenant,
        sockets_per_address=settings.sockets_per_address,
    )
    return bounds._replace(
        connection=bounds.connection._replace(
            messages=_rate(settings.messages_per_second), ops=_rate(settings.ops_per_second)
        ),
        tenant=bounds.tenant._replace(ops=_rate(settings.tenant_ops_per_second)),
    )


def _rate(per_second: float) -> Rate:
    return Rate(per_second, 2 * per_second)
