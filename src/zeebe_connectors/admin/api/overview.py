"""Says what needs the operator's attention, and how the runtime's parts are, for the API and the page."""

# ruff: noqa: N815 - names as they are in JSON
from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Literal
from urllib.parse import quote

from aiohttp import web

from zeebe_connectors._version import __version__
from zeebe_connectors.admin.access import Role
from zeebe_connectors.admin.api.description import Call, NotRequired, TypedDict, described
from zeebe_connectors.config.effective import unknown_settings
from zeebe_connectors.runtime.ledger import Entry, LedgerError
from zeebe_connectors.runtime.record import MINUTES, OUTCOMES, JobOutcome, RecordedJob
from zeebe_connectors.runtime.supervisor import Runtime

MAX_ITEMS = 20
"""Things that need attention that are listed."""
MAX_QUARANTINED = 1000
LEDGER_SECONDS = 5.0
"""How old what is known of the ledger may be, so that a page that is reloaded often asks it seldom."""
_SILENT = 60.0


@described
class AttentionItem(TypedDict):
    """Something that needs the operator's attention."""

    level: Literal["bad", "warn"]
    code: str
    """What kind of thing, or the connector's code of the incidents."""
    title: str
    text: str
    """Why, and what helps."""
    since: float | None
    """In seconds since 1970; None when nobody knows."""
    until: float | None
    """The last time, for what happened several times."""
    href: str
    """Where on the page there is more; empty when the filter says it."""
    filter: NotRequired[dict[str, str]]
    """What to ask `/jobs` for."""


@described
class JobsOfTheHour(TypedDict):
    """What became of the jobs of the last hour."""

    minutes: list[list[float]]
    """Begin in seconds since 1970, then how many were completed, BPMN errors, tried again and incidents."""
    totals: dict[JobOutcome, int]


@described
class ConnectorOfTheHour(TypedDict):
    """What one connector did in the last hour."""

    name: str
    title: str
    types: list[str]
    """Job types that are fetched."""
    perMinute: float
    minutes: list[int]
    """Jobs of each minute, the oldest first."""
    jobs: int
    failed: int
    failedShare: float
    """Between 0 and 1."""
    median: float | None
    """Seconds; None without jobs."""
    p95: float | None
    """Seconds that 95 in 100 jobs did not exceed."""
    inFlight: int
    slots: int


@described
class SourcesInShort(TypedDict):
    """How many sources are how."""

    up: int
    down: int
    standby: int
    """Another runtime watches them."""
    starting: int
    problems: int
    """Elements that cannot be watched."""
    lastEvent: float | None
    """In seconds since 1970."""
    events: dict[str, int]
    """Events by what became of them."""
    downNames: list[str]


@described
class EngineState(TypedDict):
    """Whether the engine answers."""

    up: bool
    silentSeconds: float | None
    error: str | None
    address: str


@described
class LedgerState(TypedDict):
    """Whether the ledger can be used."""

    up: bool
    kind: str
    quarantined: int | None


@described
class OverviewShown(TypedDict):
    """How the runtime is."""

    attention: list[AttentionItem]
    """The worst first."""
    more: int
    """How many are not listed."""
    jobs: JobsOfTheHour
    connectors: list[ConnectorOfTheHour]
    """The busiest first."""
    sources: SourcesInShort
    engine: EngineState
    ledger: LedgerState
    version: str
    since: float
    """When the runtime began, in seconds since 1970."""


class Overview:
    """What there is to see of one runtime.

    Args:
        runtime: Which.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._asked = -math.inf
        self._quarantined: Sequence[Entry] | LedgerError = []

    async def quarantined(self) -> Sequence[Entry] | LedgerError:
        """The events in quarantine, the newest 1,000, or why the ledger does not say; up to 5 s old."""
        if self.runtime.sources is not None and time.monotonic() - self._asked > LEDGER_SECONDS:
            self._asked = time.monotonic()
            try:
                self._quarantined = await self.runtime.ledger.entries(state="quarantined", limit=MAX_QUARANTINED)
            except LedgerError as error:
                self._quarantined = error
        return self._quarantined

    def counts(self) -> dict[str, int]:
        """What the navigation counts, as far as it is known without asking anybody.

        Returns:
            `incidents` of the last hour, `down` sources, events in `quarantine` as of the last look.
        """
        watches = [] if self.runtime.sources is None else self.runtime.sources.watches.values()
        return {
            "incidents": sum(counts["incident"] for _, counts in self.runtime.record.minutes()),
            "down": sum(watch.status == "DOWN" for watch in watches),
            "quarantine": 0 if isinstance(self._quarantined, LedgerError) else len(self._quarantined),
        }

    def refresh(self) -> None:
        """Lets the ledger be asked again at once, after a change."""
        self._asked = -math.inf

    async def show(self) -> OverviewShown:
        """All of it."""
        return _shown(self.runtime, await self.quarantined())


def calls(overview: Overview) -> list[Call]:
    """The call `/overview`."""

    async def show(_: web.Request) -> web.Response:
        return web.json_response(await overview.show())

    return [Call("GET", "/overview", Role.VIEWER, "Says what needs attention and how all is", show, OverviewShown)]


def _shown(runtime: Runtime, quarantined: Sequence[Entry] | LedgerError) -> OverviewShown:
    items = [
        *_engine_items(runtime),
        *_ledger_items(quarantined),
        *_source_items(runtime),
        *_incident_items(runtime),
        *_quarantine_items(quarantined),
        *_setting_items(runtime),
    ]
    totals = Counter[str]()
    minutes = []
    for begin, counts in runtime.record.minutes():
        totals.update(counts)
        minutes.append([begin, counts["completed"], counts["bpmn"], counts["retried"], counts["incident"]])
    return {
        "attention": items[:MAX_ITEMS],
        "more": max(0, len(items) - MAX_ITEMS),
        "jobs": {"minutes": minutes, "totals": {name: totals[name] for name in OUTCOMES}},
        "connectors": _connectors(runtime),
        "sources": _sources(runtime),
        "engine": _engine(runtime),
        "ledger": _ledger(runtime, quarantined),
        "version": __version__,
        "since": runtime.record.since,
    }


def _item(
    level: Literal["bad", "warn"], code: str, title: str, text: str, *, since: float | None, href: str = ""
) -> AttentionItem:
    return {"level": level, "code": code, "title": title, "text": text, "since": since, "until": None, "href": href}


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _engine(runtime: Runtime) -> EngineState:
    """Whether the engine answers: it does when any worker heard from it lately."""
    states = runtime.liveness().values()
    heard = [state.last_contact for state in states if state.last_contact is not None]
    silent = round(time.monotonic() - max(heard), 1) if heard else None
    error = next((state.last_error for state in states if state.last_error), None)
    busy = any(state.in_flight for state in states)
    up = not states or (silent is not None and (silent < _SILENT or busy) and not all(s.errors for s in states))
    return {"up": up, "silentSeconds": silent, "error": error, "address": runtime.settings.cluster.address}


def _engine_items(runtime: Runtime) -> list[AttentionItem]:
    engine = _engine(runtime)
    if not engine["up"]:
        if engine["silentSeconds"] is None and not engine["error"]:
            return []  # it has only just begun
        silent = engine["silentSeconds"]
        text = (
            f"{engine['error'] or 'It says nothing'}. Check that the cluster at {engine['address']} runs, its address "
            "(CAMUNDA_CLIENT_GRPC_ADDRESS), TLS and the network between; jobs are fetched again once it is back."
        )
        since = None if silent is None else time.time() - silent
        return [_item("bad", "ENGINE_AWAY", "The engine does not answer", text, since=since)]
    found = []
    for worker in runtime.workers:
        state = worker.liveness()
        silent = None if state.last_contact is None else time.monotonic() - state.last_contact
        if silent is not None and silent > _SILENT and not state.in_flight:
            title = f"No jobs of the type {state.type} are fetched"
            text = f"{state.last_error or 'Its polls get no answer'}. If it lasts, restart this runtime."
            found.append(_item("bad", "WORKER_SILENT", title, text, since=time.time() - silent))
    return found


def _source_items(runtime: Runtime) -> list[AttentionItem]:
    if runtime.sources is None:
        return []
    found = [
        _item(
            "bad",
            "SOURCE_DOWN",
            f"Source {watch.source.name} is down",
            f"{_sentence(watch.reason or 'It gives no reason')} What comes waits there; it is tried again by itself.",
            since=watch.since,
            href=f"/sources/{quote(watch.source.name, safe='')}",
        )
        for watch in runtime.sources.watches.values()
        if watch.status == "DOWN"
    ]
    found += [
        _item("warn", "SOURCE_INVALID", "An element cannot be watched", problem, since=None)
        for problem in runtime.sources.problems
    ]
    return found


def _incident_items(runtime: Runtime) -> list[AttentionItem]:
    """Incidents of the last hour, one item for all of one connector, element and code."""
    after = time.time() - 3600
    groups: dict[tuple[str, str, str, str], list[RecordedJob]] = {}
    for job in runtime.record.jobs("incident"):
        if job.at < after:
            break
        groups.setdefault((job.connector, job.process, job.element, job.code), []).append(job)
    found = []
    for (connector, process, element, code), jobs in groups.items():
        count = "1 incident" if len(jobs) == 1 else f"{len(jobs):,} incidents"
        text = f"{_sentence(jobs[0].message)} Once the cause is gone, let the engine try again in Operate."
        item = _item(
            "bad", code or "INCIDENT", f"{count} at {connector}, in {element} of {process}", text, since=jobs[-1].at
        )
        item["until"] = jobs[0].at
        item["href"] = f"/jobs/{jobs[0].key}" if len(jobs) == 1 else ""
        item["filter"] = {"outcome": "incident", "connector": connector, "process": process, "q": code or element}
        found.append(item)
    return found


def _ledger_items(quarantined: Sequence[Entry] | LedgerError) -> list[AttentionItem]:
    if not isinstance(quarantined, LedgerError):
        return []
    return [_item("bad", "LEDGER_AWAY", "The ledger cannot be used", str(quarantined), since=None)]


def _quarantine_items(quarantined: Sequence[Entry] | LedgerError) -> list[AttentionItem]:
    if isinstance(quarantined, LedgerError):
        return []
    by_source: dict[str, list[Entry]] = {}
    for entry in quarantined:
        by_source.setdefault(entry.source, []).append(entry)
    found = []
    for source, entries in by_source.items():
        count = "1 event" if len(entries) == 1 else f"{len(entries):,} events"
        oldest = min(entries, key=lambda entry: entry.updated)
        text = f"{_sentence(entries[0].reason)} Once the cause is gone, let them be tried again."
        found.append(
            _item(
                "warn",
                "QUARANTINE",
                f"{count} of {source} in quarantine",
                text,
                since=oldest.updated,
                href=f"/events?source={quote(source, safe='')}",
            )
        )
    return found


def _setting_items(runtime: Runtime) -> list[AttentionItem]:
    # Others share our prefixes too, so only what was probably meant for us needs attention.
    unknown = [(name, meant) for name, meant in unknown_settings(runtime.environment) if meant]
    if not unknown:
        return []
    title = "A setting has an unknown name" if len(unknown) == 1 else f"{len(unknown)} settings have unknown names"
    text = "; ".join(f"{name}: did you mean {meant}?" for name, meant in unknown[:5])
    return [_item("warn", "SETTING_UNKNOWN", title, text, since=None, href="/runtime#settings")]


def _ledger(runtime: Runtime, quarantined: Sequence[Entry] | LedgerError) -> LedgerState:
    kind = "PostgreSQL" if runtime.settings.ledger else "a file"
    if isinstance(quarantined, LedgerError):
        return {"up": False, "kind": kind, "quarantined": None}
    return {"up": True, "kind": kind, "quarantined": len(quarantined)}


def _connectors(runtime: Runtime) -> list[ConnectorOfTheHour]:
    """One entry a connector, the busiest of the last hour first."""
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
