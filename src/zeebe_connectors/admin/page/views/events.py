"""Draw the ledger's events, the quarantine first, and one event: original, retry, forget."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from zeebe_connectors.admin.access import Role
from zeebe_connectors.admin.api.description import ROWS
from zeebe_connectors.admin.api.events import (
    MAX_QUERY,
    NO_EVENT,
    NO_ORIGINAL,
    STATES,
    EventShown,
    check_data_shown,
    chosen,
    event_detail,
    event_shown,
    events_shown,
    forget,
    newest_events,
    original_of,
    retry,
    skip_of,
)
from zeebe_connectors.admin.api.jobs import seconds_of
from zeebe_connectors.admin.api.sources import watches_of
from zeebe_connectors.admin.page.views.sources import EVENT_STATES, address_of, event_address, event_row
from zeebe_connectors.admin.page.visit import Drawn, NotFound, Visit, see_other
from zeebe_connectors.runtime.ledger.protocol import MAX_SEARCHED
from zeebe_connectors.sdk.errors import InputError

WORDS = {name: word for name, (_, word) in EVENT_STATES.items()}
_log = logging.getLogger("zeebe_connectors.admin")


async def some_events(visit: Visit) -> Drawn:
    """Draws `/events`."""
    return await _list(visit)


async def one_event(visit: Visit) -> Drawn:
    """Draws `/events/SOURCE/ID`."""
    source, event = visit.params["source"], visit.params["id"]
    found = await event_detail(visit.runtime, source, event)
    if found is None:
        raise NotFound(f"{NO_EVENT}.")
    watch = watches_of(visit.runtime).get(source)
    values = {
        "event": found,
        "words": WORDS,
        "value": json.dumps([source, event]),
        "original": _original(source, event),
        "address": event_address(source, event),
        "watched": watch is not None,
        "down": watch is not None and watch.status == "DOWN",
        "source_href": address_of(source),
        "asked": visit.query.get("asked") == "yes",
    }
    return Drawn("event.html", values, "events")


def _original(source: str, event: str) -> str:
    return "/events/original?" + urlencode({"source": source, "id": event}, quote_via=quote)


async def original(visit: Visit) -> web.StreamResponse:
    """Returns the original of an event, always as a download."""
    check_data_shown(visit.runtime)
    data = await visit.runtime.ledger.original(visit.query.get("source", ""), visit.query.get("id", ""))
    if data is None:
        raise NotFound(f"{NO_ORIGINAL}.")
    _log.info("page: %s downloaded the original of an event", visit.session.role.word)
    return original_of(data)


async def retry_chosen(visit: Visit) -> Drawn | web.Response:
    """Carries out `POST /events/retry`."""
    return await _act(visit, "retry")


async def forget_chosen(visit: Visit) -> Drawn | web.Response:
    """Carries out `POST /events/forget` after confirmation."""
    return await _act(visit, "forget")


async def _act(visit: Visit, what: str) -> Drawn | web.Response:
    given = _filter_of(visit)
    try:
        events = chosen([json.loads(text) for text in visit.form.get("event", [])])
    except (ValueError, RecursionError, InputError):
        return see_other(_address(given, did=what, done="0", of="0"))
    if what == "forget" and visit.form.get("confirmed", [""])[0] != "yes":
        shown = [await _to_forget(visit, source, event) for source, event in events]
        values = {"events": shown, "query": urlencode(given, quote_via=quote), "back": _address(given)}
        return Drawn("forget.html", values, "events")
    results = await (retry if what == "retry" else forget)(visit.runtime, events)
    visit.api.overview.refresh()
    done = sum(result["done"] for result in results)
    _log.info("page: %s: %s of %d events: %d done", visit.session.role.word, what, len(events), done)
    if what == "retry" and done and visit.form.get("from", [""])[0] == "event":
        return see_other(f"{event_address(*events[0])}?asked=yes")
    return see_other(_address(given, did=what, done=str(done), of=str(len(results))))


async def _to_forget(visit: Visit, source: str, event: str) -> dict[str, str]:
    """Returns what is shown of an event before it is forgotten."""
    known = await event_shown(visit.runtime, source, event)
    title = "" if known is None else known["title"]
    return {"source": source, "id": event, "title": title, "value": json.dumps([source, event])}


def _filter_of(visit: Visit) -> dict[str, str]:
    """Returns the part of the address that chooses events."""
    state = visit.query.get("state", "")
    return {
        "state": state if state in WORDS else "quarantined",
        "source": visit.query.get("source", "")[:500],
        "q": visit.query.get("q", "")[:MAX_QUERY],
    }


def _address(given: Mapping[str, str], **more: str) -> str:
    query = {name: value for name, value in {**given, **more}.items() if value}
    return f"/events?{urlencode(query, quote_via=quote)}"


def _outcome(query: Mapping[str, str]) -> dict[str, Any] | None:
    """Returns the outcome of an action that led to this address; None if none did."""
    numbers = [int(text) for name in ("done", "of") if (text := query.get(name, "")).isdecimal() and len(text) < 4]
    if query.get("did") not in {"retry", "forget"} or len(numbers) < 2:
        return None
    return {"did": query["did"], "done": numbers[0], "of": numbers[1]}


def _row(visit: Visit, event: EventShown, given: Mapping[str, str], *, stays: bool) -> dict[str, Any]:
    """Draws one row of the list; one that does not stay in it says what became of the event.

    Args:
        visit: The look.
        event: What is known.
        given: The filter.
        stays: Whether it is as the list shows it.
    """
    source, identity = event["source"], event["id"]
    digest = hashlib.blake2b(f"{source}\0{identity}".encode(errors="replace"), digest_size=6)
    may = visit.session.role >= Role.OPERATOR
    again = event["state"] == "quarantined" and given["state"] != "quarantined"
    shown = event_row(event)
    return {
        **shown,
        "value": json.dumps([source, identity]),
        "download": _original(source, identity),
        "region": f"event-{digest.hexdigest()}",
        "picks": may and given["state"] == "quarantined",
        "may": may,
        "stays": stays,
        "word": "Quarantined again:" if again else shown["word"],
    }


async def _moved(visit: Visit, given: Mapping[str, str], top: float) -> dict[str, Mapping[str, Any]]:
    """Draws the rows of events that left the list after a time, by region, so that a reader sees where they went.

    Args:
        visit: The look.
        given: The filter of the list.
        top: When the newest event of the list changed last as it was drawn, in seconds since 1970.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for state in STATES:
        if state != given["state"]:
            events = await newest_events(visit.runtime, source=given["source"] or None, state=state, limit=ROWS)
            rows = [_row(visit, event, given, stays=False) for event in events]
            found |= {row["region"]: row for row in rows if row["updated"] > top}
    return found


async def _list(visit: Visit) -> Drawn:
    given = _filter_of(visit)
    top = seconds_of(visit.query.get("top", ""))
    skip = skip_of(visit.query)
    if top is not None:
        # A stream: all that may be in the rows of the page, also when as many have come since as it has rows.
        shown = await events_shown(visit.runtime, given, rows=skip + 2 * ROWS)
    else:
        shown = await events_shown(visit.runtime, given | {"skip": str(skip)})
    rows = [_row(visit, event, given, stays=True) for event in shown["events"]]
    counts = {str(name): count for name, count in shown["counts"].items()}
    groups: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        together = (str(row["source"]), str(row["reason"])) if given["state"] == "quarantined" else ("", "")
        groups.setdefault(together, []).append(row)
    newer = sum(row["updated"] > top for row in rows) - skip if top is not None else 0
    values = {
        **shown,
        "events": rows,
        "groups": [
            {"source": source, "reason": reason, "events": found, "href": _address({**given, "source": source})}
            for (source, reason), found in groups.items()
        ],
        "given": given,
        "segments": [
            (name, word, counts.get(name), _address({**given, "state": name})) for name, word in WORDS.items()
        ],
        "searched": MAX_SEARCHED,
        "everything": _address({"state": given["state"]}),
        "outcome": _outcome(visit.query),
        "retried": _address({**given, "state": "retry", "q": ""}),
        "older": _address(given, skip=str(shown["next"])) if shown["next"] else "",
        "every_source": _address({**given, "source": ""}),
        "query": urlencode(given, quote_via=quote),
        "here_again": _address(given),
        "top": max((row["updated"] for row in rows), default=0.0),
        "newer": max(0, newer),
    }
    if not top:  # no stream, or one of a page without rows
        return Drawn("events.html", values, "events")
    moved = await _moved(visit, given, top)
    moved |= {row["region"]: row for row in rows if row["updated"] > top}  # those that came back, too
    lists = {} if newer > ROWS else {"listed": sorted({row["region"] for row in rows} | moved.keys())}
    return Drawn("events.html", values, "events", rows=moved, lists=lists)
