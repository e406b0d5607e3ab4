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
        self._places: dict[Place, dict[int, RecordedJob]] = {}
        self._ended: deque[tuple[float, RecordedJob]] = deque(maxlen=MAX_ENDED)
        self._expired = 0.0

    def add(self, job: RecordedJob) -> None:
        """A job became an incident."""
        if job.key in self.open:
            self._remove(job.key)
        self.open[job.key] = job
        self._places.setdefault(place_of(job), {})[job.key] = job
        while len(self.open) > MAX_OPEN:
            self._remove(next(iter(self.open)))

    def remember(self, jobs: list[RecordedJob]) -> None:
        """Takes those of an earlier start or of another replica."""
        known = {job.key: job for job in jobs} | self.open
        self.open, self._places = {}, {}
        for job in sorted(known.values(), key=lambda job: job.at):
            self.add(job)

    def over(self, key: int) -> None:
        """The job of an open incident was answered well."""
        self._ended.append((self._clock(), self._remove(key)))

    def dismiss(self, place: Place, until: float) -> int:
        """Somebody says that all of a place up to a time are dealt with; gives how many.

        Args:
            place: Where.
            until: When the newest one came that was seen, in seconds since 1970; later ones stay.
        """
        # A millisecond of grace: times lose digits on their way through a page.
        seen = [key for key, job in self._places.get(place, {}).items() if job.at <= until + 0.001]
        for key in seen:
            self._remove(key)
        return len(seen)

    def by_place(self) -> dict[Place, list[RecordedJob]]:
        """The open ones, the newest first."""
        self._expire()
        found = {place: list(reversed(jobs.values())) for place, jobs in self._places.items()}
        return dict(sorted(found.items(), key=lambda item: -item[1][0].at))

    def ended(self) -> dict[Place, tuple[float, list[RecordedJob]]]:
        """Those that ended in the last hour where none is open any more: when the last one did, the newest first."""
        after = self._clock() - ENDED_SECONDS
        found: dict[Place, tuple[float, list[RecordedJob]]] = {}
        for at, job in reversed(self._ended):
            if at >= after and (place := place_of(job)) not in self._places:
                found.setdefault(place, (at, []))[1].append(job)
        return found

    def _remove(self, key: int) -> RecordedJob:
        job = self.open.pop(key)
        jobs = self._places[place_of(job)]
        del jobs[key]
        if not jobs:
            del self._places[place_of(job)]
        return job

    def _expire(self) -> None:
        """Lets those go that are too old; looks at all of them once a minute at most."""
        now = self._clock()
        if now - self._expired < 60:
            return
        self._expired = now
        for key, job in list(self.open.items()):
            if job.at < now - (OTHERS_SECONDS if job.replica else OPEN_SECONDS):
                self._remove(key)


def place_of(job: RecordedJob) -> Place:
    """Where an incident happened."""
    return Place(job.connector, job.process, job.element, job.code)
