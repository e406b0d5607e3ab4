"""The ledger, opened at what is in quarantine: original, try again, forget."""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from zeebe_connectors.admin.api.events import (
    NO_ORIGINAL,
    Result,
    check_data_shown,
    chosen,
    events_shown,
    forget,
    original_of,
    retry,
)
from zeebe_connectors.admin.page.visit import Drawn, NotFound, Visit
from zeebe_connectors.sdk.errors import InputError

WORDS = {"quarantined": "Quarantined", "retry": "To be tried again", "done": "Handed over", "ignored": "Passed over"}
_log = logging.getLogger("zeebe_connectors.admin")


async def some_events(visit: Visit) -> Drawn:
    """Draws `/events`."""
    return await _list(visit, results=None, did="")


async def original(visit: Visit) -> web.StreamResponse:
    """Hands the original of an event over, always as a download."""
    check_data_shown(visit.runtime)
    data = await visit.runtime.ledger.original(visit.query.get("source", ""), visit.query.get("id", ""))
    if data is None:
        raise NotFound(f"{NO_ORIGINAL}.")
    _log.info("page: %s downloaded the original of an event", visit.session.role.word)
    return original_of(data)


async def retry_chosen(visit: Visit) -> Drawn:
    """Carries out `POST /events/retry`."""
    return await _act(visit, "retry")


async def forget_chosen(visit: Visit) -> Drawn:
    """Carries out `POST /events/forget`, once it is confirmed."""
    return await _act(visit, "forget")


async def _act(visit: Visit, what: str) -> Drawn:
    try:
        events = chosen([json.loads(text) for text in visit.form.get("event", [])])
    except (ValueError, RecursionError, InputError):
        return await _list(visit, results=[], did="")
    if what == "forget" and visit.form.get("confirmed", [""])[0] != "yes":
        shown = [{"source": source, "id": event, "value": json.dumps([source, event])} for source, event in events]
        return Drawn("forget.html", {"events": shown}, "events")
    results = await (retry if what == "retry" else forget)(visit.runtime, events)
    visit.api.overview.refresh()
    done = sum(result["done"] for result in results)
    _log.info("page: %s: %s of %d events: %d done", visit.session.role.word, what, len(events), done)
    return await _list(visit, results=results, did=what)


async def _list(visit: Visit, *, results: list[Result] | None, did: str) -> Drawn:
    state = visit.query.get("state", "")
    given = {"state": state if state in WORDS else "quarantined", "source": visit.query.get("source", "")[:500]}

    def link(**changes: str) -> str:
        query = {name: value for name, value in (given | changes).items() if value}
        return f"/events?{urlencode(query, quote_via=quote)}"

    shown = await events_shown(visit.runtime, given | {"skip": visit.query.get("skip", "")})
    rows = [
        {
            **event,
            "value": json.dumps([event["source"], event["id"]]),
            "href": "/events/original?" + urlencode({"source": event["source"], "id": event["id"]}, quote_via=quote),
        }
        for event in shown["events"]
    ]
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
        "segments": [(name, word, link(state=name)) for name, word in WORDS.items()],
        "results": results,
        "did": did,
        "older": link(skip=str(shown["next"])) if shown["next"] else "",
        "every_source": link(source=""),
    }
    return Drawn("events.html", values, "events")
