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
from zeebe_connectors.admin.page.views.jobs import some_jobs
from zeebe_connectors.admin.page.views.overview import overview
from zeebe_connectors.admin.page.views.runtime import runtime
from zeebe_connectors.admin.page.views.sources import one_source, some_sources
from zeebe_connectors.admin.page.visit import Drawn, NotFound, View, Visit

MAX_ADDRESS = 2000
_PLACES: Mapping[str, View] = {"/": overview, "/jobs": some_jobs, "/sources": some_sources, "/runtime": runtime}
_SOURCE = "/sources/"


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
    name = url.raw_path.removeprefix(_SOURCE)
    if not url.absolute and url.raw_path.startswith(_SOURCE) and name and "/" not in name:
        return replace(visit, query=query, params={"name": unquote(name)}), one_source
    raise Refused(404, "NOTHING_LIVE", "Nothing moves at this address")


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
    return await asyncio.to_thread(regions, found.template, {**shell, **found.values})
