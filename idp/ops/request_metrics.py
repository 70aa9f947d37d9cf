"""What is counted of every request: how long it took, how it ended, and which exceptions it met."""

from typing import Any

from django.http import HttpRequest
from django_prometheus.middleware import Metrics, PrometheusAfterMiddleware
from django_prometheus.utils import Time

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
    """Counts the requests of one view that the fast lane answers, in the series of all others."""

    def __init__(self, view: str) -> None:
        self._view = view
        self._metrics = RequestMetrics.get_instance()
        self._latencies: dict[str, Any] = {}
        self._responses: dict[tuple[str, int], Any] = {}

    def count(self, method: str, status: int, seconds: float) -> None:
        try:
            latency, response = self._latencies[method], self._responses[method, status]
        except KeyError:
            latency = self._latencies[method] = (
                self._metrics.requests_latency_by_view_method.labels(view=self._view, method=method)
            )
            counter = self._metrics.responses_by_status_view_method
            response = counter.labels(status=str(status), view=self._view, method=method)
            self._responses[method, status] = response
        latency.observe(seconds)
        response.inc()
