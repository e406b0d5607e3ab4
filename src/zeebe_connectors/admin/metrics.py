"""Count jobs, events and sources as plain numbers, without look-ups and locks for each job.

`exposition.py` turns them into the official runtime's metrics on request, and only then imports Prometheus' library.
"""

from __future__ import annotations

import hashlib
import re
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from itertools import accumulate

from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Outcome
from zeebe_connectors.sdk.context import Job

_MAX_TEMPLATES = 500
_MAX_TASKS = 1000
_MAX_SOURCES = 500
_UNKNOWN = "unknown"
_PERSON = re.compile(r"([^\s@/:<>]+)@")  # the user in a source's name, removed because metrics are public
_OTHER = "other"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Last:
    """Times of last occurrences, and the longest job, by type, as in the official runtime."""

    def __init__(self) -> None:
        self.completed: dict[str, float] = {}
        self.failed: dict[str, float] = {}
        self.max_seconds: dict[str, float] = {}
        self.activated: dict[str, float] = {}
        self.triggered: dict[str, float] = {}


class Counts:
    """The counts of one type and template."""

    __slots__ = ("actions", "buckets", "in_flight", "sum")

    def __init__(self) -> None:
        self.actions: defaultdict[str, int] = defaultdict(int)
        self.buckets = [0] * (len(_BUCKETS) + 1)
        self.sum = 0.0
        self.in_flight = 0

    def cumulative(self) -> list[tuple[str, float]]:
        """Returns the histogram in Prometheus' cumulative form."""
        edges = (*(str(float(edge)) for edge in _BUCKETS), "+Inf")
        return list(zip(edges, map(float, accumulate(self.buckets)), strict=True))


class PrometheusMetrics:
    """Counts jobs by type and template, events by type and source.

    Label values are bounded: beyond 500 templates or sources they count as `other`.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Counts] = {}
        """By type and template; beyond the bound several keys share the counts of `other`."""
        self.jobs: dict[tuple[str, str, str], Counts] = {}
        """Counts by type and template, as they are shown."""
        self.activations: dict[tuple[str, str, str], int] = {}
        """By action, type and source."""
        self.triggers: dict[tuple[str, str, str], int] = {}
        """By action, type and source."""
        self.sources: dict[str, int] = {}
        """Numbers of sources by status."""
        self.last = Last()
        self._tasks: dict[tuple[int, str], tuple[Mapping[str, str], Counts]] = {}
        """The counts of the jobs of one task, by their type and the identity of their headers, which an entry holds."""
        self._known_sources: set[str] = set()

    def activated(self, job: Job) -> None:
        """Counts a job that was taken."""
        counts = self._of(job)
        counts.actions["activated"] += 1
        counts.in_flight += 1

    def answered(self, job: Job, outcome: Outcome, seconds: float) -> None:
        """Counts a job that was answered."""
        counts = self._of(job)
        last, kind = self.last, job.type
        if isinstance(outcome, Complete):
            counts.actions["completed"] += 1
            last.completed[kind] = time.time()
        elif isinstance(outcome, Fail):
            counts.actions["failed"] += 1
            last.failed[kind] = time.time()
        else:
            counts.actions["bpmn-error"] += 1
            last.completed[kind] = time.time()
        counts.buckets[bisect_left(_BUCKETS, seconds)] += 1
        counts.sum += seconds
        counts.in_flight -= 1
        if seconds > last.max_seconds.get(kind, 0.0):
            last.max_seconds[kind] = seconds

    def unanswered(self, job: Job) -> None:
        """Counts a job whose outcome could not be sent."""
        counts = self._of(job)
        counts.actions["unanswered"] += 1
        counts.in_flight -= 1

    def activation(self, action: str, *, type: str, source: str) -> None:  # noqa: A002 - the metric's label
        """Counts a source that was activated or deactivated, or could not be activated."""
        if action == "activated":
            self.last.activated[type] = time.time()
        key = action, type, self.source(source)
        self.activations[key] = self.activations.get(key, 0) + 1

    def trigger(self, action: str, *, type: str, source: str) -> None:  # noqa: A002 - the metric's label
        """Counts an event, or its outcome."""
        if action == "triggered":
            self.last.triggered[type] = time.time()
        key = action, type, self.source(source)
        self.triggers[key] = self.triggers.get(key, 0) + 1

    def status(self, before: str, after: str) -> None:
        """Counts a source's change of status, including its appearance and disappearance."""
        if before:
            self.sources[before] = self.sources.get(before, 0) - 1
        if after:
            self.sources[after] = self.sources.get(after, 0) + 1

    def source(self, name: str) -> str:
        """Returns the label of a source: its name without the user, or `other` beyond the maximum number."""
        name = _PERSON.sub(lambda found: f"{hashlib.sha256(found[1].encode()).hexdigest()[:8]}@", name)
        if name not in self._known_sources:
            if len(self._known_sources) >= _MAX_SOURCES:
                return _OTHER
            self._known_sources.add(name)
        return name

    def _of(self, job: Job) -> Counts:
        """Returns the counts of a job's type and template, cached for all jobs of a task with the same headers."""
        headers = job.headers
        key = id(headers), job.type
        known = self._tasks.get(key)
        if known is not None and known[0] is headers:
            return known[1]
        if len(self._tasks) >= _MAX_TASKS:
            self._tasks.clear()
        counts = self._counts(job)
        self._tasks[key] = headers, counts
        return counts

    def _counts(self, job: Job) -> Counts:
        headers = job.headers
        template = headers.get("elementTemplateId", _UNKNOWN), headers.get("elementTemplateVersion", _UNKNOWN)
        found = self._known.get((job.type, *template))
        if found is None:
            if len(self._known) >= _MAX_TEMPLATES:
                template = (_OTHER, _OTHER)
            key = (job.type, template[0][:200], template[1][:20])
            found = self.jobs.get(key)
            if found is None:
                found = self.jobs[key] = Counts()
            self._known[job.type, *template] = found
        return found
