"""Run the connectors of an installation: start workers and sources, report their health, drain them at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.config.settings import Settings, normalized
from zeebe_connectors.runtime.failure_store import FailureStore
from zeebe_connectors.runtime.gateway import Activation, Gateway
from zeebe_connectors.runtime.inbound.metrics import NO_METRICS, SourceMetrics
from zeebe_connectors.runtime.ledger import LedgerError, StoredLedger, StoredMemory, store_of
from zeebe_connectors.runtime.ledger.cluster import ClusterMemory
from zeebe_connectors.runtime.loop_lag import LoopLag
from zeebe_connectors.runtime.outage import Outage
from zeebe_connectors.runtime.outbound.deferred_handler import DeferredHandler
from zeebe_connectors.runtime.outbound.worker import Liveness, Metrics, Worker
from zeebe_connectors.runtime.record import JobRecord
from zeebe_connectors.runtime.services import services_of
from zeebe_connectors.sdk.outline import Outline
from zeebe_connectors.sdk.registry import Registry

if TYPE_CHECKING:
    from zeebe_connectors.runtime.inbound.sources import Sources

_log = logging.getLogger("zeebe_connectors.runtime")
_CLOSING = 5.0  # seconds for closing each thing at the end
_QUIET_SECONDS = 3.0  # without a failure, until a success means that the cluster is back for all workers


class Runtime:
    """Runs the connectors of a registry against one gateway.

    Args:
        settings: The operator's settings.
        registry: The connectors.
        gateway: The engine.
        environment: For looking up secrets.
        metrics: Counts jobs.
        source_metrics: Counts events.
        log_mask: Learns every secret that is used, so that the log can mask it.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        gateway: Gateway,
        *,
        environment: Environment,
        metrics: Metrics | None = None,
        source_metrics: SourceMetrics = NO_METRICS,
        log_mask: Mask | None = None,
    ) -> None:
        self.settings = settings
        self.environment = environment
        self.registry = registry
        self.gateway = gateway
        self.store = store_of(settings.ledger, settings.data)
        self.ledger = StoredLedger(self.store)
        self.memory = StoredMemory(self.store)
        self.of_cluster = ClusterMemory(self.memory, gateway, ledger=self.store.place)
        self.cluster_outage = Outage(
            _log,
            f"The cluster at {settings.cluster.address} does not answer",
            "Check that it is running, its address (CAMUNDA_CLIENT_GRPC_ADDRESS), TLS and the network in between. "
            "Jobs are fetched again once it is back",
            quiet=_QUIET_SECONDS,
        )
        self.services = services_of(
            settings, environment, log_mask=log_mask, memory=self.of_cluster, gateway=gateway, store=self.store
        )
        self.record = JobRecord()
        self.loop_lag = LoopLag(lambda: any(worker.is_busy for worker in self.workers))
        self.failures = FailureStore(self.store) if settings.keep_failures else None
        """Failed jobs that survive a restart, if the operator wants them."""
        self._loading: asyncio.Task[None] | None = None
        self.workers = [
            self._worker(outline, kind, metrics)
            for outline in registry.outlines.values()
            if outline.direction == "outbound"
            for kind in (self._type(outline), *outline.also)
            if settings.outbound.runs(outline.name, kind)
        ]
        _refuse_twins(self.workers)
        self._started = 0.0
        self.sources = self._sources(source_metrics)

    def _sources(self, metrics: SourceMetrics) -> Sources | None:
        """Watches the inbound elements; None if the operator configured none."""
        settings = self.settings
        if settings.diagrams is None and settings.sources is None and not settings.polling:
            return None
        # Imported only here, so that a runtime that watches nothing starts faster.
        from zeebe_connectors.runtime.inbound.deployed import deployed_processes  # noqa: PLC0415
        from zeebe_connectors.runtime.inbound.elements import read_sources  # noqa: PLC0415
        from zeebe_connectors.runtime.inbound.sources import InboundServices, Sources  # noqa: PLC0415

        inbound = (
            self.registry.inbound[outline.name]
            for outline in self.registry.outlines.values()
            if outline.direction == "inbound" and settings.inbound.runs(outline.name, outline.type)
        )
        shared = InboundServices(
            services=self.services,
            registry=Registry(inbound),
            gateway=self.gateway,
            ledger=self.ledger,
            time_to_live=settings.message_ttl,
            metrics=metrics,
        )
        elements = read_sources(settings.sources) if settings.sources else []
        deployed = deployed_processes(settings.cluster, self.services.own) if settings.polling else None
        return Sources(shared, elements=elements, folder=settings.diagrams, deployed=deployed)

    def _type(self, connector: Outline) -> str:
        return self.settings.types.get(normalized(connector.name), connector.type)

    def _worker(self, connector: Outline, kind: str, metrics: Metrics | None) -> Worker:
        worker = self.settings.worker
        activation = Activation(
            type=kind,
            worker=f"{connector.name}@{socket.gethostname()}",
            timeout=self.settings.timeouts.get(normalized(connector.name), worker.timeout),
            variables=list(connector.variables),
            tenants=self.settings.cluster.tenants,
        )
        return Worker(
            self.gateway,
            activation,
            DeferredHandler(connector, self.registry, self.services, slots=worker.slots),
            slots=worker.slots,
            stream=worker.stream,
            metrics=self.record.metrics(connector.name, metrics),
            cluster_outage=self.cluster_outage,
        )

    def start(self) -> None:
        """Starts taking jobs; needs a running event loop."""
        self._started = time.monotonic()
        self.loop_lag.start()
        if self.failures is not None:
            self.record.on_failure = self.failures.add
            self._loading = asyncio.create_task(self._load(self.failures))
        if self.services.providers is not None:
            self.services.providers.directory.start()
        for worker in self.workers:
            worker.start()
        _log.info("Running %d connectors: %s", len(self.workers), ", ".join(w.activation.type for w in self.workers))
        if self.sources is not None:
            self.sources.start()

    async def _load(self, failures: FailureStore) -> None:
        """Lists the failures of the last day that were kept before this start."""
        try:
            self.record.remember(await failures.recent())
        except LedgerError as error:
            _log.warning("Failed jobs of the last day cannot be read: %s", error)

    async def drain(self) -> None:
        """Takes no new jobs, lets running jobs end within the grace period, and closes everything."""
        self.loop_lag.stop()
        _log.info("Stopping: running jobs have %.0f s to end", self.settings.grace)
        grace = self.settings.grace
        watching = asyncio.ensure_future(self.sources.drain(grace)) if self.sources is not None else None
        left = await asyncio.gather(*(worker.drain(grace) for worker in self.workers))
        if watching is not None:
            await watching
        unfinished = sum(len(keys) for keys in left)
        if unfinished:
            _log.warning("%d jobs did not end in time; the engine offers them again after their timeout", unfinished)
        # Concurrently: a server that does not answer must not keep a receipt from being written.
        await asyncio.gather(
            _closed(self._close_providers, self._close_failures, self.memory.aclose, self.store.aclose),
            _closed(self.services.aclose),
            _closed(self.gateway.aclose),
        )
        _log.info("Stopped")

    async def _close_failures(self) -> None:
        if self._loading is not None:
            await asyncio.wait([self._loading])
        if self.failures is not None:
            await self.failures.aclose()

    async def _close_providers(self) -> None:
        if self.services.providers is not None:
            await self.services.providers.aclose()

    def liveness(self) -> Mapping[str, Liveness]:
        """Returns the state of each worker, by job type."""
        return {worker.activation.type: worker.liveness() for worker in self.workers}

    def is_alive(self, *, silent_after: float = 60.0) -> bool:
        """Returns whether no restart is needed: workers poll or know why they cannot, jobs end, sources are watched.

        A cluster that is away is no reason for a restart, which would lose outcomes that wait to be sent.

        Args:
            silent_after: Seconds after which a worker with neither an answer nor an error, or with all jobs past their
                deadlines, counts as stuck.
        """
        now = time.monotonic()
        for state in self.liveness().values():
            heard = max(state.last_contact or 0.0, self._started)
            if state.state == "working" and not (state.last_error or state.in_flight) and now - heard > silent_after:
                return False
            if state.state == "working" and state.overdue > max(silent_after, 0.0):
                return False
        return self.sources is None or not self.sources.is_dead()

    def health(self, *, silent_after: float = 60.0) -> dict[str, Any]:
        """Reports whether the runtime does its work, for probes.

        Args:
            silent_after: Seconds without any answer from the gateway after which a worker counts as down.
        """
        now = time.monotonic()
        workers = {}
        for kind, state in self.liveness().items():
            silent = None if state.last_contact is None else round(now - state.last_contact, 1)
            up = state.state == "working" and silent is not None and (silent < silent_after or state.in_flight > 0)
            workers[kind] = {
                "status": "UP" if up else "DOWN",
                "inFlight": state.in_flight,
                "slots": state.slots,
                "streaming": state.streaming,
                "secondsSinceContact": silent,
                "lastError": state.last_error,
            }
        at_work = bool(workers) or self.sources is not None
        up = at_work and all(worker["status"] == "UP" for worker in workers.values())
        health: dict[str, Any] = {"status": "UP" if up else "DOWN", "workers": workers}
        if self.of_cluster.problem:
            health |= {"status": "DOWN", "ledger": {"status": "DOWN", "reason": self.of_cluster.problem}}
        if self.sources is not None:
            inbound = self.sources.health()
            health["inbound"] = inbound
            if inbound["status"] == "DOWN":
                health["status"] = "DOWN"
        return health


async def _closed(*closings: Callable[[], Awaitable[None]]) -> None:
    """Closes one thing after the other, each within its own time limit."""
    for close in closings:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING):
                await close()


def _refuse_twins(workers: Sequence[Worker]) -> None:
    known: dict[str, str] = {}
    for worker in workers:
        kind, name = worker.activation.type, worker.activation.worker.partition("@")[0]
        if kind in known:
            raise SettingsError(
                f"CONNECTOR_{normalized(name)}_TYPE: the connectors {known[kind]} and {name} would both take jobs of "
                f"the type {kind}; give one of them another"
            )
        known[kind] = name
