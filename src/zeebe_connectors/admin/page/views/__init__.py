"""One file a place of the page; each draws what the API answers too."""

from __future__ import annotations

from zeebe_connectors.admin.access import Role
from zeebe_connectors.admin.page.views.events import forget_chosen, original, retry_chosen, some_events
from zeebe_connectors.admin.page.views.jobs import one_job, some_jobs
from zeebe_connectors.admin.page.views.overview import overview
from zeebe_connectors.admin.page.views.sources import one_source, some_sources, tested_source
from zeebe_connectors.admin.page.visit import View

ADDRESSES: tuple[tuple[str, str, Role, View], ...] = (
    ("GET", "/", Role.VIEWER, overview),
    ("GET", "/jobs", Role.VIEWER, some_jobs),
    ("GET", "/jobs/{key}", Role.VIEWER, one_job),
    ("GET", "/sources", Role.VIEWER, some_sources),
    ("GET", "/sources/{name}", Role.VIEWER, one_source),
    ("POST", "/sources/{name}/test", Role.MODELER, tested_source),
    ("GET", "/events", Role.VIEWER, some_events),
    ("GET", "/events/original", Role.OPERATOR, original),
    ("POST", "/events/retry", Role.OPERATOR, retry_chosen),
    ("POST", "/events/forget", Role.OPERATOR, forget_chosen),
)
"""Method, address, the role that it needs, and what draws it."""
