"""Keep outcomes that could not be sent before the deadline, until the engine offers their jobs again."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import replace

from zeebe_connectors.runtime.outbound.outcome import Fail, Outcome
from zeebe_connectors.sdk.context import Job

logger = logging.getLogger(__name__)


class Unsent:
    """Outcomes by job key that wait for their job to be offered again; bounded in number, size and age."""

    def __init__(self, *, max_count: int = 10_000, size: int = 32 * 1024 * 1024, age: float = 3600.0) -> None:
        self._stored: OrderedDict[int, tuple[Outcome, Job, float]] = OrderedDict()
        self._max_count = max_count
        self._room = size
        self._age = age

    def __len__(self) -> int:
        return len(self._stored)

    def keep(self, job: Job, outcome: Outcome) -> None:
        """Keeps the outcome of a job."""
        self._forget(job.key)
        now = time.monotonic()
        while self._stored and next(iter(self._stored.values()))[2] < now:
            self._forget(next(iter(self._stored)))
        # Without the variables, which may be large and are not needed again.
        self._stored[job.key] = (outcome, replace(job, variables=""), now + self._age)
        self._room -= len(outcome.payload)
        while self._stored and (len(self._stored) > self._max_count or self._room < 0):
            oldest = next(iter(self._stored))
            self._forget(oldest)
            logger.warning("job %d: too many outcomes wait to be sent; this one is dropped", oldest)

    def pop(self, job: Job) -> Outcome | None:
        """Returns the outcome kept for a job that is offered again, if it is still valid; None otherwise."""
        if not self._stored:
            return None
        stored = self._stored.get(job.key)
        self._forget(job.key)
        if stored is None:
            return None
        outcome, before, expires = stored
        # A killed engine may lose its last changes and assign the same key to another job.
        if expires < time.monotonic() or before.element_instance_key != job.element_instance_key:
            return None
        # Different retries mean that the job was failed or repaired since, so our failure is outdated.
        # A completion or a BPMN error still stands, because the effect has happened.
        return None if isinstance(outcome, Fail) and before.retries != job.retries else outcome

    def _forget(self, key: int) -> None:
        if (old := self._stored.pop(key, None)) is not None:
            self._room += len(old[0].payload)
