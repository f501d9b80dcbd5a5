"""What a monitoring system reads from ``/metrics``: requests, states, cases, the queue."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from similar_cases.web.services import Services


class Measures:
    """Counters of one application; no global registry, so that two applications never share one."""

    def __init__(self, services: Services) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "similar_cases_requests", "Answered requests", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram("similar_cases_request_seconds", "Time to answer", ["route"], registry=self._registry)
        self._registry.register(_Archive(services))

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def as_text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _Archive(Collector):
    """Reads the catalogue at the moment of asking."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> Iterator[Metric]:
        """Tell nothing beforehand: registering must not read the catalogue."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield series by state, cases by level, and the queue."""
        stats = self._services.lookups.stats()
        series = GaugeMetricFamily("similar_cases_series", "Series by state", labels=["state"])
        for state, count in stats.states.items():
            series.add_metric([state.value], count)
        yield series
        cases = GaugeMetricFamily("similar_cases_cases", "Findable cases by level", labels=["level"])
        for level, count in stats.cases.items():
            cases.add_metric([level.value], count)
        yield cases
        yield GaugeMetricFamily(
            "similar_cases_queue_working", "Jobs at work", value=len(self._services.worklist.working())
        )
