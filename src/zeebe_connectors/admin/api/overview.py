"""Give an overview of the runtime: what needs attention and the state of its parts, for the API and the page."""

# ruff: noqa: N815 - names as they are in JSON
from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence

from aiohttp import web

from zeebe_connectors._version import __version__
from zeebe_connectors.admin.access import Role
from zeebe_connectors.admin.api.attention import (
    AttentionItem,
    EngineState,
    IncidentsSeen,
    Quarantined,
    attention,
    engine_state,
)
from zeebe_connectors.admin.api.description import Call, Service, TypedDict, described
from zeebe_connectors.runtime.ledger import Entry, LedgerError
from zeebe_connectors.runtime.open_incidents import Place
from zeebe_connectors.runtime.record import MINUTES, OUTCOMES, JobOutcome
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.errors import InputError

MAX_ITEMS = 20
"""Maximum number of listed items that need attention."""
MAX_QUARANTINED = 200
"""Maximum number of events in quarantine whose reasons are read."""
LEDGER_SECONDS = 5.0
"""Seconds for which the ledger's answer is cached, so that frequent reloads rarely ask it."""


@described
class JobsOfTheHour(TypedDict):
    """Outcomes of the last hour's jobs."""

    minutes: list[list[float]]
    """Start in seconds since 1970, then the numbers of completed jobs, BPMN errors, retries and incidents."""
    totals: dict[JobOutcome, int]


@described
class ConnectorOfTheHour(TypedDict):
    """What one connector did in the last hour."""

    name: str
    title: str
    types: list[str]
    """Job types that it fetches."""
    perMinute: float
    minutes: list[int]
    """Jobs of each minute, the oldest first."""
    jobs: int
    failed: int
    failedShare: float
    """Between 0 and 1."""
    median: float | None
    """Median seconds; None without jobs."""
    p95: float | None
    """Seconds that 95 % of the jobs did not exceed."""
    inFlight: int
    slots: int


@described
class SourcesInShort(TypedDict):
    """Numbers of sources by status."""

    up: int
    down: int
    standby: int
    """Sources that another runtime watches."""
    starting: int
    problems: int
    """Elements that cannot be watched."""
    lastEvent: float | None
    """In seconds since 1970."""
    events: dict[str, int]
    """Events by outcome."""
    downNames: list[str]


@described
class LedgerState(TypedDict):
    """Whether the ledger can be used."""

    up: bool
    kind: str
    quarantined: int | None


@described
class OverviewShown(TypedDict):
    """The state of the runtime."""

    attention: list[AttentionItem]
    """The worst first, those that are over last."""
    open: int
    """How many items need attention now."""
    more: int
    """How many items are not listed."""
    jobs: JobsOfTheHour
    connectors: list[ConnectorOfTheHour]
    """Connectors, the busiest first."""
    sources: SourcesInShort
    engine: EngineState
    ledger: LedgerState
    version: str
    since: float
    """When the runtime was started, in seconds since 1970."""


class Overview:
    """The overview of one runtime.

    Args:
        runtime: The runtime.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._checked_at = -math.inf
        self._quarantined: Quarantined | LedgerError = Quarantined()

    async def quarantined(self) -> Quarantined | LedgerError:
        """Returns the events in quarantine, or why the ledger cannot say; up to 5 s old."""
        if self.runtime.sources is not None and time.monotonic() - self._checked_at > LEDGER_SECONDS:
            self._checked_at = time.monotonic()
            try:
                counts = [one for one in await self.runtime.ledger.unsettled() if one.state == "quarantined"]
                newest: Sequence[Entry] = ()
                if counts:
                    newest = await self.runtime.ledger.entries(state="quarantined", limit=MAX_QUARANTINED)
                self._quarantined = Quarantined(newest, counts)
            except LedgerError as error:
                self._quarantined = error
        return self._quarantined

    def counts(self) -> dict[str, int]:
        """Returns the counts in the navigation, from what is known without asking the ledger.

        Returns:
            `incidents` of the last hour, `down` sources, events in `quarantine` by the last query.
        """
        watches = [] if self.runtime.sources is None else self.runtime.sources.watches.values()
        return {
            "incidents": sum(counts["incident"] for _, counts in self.runtime.record.minutes()),
            "down": sum(watch.status == "DOWN" for watch in watches),
            "quarantine": 0 if isinstance(self._quarantined, LedgerError) else self._quarantined.count,
        }

    def refresh(self) -> None:
        """Drops the cached answer of the ledger, after a change."""
        self._checked_at = -math.inf

    async def show(self) -> OverviewShown:
        """Returns the whole overview."""
        return _shown(self.runtime, await self.quarantined())


@described
class Closed(TypedDict):
    """The result of dismissing incidents."""

    closed: int
    """How many incidents no longer need attention."""


def calls(overview: Overview, service: Service) -> list[Call]:
    """Returns the calls `/overview` and `/attention/seen`."""

    async def show(_: web.Request) -> web.Response:
        return web.json_response(await overview.show())

    async def seen(request: web.Request) -> web.Response:
        return web.json_response({"closed": close_incidents(overview.runtime, await service.given(request))})

    what = "Marks the incidents of one place as dealt with: they no longer need attention, but later ones will"
    return [
        Call("GET", "/overview", Role.VIEWER, "Says what needs attention and how the runtime is", show, OverviewShown),
        Call("POST", "/attention/seen", Role.OPERATOR, what, seen, Closed, body=IncidentsSeen),
    ]


def close_incidents(runtime: Runtime, given: object) -> int:
    """Dismisses the incidents of one place; returns how many there were.

    Args:
        runtime: The runtime.
        given: An `IncidentsSeen`.

    Raises:
        InputError: It is not one.
    """
    found = given if isinstance(given, dict) else {}
    words = [found.get(name) for name in Place._fields]
    until = found.get("until")
    if not all(isinstance(word, str) for word in words) or isinstance(until, bool):
        raise InputError(f"{', '.join(Place._fields)}: must be texts")
    if not isinstance(until, int | float) or not math.isfinite(until):
        raise InputError("until: must be a number, in seconds since 1970")
    return runtime.record.incidents.dismiss(Place(*map(str, words)), float(until))


def _shown(runtime: Runtime, quarantined: Quarantined | LedgerError) -> OverviewShown:
    items, still = attention(runtime, quarantined)
    hour = runtime.record.minutes()
    minutes = [[begin, each["completed"], each["bpmn"], each["retried"], each["incident"]] for begin, each in hour]
    return {
        "attention": items[:MAX_ITEMS],
        "open": still,
        "more": max(0, len(items) - MAX_ITEMS),
        "jobs": {"minutes": minutes, "totals": {name: sum([each[name] for _, each in hour]) for name in OUTCOMES}},
        "connectors": _connectors(runtime),
        "sources": _sources(runtime),
        "engine": engine_state(runtime),
        "ledger": _ledger(runtime, quarantined),
        "version": __version__,
        "since": runtime.record.since,
    }


def _ledger(runtime: Runtime, quarantined: Quarantined | LedgerError) -> LedgerState:
    kind = "PostgreSQL" if runtime.settings.ledger else "a file"
    if isinstance(quarantined, LedgerError):
        return {"up": False, "kind": kind, "quarantined": None}
    return {"up": True, "kind": kind, "quarantined": quarantined.count}


def _connectors(runtime: Runtime) -> list[ConnectorOfTheHour]:
    """Lists the connectors, the busiest of the last hour first."""
    in_flight, slots, types = Counter[str](), Counter[str](), dict[str, list[str]]()
    for worker in runtime.workers:
        name, state = worker.activation.worker.partition("@")[0], worker.liveness()
        in_flight[name] += state.in_flight
        slots[name] += state.slots
        types.setdefault(name, []).append(state.type)
    found: list[ConnectorOfTheHour] = []
    minutes = max(1.0, min(MINUTES, (time.time() - runtime.record.since) / 60))
    for name, its in types.items():
        hour = runtime.record.hour_of(name)
        total = sum(hour.counts.values())
        failed = hour.counts["incident"] + hour.counts["retried"] + hour.counts["unanswered"]
        connector = runtime.registry.outbound[name]
        found.append(
            {
                "name": name,
                "title": connector.title,
                "types": its,
                "perMinute": round(total / minutes, 1),
                "minutes": hour.minutes,
                "jobs": total,
                "failed": failed,
                "failedShare": failed / total if total else 0.0,
                "median": hour.median,
                "p95": hour.p95,
                "inFlight": in_flight[name],
                "slots": slots[name],
            }
        )
    return sorted(found, key=lambda shown: (-shown["jobs"], shown["name"]))


def _sources(runtime: Runtime) -> SourcesInShort:
    watches = runtime.sources.watches.values() if runtime.sources is not None else []
    states = Counter(watch.status for watch in watches)
    events = Counter[str]()
    for watch in watches:
        events.update(watch.counts)
    last = max((watch.last_event for watch in watches if watch.last_event), default=None)
    return {
        "up": states["UP"],
        "down": states["DOWN"],
        "standby": states["STANDBY"],
        "starting": states["STARTING"],
        "problems": len(runtime.sources.problems) if runtime.sources is not None else 0,
        "lastEvent": last,
        "events": dict(events),
        "downNames": sorted(watch.source.name for watch in watches if watch.status == "DOWN")[:MAX_ITEMS],
    }
