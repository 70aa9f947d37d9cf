"""Pages of errors: they say what to do, and name a reference under which an operator finds why."""

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from clients_admin.roles import VIEWERS
from idp.audit import references
from idp.audit.models import AuditEvent
from tests.configuration import Shopper, account, shop
from tests.secrets import CANARIES
from tests.test_admin import operator

pytestmark = pytest.mark.django_db
TAG = "tokens:page:refused"
LIST = "admin:idp_auditevent_changelist"


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    references.known.forget()
    yield
    references.known.forget()


def reference(page: HttpResponse) -> str:
    (found,) = re.findall(r"<code>([^<]+)</code>", page.content.decode())
    return found


def wrong(client_id: str = "shop", **parameters: str) -> HttpResponse:
    asked = {"client_id": client_id, "redirect_uri": "https://attacker.example/", **parameters}
    return Browser().get("/oauth2/authorize", asked)


def events() -> int:
    return AuditEvent.objects.filter(tag=TAG).count()


def found(browser: Browser, typed: str) -> list[str]:
    page = browser.get(reverse(LIST), {"reference": typed})
    assert page.status_code == 200
    return [event.details.get("reference") for event in page.context["cl"].result_list]


def test_an_operator_finds_the_reason_by_the_reference_of_the_page(caplog):
    shop()
    with caplog.at_level(logging.WARNING):
        page = wrong()
    assert page.status_code == 400
    named = reference(page)
    assert re.fullmatch("[0-9a-z]{4}-[0-9a-z]{6}", named)
    assert named in caplog.text
    event = AuditEvent.objects.get(tag=TAG)
    assert (event.client_id, event.address) == ("shop", "127.0.0.1")
    assert event.details["reference"] == named
    assert event.details["page"] == "GET /oauth2/authorize"
    assert event.details["reason"] in caplog.text
    assert "redirect" in event.details["reason"].lower()
    wrong(redirect_uri="", response_type="token")
    viewer = operator("vera", VIEWERS)
    for typed in (named, f" {named.upper()} ", named.replace("-", "")):
        assert found(viewer, typed) == [named]
    assert found(viewer, f"{named[:-1]}{'2' if named[-1] == '1' else '1'}") == []
    page = viewer.get(reverse(LIST), {"reference": "never one"})
    assert "not a reference of an error page" in page.content.decode()


def test_a_client_that_is_not_here_is_not_named_in_the_audit():
    wrong("a-made-up-client")
    assert AuditEvent.objects.get(tag=TAG).client_id is None


def test_the_same_mistake_has_the_same_reference_for_a_while_and_one_event():
    with time_machine.travel(timezone.now(), tick=False) as clock:
        first = reference(wrong())
        assert [reference(wrong()) for _ in range(3)] == [first] * 3
        assert events() == 1
        other = Browser(REMOTE_ADDR="192.0.2.7").get("/oauth2/authorize?client_id=shop")
        assert reference(other) != first
        clock.shift(references.SAME_FOR + timedelta(seconds=1))
        assert reference(wrong()) != first
    assert events() == 3


def test_error_pages_do_not_fill_the_audit(monkeypatch, caplog):
    monkeypatch.setattr(references, "EVENTS_AN_HOUR", 5)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for number in range(12):
            page = Browser(REMOTE_ADDR=f"192.0.2.{number}").get("/oauth2/authorize")
            assert (page.status_code, len(reference(page))) == (400, 11)
        assert events() == 5
        assert reference(page) in caplog.text  # There it is still found.
        clock.shift(timedelta(hours=1, minutes=1))
        wrong()
        assert events() == 6


def test_what_a_process_keeps_of_references_is_bounded(monkeypatch):
    monkeypatch.setattr(references, "MAX_KEPT", 10)
    kept = references.References()
    monkeypatch.setattr(kept, "_write", lambda *_, **__: None)
    for number in range(50):
        kept.refer(timezone.now(), address=str(number), page="", reason="", client_id=None)
    assert len(kept._kept) == 10


@pytest.mark.parametrize("year", [2026, 2070, 2130])
def test_a_reference_says_its_hour_for_a_century(year):
    now = datetime(year, 5, 6, 7, 8, tzinfo=UTC)
    named = references.make(now)
    assert references.read(named) == (named, now.replace(minute=0))


def test_a_reference_may_be_typed_as_it_is_heard():
    assert references.read("iLo0 0oOo-l1") == references.read("1100-000011")
    assert references.read("") is references.read("1100-00001u") is references.read("x") is None


def test_the_page_is_there_while_the_audit_is_not(monkeypatch):
    def away(*_: object, **__: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(references, "record", away)
    page = wrong()
    assert (page.status_code, len(reference(page))) == (400, 11)


def test_nothing_secret_is_in_the_event():
    for secret in CANARIES:
        Browser().get("/oauth2/authorize", {"client_id": secret, "scope": secret})
    told = [f"{event.details} {event.client_id}" for event in AuditEvent.objects.filter(tag=TAG)]
    assert told
    assert not [secret for secret in CANARIES for line in told if secret in line]


@pytest.mark.parametrize("lost", ["cookie", "token"])
def test_a_page_that_has_expired_offers_itself_anew(lost):
    account()
    shop()
    shopper = Shopper()
    shopper.browser = Browser(enforce_csrf_checks=True)
    address = shopper.authorize().headers["Location"]
    form = {"username": "jane", "password": "a wrong guess"}
    if lost == "token":
        shopper.browser.get(address)
    page = shopper.browser.post(address, form, headers={"Referer": "https://attacker.example/"})
    assert page.status_code == 403
    said = page.content.decode()
    assert "<title>Error: This page has expired</title>" in said
    (again,) = re.findall(r'<a class="button" href="([^"]+)">Load the page anew</a>', said)
    assert again.replace("&amp;", "&") == address
    event = AuditEvent.objects.get(tag=TAG)
    assert event.details["reference"] == reference(page)
    assert event.details["page"] == "POST /sign-in"
    assert event.client_id == "shop"
    assert "attacker" not in str(event.details)
    assert "a wrong guess" not in str(event.details)


def test_programs_get_json_where_people_get_pages():
    for path, kind in (
        ("/nowhere", "text/html; charset=utf-8"),
        ("/oauth2/nowhere", "application/json"),
        ("/api/v1/nowhere", "application/problem+json"),
    ):
        answer = Browser().get(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, kind)
        assert b"<code>" not in answer.content
    assert events() == 0


# As Firefox and Chromium write it for a page that somebody opens.
PEOPLE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("method", "path", "status", "heading"),
    [
        ("get", "/nowhere", 404, "There is nothing here"),
        ("get", "/oauth2/nowhere", 404, "There is nothing here"),
        ("get", "/api/v1/nowhere", 404, "There is nothing here"),
        ("put", "/healthz", 405, "This cannot be done here"),
        ("delete", "/brand/acme.css", 405, "This cannot be done here"),
        ("put", "/oauth2/device", 405, "This link does not work"),
    ],
)
def test_a_browser_gets_a_page_wherever_it_asks(method, path, status, heading):
    answer = getattr(Browser(), method)(path, headers=PEOPLE)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert f"<h1>{heading}</h1>" in answer.content.decode()
    assert ("Allow" in answer.headers) is (status == 405)
    bare = getattr(Browser(), method)(path)
    assert (bare.status_code, bare.headers.get("Allow")) == (status, answer.headers.get("Allow"))


def test_the_page_of_an_outage_is_for_browsers_wherever_they_ask(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("the server is gone")

    monkeypatch.setattr("branding.views.Brand.objects.filter", fail)
    browser = Browser(raise_request_exception=False)
    page = browser.get("/brand/acme.css", headers=PEOPLE)
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert "<h1>We are away for a moment</h1>" in page.content.decode()
    assert browser.get("/brand/acme.css").headers["Content-Type"] == "application/json"
