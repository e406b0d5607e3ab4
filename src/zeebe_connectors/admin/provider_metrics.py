"""Shows Prometheus how usage rules of providers are kept: grants, waiting, what was given back, what slowed them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from zeebe_connectors.runtime.providers import Providers

_LABELS = ("provider", "environment")


class ProviderMetrics(Collector):
    """Reads the counts when they are asked for, so that a job pays nothing for them.

    Args:
        providers: Whose; the number of label values is that of the operator's providers.
    """

    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    def collect(self) -> Iterator[Metric]:
        """The metrics, of providers that were used."""
        granted = CounterMetricFamily("zeebe_connectors_provider_granted", "Requests that began", labels=_LABELS)
        back = CounterMetricFamily(
            "zeebe_connectors_provider_handed_back", "Jobs that went back to come later", labels=_LABELS
        )
        slowed = CounterMetricFamily(
            "zeebe_connectors_provider_slowed", "Times that a provider asked to be left alone", labels=_LABELS
        )
        waited = CounterMetricFamily(
            "zeebe_connectors_provider_waited_seconds", "Seconds that requests waited", labels=_LABELS
        )
        waiting = GaugeMetricFamily("zeebe_connectors_provider_waiting", "Requests that wait now", labels=_LABELS)
        held = GaugeMetricFamily(
            "zeebe_connectors_provider_held_seconds", "Seconds that a provider is still left alone", labels=_LABELS
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
