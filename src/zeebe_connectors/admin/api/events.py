"""Show the ledger's events, and carry out what an operator decides about those in quarantine."""

# ruff: noqa: N815 - names as they are in JSON
from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web

from zeebe_connectors.admin.access import Refused, Role
from zeebe_connectors.admin.api.description import ROWS, Call, Service, TypedDict, described
from zeebe_connectors.runtime.ledger import RETENTION, Entry, Search, State
from zeebe_connectors.runtime.ledger.protocol import MAX_SEARCHED
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.errors import InputError

MAX_SKIP = 10_000
MAX_CHOSEN = 500
MAX_QUERY = 200
"""Maximum characters of a search text."""
NO_ORIGINAL = "There is no original of this event (any more): it left quarantine, or was larger than 25 MB"
NO_EVENT = "Nothing is known of this event (any more): it was never seen here, was forgotten, or is older than 90 days"
STATES: tuple[State, ...] = ("quarantined", "retry", "done", "ignored")


@described
class EventShown(TypedDict):
    """One event, without its content."""

    source: str
    id: str
    state: State
    title: str
    """A title, such as a mail's subject."""
    reason: str
    """Why it is in quarantine."""
    element: str
    """`PROCESS/ELEMENT` that it was handed to, or was to be; empty when none was chosen yet."""
    tries: int
    updated: float
    """In seconds since 1970."""
    key: str | None
    """Key of the process instance or message that it became."""
    original: bool
    """Whether the original is kept."""


@described
class EventDetail(EventShown):
    """One event in full, without its content."""

    started: float | None
    """When the engine was first asked, in seconds since 1970."""
    originalSize: int | None
    """Bytes of the original."""
    keptUntil: float | None
    """When it is forgotten unless it is seen again, in seconds since 1970; null while a decision is awaited."""


@described
class EventsShown(TypedDict):
    """One page of events."""

    events: list[EventShown]
    """The newest first, 50 at most."""
    counts: dict[State, int]
    """Exact counts of the unsettled states."""
    next: int | None
    """Value of `skip` for older events."""


@described
class Chosen(TypedDict):
    """The chosen events."""

    events: list[tuple[str, str]]
    """Source and id of each, 500 at most."""


@described
class Result(TypedDict):
    """The result for one event."""

    source: str
    id: str
    done: bool
    reason: str
    """Why it was not done."""


@described
class Results(TypedDict):
    """The result for each event."""

    results: list[Result]


def calls(runtime: Runtime, service: Service) -> list[Call]:
    """Returns the calls below `/events`."""

    async def some(request: web.Request) -> web.Response:
        return web.json_response(await events_shown(runtime, request.query))

    async def one(request: web.Request) -> web.Response:
        found = await event_detail(runtime, request.match_info["source"], request.match_info["id"])
        if found is None:
            raise Refused(404, "NOT_FOUND", NO_EVENT)
        return web.json_response(found)

    async def original(request: web.Request) -> web.Response:
        check_data_shown(runtime)
        found = await runtime.ledger.original(request.query.get("source", ""), request.query.get("id", ""))
        if found is None:
            raise Refused(404, "NOT_FOUND", NO_ORIGINAL)
        return original_of(found)

    async def try_again(request: web.Request) -> web.Response:
        events = chosen((await service.given(request)).get("events"))
        return web.json_response({"results": await retry(runtime, events)})

    async def drop(request: web.Request) -> web.Response:
        events = chosen((await service.given(request)).get("events"))
        return web.json_response({"results": await forget(runtime, events)})

    query = {
        "state": f"One of {', '.join(STATES)}; `quarantined` when left out",
        "source": "Name of a source",
        "q": f"Text in title, id, source, reason or element; the newest {MAX_SEARCHED:,} of the state are searched",
        "skip": "`next` of the previous page",
    }
    which = {"source": "Name of the source", "id": "Of the event"}
    away = {502: ("LEDGER_UNUSABLE",)}
    missing = away | {404: ("NOT_FOUND",)}
    again, gone = "Lets quarantined events be retried at their source's next poll", "Forgets quarantined events"
    return [
        Call("GET", "/events", Role.VIEWER, "Lists what the ledger knows", some, EventsShown, query=query, errors=away),
        Call(
            "GET",
            "/events/original",
            Role.OPERATOR,
            "Hands out the original of a quarantined event",
            original,
            "application/octet-stream",
            query=which,
            errors=missing,
        ),
        Call("GET", "/events/{source}/{id}", Role.VIEWER, "Shows one event", one, EventDetail, errors=missing),
        Call("POST", "/events/retry", Role.OPERATOR, again, try_again, Results, body=Chosen, errors=away),
        Call("POST", "/events/forget", Role.OPERATOR, gone, drop, Results, body=Chosen, errors=away),
    ]


def check_data_shown(runtime: Runtime) -> None:
    """Refuses access to process data if the operator hides it.

    Raises:
        Refused: `ZEEBE_CONNECTORS_PAGE_DATA` is `none`.
    """
    if runtime.settings.page_data == "none":
        raise Refused(403, "DATA_HIDDEN", "ZEEBE_CONNECTORS_PAGE_DATA is none: no data of processes is shown here")


def original_of(data: bytes) -> web.Response:
    """Returns an original, always as a download."""
    headers = {"Content-Disposition": 'attachment; filename="original.eml"', "X-Content-Type-Options": "nosniff"}
    return web.Response(body=data, content_type="application/octet-stream", headers=headers)


async def events_shown(runtime: Runtime, query: Mapping[str, str], *, rows: int = ROWS) -> EventsShown:
    """Returns events of one state, the newest first.

    Args:
        runtime: The runtime.
        query: `state` (default `quarantined`), `source`, `q` (in title, id, source, reason or element), `skip`
            (how many newer ones to leave out).
        rows: Maximum number of events.

    Returns:
        `events`; `counts` of the unsettled states; `next`: value of `skip` for older events, or None.
    """
    wanted = query.get("state") or "quarantined"
    if wanted not in STATES:
        raise InputError(f"state: must be one of {', '.join(STATES)}")
    skip = skip_of(query)
    words = query.get("q", "").strip()[:MAX_QUERY]
    search = Search(words, titles=_shows_titles(runtime)) if words else None
    source = query.get("source") or None
    found = await newest_events(runtime, source=source, state=wanted, search=search, limit=skip + rows + 1)
    counts: dict[State, int] = {"quarantined": 0, "retry": 0}
    for some in await runtime.ledger.unsettled():
        if some.state in counts and source in {None, some.source}:
            counts[some.state] += some.count
    more = len(found) > skip + rows and skip + rows <= MAX_SKIP
    return {
        "events": found[skip : skip + rows],
        "counts": counts,
        "next": skip + rows if more else None,
    }


def skip_of(query: Mapping[str, str]) -> int:
    """Returns how many newer events a query leaves out."""
    text = query.get("skip", "")
    return min(int(text), MAX_SKIP) if text.isascii() and text.isdecimal() and len(text) < 7 else 0


async def event_detail(runtime: Runtime, source: str, event: str) -> EventDetail | None:
    """Returns one event in full; None if it is unknown."""
    entry = await runtime.ledger.find(source, event)
    if entry is None:
        return None
    size = await runtime.ledger.original_size(source, event) if entry.has_original else None
    shown: EventDetail = {
        **_shown(entry, titles=_shows_titles(runtime)),
        "started": entry.started or None,
        "originalSize": size,
        "keptUntil": entry.updated + RETENTION if entry.state in {"done", "ignored"} else None,
    }
    return shown


async def event_shown(runtime: Runtime, source: str, event: str) -> EventShown | None:
    """Returns one event as lists show it; None if the ledger does not know it."""
    entry = await runtime.ledger.find(source, event)
    return None if entry is None else _shown(entry, titles=_shows_titles(runtime))


async def newest_events(
    runtime: Runtime,
    *,
    limit: int,
    source: str | None = None,
    state: State | None = None,
    search: Search | None = None,
) -> list[EventShown]:
    """Returns events as they are shown, the newest first.

    Args:
        runtime: The runtime.
        limit: How many at most.
        source: Of this source only.
        state: In this state only.
        search: Those that it finds only.
    """
    entries = await runtime.ledger.entries(source=source, state=state, search=search, limit=limit)
    titles = _shows_titles(runtime)
    return [_shown(entry, titles=titles) for entry in entries]


def _shows_titles(runtime: Runtime) -> bool:
    """Returns whether titles, which are data of processes, may be shown."""
    return runtime.settings.page_data != "none"


def _shown(entry: Entry, *, titles: bool) -> EventShown:
    return {
        "source": entry.source,
        "id": entry.id,
        "state": entry.state,
        "title": entry.title if titles else "",
        "reason": entry.reason,
        "element": entry.element,
        "tries": entry.tries,
        "updated": entry.updated,
        "key": str(entry.key) if entry.key else None,
        "original": entry.has_original,
    }


def chosen(given: object) -> list[tuple[str, str]]:
    """Returns source and id of the chosen events.

    Raises:
        InputError: It is not a list of pairs, or too long.
    """
    pairs = given if isinstance(given, list) else []
    found = [(pair[0], pair[1]) for pair in pairs if isinstance(pair, list) and len(pair) == 2]
    if not found or len(found) != len(pairs) or not all(isinstance(text, str) for pair in found for text in pair):
        raise InputError("events: must be a list of pairs of source and id; choose one at least")
    if len(found) > MAX_CHOSEN:
        raise InputError(f"events: {MAX_CHOSEN} at most at once")
    return found


async def retry(runtime: Runtime, events: Sequence[tuple[str, str]]) -> list[Result]:
    """Marks quarantined events to be retried at their sources' next poll; returns each one's result."""
    results: list[Result] = []
    for source, event in events:
        done = await runtime.ledger.retry(source, event)
        results.append({"source": source, "id": event, "done": done, "reason": "" if done else "not in quarantine"})
    return results


async def forget(runtime: Runtime, events: Sequence[tuple[str, str]]) -> list[Result]:
    """Removes quarantined events and their originals from the ledger; returns each one's result."""
    results: list[Result] = []
    for source, event in events:
        known = await runtime.ledger.find(source, event)
        done = known is not None and known.state == "quarantined" and await runtime.ledger.forget(source, event)
        results.append({"source": source, "id": event, "done": done, "reason": "" if done else "not in quarantine"})
    return results
