"""Handle the jobs of a connector that is imported with its first job, so that a start does without those not in use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from zeebe_connectors.runtime.outbound.jobs import JobHandler
from zeebe_connectors.runtime.outbound.outcome import Outcome
from zeebe_connectors.runtime.outbound.taken_job import Extend
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.outline import Outline
from zeebe_connectors.sdk.registry import Registry


class DeferredHandler:
    """Makes a connector's `JobHandler` with its first job; at once where settings of the operator are to be checked.

    Args:
        outline: Of the connector.
        registry: Has the connector.
        services: What handling a job needs.
        slots: Maximum jobs of the connector at once.

    Raises:
        SettingsError: A setting has a value that its input does not accept.
    """

    def __init__(self, outline: Outline, registry: Registry, services: Services, *, slots: int) -> None:
        self._name = outline.name
        self._registry = registry
        self._services = services
        self._slots = slots
        self._handler: JobHandler | None = None
        self._loading = asyncio.Lock()
        if any((services.settings.get(setting) or "").strip() for setting in outline.settings):
            self._handler = self._made()

    def __call__(self, job: Job, extend: Extend | None = None) -> Awaitable[Outcome]:
        """Handles one job, as `JobHandler` does."""
        return self._handler(job, extend) if self._handler is not None else self._first(job, extend)

    async def _first(self, job: Job, extend: Extend | None) -> Outcome:
        began = time.perf_counter()
        async with self._loading:
            if self._handler is None:
                await asyncio.to_thread(self._load)
                self._handler = self._made()
        outcome = await self._handler(job, extend)
        if outcome.stages is not None:
            outcome.stages.began = began  # what the job waited for belongs to its first stage
        return outcome

    def _load(self) -> None:
        """Imports the connector, and what it sends HTTP requests with.

        Both come before the job enters a provider's rules: a delay between requests counts from when a job enters.
        """
        if "http" in self._registry.outbound[self._name].protocols:
            from zeebe_connectors.web.client import import_library  # noqa: PLC0415

            import_library()

    def _made(self) -> JobHandler:
        return JobHandler(self._registry.outbound[self._name], self._services, slots=self._slots)
