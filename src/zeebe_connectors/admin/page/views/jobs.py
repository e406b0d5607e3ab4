"""Draw the jobs that the runtime remembers, and one of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from zeebe_connectors.admin.api.jobs import SINCE, JobShown, jobs_shown, tries_shown
from zeebe_connectors.admin.page.visit import Drawn, NotFound, Visit
from zeebe_connectors.runtime.record import FAILED, OUTCOMES
from zeebe_connectors.sdk.numbers import INT64_BOUND

WORDS = {
    "incident": "Incident",
    "retried": "Tried again",
    "unanswered": "Not answered",
    "bpmn": "BPMN error",
    "completed": "Completed",
}
"""Names of outcomes."""
STEP_WORDS = {
    "inputs": "Inputs and secrets",
    "turn": "Waited for the usage rule",
    "call": "The connector's call",
    "expressions": "Result and error expression",
    "delivery": "Sent to the engine",
}
"""Names of a job's stages."""
_FILTERS = ("outcome", "connector", "process", "q", "since")


async def some_jobs(visit: Visit) -> Drawn:
    """Draws `/jobs`."""
    given = {name: visit.query[name][:200] for name in _FILTERS if visit.query.get(name)}

    def link(**changes: str) -> str:
        query = {name: value for name, value in (given | changes).items() if value}
        return "/jobs" + (f"?{urlencode(query, quote_via=quote)}" if query else "")

    before, top = visit.query.get("before", ""), visit.query.get("top", "")
    if top and not before:  # a stream: the rows are those that were the newest when the page was drawn
        before = f"{top}-{INT64_BOUND}"  # above every key
    shown = jobs_shown(visit.runtime.record, given | {"before": before, "top": top})
    rows = [_row(job) for job in shown["jobs"]]
    segments = [("", "All", sum(shown["counts"].values()), link(outcome=""))]
    segments += [
        (name, WORDS[name], shown["counts"][name], link(outcome=name))
        for name in OUTCOMES
        if name != "unanswered" or shown["counts"][name]
    ]
    return Drawn(
        "jobs.html",
        {
            **shown,
            "jobs": rows,
            "given": {name: given.get(name, "") for name in _FILTERS},
            "segments": segments,
            "connectors": sorted({w.activation.worker.partition("@")[0] for w in visit.runtime.workers}),
            "times": [
                (name, {"1h": "Last hour", "24h": "Last 24 hours"}.get(name, "All that is kept")) for name in SINCE
            ],
            "top": max((job["at"] for job in shown["jobs"]), default=0.0),
            "newer": shown["newer"],
            "here_again": link(),
            "older": link(before=shown["next"]) if shown["next"] else "",
            "newest": link() if visit.query.get("before") else "",
            "without_process": link(process=""),
            "everything": "/jobs",
        },
        "jobs",
        rows={row["region"]: row for row in rows if row["later"]},
    )


def _row(job: JobShown) -> dict[str, Any]:
    """Draws one row of the list; that of a failed job is a region of its own, since more may come of it."""
    region = f"job-{job['key']}-{int(job['at'] * 1000)}" if job["outcome"] in FAILED else ""
    later = WORDS[job["later"]["outcome"]] if job["later"] else ""
    return {**job, "word": WORDS[job["outcome"]], "later_word": later, "region": region}


async def one_job(visit: Visit) -> Drawn:
    """Draws `/jobs/KEY`."""
    text = visit.params["key"]
    found = await tries_shown(visit.runtime, text, visit.session.role)
    if found is None:
        raise NotFound(
            f"Job {text[:40]} is not in this runtime's memory, which begins anew with each start and keeps the last "
            "jobs of each outcome; with ZEEBE_CONNECTORS_KEEP_FAILURES, failed ones are kept for a day. Its log has a "
            "line for each job with its key, and Operate has the instance."
        )
    failed = found["outcome"] in FAILED and found["steps"]
    called = any(step["name"] == "call" and step["seconds"] > 0 for step in found["steps"])
    values = {
        "job": found,
        "words": WORDS,
        "page_data": visit.runtime.settings.page_data,
        "step_words": STEP_WORDS,
        "whole": sum(step["seconds"] for step in found["steps"]),
        "failed_in": ("call" if called else "inputs") if failed else "",
    }
    return Drawn("job.html", values, "jobs")
