"""Track the open incidents of this runtime's jobs, so that the operator sees each until its cause is gone.

An incident ends when its job succeeds, when somebody dismisses it, or after a day. If another replica answers the job,
only the last two end it here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from zeebe_connectors.runtime.record import RecordedJob

MAX_OPEN = 1000
"""Maximum number of open incidents; beyond that, the oldest are dropped."""
MAX_ENDED = 200
OPEN_SECONDS = 86400.0
OTHERS_SECONDS = 3600.0
"""Seconds for which incidents of other replicas and earlier starts count as open: their end is not reported here."""
ENDED_SECONDS = 3600.0
"""Seconds for which an ended incident is remembered."""


class Place(NamedTuple):
    """What incidents with the same cause have in common."""

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
        """Open incidents by job key, the oldest first; checked for each answered job."""
        self._places: dict[Place, dict[int, RecordedJob]] = {}
        self._ended: deque[tuple[float, RecordedJob]] = deque(maxlen=MAX_ENDED)
        self._expired = 0.0

    def add(self, job: RecordedJob) -> None:
        """Adds a job that became an incident."""
        if job.key in self.open:
            self._remove(job.key)
        self.open[job.key] = job
        self._places.setdefault(place_of(job), {})[job.key] = job
        while len(self.open) > MAX_OPEN:
            self._remove(next(iter(self.open)))

    def remember(self, jobs: list[RecordedJob]) -> None:
        """Adds incidents of an earlier start or of another replica."""
        known = {job.key: job for job in jobs} | self.open
        self.open, self._places = {}, {}
        for job in sorted(known.values(), key=lambda job: job.at):
            self.add(job)

    def over(self, key: int) -> None:
        """Ends the incident of a job that succeeded, if there is one."""
        self._ended.append((self._clock(), self._remove(key)))

    def dismiss(self, place: Place, until: float) -> int:
        """Ends all incidents of a place up to a time; returns how many.

        Args:
            place: Where.
            until: Time of the newest incident that the person saw, in seconds since 1970; later ones stay.
        """
        # A millisecond of tolerance, because times lose digits on their way through a page.
        seen = [key for key, job in self._places.get(place, {}).items() if job.at <= until + 0.001]
        for key in seen:
            self._remove(key)
        return len(seen)

    def by_place(self) -> dict[Place, list[RecordedJob]]:
        """Returns the open incidents by place, the newest first."""
        self._expire()
        found = {place: list(reversed(jobs.values())) for place, jobs in self._places.items()}
        return dict(sorted(found.items(), key=lambda item: -item[1][0].at))

    def ended(self) -> dict[Place, tuple[float, list[RecordedJob]]]:
        """Returns incidents that ended in the last hour, by place with none open, with the time of the last end."""
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
        """Drops incidents that are too old; checks them at most once a minute."""
        now = self._clock()
        if now - self._expired < 60:
            return
        self._expired = now
        for key, job in list(self.open.items()):
            if job.at < now - (OTHERS_SECONDS if job.replica else OPEN_SECONDS):
                self._remove(key)


def place_of(job: RecordedJob) -> Place:
    """Returns the place of an incident."""
    return Place(job.connector, job.process, job.element, job.code)
