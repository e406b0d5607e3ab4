"""List what needs the operator's attention, the worst first, and what recently did.

An item stays until its cause is gone or somebody dismisses it; then it is listed as over for an hour.
"""

# ruff: noqa: N815 - names as they are in JSON
from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from zeebe_connectors.admin.api.description import NotRequired, TypedDict, described
from zeebe_connectors.admin.api.jobs import remedy_of
from zeebe_connectors.config.effective import unknown_settings
from zeebe_connectors.runtime.ledger import Entry, LedgerError, Unsettled
from zeebe_connectors.runtime.open_incidents import ENDED_SECONDS, Place
from zeebe_connectors.runtime.outage import PastOutage
from zeebe_connectors.runtime.providers import Providers
from zeebe_connectors.runtime.supervisor import Runtime

MIN_OUTAGE = 5.0
"""Minimum seconds of an outage that is listed as over afterwards."""
MIN_FAILURES = 3
"""Requests to a provider that must have failed in a row for it to be said."""
BUSY_SECONDS = 60.0
"""How long it is said that a provider gets more than its rules allow."""
_SILENT = 60.0


@described
class IncidentsSeen(TypedDict):
    """The incidents of one place that somebody dismissed."""

    connector: str
    process: str
    """BPMN process id."""
    element: str
    code: str
    until: float
    """Time of the newest incident that was seen, in seconds since 1970; later ones stay."""


@described
class AttentionItem(TypedDict):
    """Something that needs the operator's attention, or recently did."""

    level: Literal["bad", "warn", "over"]
    """`over` if it ended within the last hour."""
    code: str
    """The kind of item, or the connector's error code of the incidents."""
    title: str
    text: str
    """The reason and the remedy."""
    since: float | None
    """In seconds since 1970; None if unknown."""
    until: float | None
    """The last time, if it happened several times; the end, if it is over."""
    href: str
    """The page with more about it; empty if `filter` says it."""
    filter: NotRequired[dict[str, str]]
    """Query for `/jobs`."""
    seen: NotRequired[IncidentsSeen]
    """Body for `POST /attention/seen`, to dismiss these incidents."""


@described
class EngineState(TypedDict):
    """Whether the engine answers."""

    up: bool
    silentSeconds: float | None
    error: str | None
    address: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """The ledger's last answer about events in quarantine."""

    entries: Sequence[Entry] = ()
    """The newest events."""
    counts: Sequence[Unsettled] = ()
    """Exact counts by source."""

    @property
    def count(self) -> int:
        """Number of events in quarantine."""
        return sum(some.count for some in self.counts)


def attention(runtime: Runtime, quarantined: Quarantined | LedgerError) -> tuple[list[AttentionItem], int]:
    """Returns what needs attention, the worst first, then what is over; and how many items are not over.

    Args:
        runtime: The runtime.
        quarantined: The events in quarantine, or why the ledger cannot say.
    """
    items = [
        *_engine_items(runtime),
        *_ledger_items(quarantined),
        *_source_items(runtime),
        *_incident_items(runtime),
        *_provider_items(runtime),
        *_quarantine_items(quarantined),
        *_setting_items(runtime),
    ]
    return [*items, *_over_items(runtime)], len(items)


def _item(
    level: Literal["bad", "warn", "over"], code: str, title: str, text: str, *, since: float | None, href: str = ""
) -> AttentionItem:
    return {"level": level, "code": code, "title": title, "text": text, "since": since, "until": None, "href": href}


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _engine_items(runtime: Runtime) -> list[AttentionItem]:
    engine = engine_state(runtime)
    if not engine["up"]:
        if engine["silentSeconds"] is None and not engine["error"]:
            return []  # it has only just started
        text = (
            f"{engine['error'] or 'It says nothing'}. Check that the cluster at {engine['address']} runs, its address "
            "(CAMUNDA_CLIENT_GRPC_ADDRESS), TLS and the network between; jobs are fetched again once it is back."
        )
        contact = _last_contact(runtime)
        since = _wall_clock(contact) if contact is not None else None
        return [_item("bad", "ENGINE_AWAY", "The engine does not answer", text, since=since)]
    found = []
    for worker in runtime.workers:
        state = worker.liveness()
        heard = state.last_contact
        if heard is not None and time.monotonic() - heard > _SILENT and not state.in_flight:
            title = f"No jobs of the type {state.type} are fetched"
            text = f"{state.last_error or 'Its polls get no answer'}. If it lasts, restart this runtime."
            found.append(_item("bad", "WORKER_SILENT", title, text, since=_wall_clock(heard)))
    return found


def _last_contact(runtime: Runtime) -> float | None:
    """Returns when the engine last answered a worker, in seconds of `time.monotonic`; None if it never did."""
    states = runtime.liveness().values()
    return max((state.last_contact for state in states if state.last_contact is not None), default=None)


def _wall_clock(monotonic: float) -> float:
    """Converts a time of `time.monotonic` into seconds since 1970, to a second.

    The same time gives the same result whenever it is converted: what shows it has not changed.
    """
    return monotonic + round(time.time() - time.monotonic())


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
    """Lists open incidents, one item for each connector, element and code."""
    found = []
    for place, jobs in runtime.record.incidents.by_place().items():
        remedy = remedy_of(runtime, place.connector, place.code)
        text = " ".join(
            [
                _sentence(jobs[0].message),
                *([_sentence(remedy)] if remedy else []),
                "Once the cause is gone, let the engine try again in Operate.",
            ]
        )
        item = _item("bad", place.code or "INCIDENT", _incidents(place, len(jobs)), text, since=jobs[-1].at)
        item["until"] = jobs[0].at
        item["href"] = f"/jobs/{jobs[0].key}" if len(jobs) == 1 else ""
        item["filter"] = _filter(place)
        item["seen"] = {**place._asdict(), "until": jobs[0].at}  # type: ignore[typeddict-item]
        found.append(item)
    return found


def _incidents(place: Place, number: int) -> str:
    count = "1 incident" if number == 1 else f"{number:,} incidents"
    return f"{count} at {place.connector}, in {place.element} of {place.process}"


def _filter(place: Place) -> dict[str, str]:
    return {
        "outcome": "incident",
        "connector": place.connector,
        "process": place.process,
        "q": place.code or place.element,
    }


def _provider_items(runtime: Runtime) -> list[AttentionItem]:
    """Lists remote systems that fail, cannot be used, are switched off, asked for a pause, or get too much."""
    providers = runtime.services.providers
    if providers is None:
        return []
    found = _unusable_provider_items(providers)
    now = time.time()
    for key, limit in providers.limits().items():
        name, _, environment = key.partition("/")
        href, counts = f"{_provider_href(name)}#{quote(environment, safe='')}", limit.counts
        if counts.failed_in_a_row >= MIN_FAILURES and counts.failed_at > now - ENDED_SECONDS:
            title = f"Requests to provider {name} ({environment}) fail"
            text = (
                f"The last {counts.failed_in_a_row:,} in a row did, the last one with {counts.failed_with}. See "
                "whether the system runs and can be reached; the provider's page checks address and login."
            )
            found.append(_item("bad", "PROVIDER_DOWN", title, text, since=counts.failing_since, href=href))
        if counts.handed_back_at > now - BUSY_SECONDS and limit.held_for() <= 0:
            title = f"Provider {name} ({environment}) gets more than its usage rules allow"
            text = (
                f"{counts.handed_back:,} jobs went back with their retries since the start, and {limit.waiting:,} "
                "wait. They come back by themselves; if it lasts, raise the rates in its usage rules."
            )
            found.append(_item("warn", "PROVIDER_BUSY", title, text, since=None, href=href))
        if limit.held_for() > 0:
            title = f"Provider {name} ({environment}) asked for a pause"
            text = (
                "It answered that it got too many requests. Nothing is sent to it for a while; its jobs wait or come "
                "back by themselves. If this repeats, lower the rate in its usage rules."
            )
            found.append(_item("warn", "PROVIDER_SLOWED", title, text, since=None, href=href))
    return sorted(found, key=lambda item: item["level"])


def _unusable_provider_items(providers: Providers) -> list[AttentionItem]:
    """Lists a file that cannot be read, providers that cannot be opened, and those used though switched off."""
    directory, found = providers.directory, []
    if directory.problem:
        text = f"{_sentence(directory.problem)} The providers stay as they were."
        found.append(_item("bad", "PROVIDERS_FILE", "The file of providers cannot be read", text, since=None))
    for name, reason in directory.unusable().items():
        title = f"Provider {name} cannot be used"
        text = _sentence(reason)
        found.append(_item("bad", "PROVIDER_UNUSABLE", title, text, since=None, href=_provider_href(name)))
    for name, (since, last) in providers.wanted_inactive.items():
        known = directory.all().get(name)
        if known is not None and not known.provider.active and last > time.time() - ENDED_SECONDS:
            text = "Its jobs become incidents and its sources go down. Switch it on, or change what names it."
            title = f"Provider {name} is switched off and was wanted"
            found.append(_item("warn", "PROVIDER_INACTIVE", title, text, since=since, href=_provider_href(name)))
    return found


def _provider_href(name: str) -> str:
    return f"/providers/{quote(name, safe='')}"


def _over_items(runtime: Runtime) -> list[AttentionItem]:
    """Lists what ended within the last hour, the latest end first."""
    found: list[AttentionItem] = []
    if runtime.cluster_outage.last is not None and engine_state(runtime)["up"]:
        found += _over("ENGINE_AWAY", "The engine did not answer", runtime.cluster_outage.last, "")
    for watch in runtime.sources.watches.values() if runtime.sources is not None else ():
        if watch.last_outage is not None and watch.status != "DOWN":
            name = watch.source.name
            found += _over(
                "SOURCE_DOWN", f"Source {name} was down", watch.last_outage, f"/sources/{quote(name, safe='')}"
            )
    for place, (until, jobs) in runtime.record.incidents.ended().items():
        title = f"{_incidents(place, len(jobs))} {'is' if len(jobs) == 1 else 'are'} solved"
        item = _item("over", place.code or "INCIDENT", title, _sentence(jobs[0].message), since=jobs[-1].at)
        item["until"], item["filter"] = until, _filter(place)
        item["href"] = f"/jobs/{jobs[0].key}" if len(jobs) == 1 else ""
        found.append(item)
    return sorted(found, key=lambda item: -(item["until"] or 0.0))


def _over(code: str, title: str, past: PastOutage, href: str) -> list[AttentionItem]:
    if past.until < time.time() - ENDED_SECONDS or past.until - past.since < MIN_OUTAGE:
        return []
    item = _item("over", code, title, _sentence(past.reason) if past.reason else "", since=past.since, href=href)
    item["until"] = past.until
    return [item]


def _ledger_items(quarantined: Quarantined | LedgerError) -> list[AttentionItem]:
    if not isinstance(quarantined, LedgerError):
        return []
    return [_item("bad", "LEDGER_AWAY", "The ledger cannot be used", str(quarantined), since=None)]


def _quarantine_items(quarantined: Quarantined | LedgerError) -> list[AttentionItem]:
    if isinstance(quarantined, LedgerError):
        return []
    reasons: dict[str, str] = {}
    for entry in quarantined.entries:
        reasons.setdefault(entry.source, entry.reason)
    found = []
    for some in quarantined.counts:
        count = "1 event" if some.count == 1 else f"{some.count:,} events"
        reason = f"{_sentence(reasons[some.source])} " if reasons.get(some.source) else ""
        found.append(
            _item(
                "warn",
                "QUARANTINE",
                f"{count} of {some.source} in quarantine",
                f"{reason}Once the cause is gone, let {'it' if some.count == 1 else 'them'} be tried again.",
                since=some.since,
                href=f"/events?source={quote(some.source, safe='')}",
            )
        )
    return found


def _setting_items(runtime: Runtime) -> list[AttentionItem]:
    # Other programs share our prefixes, so only names that were probably meant for us need attention.
    unknown = [(name, meant) for name, meant in unknown_settings(runtime.environment) if meant]
    if not unknown:
        return []
    title = "A setting has an unknown name" if len(unknown) == 1 else f"{len(unknown)} settings have unknown names"
    text = "; ".join(f"{name}: did you mean {meant}?" for name, meant in unknown[:5])
    return [_item("warn", "SETTING_UNKNOWN", title, text, since=None, href="/runtime#settings")]


def engine_state(runtime: Runtime) -> EngineState:
    """Reports whether the engine answers: it does if any worker heard from it recently."""
    states = runtime.liveness().values()
    contact = _last_contact(runtime)
    silent = round(time.monotonic() - contact, 1) if contact is not None else None
    error = next((state.last_error for state in states if state.last_error), None)
    busy = any(state.in_flight for state in states)
    up = not states or (silent is not None and (silent < _SILENT or busy) and not all(s.errors for s in states))
    return {"up": up, "silentSeconds": silent, "error": error, "address": runtime.settings.cluster.address}
