"""One file a place of the page; each draws what the API answers too."""

from __future__ import annotations

from zeebe_connectors.admin.access import Role
from zeebe_connectors.admin.page.views.jobs import one_job, some_jobs
from zeebe_connectors.admin.page.views.overview import overview
from zeebe_connectors.admin.page.visit import View

ADDRESSES: tuple[tuple[str, str, Role, View], ...] = (
    ("GET", "/", Role.VIEWER, overview),
    ("GET", "/jobs", Role.VIEWER, some_jobs),
    ("GET", "/jobs/{key}", Role.VIEWER, one_job),
)
"""Method, address, the role that it needs, and what draws it."""
