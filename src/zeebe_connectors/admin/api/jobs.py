"""Show the jobs that the runtime remembers, filtered, counted and paged, for the API and the page."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate

from aiohttp import web

from zeebe_connectors.admin.access import Refused, Role
from zeebe_connectors.admin.api.description import ROWS, Call, Service, TypedDict, described
from zeebe_connectors.runtime.ledger import LedgerError
from zeebe_connectors.runtime.outbound.stages import STEPS, StepName
from zeebe_connectors.runtime.record import FAILED, OUTCOMES, ROOM, JobOutcome, JobRecord, RecordedJob
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.templates.wording import plain

_log = logging.getLogger("zeebe_connectors.admin")
SINCE = {"1h": 3600.0, "24h": 86400.0, "": 0.0}
"""Seconds to look back, by name; the empty name means everything that is kept."""


@described
class TemplateOfJob(TypedDict):
    """The element template that the task was made with; empty if none."""

    id: str
    version: str


@described
class LaterAnswer(TypedDict):
    """What became of a job after an answer."""

    outcome: JobOutcome
    at: float
    """When, in seconds since 1970."""


@described
class JobShown(TypedDict):
    """One answer to one job. Keys are texts, because they exceed JavaScript's exact integers."""

    key: str
    outcome: JobOutcome
    connector: str
    type: str
    process: str
    """BPMN process id."""
    version: int
    """Version of the process."""
    element: str
    instance: str
    """Key of the process instance."""
    template: TemplateOfJob
    at: float
    """When it was answered, in seconds since 1970."""
    seconds: float
    """Seconds that handling it took; 0 if unknown."""
    code: str
    message: str
    retries: int
    """Retries left."""
    backoff: float
    """Seconds before the engine offers it again."""
    replica: str
    """The runtime that answered it, if it was another one or an earlier start; empty for this one."""
    provider: str
    """The provider that its task names; empty for none."""
    later: LaterAnswer | None
    """The newest answer to the same job, where this one failed and is not it; null otherwise."""


@described
class Step(TypedDict):
    """One stage of handling a job."""

    name: StepName
    """Reading inputs and secrets; waiting for the provider's usage rule; the connector's call; result and error
    expression; sending the outcome to the engine."""
    begin: float
    """Seconds after the first stage began."""
    seconds: float


@described
class JobData(TypedDict):
    """Inputs and result of a failed job as JSON, secrets masked, long ones cut."""

    inputs: str
    result: str


@described
class JobDetail(JobShown):
    """The last answer to one job, with all its answers in memory."""

    remedy: str
    """Meaning and remedy of its code from the connector's own table; empty if the table lacks it."""
    steps: list[Step]
    """Where the time went; empty if unknown."""
    data: JobData | None
    """For operators if `ZEEBE_CONNECTORS_PAGE_DATA` is `all`; null otherwise."""
    tries: list[JobShown]
    """The newest first."""


@described
class JobsShown(TypedDict):
    """One page of jobs."""

    jobs: list[JobShown]
    """The newest first, 50 at most."""
    counts: dict[JobOutcome, int]
    """Exact counts since the start."""
    capacity: dict[str, float]
    """Maximum number of each outcome in memory; `oneIn`: one of this many completed jobs is kept; `since`."""
    found: int
    """How many jobs in memory match."""
    newer: int
    """How many of these are newer than `top`."""
    next: str | None
    """Value of `before` for older jobs."""


@described
class MinuteShown(TypedDict):
    """One minute of all connectors."""

    at: float
    """When it began, in seconds since 1970."""
    counts: dict[JobOutcome, int]
    median: float | None
    """Median seconds of handling a job, accurate to an eighth; null without jobs."""
    p95: float | None
    """Seconds that 95 % of the jobs did not exceed."""
    codes: dict[str, int]
    """Failures by code."""


@described
class CodeCount(TypedDict):
    """How often jobs failed with a code."""

    code: str
    count: int


@described
class HourShown(TypedDict):
    """The last hour, as its plots show it."""

    minutes: list[MinuteShown]
    """60 minutes, the oldest first; the last one is not over."""
    codes: list[CodeCount]
    """Counts of codes, the most frequent first."""


def calls(runtime: Runtime, service: Service) -> list[Call]:
    """Returns the calls below `/jobs`."""

    async def some(request: web.Request) -> web.Response:
        return web.json_response(jobs_shown(runtime.record, request.query))

    async def one(request: web.Request) -> web.Response:
        role = service.access.role_of(request) or Role.VIEWER
        found = await tries_shown(runtime, request.match_info["key"], role)
        if found is None:
            raise Refused(404, "NOT_FOUND", "No such job is in this runtime's memory; its log and Operate know more")
        return web.json_response(found)

    async def hour(_: web.Request) -> web.Response:
        return web.json_response(hour_shown(runtime.record))

    query = {
        "outcome": f"One of {', '.join(OUTCOMES)}",
        "connector": "Name of a connector",
        "process": "BPMN process id",
        "since": "How far back: `1h` or `24h`",
        "q": "Text in key, instance, process, element, code or message",
        "before": "`next` of the previous page",
        "top": "When the newest job was answered that the caller knows; `newer` counts those after it",
    }
    return [
        Call("GET", "/jobs", Role.VIEWER, "Lists the last jobs", some, JobsShown, query=query),
        Call("GET", "/jobs/hour", Role.VIEWER, "Shows the last hour by minute", hour, HourShown),
        Call(
            "GET",
            "/jobs/{key}",
            Role.VIEWER,
            "Shows what became of one job",
            one,
            JobDetail,
            errors={404: ("NOT_FOUND",)},
        ),
    ]


def jobs_shown(record: JobRecord, query: Mapping[str, str]) -> JobsShown:
    """Returns one page of jobs, the newest first.

    Args:
        record: The record of jobs.
        query: `outcome`, `connector`, `process`, `since` (`1h`, `24h`), `q` (in key, instance, process, element, code
            or message), `before` (the cursor of the previous page), `top` (when the newest job that the caller knows
            was answered).

    Returns:
        `jobs`; exact `counts` since the start; `capacity`: how many may be in memory, and one in how many completed
        ones is; `found`: how many match; `newer`: how many of these are newer than `top`; `next`: the cursor of older
        jobs, or None.
    """
    outcome = query.get("outcome", "")
    wanted: tuple[JobOutcome, ...] = tuple(name for name in OUTCOMES if name == outcome) or OUTCOMES
    after = time.time() - seconds if (seconds := SINCE.get(query.get("since", ""), 0.0)) else 0.0
    connector, process, text = query.get("connector", ""), query.get("process", ""), query.get("q", "").casefold()
    fitting = [
        job
        for job in record.jobs(*wanted)
        if job.at >= after
        and (not connector or job.connector == connector)
        and (not process or job.process == process)
        and (not text or text in _searchable(job))
    ]
    before = _cursor(query.get("before", ""))
    top = seconds_of(query.get("top", ""))
    older = [job for job in fitting if before is None or (job.at, job.key) < before]
    rows = older[:ROWS]
    more = f"{rows[-1].at!r}-{rows[-1].key}" if len(older) > ROWS else None
    return {
        "jobs": _with_later(record, rows),
        "counts": dict(record.totals),
        "capacity": {**ROOM, "oneIn": record.one_in, "since": record.since},
        "found": len(fitting),
        "newer": 0 if top is None else sum(job.at > top for job in fitting),
        "next": more,
    }


async def tries_shown(runtime: Runtime, text: str, role: Role) -> JobDetail | None:
    """Returns the last kept answer to a job, with all kept ones as `tries`; None if none is known.

    Args:
        runtime: The runtime.
        text: The job's key.
        role: The caller's role: only operators see process data.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        return None
    key = int(text)
    found = runtime.record.tries(key)
    if runtime.failures is not None:
        known = {job.at for job in found}
        try:
            found += [job for job in await runtime.failures.of(key) if job.at not in known]
        except LedgerError:
            _log.debug("The ledger does not say what it knows of job %d", key)
        found.sort(key=lambda job: -job.at)
    if not found:
        return None
    tries = [job_shown(job) for job in found]  # what became of each stands above it
    data = runtime.record.data(key) if role >= Role.OPERATOR else None
    shown: JobData | None = None if data is None else {"inputs": data[0], "result": data[1]}
    remedy = remedy_of(runtime, found[0].connector, found[0].code)
    return {**tries[0], "remedy": remedy, "steps": _steps(found[0].steps), "data": shown, "tries": tries}


def remedy_of(runtime: Runtime, connector: str, code: str) -> str:
    """Returns meaning and remedy of a connector's error code from its own table; empty if the table lacks it."""
    known = runtime.registry.outbound.get(connector)
    return plain(known.errors.get(code, "")) if known is not None and code else ""


def _with_later(record: JobRecord, rows: Sequence[RecordedJob]) -> list[JobShown]:
    """Answers with what became of those jobs since that had failed."""
    failed = {job.key for job in rows if job.outcome in FAILED}
    latest = record.latest(failed) if failed else {}
    return [job_shown(job, latest.get(job.key) if job.outcome in FAILED else None) for job in rows]


def job_shown(job: RecordedJob, latest: RecordedJob | None = None) -> JobShown:
    """Returns one answer, with keys as text, since they are larger than JavaScript's exact numbers.

    Args:
        job: The answer.
        latest: The newest answer to the same job that is known.
    """
    return {
        "key": str(job.key),
        "outcome": job.outcome,
        "connector": job.connector,
        "type": job.type,
        "process": job.process,
        "version": job.version,
        "element": job.element,
        "instance": str(job.instance),
        "template": {"id": job.template, "version": job.template_version},
        "at": job.at,
        "seconds": job.seconds,
        "code": job.code,
        "message": job.message,
        "retries": job.retries,
        "backoff": job.backoff,
        "replica": job.replica,
        "provider": job.provider,
        "later": {"outcome": latest.outcome, "at": latest.at} if latest is not None and latest.at > job.at else None,
    }


def _steps(seconds: Sequence[float]) -> list[Step]:
    begins = accumulate(seconds, initial=0.0)
    return [
        {"name": name, "begin": begin, "seconds": took}
        for name, begin, took in zip(STEPS, begins, seconds, strict=False)
        if took or name != "turn"
    ]


def hour_shown(record: JobRecord) -> HourShown:
    """Returns the last hour by minute, and its failures by code, the most frequent first."""
    minutes = record.hour()
    totals = Counter[str]()
    for minute in minutes:
        if minute.codes:
            totals.update(minute.codes)
    return {
        "minutes": [
            {
                "at": minute.at,
                "counts": minute.counts,
                "median": minute.median,
                "p95": minute.p95,
                "codes": minute.codes,
            }
            for minute in minutes
        ],
        "codes": [{"code": code, "count": count} for code, count in totals.most_common()],
    }


def _searchable(job: RecordedJob) -> str:
    return f"{job.key} {job.instance} {job.process} {job.element} {job.code} {job.message}".casefold()


def seconds_of(text: str) -> float | None:
    """Returns the seconds since 1970 in a query; None when they cannot be read."""
    try:
        return float(text)
    except ValueError:
        return None


def _cursor(text: str) -> tuple[float, int] | None:
    at, _, key = text.rpartition("-")
    try:
        return float(at), int(key)
    except ValueError:
        return None
