"""Draw the live regions of a page: the blocks of its template whose names begin with `live_`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from yarl import URL

from zeebe_connectors.admin.access import Refused
from zeebe_connectors.admin.page.rendering import regions
from zeebe_connectors.admin.page.views.events import one_event, some_events
from zeebe_connectors.admin.page.views.jobs import one_job, some_jobs
from zeebe_connectors.admin.page.views.overview import overview
from zeebe_connectors.admin.page.views.providers import one_provider
from zeebe_connectors.admin.page.views.runtime import runtime
from zeebe_connectors.admin.page.views.sources import one_source, some_sources
from zeebe_connectors.admin.page.visit import Drawn, NotFound, View, Visit

MAX_ADDRESS = 2000
LEDGER_EVERY = 5.0
"""Seconds between two looks at what the ledger says."""
_PLACES: Mapping[str, View] = {
    "/": overview,
    "/jobs": some_jobs,
    "/sources": some_sources,
    "/events": some_events,
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
    """How old what a stream shows may be, at least: what is read from the ledger is read seldom."""
    from_ledger = view in _OF_THE_LEDGER or (view is one_job and visit.runtime.failures is not None)
    return LEDGER_EVERY if from_ledger else 0.0


async def drawn_regions(visit: Visit, view: View, shell: Mapping[str, Any]) -> dict[str, str]:
    """Returns the HTML of a page's live regions by name.

    Args:
        visit: The visit.
        view: Draws the page.
        shell: Values for every template.
    """
    try:
        found = await view(visit)
    except NotFound:
        return {}
    if not isinstance(found, Drawn):
        return {}
    return await asyncio.to_thread(regions, found.template, {**shell, **found.values}, found.rows)
