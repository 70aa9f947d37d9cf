"""What a blocked address is answered, at every URL of the product."""

import json
from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.test import Client as Browser
from django.urls import URLResolver, get_resolver, resolvers
from django.utils import timezone

from idp.blocking import guard
from idp.blocking.models import Block

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blocking", "partition_lists")]

BLOCKED, FREE = "192.0.2.1", "192.0.2.2"
WATCHED = {"healthz", "readyz", "metrics"}


@pytest.fixture
def block():
    for number in range(10):
        made = guard.failed(BLOCKED, what=guard.Failure.PASSWORD, name=f"user{number}")
    return made


def every_path(patterns=None, prefix="/"):
    """The beginning of every URL, with something in place of what varies."""
    for entry in patterns if patterns is not None else get_resolver().url_patterns:
        if isinstance(entry.pattern, resolvers.RoutePattern):
            text = str(entry.pattern)
        else:
            text = str(entry.pattern).strip("^$").replace("\\Z", "")
        path = prefix + text
        if isinstance(entry, URLResolver):
            yield from every_path(entry.url_patterns, path)
        else:
            yield path.replace("<", "").replace(">", "")


PATHS = sorted(set(every_path()))


def test_the_walk_finds_the_product():
    assert {"/oauth2/token", "/sign-in", "/admin/login/", "/internal/jwt"} <= set(PATHS)
    assert {"/api/schema", "/api/v1/blocks", "/api/v1/blocks/lift"} <= set(PATHS)
    assert len(PATHS) > 50


@pytest.mark.parametrize("method", ["get", "post", "options"])
def test_a_blocked_address_is_refused_at_every_url(block, method):
    answered = {}
    for path in PATHS:
        answer = getattr(Browser(REMOTE_ADDR=BLOCKED), method)(path)
        assert answer.headers["Cache-Control"] == "no-store", path
        assert 600 <= int(answer.headers["Retry-After"]) <= 900, path
        assert not answer.cookies, path
        answered[path] = answer.status_code
    assert set(answered.values()) == {429}


@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/introspect", "/internal/jwt"])
def test_an_application_reads_json(block, path):
    answer = Browser(REMOTE_ADDR=BLOCKED).post(path, headers={"Accept-Language": "nl"})
    assert json.loads(answer.content) == {
        "error": "access_denied",
        "error_description": "Too many attempts from this address have failed. Try again later.",
    }
    assert answer.headers["Content-Type"] == "application/json"
    assert "Content-Language" not in answer.headers


@pytest.mark.parametrize("path", ["/api/v1/blocks", "/api/schema", "/api/x"])
def test_a_caller_of_the_api_reads_a_problem(block, path):
    """RFC 9457, as for all that goes wrong there."""
    answer = Browser(REMOTE_ADDR=BLOCKED).post(path, headers={"Accept-Language": "nl"})
    assert json.loads(answer.content) == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Too many attempts from this address have failed. Try again later.",
        "code": "access_denied",
    }
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Content-Language" not in answer.headers


@pytest.mark.parametrize("path", ["/sign-in", "/oauth2/authorize", "/admin/", "/nothing", "/"])
def test_people_read_a_page_that_says_who_and_for_how_long(block, path):
    answer = Browser(REMOTE_ADDR=BLOCKED).get(path)
    text = answer.content.decode()
    assert "Too many attempts" in text
    assert "15 minutes" in text
    assert BLOCKED in text


def test_others_are_answered_and_a_view_knows_who_asks(block, rf):
    assert Browser(REMOTE_ADDR=FREE).get("/.well-known/jwks.json").status_code == 200
    answer = Browser(REMOTE_ADDR=FREE).get("/.well-known/jwks.json")
    assert answer.wsgi_request.client_address == FREE


def test_files_of_pages_are_served(block):
    answer = Browser(REMOTE_ADDR=BLOCKED).get("/static/branding/pages.css")
    assert answer.status_code == 200


def test_when_the_time_is_over_so_is_the_block(block, time_machine):
    time_machine.move_to(timezone.now() + timedelta(minutes=16))
    assert Browser(REMOTE_ADDR=BLOCKED).get("/.well-known/jwks.json").status_code == 200


def test_behind_a_proxy_it_is_the_user_who_is_blocked(block, settings):
    settings.TRUSTED_PROXIES = (ip_network("10.0.0.0/8"),)

    def status(peer, forwarded):
        return (
            Browser(REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)
            .get("/.well-known/jwks.json")
            .status_code
        )

    assert status("10.0.0.1", BLOCKED) == 429
    assert status("10.0.0.1", f"{FREE}, {BLOCKED}") == 429
    assert status("10.0.0.1", f"{BLOCKED}, {FREE}") == 200
    assert status(FREE, BLOCKED) == 200
    assert status(BLOCKED, FREE) == 429


@pytest.mark.parametrize("path", sorted(WATCHED))
def test_who_watches_from_inside_sees_the_instance_all_the_same(path, settings):
    settings.TRUSTED_PROXIES = (ip_network("10.0.0.0/8"),)
    for address in ("127.0.0.1", "10.0.0.1"):
        for number in range(10):
            guard.failed(address, what=guard.Failure.PASSWORD, name=f"user{number}")
    assert Block.objects.count() == 2
    assert Browser(REMOTE_ADDR="127.0.0.1").get(f"/{path}").status_code == 200
    assert Browser(REMOTE_ADDR="127.0.0.1").get("/sign-in").status_code == 429
    assert Browser(REMOTE_ADDR="10.0.0.1").get(f"/{path}").status_code in {200, 404}
    outsider = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}
    assert Browser(**outsider).get(f"/{path}").status_code == 429


@pytest.mark.parametrize("path", ["/oauth2/token", "/sign-in", "/admin/"])
def test_a_refusal_has_the_headers_that_keep_a_page_safe(block, path):
    answer = Browser(REMOTE_ADDR=BLOCKED).get(path)
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
