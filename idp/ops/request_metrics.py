"""What is counted of every request: how long it took, how it ended, and which exceptions it met."""

import atexit
import logging
import time
from bisect import bisect_left
from collections import Counter, deque
from threading import Lock, Thread
from typing import Any

from django.http import HttpRequest
from django_prometheus.middleware import Metrics, PrometheusAfterMiddleware
from django_prometheus.utils import Time

log = logging.getLogger(__name__)

# Of what django-prometheus offers; all of it would cost five times as much for each request.
KEPT = {
    "django_http_requests_latency_seconds_by_view_method",
    "django_http_responses_total_by_status_view_method",
    "django_http_exceptions_total_by_type",
    "django_http_exceptions_total_by_view",
}


class Uncounted:
    """Stands where django-prometheus would count what is not kept."""

    def labels(self, **_labels: str) -> "Uncounted":
        return self

    def inc(self) -> None:
        pass

    def observe(self, _amount: float) -> None:
        pass


class RequestMetrics(Metrics):
    def register_metric(
        self, metric_cls: type, name: str, documentation: str, *more: Any, **options: Any
    ) -> Any:
        if name not in KEPT:
            return Uncounted()
        return super().register_metric(metric_cls, name, documentation, *more, **options)


class RequestMetricsMiddleware(PrometheusAfterMiddleware):
    """Outside all other middleware, so that it sees the status that is sent and the whole time."""

    metrics_cls = RequestMetrics

    def process_request(self, request: HttpRequest) -> None:
        # WORKAROUND: the original fails where Content-Length is no number.
        request.prometheus_after_middleware_event = Time()  # type: ignore[attr-defined]
        # (end WORKAROUND)

    def label_metric(
        self, metric: Any, request: HttpRequest, response: object = None, **labels: str
    ) -> Any:
        # WORKAROUND: the latency's method is whatever the request says it is, so that a stranger
        # could make up any number of series.
        if "method" in labels:
            labels["method"] = self._method(request)
        # (end WORKAROUND)
        return super().label_metric(metric, request, response, **labels)

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        super().process_exception(request, exception)
        # WORKAROUND: the latency is observed here and once more for the response.
        del request.prometheus_after_middleware_event  # type: ignore[attr-defined]
        # (end WORKAROUND)


class FastLaneMetrics:
    """Counts the requests of one view that the fast lane answers, in the series of all others.

    A request only leaves behind how long it took: to write that down at once would cost a tenth of
    a whole token check. A thread adds up what came, once in `WRITE_SECONDS`.
    """

    WRITE_SECONDS = 1.0

    def __init__(self, view: str) -> None:
        self._view = view
        self._metrics = RequestMetrics.get_instance()
        self._seen: dict[tuple[str, int], deque[float]] = {}
        self._lock = Lock()

    def count(self, method: str, status: int, seconds: float) -> None:
        try:
            self._seen[method, status].append(seconds)
        except KeyError:
            with self._lock:
                if not self._seen:  # Not before: a process that is forked later has no threads.
                    Thread(target=self._write_again_and_again, daemon=True).start()
                    atexit.register(self.write)
                self._seen.setdefault((method, status), deque()).append(seconds)

    def write(self) -> None:
        """Adds what came since the last time to the series."""
        with self._lock:
            for (method, status), seen in self._seen.items():
                if taken := [seen.popleft() for _ in range(len(seen))]:
                    self._add(method, status, taken)

    def _write_again_and_again(self) -> None:
        while True:
            time.sleep(self.WRITE_SECONDS)
            try:
                self.write()
            except Exception:
                log.exception("Requests of %s are not counted", self._view)

    def _add(self, method: str, status: int, seconds: list[float]) -> None:
        labels = {"view": self._view, "method": method}
        responses = self._metrics.responses_by_status_view_method
        responses.labels(status=str(status), **labels).inc(len(seconds))
        latency = self._metrics.requests_latency_by_view_method.labels(**labels)
        # WORKAROUND: Histogram.observe() takes one value only, and as long for it as all this.
        latency._sum.inc(sum(seconds))
        for bucket, number in Counter(
            bisect_left(latency._upper_bounds, one) for one in seconds
        ).items():
            latency._buckets[bucket].inc(number)
        # (end WORKAROUND)
