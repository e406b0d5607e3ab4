"""Shows what the ledger knows of events, and carries out what an operator decides about those in quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web

from zeebe_connectors.admin.access import Refused, Role
from zeebe_connectors.admin.api.description import Call, Service, TypedDict, described
from zeebe_connectors.runtime.ledger import Entry
from zeebe_connectors.runtime.ledger.protocol import State
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.errors import InputError

ROWS = 50
MAX_SKIP = 10_000
MAX_CHOSEN = 500
NO_ORIGINAL = "There is no original of this event (any more): it left quarantine, or was larger than 25 MB"
STATES: tuple[State, ...] = ("quarantined", "retry", "done", "ignored")


@described
class EventShown(TypedDict):
    """One event, without its content."""

    source: str
    id: str
    state: State
    title: str
    """Such as a mail's subject."""
    reason: str
    """Why it is in quarantine."""
    tries: int
    updated: float
    """In seconds since 1970."""
    key: str | None
    """Of the process instance or message that it became."""
    original: bool
    """Whether the original is kept."""


@described
class EventsShown(TypedDict):
    """One page of events."""

    events: list[EventShown]
    """The newest first, 50 at most."""
    next: int | None
    """What `skip` is for older ones."""


@described
class Chosen(TypedDict):
    """Events that somebody chose."""

    events: list[tuple[str, str]]
    """Source and id of each, 500 at most."""


@described
class Result(TypedDict):
    """What became of the wish for one event."""

    source: str
    id: str
    done: bool
    reason: str
    """Why it was not done."""


@described
class Results(TypedDict):
    """What became of each."""

    results: list[Result]


def calls(runtime: Runtime, service: Service) -> list[Call]:
    """The calls below `/events`."""

    async def some(request: web.Request) -> web.Response:
        return web.json_response(await events_shown(runtime, request.query))

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
        "skip": "`next` of the page before",
    }
    which = {"source": "Name of the source", "id": "Of the event"}
    away = {502: ("LEDGER_UNUSABLE",)}
    missing = away | {404: ("NOT_FOUND",)}
    again, gone = "Lets quarantined events be tried again at their source's next look", "Forgets quarantined events"
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
        Call("POST", "/events/retry", Role.OPERATOR, again, try_again, Results, body=Chosen, errors=away),
        Call("POST", "/events/forget", Role.OPERATOR, gone, drop, Results, body=Chosen, errors=away),
    ]


def check_data_shown(runtime: Runtime) -> None:
    """Refuses what holds data of processes where none is shown.

    Raises:
        Refused: `ZEEBE_CONNECTORS_PAGE_DATA` is `none`.
    """
    if runtime.settings.page_data == "none":
        raise Refused(403, "DATA_HIDDEN", "ZEEBE_CONNECTORS_PAGE_DATA is none: no data of processes is shown here")


def original_of(data: bytes) -> web.Response:
    """An original, always as a download."""
    headers = {"Content-Disposition": 'attachment; filename="original.eml"', "X-Content-Type-Options": "nosniff"}
    return web.Response(body=data, content_type="application/octet-stream", headers=headers)


async def events_shown(runtime: Runtime, query: Mapping[str, str]) -> EventsShown:
    """Events of one state, the newest first.

    Args:
        runtime: Whose ledger.
        query: `state` (`quarantined` when left out), `source`, `skip` (how many newer ones are left out).

    Returns:
        `events`, 50 at most; `next`: what `skip` is for older ones, or None.
    """
    wanted = query.get("state") or "quarantined"
    if wanted not in STATES:
        raise InputError(f"state: must be one of {', '.join(STATES)}")
    text = query.get("skip", "")
    skip = min(int(text), MAX_SKIP) if text.isascii() and text.isdecimal() and len(text) < 7 else 0
    found = await runtime.ledger.entries(source=query.get("source") or None, state=wanted, limit=skip + ROWS + 1)
    more = len(found) > skip + ROWS and skip + ROWS <= MAX_SKIP
    return {
        "events": [
            event_shown(entry, titles=runtime.settings.page_data != "none") for entry in found[skip : skip + ROWS]
        ],
        "next": skip + ROWS if more else None,
    }


def event_shown(entry: Entry, *, titles: bool) -> EventShown:
    """One event, without its content."""
    return {
        "source": entry.source,
        "id": entry.id,
        "state": entry.state,
        "title": entry.title if titles else "",
        "reason": entry.reason,
        "tries": entry.tries,
        "updated": entry.updated,
        "key": str(entry.key) if entry.key else None,
        "original": entry.has_original,
    }


def chosen(given: object) -> list[tuple[str, str]]:
    """Sources and ids of the events that somebody chose.

    Raises:
        InputError: It is no list of pairs, or too long.
    """
    pairs = given if isinstance(given, list) else []
    found = [(pair[0], pair[1]) for pair in pairs if isinstance(pair, list) and len(pair) == 2]
    if not found or len(found) != len(pairs) or not all(isinstance(text, str) for pair in found for text in pair):
        raise InputError("events: must be a list of pairs of source and id; choose one at least")
    if len(found) > MAX_CHOSEN:
        raise InputError(f"events: {MAX_CHOSEN} at most at once")
    return found


async def retry(runtime: Runtime, events: Sequence[tuple[str, str]]) -> list[Result]:
    """Lets quarantined events be tried again at their sources' next looks; says each one's result."""
    results: list[Result] = []
    for source, event in events:
        done = await runtime.ledger.retry(source, event)
        results.append({"source": source, "id": event, "done": done, "reason": "" if done else "not in quarantine"})
    return results


async def forget(runtime: Runtime, events: Sequence[tuple[str, str]]) -> list[Result]:
    """Removes all that is known of quarantined events, their originals too; says each one's result."""
    results: list[Result] = []
    for source, event in events:
        known = await runtime.ledger.find(source, event)
        done = known is not None and known.state == "quarantined" and await runtime.ledger.forget(source, event)
        results.append({"source": source, "id": event, "done": done, "reason": "" if done else "not in quarantine"})
    return results
