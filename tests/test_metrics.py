"""What is counted, and who may see it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from fcntl import LOCK_EX, flock
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client as Browser
from django.urls import resolve
from django_prometheus.middleware import PrometheusAfterMiddleware
from prometheus_client import Histogram
from prometheus_client.parser import text_string_to_metric_families

from idp import metrics
from idp.ops import run
from idp.ops.request_metrics import FastLaneMetrics, RequestMetrics
from tests.interop import demo
from tests.servers import LiveIDP, free_port

RESPONSES = "django_http_responses_total_by_status_view_method_total"
LATENCY = "django_http_requests_latency_seconds_by_view_method"
EXCEPTIONS = "django_http_exceptions_total_by_type_total"
TOKEN_VIEW = "tokens.endpoints.token.token"
REQUESTS = 40


def scraped(text: str | None = None) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of `/metrics` by its name and labels."""
    if text is None:
        answer = Browser().get("/metrics")
        assert answer.status_code == 200
        text = answer.content.decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(name: str, text: str | None = None, **labels: str) -> float:
    return scraped(text).get((name, frozenset(labels.items())), 0)


# --- The table ------------------------------------------------------------------------------------


def test_the_names_that_dashboards_rely_on_stay():
    table = {
        family.name + ("_total" if family.type == "counter" else ""): metric._labelnames
        for metric in vars(metrics).values()
        if isinstance(metric, metrics.Counter | metrics.Gauge)
        for family in metric.describe()
    }
    assert table == {
        "idp_access_tokens_total": ("client", "how"),
        "idp_refreshes_total": ("client", "outcome"),
        "idp_code_replays_total": ("client",),
        "idp_grant_refusals_total": ("client", "grant"),
        "idp_evictions_total": ("client", "kind"),
        "idp_revocations_total": ("client", "kind"),
        "idp_backchannel_logouts_total": ("client", "outcome"),
        "idp_exposed_credentials_total": ("parameter",),
        "idp_expiry_timestamp_seconds": ("kind", "name"),
        "idp_logins_total": ("service", "outcome"),
        "idp_login_service_out": ("service",),
        "idp_failed_attempts_total": ("what",),
        "idp_blocks_total": ("kind", "effect"),
        "idp_unblocks_total": ("kind",),
        "idp_blocked_requests_total": ("answer",),
        "idp_notifications_total": ("outcome",),
        "idp_mails_total": ("outcome",),
        "idp_partitions_made_total": ("table",),
        "idp_partitions_dropped_total": ("table",),
        "idp_cleaned_rows_total": ("table",),
        "idp_signing_key_steps_total": ("algorithm", "step"),
        "idp_signing_key_rotation_timestamp_seconds": ("algorithm",),
        "idp_signing_keys": ("seal",),
        "idp_job_runs_total": ("job", "outcome"),
        "idp_partitions": ("table",),
        "idp_oldest_partition_timestamp_seconds": ("table",),
        "idp_job_last_success_timestamp_seconds": ("job",),
        "idp_caps_unchecked_tokens": ("kind",),
    }


def test_of_a_gauge_the_last_value_is_shown():
    metrics.PARTITIONS.labels(table="of the test").set(7)
    metrics.PARTITIONS.labels(table="of the test").set(5)
    assert value("idp_partitions", table="of the test") == 5


# --- Counting -------------------------------------------------------------------------------------


@pytest.fixture
def counted(request) -> SimpleNamespace:
    """Ask how much was counted for a label that only this test uses."""
    client = request.node.name

    def how_much() -> float:
        return value("idp_code_replays_total", client=client)

    return SimpleNamespace(client=client, so_far=how_much)


def test_outside_a_transaction_it_counts_at_once_and_needs_no_database(counted):
    # No database fixture: pytest-django would refuse a connection.
    metrics.count(metrics.CODE_REPLAYS, client=counted.client)
    metrics.count(metrics.CODE_REPLAYS, 2, client=counted.client)
    assert counted.so_far() == 3


@pytest.mark.django_db(transaction=True)
def test_what_is_committed_counts_when_it_is_committed(counted):
    with transaction.atomic():
        with transaction.atomic():
            metrics.count(metrics.CODE_REPLAYS, client=counted.client)
        assert counted.so_far() == 0
    assert counted.so_far() == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_does_not_count(counted):
    @transaction.atomic
    def fail() -> None:
        metrics.count(metrics.CODE_REPLAYS, client=counted.client)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError):
            fail()
        metrics.count(metrics.CODE_REPLAYS, 5, client=counted.client)
    assert counted.so_far() == 5
    assert not connection.run_on_commit


@pytest.mark.parametrize("labels", [{}, {"client": "a", "other": "b"}])
def test_what_cannot_be_counted_fails_nobody_and_is_logged(labels, caplog):
    metrics.count(metrics.CODE_REPLAYS, **labels)
    metrics.count(metrics.CODE_REPLAYS, -1, client="a")
    assert [record.getMessage() for record in caplog.records] == [
        "counter:idp_code_replays is not counted"
    ] * 2


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("café ☕", "café ☕"),
        ('a"b\\c', 'a"b\\c'),
        ("a\0b\nc\x7f", "a?b?c?"),
        ("\ud800\u202e", "??"),
        ("x" * 5000, "x" * metrics.LABEL_CHARACTERS),
        (None, "None"),
        (12, "12"),
    ],
)
def test_no_label_can_spoil_the_answer(given, shown):
    metrics.count(metrics.CLEANED_ROWS, table=given)
    assert value("idp_cleaned_rows_total", table=shown) >= 1


# --- Who may see it -------------------------------------------------------------------------------


def ask(method: str = "get", path: str = "/metrics", **environ: str):
    return getattr(Browser(), method)(path, **environ)


def as_unknown(answer) -> bool:
    unknown = ask(path="/no-such-address", REMOTE_ADDR="192.0.2.1")
    return (answer.status_code, answer.content, answer.headers) == (
        404,
        unknown.content.replace(b"/no-such-address?", b"/metrics?"),
        unknown.headers,
    )


def test_it_is_text_for_prometheus_and_not_kept_by_caches():
    answer = ask()
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert answer.headers["Cache-Control"] == "no-store"
    head = ask("head")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_peers_on_the_machine_see_it(peer):
    assert ask(REMOTE_ADDR=peer).status_code == 200


@pytest.mark.parametrize(
    "peer", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1", "", "unix:", "127.0.0.1, x"]
)
@pytest.mark.parametrize("method", ["get", "head", "post", "options"])
def test_to_all_others_there_is_nothing_here(peer, method):
    answer = ask(method, REMOTE_ADDR=peer)
    assert answer.status_code == 404
    assert method == "head" or as_unknown(answer)


@pytest.mark.parametrize(
    "header",
    [
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_FORWARDED_FOR": ""},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
        {"HTTP_X_FORWARDED_PROTO": "https"},
    ],
)
def test_what_came_through_a_proxy_is_from_outside(header):
    assert as_unknown(ask(**header))


def test_the_networks_are_the_operators(settings):
    settings.INTERNAL_NETWORKS = (ip_network("10.1.0.0/16"), ip_network("2001:db8::/32"))
    seen = [
        peer
        for peer in ("10.1.2.3", "::ffff:10.1.2.3", "10.2.0.1", "2001:db8::9", "127.0.0.1")
        if ask(REMOTE_ADDR=peer).status_code == 200
    ]
    assert seen == ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::9"]


def test_other_methods_are_refused():
    answer = ask("post")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


# --- Requests -------------------------------------------------------------------------------------


def test_requests_are_counted_by_view_method_and_status():
    labels = {"view": "idp.ops.health.healthz", "method": "GET"}
    before = (value(RESPONSES, status="200", **labels), value(f"{LATENCY}_count", **labels))
    ask(path="/healthz")
    after = (value(RESPONSES, status="200", **labels), value(f"{LATENCY}_count", **labels))
    assert after == (before[0] + 1, before[1] + 1)


def test_a_stranger_cannot_make_up_series():
    def knock(what: str) -> set[object]:
        ask(path=f"/{what}", HTTP_X_FORWARDED_FOR=what)
        Browser().generic(what, "/healthz", HTTP_CONTENT_TYPE=f"text/plain; charset={what}")
        return set(scraped())

    first = knock("made-up")
    assert knock("also-made-up") == first
    assert "made-up" not in str(first)


@pytest.mark.parametrize("length", ["x", "9" * 5000, "-1"])
def test_a_content_length_that_is_no_number_is_no_fault(length):
    assert ask(path="/healthz", CONTENT_LENGTH=length).status_code == 200


def test_an_exception_is_counted_once_with_the_time_it_took(monkeypatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    labels = {"view": "idp.ops.health.readyz", "method": "GET"}
    monkeypatch.setattr("idp.ops.health._result", fail)
    before = value(f"{LATENCY}_count", **labels), value(EXCEPTIONS, type="ZeroDivisionError")
    answer = Browser(raise_request_exception=False).get("/readyz")
    after = value(f"{LATENCY}_count", **labels), value(EXCEPTIONS, type="ZeroDivisionError")
    assert answer.status_code == 500
    assert after == (before[0] + 1, before[1] + 1)
    assert value(RESPONSES, status="500", **labels) >= 1


class Upstream(PrometheusAfterMiddleware):
    """Without our workarounds: when a test of it fails, the workaround has had its time."""

    metrics_cls = RequestMetrics


def test_upstream_still_fails_at_a_content_length_that_is_no_number(rf):
    with pytest.raises(ValueError, match="invalid literal"):
        Upstream(lambda _: HttpResponse())(rf.get("/", CONTENT_LENGTH="x"))


def test_upstream_still_has_the_methods_of_strangers_for_labels(rf):
    Upstream(lambda _: HttpResponse())(rf.generic("BREW", "/"))
    assert value(f"{LATENCY}_count", view="<unnamed view>", method="BREW")


def test_upstream_still_observes_the_time_of_an_exception_twice(rf):
    request = rf.get("/healthz")
    request.resolver_match = resolve("/healthz")
    middleware = Upstream(lambda _: HttpResponse())
    labels = {"view": "idp.ops.health.healthz", "method": "GET"}
    before = value(f"{LATENCY}_count", **labels)
    middleware.process_request(request)
    middleware.process_exception(request, ZeroDivisionError())
    middleware.process_response(request, HttpResponse())
    assert value(f"{LATENCY}_count", **labels) == before + 2


# --- The fast lane's ------------------------------------------------------------------------------


def test_requests_of_the_fast_lane_are_counted_as_one_by_one():
    seconds = [0.0, 0.0004, *Histogram.DEFAULT_BUCKETS[:-1], 0.3, 0.3, 74.9, 75.1, 1000.0]
    lane, metrics = FastLaneMetrics("all at once"), RequestMetrics.get_instance()
    latency = metrics.requests_latency_by_view_method.labels(view="one by one", method="GET")
    for one in seconds:
        lane.count("GET", 200, one)
        latency.observe(one)
    lane.write()
    lane.write()
    samples = scraped()

    def series(view: str) -> dict[tuple[str, str | None], float]:
        by_name = {
            (name, dict(labels).get("le")): number
            for (name, labels), number in samples.items()
            if name.startswith(LATENCY) and ("view", view) in labels
        }
        return {key: pytest.approx(number) for key, number in by_name.items()}

    assert series("all at once") == series("one by one")
    assert samples[f"{LATENCY}_count", frozenset({("view", "all at once"), ("method", "GET")})] == (
        len(seconds)
    )


def test_what_the_fast_lane_counted_is_written_by_itself():
    FastLaneMetrics("by itself").count("GET", 200, 0.001)
    time.sleep(FastLaneMetrics.WRITE_SECONDS * 2)
    assert value(RESPONSES, status="200", view="by itself", method="GET") == 1


# --- Several processes ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_workers(live_database: str) -> Iterator[LiveIDP]:
    with LiveIDP(live_database, workers=2) as server:
        yield server


def over_http(method: str, url: str, **options: Any) -> requests.Response:
    return requests.request(method, url, timeout=30, **options)


def test_every_process_answers_for_all(two_workers):
    batch = demo.client("demo-batch")
    token = {
        "data": {"grant_type": "client_credentials"},
        "auth": (batch.client_id, batch.secret),
    }
    # A connection for each request, so that both processes are asked.
    for _ in range(REQUESTS):
        assert over_http("POST", f"{two_workers.url}/oauth2/token", **token).status_code == 200
    labels = {"view": TOKEN_VIEW, "method": "POST"}
    # The fast lane writes them down a moment later.
    give_up_at = time.monotonic() + 10 * FastLaneMetrics.WRITE_SECONDS
    while time.monotonic() < give_up_at:
        text = over_http("GET", f"{two_workers.url}/metrics").text
        if value(RESPONSES, text, status="200", **labels) == REQUESTS:
            break
        time.sleep(FastLaneMetrics.WRITE_SECONDS / 10)
    answers = [over_http("GET", f"{two_workers.url}/metrics").text for _ in range(REQUESTS)]
    assert {value(RESPONSES, text, status="200", **labels) for text in answers} == {REQUESTS}
    assert {value(f"{LATENCY}_count", text, **labels) for text in answers} == {REQUESTS}
    assert len(list(two_workers.metrics_dir.glob("counter_*.db"))) == 2


def test_it_is_not_for_who_comes_through_the_proxy(two_workers):
    forwarded = {"headers": {"X-Forwarded-For": "203.0.113.5"}}
    answer = over_http("GET", f"{two_workers.url}/metrics", **forwarded)
    assert answer.status_code == 404
    unknown = over_http("GET", f"{two_workers.url}/no-such-address").text
    assert answer.text == unknown.replace("/no-such-address?", "/metrics?")


def test_this_process_has_a_folder_of_its_own():
    metrics.count(metrics.CLEANED_ROWS, table="of the test")
    directory = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    assert directory.parent == Path(os.environ["IDP_VAR_DIR"])
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    assert directory.name == (f"metrics-{worker}" if worker else "metrics")
    assert (directory / f"counter_{os.getpid()}.db").exists()


# --- The folder -----------------------------------------------------------------------------------

SHOW = (
    "import os, django; django.setup(); from prometheus_client import values;"
    "print(os.environ['PROMETHEUS_MULTIPROC_DIR'], values.ValueClass._multiprocess)"
)


def fresh_process(**variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k != "PROMETHEUS_MULTIPROC_DIR"}
    return subprocess.run(
        [sys.executable, "-c", SHOW],
        env=inherited | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("given", [{}, {"PROMETHEUS_MULTIPROC_DIR": ""}])
def test_numbers_are_kept_in_the_instances_folder(tmp_path, given):
    done = fresh_process(IDP_VAR_DIR=str(tmp_path), **given)
    assert done.stdout == f"{tmp_path / 'metrics'} True\n"
    # Commands that count nothing leave nothing behind.
    assert list((tmp_path / "metrics").iterdir()) == []


def test_numbers_are_kept_where_the_operator_wants_them(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    done = fresh_process(IDP_VAR_DIR=str(tmp_path), PROMETHEUS_MULTIPROC_DIR=str(elsewhere))
    assert done.stdout == f"{elsewhere} True\n"
    assert not (tmp_path / "metrics").exists()


def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path):
    (tmp_path / "metrics").write_text("a file")
    done = fresh_process(IDP_VAR_DIR=str(tmp_path))
    assert done.returncode
    assert f"{tmp_path / 'metrics'} can't be made: File exists" in done.stderr


def test_a_new_run_begins_at_nothing(tmp_path):
    old = tmp_path / "metrics" / "counter_1.db"
    old.parent.mkdir()
    old.touch()
    run.clear_metrics(SimpleNamespace(metrics_dir=old.parent))
    run.clear_metrics(SimpleNamespace(metrics_dir=old.parent))
    assert not old.exists()


def test_a_run_that_may_not_start_leaves_the_numbers_of_the_other(tmp_path):
    kept = tmp_path / "metrics" / "counter_1.db"
    kept.parent.mkdir()
    kept.touch()
    with (tmp_path / "run.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-m", "idp.ops.run"],
            env=os.environ | {"IDP_VAR_DIR": str(tmp_path), "IDP_BIND": f"127.0.0.1:{free_port()}"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stderr.startswith("Another `make run` uses")
    assert kept.exists()
