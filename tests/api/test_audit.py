"""`/api/v1/audit` and `/api/v1/flags`: what has happened, and what clients can be set to."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clients_admin.flags import FLAGS
from clients_admin.models import Client
from idp.accounts.models import User
from idp.audit.models import AuditEvent
from idp.audit.record import record
from idp.audit.tags import Tag
from tests.api.callers import call, of_client, of_operator
from tests.api.test_inputs import problem
from tests.configuration import Shopper, account, shop
from tokens.api.rights import READ

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partition_lists")]

AUDIT = "/api/v1/audit"
HOME = "http://127.0.0.1:8000"
MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def token():
    return of_client(READ)


@pytest.fixture
def jane(token):
    shop()
    account()
    Shopper().tokens()
    return User.objects.get(username="jane")


def listed(token, query="", key="id"):
    found, path = [], f"{AUDIT}?{query}"
    while path:
        body = call("GET", path, token).json()
        found += [row[key] for row in body["results"]]
        path = (body["next"] or "").removeprefix(HOME)
    return found


def ids(**filters):
    return [
        str(pk)
        for pk in AuditEvent.objects.filter(**filters).order_by("-id").values_list("pk", flat=True)
    ]


def test_an_event_is_as_the_export_writes_it(jane, token):
    event = AuditEvent.objects.get(tag="accounts:sign_in:accepted")
    answer = call("GET", f"{AUDIT}/{event.pk}", token)
    assert answer.json() == {
        "id": str(event.pk),
        "at": f"{event.at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "tag": "accounts:sign_in:accepted",
        "actor": None,
        "client_id": "shop",
        "user": {"sub": jane.sub, "login_service": "acme-web", "username": "jane"},
        "address": "127.0.0.1",
        "details": event.details,
    }
    for number in ("0", "9" * 18, "9" * 40):
        assert problem(call("GET", f"{AUDIT}/{number}", token), 404)


def test_the_newest_come_first_in_pages(jane, token):
    for number in range(5):
        record(Tag.CLIENTS_SECRET_ADDED, client_id=f"c{number}")
    whole = ids()
    assert len(whole) > 5
    for limit in (1, 2, len(whole), 200):
        assert listed(token, f"limit={limit}") == whole


@pytest.mark.parametrize("name", ["acme-web/jane", "acme-web/JANE", "sub"])
def test_events_of_a_user(jane, token, name):
    query = f"user={jane.sub if name == 'sub' else name}"
    assert listed(token, query) == ids(user_id=jane.pk) != []


def test_filters_narrow_each_other(jane, token):
    record(Tag.CLIENTS_SECRET_ADDED, client_id="shop", address="192.0.2.7", at=MOMENT)
    record(Tag.CLIENTS_SECRET_ENDED, client_id="shop", address="192.0.2.8")
    (old,) = ids(address="192.0.2.7")
    (new,) = ids(address="192.0.2.8")
    assert listed(token, "tag=clients:secret:added&client=shop") == [old]
    assert listed(token, "client=shop") == ids(client_id="shop")
    assert listed(token, "address=192.0.2.7") == [old]
    assert set(listed(token, "address=192.0.2.0/24")) == {old, new}
    assert listed(token, "address=192.0.2.0/24&from=2026-03-01T12:00:01Z") == [new]
    assert listed(token, "to=2026-03-01T12:00:01Z&client=shop") == [old]
    assert listed(token, "to=2026-03-01T12:00:00Z&client=shop") == []
    assert listed(token, "from=2026-03-01T12:00:00Z&to=2026-03-01T13:00:01%2B01:00") == [old]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("tag=x", "tag"),
        ("user=nobody", "user"),
        ("user=%F0%9F%92%A9/x", "user"),
        ("address=x", "address"),
        ("address=192.0.2.1/24", "address"),
        ("from=yesterday", "from"),
        ("to=2026-13-01", "to"),
        ("since=2026-01-01", "since"),
    ],
)
def test_a_filter_that_is_none_is_refused(token, query, parameter):
    (error,) = problem(call("GET", f"{AUDIT}?{query}", token))["errors"]
    assert error["parameter"] == parameter


@pytest.mark.parametrize("parameter", ["from", "to"])
@pytest.mark.parametrize(
    "moment",
    [
        *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00%2B14:00", "1969-12-31T00:00:00Z"),
        *("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_a_moment_that_nobody_can_reckon_with_is_refused(token, parameter, moment):
    (error,) = problem(call("GET", f"{AUDIT}?{parameter}={moment}", token))["errors"]
    assert error["parameter"] == parameter


def test_moments_far_off_are_fine(token):
    assert listed(token, "from=1970-01-02T00:00:00Z&to=9000-01-01T00:00:00Z") == ids()


def test_a_page_costs_the_same_whatever_is_on_it(token):
    def queries():
        with CaptureQueriesContext(connection) as seen:
            assert call("GET", AUDIT, token).status_code == 200
        return len(seen)

    account()
    shop()
    Shopper().tokens()
    queries()
    before = queries()
    for name in ("john", "mary", "vera"):
        account(name)
        Shopper("shop", name).tokens()
    assert queries() == before


def test_an_operator_without_a_role_reads_no_audit():
    assert call("GET", AUDIT, of_operator("", READ)).status_code == 403


def test_the_registry_of_flags(token):
    shown = call("GET", "/api/v1/flags", token).json()["results"]
    assert [row["name"] for row in shown] == [flag.name for flag in FLAGS]
    by_name = {row["name"]: row for row in shown}
    assert by_name["access_token_seconds"] == {
        "name": "access_token_seconds",
        "kind": "seconds",
        "default": 7200,
        "unit": "seconds",
        "minimum": 1,
        "maximum": 30 * int(timedelta(days=1).total_seconds()),
        "choices": [],
        "names_of": None,
        "help": "How long an access token lives.",
    }
    consent = by_name["consent"]
    assert (consent["choices"], consent["minimum"]) == (["never", "remember", "always"], None)
    assert by_name["on_behalf_of_scopes"]["names_of"] == "scope or scope group"
    assert Client.objects.count() == 1
