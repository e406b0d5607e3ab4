"""Collect Prometheus metrics of providers' usage rules: grants, waiting, hand-backs and pauses."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from zeebe_connectors.runtime.providers import Providers

_LABELS = ("provider", "environment")


class ProviderMetrics(Collector):
    """Reads the counts on request, so that they cost jobs nothing.

    Args:
        providers: The runtime's providers, which bound the number of label values.
    """

    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics of providers that were used."""
        granted = CounterMetricFamily("zeebe_connectors_provider_granted", "Requests that began", labels=_LABELS)
        back = CounterMetricFamily(
            "zeebe_connectors_provider_handed_back", "Jobs that were handed back to come later", labels=_LABELS
        )
        slowed = CounterMetricFamily(
            "zeebe_connectors_provider_slowed", "Times that a provider asked for a pause", labels=_LABELS
        )
        waited = CounterMetricFamily(
            "zeebe_connectors_provider_waited_seconds", "Seconds that requests waited", labels=_LABELS
        )
        waiting = GaugeMetricFamily("zeebe_connectors_provider_waiting", "Waiting requests", labels=_LABELS)
        held = GaugeMetricFamily(
            "zeebe_connectors_provider_held_seconds",
            "Seconds left of a pause that a provider asked for",
            labels=_LABELS,
        )
        rate = GaugeMetricFamily("zeebe_connectors_provider_per_second", "Requests in the last second", labels=_LABELS)
        for key, limit in self._providers.limits().items():
            labels = list(key.partition("/")[::2])
            granted.add_metric(labels, limit.counts.granted)
            back.add_metric(labels, limit.counts.handed_back)
            slowed.add_metric(labels, limit.counts.slowed)
            waited.add_metric(labels, limit.counts.waited)
            waiting.add_metric(labels, limit.waiting)
            held.add_metric(labels, limit.held_for())
            rate.add_metric(labels, limit.per_second())
        yield from (granted, back, slowed, waited, waiting, held, rate)
