"""Draw the runtime's health and configuration: parts, replicas, settings, packages, keys."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from zeebe_connectors.admin.api.runtime import packages
from zeebe_connectors.admin.page.visit import Drawn, Visit

PARTS = {
    "engine": "Engine",
    "jobs": "Jobs",
    "sources": "Sources",
    "ledger": "Ledger",
    "documents": "Documents",
    "providers": "Providers",
    "memory": "Memory",
    "loop": "Event loop",
}
"""Names of the parts, in order."""


async def runtime(visit: Visit) -> Drawn:
    """Draws `/runtime`."""
    shown = await visit.api.view.show()
    values = {
        **shown,
        "parts": [(word, shown["health"][name]) for name, word in PARTS.items()],
        "all_settings": visit.query.get("settings") == "all",
        "changed": [one for one in shown["settings"] if not one["isDefault"]],
        "packages": await asyncio.to_thread(packages),
    }
    return Drawn("runtime.html", values, "runtime")


async def report(visit: Visit) -> web.StreamResponse:
    """Returns `/runtime/report.json`: what a problem report needs, without secrets."""
    shown = await visit.api.view.show() | {"packages": await asyncio.to_thread(packages)}
    answer = web.Response(text=json.dumps(shown, indent=2, ensure_ascii=False), content_type="application/json")
    answer.headers["Content-Disposition"] = 'attachment; filename="zeebe-connectors-report.json"'
    return answer
