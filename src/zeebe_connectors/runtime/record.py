"""Remember, in bounded memory, what became of jobs: exact counts, the last hour by minute, the last jobs.

The operator's page shows it, and it is lost with the process. It keeps only what the log has too (keys, names, codes,
masked messages), never a variable. Each outcome has its own room, so that successes never push out a failure.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import islice
from typing import Literal, NamedTuple, TypeAlias

from zeebe_connectors.runtime.open_incidents import OTHERS_SECONDS, OpenIncidents
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Outcome
from zeebe_connectors.runtime.outbound.worker import Metrics
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.provided import PROVIDER

JobOutcome: TypeAlias = Literal["completed", "bpmn", "retried", "incident", "unanswered"]
OUTCOMES: tuple[JobOutcome, ...] = ("incident", "retried", "unanswered", "bpmn", "completed")
"""The outcomes of jobs, the worst first."""
FAILED: tuple[JobOutcome, ...] = ("incident", "retried", "unanswered")
ROOM = {"incident": 1000, "retried": 1000, "unanswered": 500, "bpmn": 500, "completed": 2000}
"""Maximum number of jobs kept for each outcome."""
MINUTES = 60
MAX_CODES = 500
"""Maximum number of error codes, by connector, that are counted since the start."""
MAX_CODES_A_MINUTE = 20
"""Maximum number of error codes that are distinguished in one connector's minute."""
OTHER_CODES = "other"
NO_CODE = "no code"
MAX_DATA = 200
"""Maximum number of failed jobs whose inputs and results are kept, if the operator wants it."""
DATA_SECONDS = 86400.0
MAX_TEXT = 1000
"""Maximum characters of a message."""
FULL_RATE = 200
"""Completed jobs a second up to which each is kept; above that, one in n is, so that about as many are kept."""
_EDGES = [0.001 * 1.25**i for i in range(60)]  # seconds; the last is over 10 minutes


class RecordedJob(NamedTuple):
    """One answer to one job."""

    key: int
    outcome: JobOutcome
    connector: str
    type: str
    process: str
    version: int
    element: str
    instance: int
    template: str
    template_version: str
    at: float
    """When it was answered, in seconds since 1970."""
    seconds: float
    """Seconds that handling it took; 0 if unknown."""
    code: str
    message: str
    """Masked already."""
    retries: int
    """Retries left."""
    backoff: float
    """Seconds before the engine offers it again; 0 means at once."""
    provider: str = ""
    """The remote system that its task names."""
    steps: tuple[float, ...] = ()
    """Seconds of each of `stages.STEPS`; empty if unknown."""
    replica: str = ""
    """The runtime that answered it, if it was another one or an earlier start."""


class Minute:
    """What one connector did in one minute."""

    __slots__ = ("codes", "counts", "seconds")

    def __init__(self) -> None:
        self.counts: dict[JobOutcome, int] = dict.fromkeys(OUTCOMES, 0)
        self.seconds = [0] * (len(_EDGES) + 1)
        self.codes: dict[str, int] = {}


class MinuteOfAll(NamedTuple):
    """What all connectors did in one minute."""

    at: float
    """When it began, in seconds since 1970."""
    counts: dict[JobOutcome, int]
    median: float | None
    """Median duration in seconds; None without jobs."""
    p95: float | None
    codes: dict[str, int]
    """Failures by code; those beyond `MAX_CODES_A_MINUTE` under `OTHER_CODES`."""


class HourOf(NamedTuple):
    """What one connector did in the last hour."""

    counts: dict[JobOutcome, int]
    minutes: list[int]
    """Jobs of each minute, the oldest first; the last one is not over."""
    median: float | None
    p95: float | None


class _Sum(NamedTuple):
    """What one connector did in the minutes that are over."""

    counts: dict[JobOutcome, int]
    seconds: list[int]
    course: list[int]


class JobRecord:
    """The record of one runtime's jobs.

    Args:
        clock: Seconds since 1970.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.since = clock()
        self.totals: dict[JobOutcome, int] = dict.fromkeys(OUTCOMES, 0)
        """Exact counts since the start."""
        self.by_connector: dict[str, dict[JobOutcome, int]] = {}
        """The same for each connector."""
        self.failures: dict[tuple[str, str], int] = {}
        """Failures and BPMN errors since the start by connector and code; beyond 500 codes as `other`."""
        self.one_in = 1
        """One of this many completed jobs is kept at the current rate."""
        self.on_failure: Callable[[RecordedJob], None] | None = None
        """Called with each failed job."""
        self.incidents = OpenIncidents(clock)
        """The open incidents."""
        self.failed: dict[int, None] = {}
        """Keys of jobs whose last answer was a failure, the oldest first; what becomes of them is always kept."""
        self._minutes: deque[tuple[int, dict[str, Minute]]] = deque(maxlen=MINUTES)
        self._recent: dict[JobOutcome, deque[RecordedJob]] = {name: deque(maxlen=ROOM[name]) for name in OUTCOMES}
        self._data: OrderedDict[int, tuple[float, tuple[str, str]]] = OrderedDict()
        self._sums: dict[int, MinuteOfAll] = {}
        self._hours: dict[str, _Sum] = {}
        self._summed = 0, 0
        """The minutes, now and the last one with jobs, for which `_sums` and `_hours` hold what came before."""
        self._minute_ends = 0.0
        self._second = 0
        self._this_second = 0

    def metrics(self, connector: str, onward: Metrics | None) -> Metrics:
        """Returns metrics for the worker of one connector, which also pass every count on.

        Args:
            connector: The connector's name.
            onward: The metrics to pass counts on to.
        """
        return _Counting(self, connector, onward)

    def add(self, job: RecordedJob) -> None:
        """Adds an answer."""
        place = job.connector, job.code
        if place not in self.failures and len(self.failures) >= MAX_CODES:
            place = job.connector, OTHER_CODES
        self.failures[place] = self.failures.get(place, 0) + 1
        minute = self._count(job.connector, job.outcome, job.at, job.seconds)
        if job.outcome in FAILED:
            code = job.code or NO_CODE
            if code not in minute.codes and len(minute.codes) >= MAX_CODES_A_MINUTE:
                code = OTHER_CODES
            minute.codes[code] = minute.codes.get(code, 0) + 1
            if self.on_failure is not None:
                self.on_failure(job)
        if job.outcome in FAILED:
            self.failed.pop(job.key, None)
            self.failed[job.key] = None
            if len(self.failed) > ROOM["retried"]:
                del self.failed[next(iter(self.failed))]
        else:
            self.failed.pop(job.key, None)
        if job.outcome == "incident":
            self.incidents.add(job)
        elif job.outcome == "bpmn" and job.key in self.incidents.open:
            self.incidents.over(job.key)
        self._recent[job.outcome].append(job)

    def count_completed(self, connector: str, seconds: float) -> float | None:
        """Counts a completed job; returns the time if the job is to be kept, else None."""
        now = self._clock()
        self._count(connector, "completed", now, seconds)
        if (second := int(now)) != self._second:
            self.one_in = max(1, math.ceil(self._this_second / FULL_RATE)) if second == self._second + 1 else 1
            self._second, self._this_second = second, 0
        self._this_second += 1
        return now if self._this_second % self.one_in == 0 else None

    def remember(self, jobs: Iterable[RecordedJob]) -> None:
        """Adds failed jobs of an earlier start or another replica (the newest first) without counting them."""
        given = list(jobs)
        for job in given:
            recent = self._recent[job.outcome]
            if len(recent) < ROOM[job.outcome]:
                recent.appendleft(job)
        after = self._clock() - OTHERS_SECONDS
        self.incidents.remember([job for job in reversed(given) if job.outcome == "incident" and job.at > after])

    def keep_data(self, key: int, data: tuple[str, str]) -> None:
        """Keeps inputs and result of a failed job, already masked; only for the last jobs."""
        self._data[key] = self._clock(), data
        self._data.move_to_end(key)
        while len(self._data) > MAX_DATA:
            self._data.popitem(last=False)

    def data(self, key: int) -> tuple[str, str] | None:
        """Returns inputs and result of a failed job; None if they are not kept (any more)."""
        at, data = self._data.get(key, (0.0, None))
        return data if self._clock() - at < DATA_SECONDS else None

    def keep(self, job: RecordedJob) -> None:
        """Keeps a job that has been counted."""
        self._recent[job.outcome].append(job)

    def _count(self, connector: str, outcome: JobOutcome, now: float, seconds: float) -> Minute:
        self.totals[outcome] += 1
        totals = self.by_connector.get(connector)
        if totals is None:
            totals = self.by_connector[connector] = dict.fromkeys(OUTCOMES, 0)
        totals[outcome] += 1
        if now >= self._minute_ends:
            number = int(now // 60)
            if not self._minutes or self._minutes[-1][0] < number:
                self._minutes.append((number, {}))
            self._minute_ends = (self._minutes[-1][0] + 1) * 60.0
        minutes = self._minutes[-1][1]
        minute = minutes.get(connector)
        if minute is None:
            minute = minutes[connector] = Minute()
        minute.counts[outcome] += 1
        if outcome != "unanswered":
            minute.seconds[bisect_left(_EDGES, seconds)] += 1
        return minute

    def hour(self) -> list[MinuteOfAll]:
        """Returns each of the last 60 minutes, the oldest first; durations are accurate to an eighth."""
        self._forget_old_sums()
        last, by_number = int(self._clock() // 60), dict(self._minutes)
        return [self._minute(number, by_number.get(number, {})) for number in range(last - MINUTES + 1, last + 1)]

    def minutes(self) -> list[tuple[float, dict[JobOutcome, int]]]:
        """Returns start (seconds since 1970) and counts of each of the last 60 minutes, the oldest first."""
        return [(minute.at, minute.counts) for minute in self.hour()]

    def hour_of(self, connector: str) -> HourOf:
        """Returns what a connector did in the last hour; durations are accurate to an eighth."""
        self._forget_old_sums()
        last = int(self._clock() // 60)
        over = self._hours.get(connector)
        if over is None:
            over = self._hours[connector] = self._sum(connector, list(self._minutes)[:-1], last)
        now = self._sum(connector, list(self._minutes)[-1:], last)
        counts = {outcome: over.counts[outcome] + now.counts[outcome] for outcome in OUTCOMES}
        seconds = [a + b for a, b in zip(over.seconds, now.seconds, strict=True)]
        course = [a + b for a, b in zip(over.course, now.course, strict=True)]
        return HourOf(counts, course, _quantile(seconds, 0.5), _quantile(seconds, 0.95))

    def _minute(self, number: int, connectors: dict[str, Minute]) -> MinuteOfAll:
        """Sums one minute of all connectors, only once if no more jobs can be added to it."""
        known = self._sums.get(number)
        if known is not None:
            return known
        counts: dict[JobOutcome, int] = dict.fromkeys(OUTCOMES, 0)
        seconds = [0] * (len(_EDGES) + 1)
        codes: dict[str, int] = {}
        for minute in connectors.values():
            for outcome, count in minute.counts.items():
                counts[outcome] += count
            seconds = [a + b for a, b in zip(seconds, minute.seconds, strict=True)]
            for code, count in minute.codes.items():
                codes[code] = codes.get(code, 0) + count
        found = MinuteOfAll(number * 60.0, counts, _quantile(seconds, 0.5), _quantile(seconds, 0.95), codes)
        if self._minutes and number < self._minutes[-1][0]:
            self._sums[number] = found
        return found

    @staticmethod
    def _sum(connector: str, minutes: Iterable[tuple[int, dict[str, Minute]]], last: int) -> _Sum:
        """Returns what a connector did in some of the 60 minutes that end with a number."""
        counts: dict[JobOutcome, int] = dict.fromkeys(OUTCOMES, 0)
        seconds, course, first = [0] * (len(_EDGES) + 1), [0] * MINUTES, last - MINUTES + 1
        for number, connectors in minutes:
            minute = connectors.get(connector)
            if minute is None or not 0 <= number - first < MINUTES:
                continue
            course[number - first] = sum(minute.counts.values())
            for outcome, count in minute.counts.items():
                counts[outcome] += count
            seconds = [a + b for a, b in zip(seconds, minute.seconds, strict=True)]
        return _Sum(counts, seconds, course)

    def _forget_old_sums(self) -> None:
        """Drops what was summed when another minute than now was the last one, or the last one with jobs."""
        minutes = int(self._clock() // 60), self._minutes[-1][0] if self._minutes else 0
        if minutes != self._summed:
            self._summed = minutes
            self._hours.clear()
            self._sums = {number: sums for number, sums in self._sums.items() if number > minutes[0] - MINUTES}

    def jobs(self, *outcomes: JobOutcome) -> Iterator[RecordedJob]:
        """Yields the kept jobs of some outcomes, or of all, the newest first."""
        recent = [list(self._recent[name]) for name in outcomes or OUTCOMES]
        yield from sorted((job for jobs in recent for job in jobs), key=lambda job: job.at, reverse=True)

    def newer(self, after: float, limit: int) -> list[RecordedJob]:
        """Returns the kept jobs after a time, the newest first; examines at most `limit` jobs of each outcome.

        Args:
            after: In seconds since 1970.
            limit: Maximum number of jobs.
        """
        found: list[RecordedJob] = []
        for recent in self._recent.values():
            for job in islice(reversed(recent), limit):
                if job.at <= after:
                    break
                found.append(job)
        return sorted(found, key=lambda job: -job.at)[:limit]

    def latest(self, keys: Container[int]) -> dict[int, RecordedJob]:
        """Returns the newest kept answer to each of some jobs, by key."""
        found: dict[int, RecordedJob] = {}
        for recent in self._recent.values():
            for job in recent:
                if job.key in keys and (job.key not in found or found[job.key].at < job.at):
                    found[job.key] = job
        return found

    def tries(self, key: int) -> list[RecordedJob]:
        """Returns all kept answers to one job, the newest first."""
        return sorted((j for jobs in self._recent.values() for j in jobs if j.key == key), key=lambda j: -j.at)


class _Counting:
    """What one worker reports."""

    def __init__(self, record: JobRecord, connector: str, onward: Metrics | None) -> None:
        self._record = record
        self._connector = connector
        self._onward = onward

    def activated(self, job: Job) -> None:
        if self._onward is not None:
            self._onward.activated(job)

    def answered(self, job: Job, outcome: Outcome, seconds: float) -> None:
        if self._onward is not None:
            self._onward.answered(job, outcome, seconds)
        if isinstance(outcome, Complete):
            if job.key in self._record.incidents.open:
                self._record.incidents.over(job.key)
            at = self._record.count_completed(self._connector, seconds)
            if job.key in self._record.failed:
                del self._record.failed[job.key]
                at = at or self._record._clock()  # noqa: SLF001 - one room
            if at is not None:
                self._record.keep(self._recorded(job, "completed", at, seconds, steps=_steps(outcome)))
            return
        if outcome.stages is not None and outcome.stages.recorded is not None:
            self._record.keep_data(job.key, outcome.stages.recorded)
        if isinstance(outcome, Fail):
            kind: JobOutcome = "retried" if outcome.retries > 0 else "incident"
            retries, backoff = outcome.retries, outcome.backoff or 0.0
            self._add(job, kind, seconds, outcome.code or "", outcome.message, retries, backoff, _steps(outcome))
        else:
            self._add(job, "bpmn", seconds, outcome.code, outcome.message, steps=_steps(outcome))

    def unanswered(self, job: Job) -> None:
        if self._onward is not None:
            self._onward.unanswered(job)
        message = "No answer reached the engine; it offers the job again after its timeout"
        self._add(job, "unanswered", 0.0, "", message, job.retries)

    def _add(
        self,
        job: Job,
        kind: JobOutcome,
        seconds: float,
        code: str,
        message: str,
        retries: int = 0,
        backoff: float = 0.0,
        steps: tuple[float, ...] = (),
    ) -> None:
        at = self._record._clock()  # noqa: SLF001 - of the same module
        text = message[:MAX_TEXT]
        self._record.add(self._recorded(job, kind, at, seconds, code[:100], text, retries, backoff, steps))

    def _recorded(
        self,
        job: Job,
        kind: JobOutcome,
        at: float,
        seconds: float,
        code: str = "",
        message: str = "",
        retries: int = 0,
        backoff: float = 0.0,
        steps: tuple[float, ...] = (),
    ) -> RecordedJob:
        headers = job.headers
        return RecordedJob(
            job.key,
            kind,
            self._connector,
            job.type,
            job.bpmn_process_id,
            job.process_definition_version,
            job.element_id,
            job.process_instance_key,
            headers.get("elementTemplateId", "")[:200],
            headers.get("elementTemplateVersion", "")[:20],
            at,
            seconds,
            code,
            message,
            retries,
            backoff,
            headers.get(PROVIDER, "")[:64],
            steps,
        )


def _steps(outcome: Outcome) -> tuple[float, ...]:
    """Returns the seconds of each stage, for an outcome that the engine has just acknowledged."""
    return () if outcome.stages is None else outcome.stages.seconds(time.perf_counter())


def _quantile(seconds: list[int], share: float) -> float | None:
    """Returns the duration that a share of the jobs did not exceed; None without jobs."""
    total = sum(seconds)
    if not total:
        return None
    seen, wanted = 0, share * total
    for index, count in enumerate(seconds):
        seen += count
        if seen >= wanted:
            upper = _EDGES[min(index, len(_EDGES) - 1)]
            return upper / 1.118 if index else upper / 2  # the middle of the bucket
    return _EDGES[-1]
