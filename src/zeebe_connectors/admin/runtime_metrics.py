"""Collect Prometheus metrics of the runtime: jobs by outcome, failures by code, slots, ages, sources, event loop."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from zeebe_connectors.admin.metrics import PrometheusMetrics
from zeebe_connectors.runtime.supervisor import Runtime

_BUDGET = "_TOO_LARGE"
"""Endings of the error codes for exceeded size limits."""


class RuntimeMetrics(Collector):
    """Reads the runtime's record on request, so that it costs jobs nothing.

    Args:
        runtime: The runtime.
        metrics: Labels its sources.
    """

    def __init__(self, runtime: Runtime, metrics: PrometheusMetrics) -> None:
        self._runtime = runtime
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics."""
        yield from self._jobs()
        yield from self._workers()
        yield from self._sources()
        lag = self._runtime.loop_lag
        late = GaugeMetricFamily("zeebe_connectors_loop_lag_seconds", "Longest delay of the event loop in a minute")
        late.add_metric((), lag.last_minute)
        yield late

    def _jobs(self) -> Iterator[Metric]:
        record = self._runtime.record
        jobs = CounterMetricFamily("zeebe_connectors_jobs", "Jobs by outcome", labels=("connector", "outcome"))
        for connector, totals in list(record.by_connector.items()):
            for outcome, count in totals.items():
                jobs.add_metric((connector, outcome), count)
        failures = CounterMetricFamily(
            "zeebe_connectors_failures", "Failures and BPMN errors by their code", labels=("connector", "code")
        )
        budgets = CounterMetricFamily(
            "zeebe_connectors_budget_refusals",
            "Jobs refused for being too large",
            labels=("connector", "code"),
        )
        for (connector, code), count in list(record.failures.items()):
            failures.add_metric((connector, code or "none"), count)
            if code.endswith(_BUDGET):
                budgets.add_metric((connector, code), count)
        yield from (jobs, failures, budgets)

    def _workers(self) -> Iterator[Metric]:
        kind = ("type",)
        slots = GaugeMetricFamily("zeebe_connectors_slots", "Maximum number of running jobs", labels=kind)
        oldest = GaugeMetricFamily(
            "zeebe_connectors_oldest_job_seconds", "Age of the job that has been running the longest", labels=kind
        )
        unsent = GaugeMetricFamily(
            "zeebe_connectors_outcomes_unsent", "Outcomes that wait until their job is offered again", labels=kind
        )
        silent = GaugeMetricFamily(
            "zeebe_connectors_engine_silent_seconds", "Seconds since the engine answered", labels=kind
        )
        errors = GaugeMetricFamily(
            "zeebe_connectors_poll_errors", "Polls that failed since the engine answered", labels=kind
        )
        now = time.monotonic()
        for name, state in self._runtime.liveness().items():
            slots.add_metric((name,), state.slots)
            oldest.add_metric((name,), state.oldest)
            unsent.add_metric((name,), state.unsent)
            errors.add_metric((name,), state.errors)
            if state.last_contact is not None:
                silent.add_metric((name,), now - state.last_contact)
        yield from (slots, oldest, unsent, silent, errors)

    def _sources(self) -> Iterator[Metric]:
        labels = ("type", "source")
        up = GaugeMetricFamily("zeebe_connectors_source_up", "1 while the source is watched here", labels=labels)
        age = GaugeMetricFamily(
            "zeebe_connectors_source_silent_seconds", "Seconds since the source answered", labels=labels
        )
        watches = self._runtime.sources.watches.values() if self._runtime.sources is not None else ()
        seen: dict[tuple[str, str], tuple[float, float]] = {}
        now = time.time()
        for watch in watches:  # sources beyond the bound share one label: the worst of them counts
            place = watch.source.type, self._metrics.source(watch.source.name)
            found = seen.get(place, (1.0, 0.0))
            silent = now - (watch.last_contact or self._runtime.record.since)
            seen[place] = min(found[0], float(watch.status == "UP")), max(found[1], silent)
        for place, (is_up, silent) in seen.items():
            up.add_metric(place, is_up)
            age.add_metric(place, silent)
        yield from (up, age)
