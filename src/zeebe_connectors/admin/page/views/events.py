"""Draw the ledger's events, the quarantine first, and one event: original, retry, forget."""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from zeebe_connectors.admin.api.events import (
    MAX_QUERY,
    NO_EVENT,
    NO_ORIGINAL,
    Result,
    check_data_shown,
    chosen,
    event_detail,
    events_shown,
    forget,
    original_of,
    retry,
)
from zeebe_connectors.admin.api.sources import watches_of
from zeebe_connectors.admin.page.views.sources import address_of
from zeebe_connectors.admin.page.visit import Drawn, NotFound, Visit, see_other
from zeebe_connectors.runtime.ledger.protocol import MAX_SEARCHED
from zeebe_connectors.sdk.errors import InputError

WORDS = {"quarantined": "Quarantined", "retry": "To be retried", "done": "Handed over", "ignored": "Passed over"}
_log = logging.getLogger("zeebe_connectors.admin")


async def some_events(visit: Visit) -> Drawn:
    """Draws `/events`."""
    return await _list(visit, results=None, did="")


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
        "watched": watch is not None,
        "down": watch is not None and watch.status == "DOWN",
        "source_href": address_of(source),
        "asked": visit.query.get("asked") == "yes",
    }
    return Drawn("event.html", values, "events")


def event_address(source: str, event: str) -> str:
    """Returns the address of an event."""
    return f"/events/{quote(source, safe='')}/{quote(event, safe='')}"


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
    try:
        events = chosen([json.loads(text) for text in visit.form.get("event", [])])
    except (ValueError, RecursionError, InputError):
        return await _list(visit, results=[], did="")
    if what == "forget" and visit.form.get("confirmed", [""])[0] != "yes":
        shown = [await _to_forget(visit, source, event) for source, event in events]
        return Drawn("forget.html", {"events": shown}, "events")
    results = await (retry if what == "retry" else forget)(visit.runtime, events)
    visit.api.overview.refresh()
    done = sum(result["done"] for result in results)
    _log.info("page: %s: %s of %d events: %d done", visit.session.role.word, what, len(events), done)
    if what == "retry" and done and visit.form.get("from", [""])[0] == "event":
        return see_other(f"{event_address(*events[0])}?asked=yes")
    return await _list(visit, results=results, did=what)


async def _to_forget(visit: Visit, source: str, event: str) -> dict[str, str]:
    """What is shown of an event before it is forgotten."""
    known = await visit.runtime.ledger.find(source, event)
    title = known.title if known is not None and visit.runtime.settings.page_data != "none" else ""
    return {"source": source, "id": event, "title": title, "value": json.dumps([source, event])}


async def _list(visit: Visit, *, results: list[Result] | None, did: str) -> Drawn:
    state = visit.query.get("state", "")
    given = {
        "state": state if state in WORDS else "quarantined",
        "source": visit.query.get("source", "")[:500],
        "q": visit.query.get("q", "")[:MAX_QUERY],
    }

    def link(**changes: str) -> str:
        query = {name: value for name, value in (given | changes).items() if value}
        return f"/events?{urlencode(query, quote_via=quote)}"

    shown = await events_shown(visit.runtime, given | {"skip": visit.query.get("skip", "")})
    rows = [
        {
            **event,
            "value": json.dumps([event["source"], event["id"]]),
            "href": event_address(event["source"], event["id"]),
            "download": _original(event["source"], event["id"]),
        }
        for event in shown["events"]
    ]
    counts = {str(name): count for name, count in shown["counts"].items()}
    groups: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        together = (str(row["source"]), str(row["reason"])) if given["state"] == "quarantined" else ("", "")
        groups.setdefault(together, []).append(row)
    values = {
        **shown,
        "events": rows,
        "groups": [
            {"source": source, "reason": reason, "events": found, "href": link(source=source)}
            for (source, reason), found in groups.items()
        ],
        "given": given,
        "segments": [(name, word, counts.get(name), link(state=name)) for name, word in WORDS.items()],
        "searched": MAX_SEARCHED,
        "everything": link(q="", source=""),
        "results": results,
        "did": did,
        "older": link(skip=str(shown["next"])) if shown["next"] else "",
        "every_source": link(source=""),
    }
    return Drawn("events.html", values, "events")
