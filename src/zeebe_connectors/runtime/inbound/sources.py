"""Watch sources, each until no element waits for its events any more.

Each source runs in a task of its own, under a lease in the ledger, and is restarted whatever ends it; `Sources.health`
reports its status. A source that another runtime holds stands by until that one releases it or its lease ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.net.custody import holding
from zeebe_connectors.runtime.backoff import Backoff
from zeebe_connectors.runtime.gateway import Gateway
from zeebe_connectors.runtime.inbound.day import Day
from zeebe_connectors.runtime.inbound.deployed import DeployedProcesses
from zeebe_connectors.runtime.inbound.elements import (
    DEFAULT_TTL,
    DiscoveryError,
    Element,
    Source,
    group,
    read_folder,
)
from zeebe_connectors.runtime.inbound.events import EventHandler, Handled
from zeebe_connectors.runtime.inbound.metrics import NO_METRICS, TRIGGERS, SourceMetrics
from zeebe_connectors.runtime.inbound.properties import Properties
from zeebe_connectors.runtime.ledger import Ledger, LedgerError, NotHolder, owner_name
from zeebe_connectors.runtime.log_fields import belongs_to
from zeebe_connectors.runtime.outage import Outage, PastOutage
from zeebe_connectors.runtime.providers import Use
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.connector import Inbound
from zeebe_connectors.sdk.context import InboundContext
from zeebe_connectors.sdk.errors import ConnectorError, InputError, PermanentError
from zeebe_connectors.sdk.event import Alias
from zeebe_connectors.sdk.registry import Registry

LEASE = 30.0
"""Seconds after which another runtime may take a source whose holder died; the lease is renewed every third of it."""
REFRESH_INTERVAL = 5.0
"""Seconds between two polls of the folder of diagrams."""
SILENCE = 900.0
"""Seconds beyond the time within which a connector promised to report; then it is restarted."""
SWEEP_EVERY = 6 * 3600.0
_RELEASING = 3.0  # seconds for releasing a lease; a runtime that stops waits for it
_MIN_PAUSE, _MAX_PAUSE, _MAX_PAUSE_PERMANENT = 1.0, 60.0, 300.0

_log = logging.getLogger("zeebe_connectors.sources")


@dataclass(frozen=True, slots=True)
class InboundServices:
    """What watching sources needs, shared by all sources of one runtime."""

    services: Services
    """The services for connectors, the same as for jobs."""
    registry: Registry
    gateway: Gateway
    ledger: Ledger
    owner: str = field(default_factory=owner_name)
    """This runtime's name in the ledger's leases."""
    lease: float = LEASE
    time_to_live: float = DEFAULT_TTL
    metrics: SourceMetrics = NO_METRICS


class _Woken(Exception):  # noqa: N818 - no error
    """The source was asked to poll now."""


class Watch:
    """Watches one source: leases it, runs its connector, hands over its events, and restarts after every failure."""

    def __init__(self, source: Source, shared: InboundServices) -> None:
        self.source = source
        self._shared = shared
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._busy = False
        self.status = "STARTING"
        self.reason: str | None = None
        self.since = time.time()
        self.last_outage: PastOutage | None = None
        """The last outage that is over."""
        self.last_contact: float | None = None
        self.last_event: float | None = None
        self._contact_deadline = 0.0
        """When it counts as silent unless it reports before, by `time.monotonic`."""
        self._active = False
        self._use: Use | None = None
        self._mask = Mask()
        """Masks the secrets that it uses, because its status is on a page that needs no token."""
        self.counts: Counter[str] = Counter()
        self.day = Day()
        """Its last 24 hours."""
        self.next_try: float | None = None
        """When it is restarted, in seconds since 1970; None while it is watched."""
        self.woken_at = -math.inf
        """When it was last woken, by `time.monotonic`."""
        self._awake = asyncio.Event()
        self._idle = asyncio.Event()

    def start(self) -> None:
        """Starts watching."""
        self.day.status(self.status)
        self._shared.metrics.status("", self.status)
        self._task = asyncio.create_task(self._run(), name=f"source {self.source.name}")

    async def stop(self, grace: float) -> None:
        """Stops after the current event, or after `grace` seconds."""
        self._stopping = True
        if self._task is None:
            return
        if self._busy:
            await asyncio.wait([self._task], timeout=grace)
        self._task.cancel()
        await asyncio.wait([self._task])
        self._shared.metrics.status(self.status, "")

    def report(self, reason: str | None, next_within: float | None = None, /) -> None:
        """Sets the status of the source; see `Report`."""
        if next_within is not None:
            self._contact_deadline = time.monotonic() + next_within + SILENCE
        elif reason is None:
            self._contact_deadline = math.inf
        else:
            self._contact_deadline = max(self._contact_deadline, time.monotonic() + SILENCE)
        if reason is None:
            self.last_contact = time.time()
        self._set("UP" if reason is None else "DOWN", reason)

    def _set(self, status: str, reason: str | None) -> None:
        if status == "UP" and not self._active:
            self._active = True
            self._count_activation("activated")
        reason = reason and self._mask.text(reason)
        if (status, reason) != (self.status, self.reason):
            if status != self.status:
                if self.status == "DOWN":
                    self.last_outage = PastOutage(self.since, time.time(), self.reason or "")
                self.since = time.time()
                self._shared.metrics.status(self.status, status)
                self.day.status(status)
            level = logging.WARNING if status == "DOWN" else logging.INFO
            _log.log(level, "%s: %s%s", self.source.name, status, f": {reason}" if reason else "")
            self.status, self.reason = status, reason

    def _ended(self, reason: str | None) -> None:
        """Notes that it is no longer watched, and why if that is a failure."""
        if self._active or reason is not None:
            self._count_activation("deactivated" if self._active else "activation-failed")
        self._active = False
        if reason is not None:
            self.report(reason)

    def _count_activation(self, action: str) -> None:
        self._shared.metrics.activation(action, type=self.source.type, source=self.source.name)

    def _count_event(self, handled: Handled) -> None:
        self.counts[handled] += 1
        self.day.event()
        for action in ("triggered", TRIGGERS[handled]):
            self._shared.metrics.trigger(action, type=self.source.type, source=self.source.name)

    def is_dead(self) -> bool:
        """Returns whether its task has ended or is stuck; being down or on standby is neither."""
        if self._task is None or self._stopping:
            return False
        silent = time.monotonic() - self._contact_deadline
        return self._task.done() or (self.status == "UP" and silent > self._shared.lease + SILENCE)

    async def _run(self) -> None:
        belongs_to(self.source.name)
        backoff = Backoff(_MIN_PAUSE, _MAX_PAUSE)
        while not self._stopping:
            began = time.monotonic()
            try:
                await self._as_holder()
            except (LedgerError, ConnectorError, DiscoveryError) as error:
                self._ended(str(error))
                max_pause = _MAX_PAUSE_PERMANENT if isinstance(error, PermanentError) else _MAX_PAUSE
            except _Woken:
                self._ended(None)
                continue
            except Exception as error:  # noqa: BLE001 - whatever ends a source, it is restarted
                where = self._mask.text("".join(traceback.format_exception(error)))
                _log.error("%s ended unexpectedly:\n%s", self.source.name, where)
                self._ended(f"it ended unexpectedly: {error!r}")
                max_pause = _MAX_PAUSE
            except asyncio.CancelledError:
                self._ended(None)
                raise
            else:  # another runtime has it
                self._ended(None)
                max_pause = self._shared.lease / 3
            if time.monotonic() - began > 60:
                backoff.reset()
            if not self._stopping:
                await self._pause(backoff.next(max_pause=max_pause))

    async def _pause(self, seconds: float) -> None:
        """Waits until it is restarted or woken."""
        self._awake.clear()
        self.next_try = time.time() + seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        self._awake.clear()
        self.next_try = None

    def wake(self) -> None:
        """Polls now: restarts at once instead of after its pause, or after the current event."""
        self.woken_at = time.monotonic()
        self._awake.set()

    async def _as_holder(self) -> None:
        shared, name = self._shared, self.source.name
        if not await shared.ledger.hold(name, shared.owner, shared.lease):
            self._set("STANDBY", "another runtime holds this source")
            return
        self._contact_deadline = time.monotonic() + SILENCE
        self._awake.clear()
        watching = asyncio.create_task(self._watch())
        woken = asyncio.create_task(self._woken())
        try:
            while True:
                await asyncio.wait([watching, woken], timeout=shared.lease / 3, return_when=asyncio.FIRST_COMPLETED)
                if watching.done():
                    watching.result()
                    return
                if woken.done():
                    raise _Woken
                if not await shared.ledger.hold(name, shared.owner, shared.lease):
                    self._set("STANDBY", "another runtime took this source over")
                    return
                if self._use is not None and not self._use.is_current():
                    raise ConnectorError(
                        "PROVIDER_CHANGED", "its provider was changed; it is restarted with the new settings"
                    )
                if time.monotonic() > self._contact_deadline:
                    raise ConnectorError("SOURCE_SILENT", "it was silent for too long; it is restarted")
        except NotHolder:
            self._set("STANDBY", "another runtime took this source over")
        finally:
            watching.cancel()
            woken.cancel()
            await asyncio.wait([watching, woken])
            with contextlib.suppress(LedgerError, TimeoutError):
                async with asyncio.timeout(_RELEASING):  # without it, the lease ends by itself
                    await shared.ledger.release(name, shared.owner)

    async def _woken(self) -> None:
        """Returns when it was woken and no event is being handled."""
        await self._awake.wait()
        while self._busy:
            await self._idle.wait()

    async def _watch(self) -> None:
        shared, source = self._shared, self.source
        connector = self._connector()
        element = source.elements[0]
        custody = shared.services.secrets.custody(self._mask, process=element.process, element=source.name)
        with holding(custody):
            properties = Properties(
                shared.services.secrets, shared.services.scope, shared.services.api, shared.services.providers
            )
            given, self._use = await properties.read(source, connector, custody)
            await self._watch_with(connector, given)

    async def _watch_with(self, connector: Inbound, given: Any) -> None:
        shared, source = self._shared, self.source
        handler = EventHandler(
            source.name,
            source.elements,
            gateway=shared.gateway,
            ledger=shared.ledger,
            documents=shared.services.documents,
            owner=shared.owner,
            time_to_live=shared.time_to_live,
            report=self.report,
        )
        async with contextlib.aclosing(_generator(connector, given, self.context(self._use))) as events:
            async for event in events:
                self._contact_deadline = max(self._contact_deadline, time.monotonic() + SILENCE)
                self._busy = True
                self._idle.clear()
                try:
                    self._count_event(await handler.handle(event))
                finally:
                    self._busy = False
                    self._idle.set()
                self.last_event = time.time()
                if self._stopping:
                    return
        raise ConnectorError("SOURCE_ENDED", "the connector stopped watching; it is started again")

    def context(self, use: Use | None = None) -> InboundContext:
        """Makes the connector's context.

        Args:
            use: The source's provider, if it has one.
        """
        shared, name = self._shared, self.source.name

        async def settled(events: Mapping[str, Alias | None]) -> Mapping[str, str]:
            return await shared.ledger.settled(name, events)

        async def alike(events: Mapping[str, Alias]) -> Mapping[str, Mapping[str, int]]:
            return await shared.ledger.alike(name, events)

        return InboundContext(
            source=name,
            clients=shared.services.clients if use is None else use.clients,
            documents=shared.services.documents,
            files=shared.services.files,
            log=logging.LoggerAdapter(logging.getLogger("zeebe_connectors.inbound"), {"source": name}),
            settled=settled,
            report=self.report,
            alike=alike,
            memory=shared.services.memory,
            turn=nullcontext if use is None else use.source_turn,
        )

    def _connector(self) -> Inbound:
        registry = self._shared.registry
        if (connector := registry.inbound_of(self.source.type)) is not None:
            return connector
        unusable = "; ".join(f"{item.name}: {item.reason}" for item in registry.unavailable.values())
        raise InputError(
            f"no installed connector has the type {self.source.type!r}; correct the type or install the connector"
            + (f" (installed but unusable: {unusable})" if unusable else "")
        )

    def masked(self, text: str) -> str:
        """Masks the secrets that the source uses in a text."""
        return self._mask.text(text)

    def health(self) -> dict[str, Any]:
        """Returns the source's status, for probes and the operator's page."""
        return {
            "status": self.status,
            "reason": self.reason,
            "type": self.source.type,
            "elements": [f"{element.process}/{element.id}" for element in self.source.elements],
            "since": self.since,
            "lastContact": self.last_contact,
            "lastEvent": self.last_event,
            "nextTry": self.next_try,
            "events": dict(self.counts),
        }


def _generator(connector: Inbound, given: Any, context: InboundContext) -> Any:
    return cast("AsyncIterator[Any]", connector.watch(given, context))


class Sources:
    """Watches the sources of all known elements.

    Args:
        shared: What every source needs.
        elements: Permanent elements, from the sources file.
        folder: Polled for diagrams, whose elements come and go with them.
        deployed: Polled for the processes deployed in the cluster.
    """

    def __init__(
        self,
        shared: InboundServices,
        *,
        elements: Sequence[Element] = (),
        folder: Path | None = None,
        deployed: DeployedProcesses | None = None,
    ) -> None:
        self._shared = shared
        self._folder = folder
        self._deployed = deployed
        self._origins: dict[str, list[Element]] = {"": list(elements)} if elements else {}
        self._problems: dict[str, list[str]] = {}
        self._hints: list[str] = []
        self.watches: dict[str, Watch] = {}
        self.problems: list[str] = []
        """Problems with elements that cannot be watched."""
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def owner(self) -> str:
        """This runtime's name in the ledger's leases."""
        return self._shared.owner

    def start(self) -> None:
        """Starts watching; needs a running event loop."""
        self._changed.set()
        self._task = asyncio.create_task(self._reconcile(), name="sources")

    def replace(self, origin: str, elements: Iterable[Element]) -> None:
        """Sets the elements of one origin (a process that was deployed or removed); an empty list ends its sources."""
        self._origins[origin] = list(elements)
        if not self._origins[origin]:
            del self._origins[origin]
        self._changed.set()

    async def drain(self, grace: float = 20.0) -> None:
        """Takes no new events, finishes the current ones and releases the leases."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        await asyncio.gather(*(watch.stop(grace) for watch in self.watches.values()))
        self.watches.clear()

    def is_dead(self) -> bool:
        """Returns whether none of the sources is watched, so that a restart would help."""
        if self._task is not None and self._task.done():
            return True
        return bool(self.watches) and all(watch.is_dead() for watch in self.watches.values())

    def health(self) -> dict[str, Any]:
        """Returns each source's status by name; `DOWN` overall if one is down or an element cannot be watched."""
        sources = {name: watch.health() for name, watch in self.watches.items()}
        down = any(source["status"] == "DOWN" for source in sources.values())
        return {"status": "DOWN" if down or self.problems else "UP", "sources": sources, "problems": self.problems}

    async def _reconcile(self) -> None:
        swept = time.monotonic()
        outage = Outage(_log, "The sources cannot be updated")
        while True:
            try:
                await self._refresh()
                await self._adjust()
                if time.monotonic() - swept > SWEEP_EVERY:
                    swept = time.monotonic()
                    await self._shared.ledger.sweep()
            except Exception as error:  # noqa: BLE001 - tried again
                outage.failed(f"{type(error).__name__}", error=error)
            else:
                outage.over()
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_INTERVAL):
                    await self._changed.wait()

    async def _refresh(self) -> None:
        if self._folder is not None:
            found = await asyncio.to_thread(read_folder, self._folder)
            self._origins["folder"], self._problems["folder"] = found.elements, found.problems
        if self._deployed is not None:
            try:
                found = await self._deployed.read()
            except ConnectorError as error:  # continue with the last known elements
                self._problems["cluster"] = [f"the cluster's processes cannot be read: {error}"]
            else:
                self._origins["cluster"], self._problems["cluster"] = found.elements, found.problems
                for hint in found.hints:
                    if hint not in self._hints:
                        _log.warning("Deployed processes: %s", hint)
                self._hints = found.hints

    async def _adjust(self) -> None:
        """Starts new sources, stops those that are gone, restarts those that changed."""
        sources, problems = group(element for elements in self._origins.values() for element in elements)
        problems = [problem for found in self._problems.values() for problem in found] + problems
        if problems != self.problems:
            for problem in problems:
                _log.warning("An element is not watched: %s", problem)
            self.problems = problems
        wanted = {source.name: source for source in sources}
        over = [name for name, watch in self.watches.items() if wanted.get(name) != watch.source]
        await asyncio.gather(*(self.watches[name].stop(grace=20.0) for name in over))
        for name in over:
            del self.watches[name]
        for name, source in wanted.items():
            if name not in self.watches:
                self.watches[name] = Watch(source, self._shared)
                self.watches[name].start()
