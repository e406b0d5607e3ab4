"""Knows which incidents of this runtime's jobs are open, so that none leaves the operator's sight before its cause.

An incident ends when its job is answered well, when somebody says that it is dealt with, or after a day. One that
another replica answered ends here only by the last two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from zeebe_connectors.runtime.record import RecordedJob

MAX_OPEN = 1000
"""Open incidents that are known; beyond, the oldest leave."""
MAX_ENDED = 200
OPEN_SECONDS = 86400.0
OTHERS_SECONDS = 3600.0
"""How long those of other replicas and earlier starts count as open: nobody here hears of their end."""
ENDED_SECONDS = 3600.0
"""How long it is remembered that an incident ended."""


class Place(NamedTuple):
    """What incidents have in common that are one thing to whoever looks after them."""

    connector: str
    process: str
    element: str
    code: str


class OpenIncidents:
    """The open incidents of one runtime's jobs.

    Args:
        clock: Seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.open: dict[int, RecordedJob] = {}
        """By the key of the job, the oldest first; looked into with each job that is answered."""
        self._ended: deque[tuple[float, RecordedJob]] = deque(maxlen=MAX_ENDED)

    def add(self, job: RecordedJob) -> None:
        """A job became an incident."""
        self.open.pop(job.key, None)
        self.open[job.key] = job
        while len(self.open) > MAX_OPEN:
            del self.open[next(iter(self.open))]

    def remember(self, jobs: list[RecordedJob]) -> None:
        """Takes those of an earlier start or of another replica, the oldest first."""
        self.open = {job.key: job for job in jobs} | self.open

    def over(self, key: int) -> None:
        """The job of an open incident was answered well."""
        self._ended.append((self._clock(), self.open.pop(key)))

    def dismiss(self, place: Place, until: float) -> int:
        """Somebody says that all of a place up to a time are dealt with; gives how many.

        Args:
            place: Where.
            until: When the newest one came that was seen, in seconds since 1970; later ones stay.
        """
        # A millisecond of grace: times lose digits on their way through a page.
        seen = [key for key, job in self.open.items() if place_of(job) == place and job.at <= until + 0.001]
        for key in seen:
            del self.open[key]
        return len(seen)

    def by_place(self) -> dict[Place, list[RecordedJob]]:
        """The open ones, the newest first."""
        now = self._clock()
        for key, job in list(self.open.items()):
            if job.at < now - (OTHERS_SECONDS if job.replica else OPEN_SECONDS):
                del self.open[key]
        return _grouped(sorted(self.open.values(), key=lambda job: -job.at))

    def ended(self) -> dict[Place, tuple[float, list[RecordedJob]]]:
        """Those that ended in the last hour where none is open any more: when the last one did, the newest first."""
        after, still = self._clock() - ENDED_SECONDS, set(map(place_of, self.open.values()))
        found: dict[Place, tuple[float, list[RecordedJob]]] = {}
        for at, job in reversed(self._ended):
            if at >= after and (place := place_of(job)) not in still:
                found.setdefault(place, (at, []))[1].append(job)
        return found


def place_of(job: RecordedJob) -> Place:
    """Where an incident happened."""
    return Place(job.connector, job.process, job.element, job.code)


def _grouped(jobs: list[RecordedJob]) -> dict[Place, list[RecordedJob]]:
    found: dict[Place, list[RecordedJob]] = {}
    for job in jobs:
        found.setdefault(place_of(job), []).append(job)
    return found
