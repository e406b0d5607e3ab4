"""The first page: what needs attention, or that nothing does."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from zeebe_connectors.admin.api.jobs import hour_shown
from zeebe_connectors.admin.page.visit import Drawn, Visit


async def overview(visit: Visit) -> Drawn:
    """Draws `/`."""
    shown = await visit.api.overview.show()
    for item in shown["attention"]:
        if "filter" in item and not item["href"]:
            item["href"] = f"/jobs?{urlencode(item['filter'], quote_via=quote)}"
    count = len(shown["attention"]) + shown["more"]
    verdict = {0: "Nothing needs attention", 1: "1 thing needs attention"}.get(count, f"{count} things need attention")
    return Drawn(
        "overview.html",
        {
            **shown,
            "verdict": verdict,
            "since_any": any(visit.runtime.record.totals.values()),
            "busy": any(shown["jobs"]["totals"].values()),
            "hour": hour_shown(visit.runtime.record),
        },
        "overview",
    )
