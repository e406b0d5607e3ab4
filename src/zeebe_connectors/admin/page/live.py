"""Draw the live regions of a page: the blocks of its template whose names begin with `live_`."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from yarl import URL

from zeebe_connectors.admin.access import Refused
from zeebe_connectors.admin.page.rendering import notice, regions
from zeebe_connectors.admin.page.views.events import one_event, some_events
from zeebe_connectors.admin.page.views.jobs import one_job, some_jobs
from zeebe_connectors.admin.page.views.overview import overview
from zeebe_connectors.admin.page.views.providers import all_providers, one_provider
from zeebe_connectors.admin.page.views.runtime import runtime
from zeebe_connectors.admin.page.views.sources import one_source, some_sources
from zeebe_connectors.admin.page.visit import Drawn, NotFound, View, Visit

MAX_ADDRESS = 2000
LEDGER_EVERY = 5.0
"""Seconds between two looks at what the ledger says."""
GONE = "gone"
"""The region of every page that says when there is nothing at its address any more."""
_PLACES: Mapping[str, View] = {
    "/": overview,
    "/jobs": some_jobs,
    "/sources": some_sources,
    "/events": some_events,
    "/providers": all_providers,
    "/runtime": runtime,
}
_ONE: Mapping[tuple[str, int], tuple[View, tuple[str, ...]]] = {
    ("jobs", 1): (one_job, ("key",)),
    ("sources", 1): (one_source, ("name",)),
    ("events", 2): (one_event, ("source", "id")),
    ("providers", 1): (one_provider, ("name",)),
}
_OF_THE_LEDGER = {some_events, one_event, one_provider}


def visit_of(visit: Visit, address: str) -> tuple[Visit, View]:
    """Returns the visit and view of the page whose address a stream follows.

    Raises:
        Refused: Nothing is live at that address.
    """
    try:
        url = URL(address, encoded=True) if len(address) <= MAX_ADDRESS else URL()
        query = dict(url.query)
    except ValueError:
        url, query = URL(), {}
    if not url.absolute and (view := _PLACES.get(url.raw_path)) is not None:
        return replace(visit, query=query, params={}), view
    noun, *named = url.raw_path.removeprefix("/").split("/")
    found = _ONE.get((noun, len(named))) if not url.absolute and all(named) else None
    if found is None:
        raise Refused(404, "NOTHING_LIVE", "Nothing moves at this address")
    params = dict(zip(found[1], map(unquote, named), strict=True))
    return replace(visit, query=query, params=params), found[0]


def seconds_between(visit: Visit, view: View) -> float:
    """Returns the seconds between two looks of a stream: more if it reads from the ledger."""
    from_ledger = view in _OF_THE_LEDGER or (view is one_job and visit.runtime.failures is not None)
    return LEDGER_EVERY if from_ledger else 0.0


class LiveRegions:
    """The live regions of one page, drawn again only where what they show has changed.

    Args:
        visit: The visit.
        view: Draws the page.
    """

    def __init__(self, visit: Visit, view: View) -> None:
        self._visit, self._view = visit, view
        self._pause = seconds_between(visit, view)
        self._looked_at = -math.inf
        self._shown: tuple[Any, ...] = ()
        self._drawn: dict[str, str] = {}

    async def drawn(self, shell: Mapping[str, Any]) -> Mapping[str, str]:
        """Returns the HTML of the regions by name; `gone` says why there is nothing at the address any more.

        Args:
            shell: Values for every template.
        """
        if time.monotonic() - self._looked_at < self._pause:
            return self._drawn
        self._looked_at = time.monotonic()
        try:
            found = await self._view(self._visit)
        except NotFound as reason:
            self._shown, self._drawn = (), {GONE: await asyncio.to_thread(notice, str(reason))}
            return self._drawn
        if isinstance(found, Drawn):
            shown = (found.values, found.rows, found.lists)
            if shown != self._shown:
                values = {**shell, **found.values}
                self._drawn = await asyncio.to_thread(regions, found.template, values, found.rows)
                self._drawn |= {name: " ".join(names) for name, names in found.lists.items()} | {GONE: ""}
                self._shown = shown
        return self._drawn
