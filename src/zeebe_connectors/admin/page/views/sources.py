"""Draw the watched sources, and one of them with its test."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from zeebe_connectors.admin.access import Refused
from zeebe_connectors.admin.api.description import ROWS
from zeebe_connectors.admin.api.events import EventShown
from zeebe_connectors.admin.api.sources import STATES, source_detail, sources_shown, wake, watches_of
from zeebe_connectors.admin.page.visit import Drawn, NotFound, Visit, see_other
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.runtime.inbound.day import CELL_SECONDS
from zeebe_connectors.runtime.inbound.elements import DiscoveryError
from zeebe_connectors.sdk.errors import ConnectorError

WORDS = {"DOWN": "Down", "STARTING": "Starting", "STANDBY": "Standing by", "UP": "Up"}
EVENT_STATES = {
    "quarantined": ("quarantined", "Quarantined"),
    "retry": ("retried", "To be tried again"),
    "done": ("completed", "Handed over"),
    "ignored": ("standby", "Passed over"),
}
"""Shapes and words for states of events in the ledger."""
_MAX_VARIABLES = 20_000
_log = logging.getLogger("zeebe_connectors.admin")


async def some_sources(visit: Visit) -> Drawn:
    """Draws `/sources`."""
    given = {name: visit.query[name][:200] for name in ("state", "q") if visit.query.get(name)}

    def link(**changes: str) -> str:
        query = {name: value for name, value in (given | changes).items() if value}
        return "/sources" + (f"?{urlencode(query, quote_via=quote)}" if query else "")

    shown = sources_shown(visit.runtime, given | {"after": visit.query.get("after", "")}, rows=ROWS)
    segments = [("", "All", sum(shown["counts"].values()), link(state=""))]
    segments += [
        (name.lower(), WORDS[name], shown["counts"][name.lower()], link(state=name.lower())) for name in STATES
    ]
    values = {
        **shown,
        "sources": [{**source, "href": address_of(source["name"])} for source in shown["sources"]],
        "given": {"state": given.get("state", ""), "q": given.get("q", "")},
        "segments": [one for one in segments if one[2] or one[0] in {"", given.get("state")}],
        "words": WORDS,
        "older": link(after=shown["next"]) if shown["next"] else "",
    }
    return Drawn("sources.html", values, "sources")


async def one_source(visit: Visit) -> Drawn:
    """Draws `/sources/NAME`."""
    return await _one(visit, {"hours": "24", "tested": None, "trouble": "", "asked": visit.query.get("asked") == "yes"})


async def tested_source(visit: Visit) -> Drawn:
    """Carries out `POST /sources/NAME/test` and draws the result."""
    text = visit.form.get("hours", ["24"])[0][:10]
    name, mask = visit.params["name"], Mask()
    values: dict[str, object] = {"hours": text, "tested": None, "answer": "", "trouble": ""}
    status = 200
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    try:
        found = await visit.api.tests.run(name, hours, mask)
    except Refused as refused:
        if refused.status == 404:
            raise NotFound(refused.message) from None
        values["trouble"], status = refused.message, refused.status
    except (ConnectorError, DiscoveryError) as error:
        values["trouble"], status = mask.text(str(error)), 422
    else:
        for row in found["rows"]:
            row["variables"] = (await asyncio.to_thread(_json, row["variables"]))[:_MAX_VARIABLES]
        values["tested"], values["answer"] = found, answer_of(found["rows"], text, more=found["more"])
    _log.info("page: %s tested the source %s", visit.session.role.word, name[:200])
    return await _one(visit, values, status)


async def woken_source(visit: Visit) -> Drawn | web.Response:
    """Carries out `POST /sources/NAME/wake`."""
    name = visit.params["name"]
    values: dict[str, object] = {"hours": "24", "tested": None, "trouble": ""}
    try:
        await wake(visit.runtime, name)
    except Refused as refused:
        if refused.status == 404:
            raise NotFound(refused.message) from None
        return await _one(visit, values | {"refused": refused.message}, refused.status)
    _log.info("page: %s let the source %s poll now", visit.session.role.word, name[:200])
    return see_other(f"{address_of(name)}?asked=yes")


async def _one(visit: Visit, values: dict[str, object], status: int = 200) -> Drawn:
    name = visit.params["name"]
    watch = watches_of(visit.runtime).get(name)
    if watch is None:
        raise NotFound(f"No source named {name[:200]} is watched here (any more).")
    last = await visit.api.last_events.of(name)
    shown = {
        "source": source_detail(visit.runtime, watch, last),
        "last": None if last is None else [event_row(event) for event in last],
        "words": WORDS,
        "address": address_of(name),
        "now": (time.time() // CELL_SECONDS + 1) * CELL_SECONDS,  # the end of the last quarter in the plot
        "asked": False,
        "refused": "",
    }
    return Drawn("source.html", shown | values, "sources", status)


def event_row(event: EventShown) -> dict[str, Any]:
    """Returns an event of the ledger as its row shows it, here and in the list of events."""
    shape, word = EVENT_STATES.get(event["state"], ("retried", "On its way"))
    return {**event, "href": event_address(event["source"], event["id"]), "shape": shape, "word": word}


def event_address(source: str, event: str) -> str:
    """Returns the address of an event."""
    return f"/events/{quote(source, safe='')}/{quote(event, safe='')}"


def answer_of(rows: Sequence[Mapping[str, Any]], hours: str, *, more: bool) -> str:
    """Returns the summary of a test: how many events would be handed over, and to what."""
    if not rows:
        return f"Nothing of the last {hours} hours waits to be handed over"
    noun = "mail" if all(row.get("sender") for row in rows) else "event"
    came = f"{len(rows)}{' or more' if more else ''} {noun}{'' if len(rows) == 1 else 's'} of the last {hours} hours"
    wanted = [row for row in rows if str(row["verdict"]).startswith(("starts ", "publishes "))]
    new = [row for row in wanted if not row["processed"]]
    if new:
        does = list(dict.fromkeys(_doing(str(row["verdict"])) for row in new))
        return f"{len(new)} of {came} would {' or '.join(does[:3])}"
    if wanted:
        held = sum(bool(row.get("quarantined")) for row in wanted)
        done = len(wanted) - held
        why = [f"{done} {'was' if done == 1 else 'were'} handed over before"] if done else []
        why += [f"{held} {'is' if held == 1 else 'are'} in quarantine"] if held else []
        return f"None of {came} would start anything now: {', '.join(why)}"
    return f"None of {came} would start anything"


def _doing(verdict: str) -> str:
    """Turns a verdict such as `starts order with key "7"` into `start order`."""
    verb, _, what = verdict.partition(" with key ")[0].partition(" ")
    return f"{verb.removesuffix('es') if verb == 'publishes' else verb.removesuffix('s')} {what}"


def address_of(name: str) -> str:
    """Returns the address of a source."""
    return f"/sources/{quote(name, safe='')}"


def _json(variables: object) -> str:
    return json.dumps(variables, indent=2, ensure_ascii=False)
