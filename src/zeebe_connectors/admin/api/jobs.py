"""Shows the jobs that the runtime remembers: filtered, counted and cut here, for the API and the page alike."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from zeebe_connectors.runtime.record import OUTCOMES, ROOM, JobOutcome, JobRecord, RecordedJob

ROWS = 50
SINCE = {"1h": 3600.0, "24h": 86400.0, "": 0.0}
"""Names of the times to look back, in seconds; the empty one is all that is kept."""


def jobs_shown(record: JobRecord, query: Mapping[str, str]) -> dict[str, Any]:
    """One page of jobs, the newest first.

    Args:
        record: Whose jobs.
        query: `outcome`, `connector`, `process`, `since` (`1h`, `24h`), `q` (in key, instance, process, element, code
            or message), `before` (the cursor of the page before), `top` (when the newest one was answered that the
            caller knows).

    Returns:
        `jobs`; `counts` since the start, exact; `kept`: how many are in memory, and of how many completed ones one is;
        `found`: how many of them fit; `newer`: how many of these came after `top`; `next`: the cursor of older ones,
        or None.
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
    top = _seconds(query.get("top", ""))
    older = [job for job in fitting if before is None or (job.at, job.key) < before]
    rows = older[:ROWS]
    more = f"{rows[-1].at!r}-{rows[-1].key}" if len(older) > ROWS else None
    return {
        "jobs": [job_shown(job) for job in rows],
        "counts": dict(record.totals),
        "kept": {**ROOM, "oneIn": record.one_in, "since": record.since},
        "found": len(fitting),
        "newer": 0 if top is None else sum(job.at > top for job in fitting),
        "next": more,
    }


def tries_shown(record: JobRecord, key: int) -> dict[str, Any] | None:
    """The last kept answer to a job, with all kept ones under `tries`; None when none is in memory."""
    tries = [job_shown(job) for job in record.tries(key)]
    return {**tries[0], "tries": tries} if tries else None


def job_shown(job: RecordedJob) -> dict[str, Any]:
    """One answer; keys as text, since they are beyond what JavaScript counts exactly."""
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
    }


def _searchable(job: RecordedJob) -> str:
    return f"{job.key} {job.instance} {job.process} {job.element} {job.code} {job.message}".casefold()


def _seconds(text: str) -> float | None:
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
