"""Metrics: what workers count goes in, Prometheus' text comes out, under the official runtime's names."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from zeebe_connectors._version import __version__
from zeebe_connectors.runtime.outcome import Complete, Outcome, Throw
from zeebe_connectors.sdk.context import Job

_MOST_TEMPLATES = 500
_UNKNOWN = "unknown"
_OTHER = "other"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class PrometheusMetrics:
    """Counts jobs by type and template. Label values are bounded: beyond 500 templates they count as `other`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._templates: set[tuple[str, str]] = set()
        labels = ("type", "elementTemplateId", "elementTemplateVersion")
        self._invocations = Counter(
            "camunda_connector_outbound_invocations",
            "Jobs by what became of them",
            ("action", *labels),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "camunda_connector_outbound_execution_time_seconds",
            "Time from taking a job to knowing its outcome",
            labels,
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._in_flight = Gauge(
            "zeebe_connectors_jobs_in_flight", "Jobs in work now", ("type",), registry=self.registry
        )
        Gauge("zeebe_connectors_info", "Version of the runtime", ("version",), registry=self.registry).labels(
            __version__
        ).set(1)

    def activated(self, job: Job) -> None:
        """A job was taken."""
        self._invocations.labels("activated", *self._labels(job)).inc()
        self._in_flight.labels(job.type).inc()

    def answered(self, job: Job, outcome: Outcome, seconds: float) -> None:
        """A job was answered."""
        action = (
            "completed" if isinstance(outcome, Complete) else "bpmn-error" if isinstance(outcome, Throw) else "failed"
        )
        labels = self._labels(job)
        self._invocations.labels(action, *labels).inc()
        self._seconds.labels(*labels).observe(seconds)
        self._in_flight.labels(job.type).dec()

    def unanswered(self, job: Job) -> None:
        """A job's outcome could not be told."""
        self._invocations.labels("unanswered", *self._labels(job)).inc()
        self._in_flight.labels(job.type).dec()

    def text(self) -> bytes:
        """The current values in Prometheus' format."""
        return generate_latest(self.registry)

    def _labels(self, job: Job) -> tuple[str, str, str]:
        template = (
            job.headers.get("elementTemplateId", _UNKNOWN)[:200],
            job.headers.get("elementTemplateVersion", _UNKNOWN)[:20],
        )
        if template not in self._templates:
            if len(self._templates) >= _MOST_TEMPLATES:
                template = (_OTHER, _OTHER)
            else:
                self._templates.add(template)
        return (job.type, *template)
