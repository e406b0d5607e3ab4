"""Apply a task's provider to its job: fill the inputs, and wait until the usage rules let it begin."""

from __future__ import annotations

from typing import Any

from zeebe_connectors.config.secrets import JobSecrets
from zeebe_connectors.runtime.diagrams import DiagramUnavailable
from zeebe_connectors.runtime.limits import Busy, Waiting
from zeebe_connectors.runtime.outbound.headers import TaskHeaders
from zeebe_connectors.runtime.outbound.outcome import HandBack
from zeebe_connectors.runtime.providers import Use, asking
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.connector import Outbound
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.errors import PermanentError

_WAITING_SHARE = 4  # a slow provider may hold one of four slots, and leaves the rest to others


class JobProvider:
    """The providers of one connector's jobs.

    Args:
        connector: Whose jobs.
        services: What they need.
        slots: Maximum jobs at once; a share of them may wait for providers.
        by_hand: Whether somebody tries the connector by hand.
    """

    def __init__(self, connector: Outbound, services: Services, slots: int, *, by_hand: bool) -> None:
        self._connector = connector
        self._services = services
        self._by_hand = by_hand
        self._waiting = Waiting(room=max(1, slots // _WAITING_SHARE))

    async def enter(self, use: Use, job: Job, deadline: float) -> None:
        """Waits until the provider's usage rules allow the call, or hands the job back."""
        try:
            await use.enter(job.bpmn_process_id, deadline=deadline, waiting=self._waiting)
        except Busy as busy:
            raise HandBack(
                f"The usage rules of the provider {use.key} let this task start later; its retries are untouched",
                busy.delay,
            ) from None

    def use_again(self, job: Job, task: TaskHeaders, data: dict[str, Any], custody: JobSecrets) -> Use | None:
        """Does the same as `use` where the task's provider is known and has not changed; returns None otherwise."""
        providers = self._services.providers
        if providers is None or self._by_hand:
            return None
        return providers.use_again(self._key(job, task), data, custody)

    def _key(self, job: Job, task: TaskHeaders) -> tuple[str | None, ...]:
        """Returns everything that the answer depends on."""
        return (self._connector.name, *task.provider, job.bpmn_process_id, job.tenant_id)

    async def use(self, job: Job, task: TaskHeaders, data: dict[str, Any], custody: JobSecrets) -> Use | None:
        """Fills in the provider's inputs; returns what the call needs of the provider, or None without one."""
        providers = self._services.providers
        key = None if self._by_hand else self._key(job, task)
        wanted = asking(
            job.headers,
            process=job.bpmn_process_id,
            tenant=job.tenant_id,
            version_tag=lambda: self._version_tag(job),
            by_hand=self._by_hand,
        )
        if wanted is None:
            return None
        if providers is None:
            raise PermanentError(
                "PROVIDER_UNKNOWN",
                "provider: this runtime has no providers; the operator describes them in providers.yaml",
            )
        return await providers.use(wanted, self._connector, data, custody, key=key)

    async def _version_tag(self, job: Job) -> str | None:
        try:
            return await self._services.diagrams.version_tag(
                job.process_definition_key, process=job.bpmn_process_id, version=job.process_definition_version
            )
        except DiagramUnavailable as error:
            raise HandBack(
                "The provider's environment depends on the process's version tag, but its diagram cannot be read: "
                f"{error.message}. The task is tried again, its retries are untouched",
                error.delay,
            ) from None
