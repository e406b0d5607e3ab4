"""Stream changes as JSON by server-sent events: the overview, jobs as they are answered, sources."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from zeebe_connectors.admin.access import Refused, Role
from zeebe_connectors.admin.api.description import ROWS, Call, Service
from zeebe_connectors.admin.api.jobs import job_shown
from zeebe_connectors.admin.api.overview import Overview, OverviewShown
from zeebe_connectors.admin.api.sources import sources_shown
from zeebe_connectors.admin.live import STREAM_SECONDS, Live
from zeebe_connectors.runtime.supervisor import Runtime

MAX_SECONDS = 3600.0
_Make = Callable[[], Awaitable[Mapping[str, str]]]


def calls(overview: Overview, live: Live, service: Service) -> list[Call]:
    """Returns the call `/live`.

    Args:
        overview: The runtime's overview.
        live: The runtime's streams.
        service: The API.
    """
    makers: Mapping[str, Callable[[], _Make]] = {
        "overview": lambda: _overview(overview),
        "jobs": lambda: _jobs(overview.runtime),
        "sources": lambda: _sources(overview.runtime),
    }

    async def stream(request: web.Request) -> web.StreamResponse:
        wanted = request.query.get("of", "overview")
        if wanted not in makers:
            raise Refused(400, "INPUT_INVALID", f"of: must be one of {', '.join(makers)}")
        seconds = _seconds(request.query.get("seconds", ""))
        role = service.access.role_of(request) or Role.VIEWER
        is_operator = role >= Role.OPERATOR
        return await live.serve(
            request, ("api", wanted), makers[wanted](), {}, seconds=seconds, who=role, operator=is_operator
        )

    query = {
        "of": "`overview`: events `overview`, as `GET /overview`, when more than `silentSeconds` has changed; "
        "`jobs`: events `counts`, exact, and `jobs`, those kept since the last event, the newest 50; "
        "`sources`: events `counts` and `sources`, those that are down first",
        "seconds": f"How long the stream lasts, up to {MAX_SECONDS:g}; {STREAM_SECONDS:g} when left out",
    }
    summary = "Streams what changes, as server-sent events with JSON as their data, one a second at most"
    refused = {429: ("TOO_MANY_STREAMS",)}
    return [
        Call(
            "GET", "/live", Role.VIEWER, summary, stream, "text/event-stream", query=query, errors=refused, streams=True
        )
    ]


def _seconds(text: str) -> float:
    try:
        seconds = float(text or STREAM_SECONDS)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_SECONDS:
        raise Refused(400, "INPUT_INVALID", f"seconds: must be a number above zero, {MAX_SECONDS:g} at most")
    return seconds


def _overview(overview: Overview) -> _Make:
    sent: OverviewShown | None = None
    text = ""

    async def make() -> dict[str, str]:
        nonlocal sent, text
        shown = await overview.show()
        if sent is None or not _same(shown, sent):
            sent, text = shown, json.dumps(shown)
        return {"overview": text}

    return make


def _same(one: OverviewShown, other: OverviewShown) -> bool:
    """Returns whether two overviews say the same, except for the time since the engine answered: it always differs."""
    return {**one, "engine": {**one["engine"], "silentSeconds": None}} == {
        **other,
        "engine": {**other["engine"], "silentSeconds": None},
    }


def _jobs(runtime: Runtime) -> _Make:
    last = time.time()

    async def make() -> dict[str, str]:
        nonlocal last
        record = runtime.record
        found = record.newer(last, ROWS)
        parts = {"counts": json.dumps({**record.totals, "oneIn": record.one_in})}
        if found:
            last = found[0].at
            parts["jobs"] = json.dumps([job_shown(job) for job in found])
        return parts

    return make


def _sources(runtime: Runtime) -> _Make:
    async def make() -> dict[str, str]:
        shown = sources_shown(runtime, {}, rows=ROWS)
        return {"counts": json.dumps(shown["counts"]), "sources": json.dumps(shown["sources"])}

    return make
