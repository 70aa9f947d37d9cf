"""`/api/v1/blocks`: what is listed in which order, and what lifting does."""

import pytest
from django.db import DataError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clients_admin.roles import VIEWERS
from idp.accounts.login import sign_in
from idp.accounts.models import User
from idp.audit.models import AuditEvent
from idp.blocking import guard
from idp.blocking.models import Block
from tests.api.callers import BOTH, block, call, ended, of_client, of_operator
from tests.configuration import account, login_service

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partition_lists")]

LIST, LIFT = "/api/v1/blocks", "/api/v1/blocks/lift"
HOME, NETWORK = "192.0.2.1", "2001:db8:0:1::/64"


@pytest.fixture
def token():
    return of_client(*BOTH)


def listed(token, query="", key="id"):
    """The blocks of all pages, and how many pages there were."""
    found, path, pages = [], f"{LIST}?{query}", 0
    while path:
        body = call("GET", path, token).json()
        assert set(body) == {"results", "next"}, body
        found += [row[key] for row in body["results"]]
        path = (body["next"] or "").removeprefix("http://127.0.0.1:8000")
        pages += 1
    return found, pages


def block_jane():
    service = login_service()
    account("jane", service)
    for _ in range(10):
        sign_in([service], "jane", "wrong")
    return Block.objects.get(kind="user")


# --- Looking --------------------------------------------------------------------------------------


def test_a_block_says_why_and_until_when(token):
    made = block()
    answer = call("GET", f"{LIST}/{made.pk}", token)
    assert answer.json() == {
        "id": made.pk,
        "kind": "address",
        "effect": "refuse",
        "state": "active",
        "label": HOME,
        "reason": "many names failed (password)",
        "network_profile": "default",
        "client_id": "",
        "attempts": 10,
        "names": ["jane", "j•••"],
        "name_count": 10,
        "created_at": made.created_at.isoformat().replace("+00:00", "Z"),
        "until": made.until.isoformat().replace("+00:00", "Z"),
        "ended_at": None,
        "ended_by": None,
    }
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_one_that_has_run_out_has_ended_by_time(token):
    """Also where nothing has written that down yet."""
    made = ended()
    body = call("GET", f"{LIST}/{made.pk}", token).json()
    assert (body["state"], body["ended_by"]) == ("ended", "time")
    assert body["ended_at"] == body["until"]


def test_those_that_live_come_first_and_of_each_the_newest(token):
    now = timezone.now()
    old = block("192.0.2.1")
    over = ended("192.0.2.2")
    lifted = block("192.0.2.3", ended_at=now, ended_by="somebody")
    new = block("192.0.2.4")
    assert listed(token) == ([new.pk, old.pk, lifted.pk, over.pk], 1)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 7, 200])
def test_pages_are_the_list_in_pieces(token, limit):
    for number in range(3):
        block(f"192.0.2.{number}")
        ended(f"203.0.113.{number}")
    whole, _ = listed(token)
    assert len(set(whole)) == 6
    assert listed(token, f"limit={limit}") == (whole, max(1, -(-6 // limit)))


def test_what_ends_or_begins_between_two_pages_moves_nothing(token):
    blocks = [block(f"192.0.2.{number}") for number in range(4)]
    first = call("GET", f"{LIST}?limit=2", token).json()
    for made in blocks[1:3]:
        call("POST", f"{LIST}/{made.pk}/lift", token)
    block("192.0.2.9")
    second = call("GET", first["next"].removeprefix("http://127.0.0.1:8000"), token).json()
    rows = [*first["results"], *second["results"]]
    assert [row["label"] for row in rows] == [f"192.0.2.{number}" for number in (3, 2, 1, 0)]
    # What a row says of itself is as of now.
    assert [row["state"] for row in second["results"]] == ["ended", "active"]
    assert second["next"] is None


def test_filters(token, blocking):
    now = timezone.now()
    block("192.0.2.1")
    ended("192.0.2.1", ended_at=now, ended_by="time")
    block("192.0.2.2", effect="shadow")
    block("192.0.2.3", effect="warning", client_id="portal")
    block(NETWORK)
    block("192.0.2.5", ended_at=now, ended_by="somebody")
    block_jane()

    def labels(query):
        return sorted(listed(token, query, "label")[0])

    assert len(labels("")) == 7
    assert labels("kind=user") == ["jane (acme-web)"]
    assert labels("effect=shadow") == ["192.0.2.2"]
    assert labels("effect=warning&kind=address") == ["192.0.2.3"]
    assert labels("state=ended") == ["192.0.2.1", "192.0.2.5"]
    assert labels("state=active&address=192.0.2.1") == ["192.0.2.1"]
    assert labels("address=192.0.2.1") == ["192.0.2.1"] * 2
    assert labels("address=2001:db8:0:1::17") == labels("address=2001:db8:0:1::/64") == [NETWORK]
    assert labels("login_service=acme-web&user_name=JANE") == ["jane (acme-web)"]
    assert labels("login_service=acme-web&user_name=john") == []
    assert labels("state=ended&kind=user") == []


def test_a_state_that_is_asked_for_is_paged_too(token):
    made = [ended(f"192.0.2.{number}") for number in range(3)]
    block("192.0.2.7")
    assert listed(token, "state=ended&limit=1") == ([row.pk for row in reversed(made)], 3)
    assert listed(token, "state=active&limit=1")[1] == 1


def test_the_next_page_is_at_our_own_address_whatever_the_host_header_says(token):
    for number in range(2):
        block(f"192.0.2.{number}")
    answer = call("GET", f"{LIST}?limit=1&kind=address", token, HTTP_HOST="localhost")
    assert answer.json()["next"].startswith(
        "http://127.0.0.1:8000/api/v1/blocks?limit=1&kind=address&cursor="
    )


@pytest.mark.parametrize("path", [LIST, f"{LIST}?limit=200", f"{LIST}?state=active"])
def test_queries_do_not_grow_with_the_list(token, path):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert call("GET", path, token).status_code == 200
        return len(captured)

    block("192.0.2.1")
    ended("192.0.2.2")
    few = queries()
    for number in range(100):
        block(f"198.51.100.{number}")
        ended(f"203.0.113.{number}")
    assert queries() <= few


def test_an_unknown_block_is_not_found(token):
    for method, path in (("GET", f"{LIST}/17"), ("POST", f"{LIST}/17/lift")):
        answer = call(method, path, token)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.headers["Content-Type"] == "application/problem+json"


# --- Lifting --------------------------------------------------------------------------------------


def test_lifting_ends_a_block_at_once_and_is_audited(token, settings):
    settings.BLOCKING = "on"
    made = block()
    assert guard.blocked(HOME, timezone.now())
    body = call("POST", f"{LIST}/{made.pk}/lift", token).json()
    assert body["was_lifted"] is True
    assert (body["block"]["state"], body["block"]["ended_by"]) == ("ended", "client operations")
    assert guard.blocked(HOME, timezone.now()) is None
    made.refresh_from_db()
    assert made.ended_by == "client operations"
    event = AuditEvent.objects.get(tag="blocking:address:unblocked")
    assert (event.actor, event.details["subject"]) == ("client operations", HOME)


def test_lifting_once_more_changes_nothing_and_says_so(token):
    made = block()
    first = call("POST", f"{LIST}/{made.pk}/lift", token).json()
    again = call("POST", f"{LIST}/{made.pk}/lift", token)
    assert (again.status_code, again.json()) == (200, {**first, "was_lifted": False})
    assert AuditEvent.objects.filter(tag="blocking:address:unblocked").count() == 1
    over = ended("192.0.2.2")
    assert call("POST", f"{LIST}/{over.pk}/lift", token).json()["was_lifted"] is False
    over.refresh_from_db()
    assert over.ended_at is None


def test_an_operator_is_named_with_the_client_that_they_used():
    made = block()
    call("POST", f"{LIST}/{made.pk}/lift", of_operator(VIEWERS, *BOTH))
    made.refresh_from_db()
    assert made.ended_by == "vera (operators), client console"


@pytest.mark.plants_secrets("for a directory may call somebody like a token")
def test_an_operator_who_is_called_like_a_token_lifts_all_the_same():
    """No event may hold what looks like one."""
    made, token = block(), of_operator(VIEWERS, *BOTH)
    User.objects.update(username="at_" + "A" * 44)
    assert call("POST", f"{LIST}/{made.pk}/lift", token).status_code == 200
    assert AuditEvent.objects.get(tag="blocking:address:unblocked").actor == (
        "… (operators), client console"
    )


@pytest.mark.parametrize("said", [HOME, f"::ffff:{HOME}"])
def test_all_blocks_of_an_address_are_lifted(token, said):
    ours = [block(), block(effect="shadow")]
    other = block("192.0.2.2")
    body = call("POST", LIFT, token, {"address": said}).json()
    assert [row["id"] for row in body["lifted"]] == [made.pk for made in ours]
    assert {row["state"] for row in body["lifted"]} == {"ended"}
    assert call("POST", LIFT, token, {"address": said}).json() == {"lifted": []}
    assert listed(token, "state=active")[0] == [other.pk]


@pytest.mark.parametrize("said", ["2001:db8:0:1::17", NETWORK])
def test_of_ipv6_the_network_is_lifted(token, said):
    made = block(NETWORK)
    body = call("POST", LIFT, token, {"address": said}).json()
    assert [row["id"] for row in body["lifted"]] == [made.pk]


def test_a_user_is_lifted_in_any_spelling(token, blocking):
    made = block_jane()
    order = {"login_service": "acme-web", "user_name": " JANE "}
    assert call("POST", LIFT, token, {**order, "user_name": "john"}).json() == {"lifted": []}
    body = call("POST", LIFT, token, order).json()
    assert [row["id"] for row in body["lifted"]] == [made.pk]
    assert AuditEvent.objects.get(tag="blocking:user:unblocked").actor == "client operations"


def test_where_the_audit_fails_nothing_is_lifted(token, monkeypatch):
    made = [block(), block(effect="shadow")]
    calls = []

    def record(*_, **__):
        calls.append(1)
        if len(calls) == 2:
            raise DataError

    monkeypatch.setattr("idp.blocking.blocks.record", record)
    with pytest.raises(DataError):
        call("POST", LIFT, token, {"address": HOME})
    for row in made:
        row.refresh_from_db()
        assert row.ended_at is None
