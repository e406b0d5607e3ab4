"""Hold a job between its activation and its answer: its deadline, its task, and the timer that stops it in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

from zeebe_connectors.runtime.gateway import Gateway
from zeebe_connectors.runtime.outbound.outcome import Outcome
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.deadlines import Deadlines, deadlines

Extend: TypeAlias = Callable[[float], Awaitable[Job]]
"""Extends the job to this many seconds from now; returns it with its new deadline or raises `GatewayError`."""


class TakenJob:
    """A job between its activation and its answer.

    Args:
        gateway: The engine.
        job: The job.
        outcome: The outcome to send instead of handling it, if already known.
    """

    __slots__ = ("_gateway", "_watch", "began", "deadline", "ends", "expired", "job", "outcome", "task")

    def __init__(self, gateway: Gateway, job: Job, outcome: Outcome | None) -> None:
        self._gateway = gateway
        self.job = job
        self.outcome = outcome
        """The outcome to send, once it is known."""
        self.began = time.monotonic()
        self.deadline = job.deadline
        self.expired = False
        self.task: asyncio.Task[None] | None = None
        self.ends = 0.0
        """When the handler is cancelled, shortly before the deadline."""
        self._watch: Deadlines | None = None

    def arm(self) -> None:
        """Arranges that the handler is cancelled shortly before the deadline, so that a failure can still be sent."""
        left = self.deadline - time.monotonic()
        self.ends = self.deadline - min(1.0, 0.1 * left)
        self._watch = deadlines()
        self._watch.add(self)

    def disarm(self) -> None:
        """Stops the timer: the handler is done."""
        if self._watch is not None:
            self._watch.remove(self)
            self._watch = None

    def expire(self) -> None:
        """Cancels the handler; see `Bounded`."""
        if self.task is not None:
            self.expired = True
            self.task.cancel()

    async def extend(self, seconds: float) -> Job:
        """Extends the job to this many seconds from now; see `Extend`."""
        before = time.monotonic()
        await self._gateway.update_timeout(self.job.key, seconds)
        self.deadline = before + seconds
        if self._watch is not None:
            self.arm()
        self.job = replace(self.job, deadline=self.deadline)
        return self.job
