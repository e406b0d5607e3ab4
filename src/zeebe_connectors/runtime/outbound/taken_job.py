"""Hold a job between its activation and its answer: its deadline, its task, and the timer that stops it in time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from zeebe_connectors.runtime.gateway import Gateway
from zeebe_connectors.runtime.outbound.outcome import Outcome
from zeebe_connectors.sdk.context import Job


class TakenJob:
    """A job between its activation and its answer.

    Args:
        gateway: The engine.
        job: The job.
        outcome: What to send instead of handling it, if that is known already.
    """

    __slots__ = ("_gateway", "_timer", "began", "deadline", "expired", "job", "outcome", "task")

    def __init__(self, gateway: Gateway, job: Job, outcome: Outcome | None) -> None:
        self._gateway = gateway
        self.job = job
        self.outcome = outcome
        """What to send, as soon as it is known."""
        self.began = time.monotonic()
        self.deadline = job.deadline
        self.expired = False
        self.task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def arm(self) -> None:
        """Sets the timer that cancels the handler shortly before the deadline, so that a failure can still be sent."""
        if self._timer is not None:
            self._timer.cancel()
        left = self.deadline - time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, left - min(1.0, 0.1 * left)), self._expire)

    def disarm(self) -> None:
        """Ends the timer: the handler is done."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        if self.task is not None:
            self.expired = True
            self.task.cancel()

    async def extend(self, seconds: float) -> Job:
        """Extends the job to this many seconds from now; see `Extend` of the worker."""
        before = time.monotonic()
        await self._gateway.update_timeout(self.job.key, seconds)
        self.deadline = before + seconds
        if self._timer is not None:
            self.arm()
        self.job = replace(self.job, deadline=self.deadline)
        return self.job
