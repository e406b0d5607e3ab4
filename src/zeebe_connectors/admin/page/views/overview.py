"""Draw the first page: what needs attention, or that nothing does."""

from __future__ import annotations

import json
import logging
from urllib.parse import quote, urlencode

from aiohttp import web

from zeebe_connectors.admin.access import Refused
from zeebe_connectors.admin.api.jobs import hour_shown
from zeebe_connectors.admin.api.overview import OverviewShown, close_incidents
from zeebe_connectors.admin.page.visit import Drawn, Visit, see_other
from zeebe_connectors.sdk.errors import InputError

_log = logging.getLogger("zeebe_connectors.admin")


async def incidents_seen(visit: Visit) -> web.Response:
    """Carries out `POST /attention/seen`: dismisses incidents."""
    try:
        given = json.loads(visit.form.get("seen", [""])[0])
        closed = close_incidents(visit.runtime, given)
    except (ValueError, RecursionError, InputError):
        raise Refused(400, "INPUT_INVALID", "This is not what the page sends. Reload it.") from None
    _log.info("page: %s dealt with %d incidents", visit.session.role.word, closed)
    return see_other("/")


async def overview(visit: Visit) -> Drawn:
    """Draws `/`."""
    shown = await visit.api.overview.show()
    for item in shown["attention"]:
        if "filter" in item and not item["href"]:
            item["href"] = f"/jobs?{urlencode(item['filter'], quote_via=quote)}"
        if "seen" in item:
            item["seen_value"] = json.dumps(item["seen"])  # type: ignore[typeddict-unknown-key]
    count, engine = shown["open"], shown["engine"]
    verdict = {0: "Nothing needs attention", 1: "1 thing needs attention"}.get(count, f"{count} things need attention")
    return Drawn(
        "overview.html",
        {
            **shown,
            "engine": {**engine, "silentSeconds": None, "heard": engine["silentSeconds"] is not None},
            "verdict": verdict,
            "since_any": any(visit.runtime.record.totals.values()),
            "works": _working(shown),
            "kinds": sum(len(one["types"]) for one in shown["connectors"]),
            "busy": any(shown["jobs"]["totals"].values()),
            "hour": hour_shown(visit.runtime.record),
        },
        "overview",
    )


def _working(shown: OverviewShown) -> list[str]:
    """Says what works while something else needs attention."""
    sources, ledger = shown["sources"], shown["ledger"]
    watched = sources["up"] + sources["standby"]
    every = watched + sources["down"] + sources["starting"]
    words = ["the engine answers"] if shown["engine"]["up"] else []
    if watched:
        verb = "is" if watched == 1 else "are"
        words.append(f"{watched:,} of {every:,} {'source' if every == 1 else 'sources'} {verb} watched")
    return [*words, "the ledger takes entries"] if ledger["up"] else words
