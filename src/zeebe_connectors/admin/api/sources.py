"""Show the watched sources, and test one on request, for the API and the page."""

# ruff: noqa: N815 - names as they are in JSON
from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from aiohttp import web

from zeebe_connectors.admin.access import Refused, Role
from zeebe_connectors.admin.api.description import ROWS, Call, Service, TypedDict, described
from zeebe_connectors.admin.api.events import EventShown
from zeebe_connectors.admin.api.last_events import LastEvents
from zeebe_connectors.admin.api.source_settings import SettingOfSource, settings_of
from zeebe_connectors.admin.busy import AtOnce
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.runtime.inbound.preview import Preview, connector_of, preview
from zeebe_connectors.runtime.inbound.sources import Watch
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.fields import Model, read_input

WAKE_SECONDS = 5.0
"""Minimum seconds between two requests to poll a source now: each signs in to its mailbox."""
MAX_HOURS = 24 * 366
STATES = ("DOWN", "STARTING", "STANDBY", "UP")
"""The statuses of a source."""


class Test(Model):
    """How to test a source."""

    __test__ = False  # not a test for pytest
    hours: float = 24.0
    """How many hours to look back."""


class Nothing(Model):
    """An empty body, as the path says everything."""


@described
class SourceShown(TypedDict):
    """One source."""

    name: str
    status: Literal["DOWN", "STARTING", "STANDBY", "UP"]
    reason: str | None
    """Why it is down."""
    type: str
    elements: list[str]
    """`PROCESS/ELEMENT` of each element that wants its events."""
    since: float
    """When the status began, in seconds since 1970."""
    lastContact: float | None
    """In seconds since 1970."""
    lastEvent: float | None
    """In seconds since 1970."""
    nextTry: float | None
    """When it is restarted, in seconds since 1970; null while it is watched."""
    events: dict[str, int]
    """Events by outcome."""
    test: bool
    """Whether it can be tested."""


@described
class DayShown(TypedDict):
    """The last 24 hours in 96 quarters of an hour, the oldest first."""

    states: str
    """A letter each: `u`p, `d`own, `s`tanding by, s`t`arting, `-` for unknown; `d` if it was ever down."""
    events: list[int]
    """How many events came in each."""


@described
class SourceDetail(SourceShown):
    """One source, with its last day and its settings."""

    day: DayShown
    comesFrom: str
    """Where its element is defined: the deployed process with its version, or the sources file."""
    settings: list[SettingOfSource]
    """Settings in the order of the element."""
    last: list[EventShown] | None
    """The last ten events that the ledger knows, the newest first; null when it does not say."""


@described
class WakeAnswer(TypedDict):
    """Confirms that a source was woken."""

    requested: Literal[True]
    status: str
    """The status before."""


@described
class SourcesShown(TypedDict):
    """One page of sources."""

    sources: list[SourceShown]
    """Sources by name, those that are down first."""
    counts: dict[str, int]
    """Numbers of all sources by status."""
    problems: list[str]
    """Elements that cannot be watched, and why."""
    found: int
    """How many match."""
    next: str | None
    """Value of `after` for the next page."""


def calls(runtime: Runtime, tests: SourceTests, last: LastEvents, service: Service) -> list[Call]:
    """Returns the calls below `/sources`."""

    async def some(request: web.Request) -> web.Response:
        return web.json_response(sources_shown(runtime, request.query, rows=ROWS))

    async def one(request: web.Request) -> web.Response:
        watch = watches_of(runtime).get(request.match_info["name"])
        if watch is None:
            raise Refused(404, "NOT_FOUND", "There is no such source; GET /api/sources lists them")
        return web.json_response(source_detail(runtime, watch, await last.of(watch.source.name)))

    async def woken(request: web.Request) -> web.Response:
        return web.json_response(await wake(runtime, request.match_info["name"]), status=202)

    async def test(request: web.Request) -> web.Response:
        given = read_input(Test, await service.given(request))
        name = request.match_info["name"]
        return await service.limited(lambda: tests.run(name, given.hours, service.mask))

    query = {
        "state": f"One of {', '.join(STATES)}",
        "q": "Text in name, reason or element",
        "after": "`next` of the previous page",
    }
    missing = {404: ("NOT_FOUND",)}
    failing = {422: ("SOURCE_INVALID",), 429: ("BUSY",), 502: ("LEDGER_UNUSABLE",)}
    return [
        Call("GET", "/sources", Role.VIEWER, "Lists the sources", some, SourcesShown, query=query),
        Call("GET", "/sources/{name}", Role.VIEWER, "Shows one source", one, SourceDetail, errors=missing),
        Call(
            "POST",
            "/sources/{name}/test",
            Role.MODELER,
            "Shows what a source would hand over of the last hours, and starts nothing",
            test,
            Preview,
            body=Test,
            errors=missing | failing,
        ),
        Call(
            "POST",
            "/sources/{name}/wake",
            Role.OPERATOR,
            "Lets a source poll now, or retry now; the result is shown at the source",
            woken,
            WakeAnswer,
            body=Nothing,
            errors=missing | {409: ("SOURCE_HELD",), 429: ("ASKED_JUST_NOW",)},
            status=202,
        ),
    ]


def watches_of(runtime: Runtime) -> Mapping[str, Watch]:
    """Returns the sources by name; empty if none is watched."""
    return {} if runtime.sources is None else runtime.sources.watches


def sources_shown(runtime: Runtime, query: Mapping[str, str], *, rows: int | None = None) -> SourcesShown:
    """Returns sources by name, those that are down first.

    Args:
        runtime: The runtime.
        query: `state`, `q` (in name, reason or element), `after` (the last name of the previous page).
        rows: Maximum number of sources; by default all.

    Returns:
        `sources`; `counts` by state; `problems`: elements that cannot be watched; `found`; `next`, or None.
    """
    watches = watches_of(runtime)
    counts = Counter(watch.status for watch in watches.values())
    state, text = query.get("state", "").upper(), query.get("q", "").casefold()
    fitting = sorted(
        (
            watch
            for watch in watches.values()
            if (not state or watch.status == state) and (not text or text in _searchable(watch))
        ),
        key=_place,
    )
    after = watches.get(query.get("after", ""))
    older = [watch for watch in fitting if after is None or _place(watch) > _place(after)]
    listed = older[:rows]
    return {
        "sources": [source_shown(runtime, watch) for watch in listed],
        "counts": {name.lower(): counts[name] for name in STATES},
        "problems": [] if runtime.sources is None else runtime.sources.problems,
        "found": len(fitting),
        "next": listed[-1].source.name if len(older) > len(listed) else None,
    }


def source_shown(runtime: Runtime, watch: Watch) -> SourceShown:
    """Returns one source: its health, and whether it can be tested."""
    connector = runtime.registry.inbound_of(watch.source.type)
    testable = connector is not None and connector.preview is not None
    shown: SourceShown = {"name": watch.source.name, **watch.health(), "test": testable}  # type: ignore[typeddict-item]
    return shown


def source_detail(runtime: Runtime, watch: Watch, last: list[EventShown] | None) -> SourceDetail:
    """Returns one source with its last day, its settings and its last events."""
    states, events = watch.day.shown()
    shown: SourceDetail = {
        **source_shown(runtime, watch),
        "day": {"states": states, "events": events},
        "comesFrom": _origin(runtime, watch),
        "settings": settings_of(watch, runtime.registry),
        "last": last,
    }
    return shown


def _origin(runtime: Runtime, watch: Watch) -> str:
    element = watch.source.elements[0]
    if not element.process:
        return f"the file {runtime.settings.sources}"
    if element.version >= 0:
        return f"process {element.process}, version {element.version}, as it is deployed"
    folder = runtime.settings.diagrams
    return f"process {element.process}, in the folder {folder}" if folder else f"process {element.process}"


async def wake(runtime: Runtime, name: str) -> WakeAnswer:
    """Lets a source poll now.

    Raises:
        Refused: There is no such source, another runtime holds it, or it was woken a moment ago.
        LedgerError: The ledger cannot say who holds it.
    """
    watch = watches_of(runtime).get(name)
    if watch is None:
        raise Refused(404, "NOT_FOUND", "There is no such source; GET /api/sources lists them")
    if watch.status == "STANDBY":
        owners = [owner for source, owner, left in await runtime.ledger.leases() if source == name and left > 0]
        holder = owners[0].partition("|")[0] if owners else "another runtime"
        raise Refused(409, "SOURCE_HELD", f"{holder} holds this source; ask there")
    if time.monotonic() - watch.woken_at < WAKE_SECONDS:
        raise Refused(429, "ASKED_JUST_NOW", f"It was asked less than {WAKE_SECONDS:g} s ago; wait for the result")
    before = watch.status
    watch.wake()
    return {"requested": True, "status": before}


class SourceTests:
    """Tests one runtime's sources, a few at a time: each test signs in to a mailbox.

    Args:
        runtime: The runtime.
        max_running: Maximum number of tests at once.
    """

    def __init__(self, runtime: Runtime, *, max_running: int = 2) -> None:
        self._runtime = runtime
        self._bound = AtOnce(max_running, f"{max_running} tests are running already")

    async def run(self, name: str, hours: float, mask: Mask) -> dict[str, Any]:
        """Returns what a source would hand over of the last hours; starts, marks and moves nothing.

        Args:
            name: The source's name.
            hours: How many hours to look back.
            mask: Learns the secrets that are used; they are masked in the answer.

        Raises:
            Refused: There is no such source, or too many tests are running.
            ConnectorError: The source cannot be reached, or its settings are wrong.
        """
        if not 0 < hours <= MAX_HOURS:
            raise InputError("hours: must be above zero, and at most a year")
        watches = watches_of(self._runtime)
        if name not in watches:
            known = ", ".join(list(watches)[:ROWS]) or "none"
            raise Refused(404, "NOT_FOUND", f"There is no such source; there is {known}")
        with self._bound.one():
            watch = watches[name]
            found = await preview(
                watch.source,
                connector_of(watch.source, self._runtime.registry),
                self._runtime.services,
                hours=hours,
                settled=watch.context().settled,
                mask=mask,
            )
        shown: dict[str, Any] = await asyncio.to_thread(lambda: mask.value(asdict(found)))
        return shown


def _place(watch: Watch) -> tuple[int, str]:
    return (0 if watch.status == "DOWN" else 1, watch.source.name)


def _searchable(watch: Watch) -> str:
    elements = " ".join(f"{element.process}/{element.id}" for element in watch.source.elements)
    return f"{watch.source.name} {watch.reason or ''} {elements}".casefold()
