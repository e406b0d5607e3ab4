"""Counts jobs, events and sources, under the official runtime's metric names, for Prometheus."""

from __future__ import annotations

import hashlib
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from zeebe_connectors._version import __version__
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Outcome, Throw
from zeebe_connectors.sdk.context import Job

_MAX_TEMPLATES = 500
_MAX_SOURCES = 500
_UNKNOWN = "unknown"
_PERSON = re.compile(r"([^\s@/:<>]+)@")  # of a mailbox, in the name of its source: metrics are open to all
_OTHER = "other"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


_LABELS = ("type", "elementTemplateId", "elementTemplateVersion")


class _Last(Collector):
    """When something happened last, and how long the longest job took, by type: the official runtime has both."""

    def __init__(self) -> None:
        self.completed: dict[str, float] = {}
        self.failed: dict[str, float] = {}
        self.longest: dict[str, float] = {}
        self.activated: dict[str, float] = {}
        self.triggered: dict[str, float] = {}

    def collect(self) -> Iterator[Metric]:
        """The gauges, of types that were seen."""
        for name, text, values in (
            ("outbound_last_completed", "When a job was completed last, in ms since 1970", self.completed),
            ("outbound_last_failed", "When a job failed last, in ms since 1970", self.failed),
            ("outbound_max_execution_time", "Longest time of a job since the start, in ms", self.longest),
            ("inbound_last_activated", "When a source was activated last, in ms since 1970", self.activated),
            ("inbound_last_triggered", "When an event came last, in ms since 1970", self.triggered),
        ):
            family = GaugeMetricFamily(f"camunda_connector_{name}", text, labels=("type",))
            for kind, value in values.items():
                family.add_metric((kind,), value * 1000)
            yield family


class _Counts:
    """What is counted for one type and template: plain numbers, since a job pays for each look-up and lock."""

    __slots__ = ("actions", "buckets", "in_flight", "sum")

    def __init__(self) -> None:
        self.actions: dict[str, int] = {}
        self.buckets = [0] * (len(_BUCKETS) + 1)
        self.sum = 0.0
        self.in_flight = 0

    def count(self, action: str) -> None:
        self.actions[action] = self.actions.get(action, 0) + 1

    def observe(self, seconds: float) -> None:
        self.buckets[bisect_left(_BUCKETS, seconds)] += 1
        self.sum += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """The histogram as Prometheus has it: each class with all below it."""
        edges = (*(str(float(edge)) for edge in _BUCKETS), "+Inf")
        return list(zip(edges, map(float, accumulate(self.buckets)), strict=True))


class _JobMetrics(Collector):
    """Makes metrics of the counts of jobs when somebody asks for them."""

    def __init__(self, known: dict[tuple[str, str, str], _Counts]) -> None:
        self._known = known

    def collect(self) -> Iterator[Metric]:
        """The metrics of every type and template."""
        invocations = CounterMetricFamily(
            "camunda_connector_outbound_invocations", "Jobs by what became of them", labels=("action", *_LABELS)
        )
        seconds = HistogramMetricFamily(
            "camunda_connector_outbound_execution_time_seconds",
            "Time from taking a job to knowing its outcome",
            labels=_LABELS,
        )
        flying: dict[str, int] = {}
        for labels, counts in self._known.items():
            flying[labels[0]] = flying.get(labels[0], 0) + counts.in_flight
            for action, count in counts.actions.items():
                invocations.add_metric((action, *labels), count)
            seconds.add_metric(labels, counts.cumulative(), counts.sum)
        in_flight = GaugeMetricFamily("zeebe_connectors_jobs_in_flight", "Jobs in work now", labels=("type",))
        for kind, count in flying.items():
            in_flight.add_metric((kind,), count)
        yield from (invocations, seconds, in_flight)


class PrometheusMetrics:
    """Counts jobs by type and template, events by type and source.

    Label values are bounded: beyond 500 templates or sources they count as `other`.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._known: dict[tuple[str, str, str], _Counts] = {}
        """By type and template; beyond the bound several keys share the counts of `other`."""
        self._shown: dict[tuple[str, str, str], _Counts] = {}
        self.registry.register(_JobMetrics(self._shown))
        self._activations = Counter(
            "camunda_connector_inbound_activations",
            "Sources that began or ended to be watched, or could not be",
            ("action", "type", "source"),
            registry=self.registry,
        )
        self._triggers = Counter(
            "camunda_connector_inbound_triggers",
            "Events of sources by what became of them",
            ("action", "type", "source"),
            registry=self.registry,
        )
        self._sources = Gauge(
            "zeebe_connectors_sources", "Sources by how they are now", ("status",), registry=self.registry
        )
        self._known_sources: set[str] = set()
        self._last = _Last()
        self.registry.register(self._last)
        Gauge("zeebe_connectors_info", "Version of the runtime", ("version",), registry=self.registry).labels(
            __version__
        ).set(1)

    def activated(self, job: Job) -> None:
        """A job was taken."""
        counts = self._counts(job)
        counts.count("activated")
        counts.in_flight += 1

    def answered(self, job: Job, outcome: Outcome, seconds: float) -> None:
        """A job was answered."""
        counts = self._counts(job)
        counts.count(
            "completed" if isinstance(outcome, Complete) else "bpmn-error" if isinstance(outcome, Throw) else "failed"
        )
        counts.observe(seconds)
        counts.in_flight -= 1
        last, kind = self._last, job.type
        (last.failed if isinstance(outcome, Fail) else last.completed)[kind] = time.time()
        if seconds > last.longest.get(kind, 0.0):
            last.longest[kind] = seconds

    def unanswered(self, job: Job) -> None:
        """A job's outcome could not be sent."""
        counts = self._counts(job)
        counts.count("unanswered")
        counts.in_flight -= 1

    def activation(self, action: str, *, type: str, source: str) -> None:  # noqa: A002 - the metric's label
        """A source was activated or deactivated, or could not be activated."""
        if action == "activated":
            self._last.activated[type] = time.time()
        self._activations.labels(action, type, self.source(source)).inc()

    def trigger(self, action: str, *, type: str, source: str) -> None:  # noqa: A002 - the metric's label
        """An event came, or became something."""
        if action == "triggered":
            self._last.triggered[type] = time.time()
        self._triggers.labels(action, type, self.source(source)).inc()

    def status(self, before: str, after: str) -> None:
        """A source changed, came or went."""
        if before:
            self._sources.labels(before).dec()
        if after:
            self._sources.labels(after).inc()

    def source(self, name: str) -> str:
        """The label of a source: without whose mailbox it is, and `other` beyond so many."""
        name = _PERSON.sub(lambda found: f"{hashlib.sha256(found[1].encode()).hexdigest()[:8]}@", name)
        if name not in self._known_sources:
            if len(self._known_sources) >= _MAX_SOURCES:
                return _OTHER
            self._known_sources.add(name)
        return name

    def count_refused_tokens(self, count: Callable[[], int]) -> None:
        """Shows how often the operator's API was called with a wrong token."""
        Gauge(
            "zeebe_connectors_refused_tokens",
            "Calls of the operator's API with a wrong token, or none",
            registry=self.registry,
        ).set_function(count)

    def text(self) -> bytes:
        """The current values in Prometheus' format."""
        return generate_latest(self.registry)

    def _counts(self, job: Job) -> _Counts:
        headers = job.headers
        template = headers.get("elementTemplateId", _UNKNOWN), headers.get("elementTemplateVersion", _UNKNOWN)
        found = self._known.get((job.type, *template))
        if found is None:
            if len(self._known) >= _MAX_TEMPLATES:
                template = (_OTHER, _OTHER)
            key = (job.type, template[0][:200], template[1][:20])
            found = self._shown.get(key)
            if found is None:
                found = self._shown[key] = _Counts()
            self._known[job.type, *template] = found
        return found
