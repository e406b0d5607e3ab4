"""Format the counts as Prometheus metrics on request, under the official runtime's names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from zeebe_connectors._version import __version__
from zeebe_connectors.admin.metrics import Counts, Last, PrometheusMetrics
from zeebe_connectors.admin.provider_metrics import ProviderMetrics
from zeebe_connectors.admin.runtime_metrics import RuntimeMetrics
from zeebe_connectors.runtime.supervisor import Runtime

_LABELS = ("type", "elementTemplateId", "elementTemplateVersion")


class _LastTimes(Collector):
    """When something happened last, and how long the longest job took."""

    def __init__(self, last: Last) -> None:
        self._last = last

    def collect(self) -> Iterator[Metric]:
        """Yields the gauges of the types seen so far."""
        for name, text, values in (
            ("outbound_last_completed", "When a job was completed last, in ms since 1970", self._last.completed),
            ("outbound_last_failed", "When a job failed last, in ms since 1970", self._last.failed),
            ("outbound_max_execution_time", "Longest time of a job since the start, in ms", self._last.max_seconds),
            ("inbound_last_activated", "When a source was activated last, in ms since 1970", self._last.activated),
            ("inbound_last_triggered", "When an event came last, in ms since 1970", self._last.triggered),
        ):
            family = GaugeMetricFamily(f"camunda_connector_{name}", text, labels=("type",))
            for kind, value in values.items():
                family.add_metric((kind,), value * 1000)
            yield family


class _JobMetrics(Collector):
    """Outcomes of jobs, by type and template."""

    def __init__(self, known: Mapping[tuple[str, str, str], Counts]) -> None:
        self._known = known

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics of every type and template."""
        invocations = CounterMetricFamily(
            "camunda_connector_outbound_invocations", "Jobs by outcome", labels=("action", *_LABELS)
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
        in_flight = GaugeMetricFamily("zeebe_connectors_jobs_in_flight", "Running jobs", labels=("type",))
        for kind, count in flying.items():
            in_flight.add_metric((kind,), count)
        yield from (invocations, seconds, in_flight)


class _SourceMetrics(Collector):
    """States of sources and outcomes of their events."""

    def __init__(self, metrics: PrometheusMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics of every source."""
        for name, text, counts in (
            (
                "activations",
                "Sources that were activated, deactivated or could not be activated",
                self._metrics.activations,
            ),
            ("triggers", "Events of sources by outcome", self._metrics.triggers),
        ):
            family = CounterMetricFamily(f"camunda_connector_inbound_{name}", text, labels=("action", "type", "source"))
            for labels, count in counts.items():
                family.add_metric(labels, count)
            yield family
        sources = GaugeMetricFamily("zeebe_connectors_sources", "Sources by status", labels=("status",))
        for status, count in self._metrics.sources.items():
            sources.add_metric((status,), count)
        yield sources


class _About(Collector):
    """The runtime's version, and the number of calls with a wrong token."""

    def __init__(self, refused_tokens: Callable[[], int]) -> None:
        self._refused_tokens = refused_tokens

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics of jobs and those of the runtime."""
        info = GaugeMetricFamily("zeebe_connectors_info", "Version of the runtime", labels=("version",))
        info.add_metric((__version__,), 1)
        refused = GaugeMetricFamily(
            "zeebe_connectors_refused_tokens", "Calls of the operator's API with a wrong token or none"
        )
        refused.add_metric((), self._refused_tokens())
        yield from (info, refused)


class Exposition:
    """All metrics of one runtime, in Prometheus' format.

    Args:
        metrics: The counts.
        runtime: The runtime; without one, only the counts are shown.
        refused_tokens: Returns how often the operator's API was called with a wrong token.
    """

    def __init__(
        self, metrics: PrometheusMetrics, runtime: Runtime | None = None, *, refused_tokens: Callable[[], int] = int
    ) -> None:
        self._registry = CollectorRegistry()
        for collector in (_JobMetrics(metrics.jobs), _SourceMetrics(metrics), _LastTimes(metrics.last)):
            self._registry.register(collector)
        self._registry.register(_About(refused_tokens))
        if runtime is not None:
            self._registry.register(RuntimeMetrics(runtime, metrics))
        if runtime is not None and runtime.services.providers is not None:
            self._registry.register(ProviderMetrics(runtime.services.providers))

    def text(self) -> bytes:
        """Returns the current values in Prometheus' format."""
        return generate_latest(self._registry)
