"""What operators see of the audit: everything, fast, and with nothing to change it by."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clients_admin.admin.audit import LONGEST_LIST, rows
from clients_admin.models import Client
from clients_admin.roles import EDITORS, VIEWERS
from idp.accounts.models import User
from idp.audit import record as recording
from idp.audit.models import AUDIT_EVENTS, AuditEvent
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.partitioning import partitions
from tests.configuration import login_service

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partition_lists")]

NOW = datetime(2031, 5, 14, 12, tzinfo=UTC)
LIST = "admin:idp_auditevent_changelist"
TAG, OTHER_TAG = Tag.TOKENS_FAMILY_REPLAYED, Tag.BLOCKING_USER_BLOCKED


def operator(role: str) -> Browser:
    user = User.objects.create(
        login_service=login_service("operators"), external_id=role, username=role, is_staff=True
    )
    user.groups.add(Group.objects.get(name=role))
    browser = Browser()
    browser.force_login(user)
    return browser


@pytest.fixture
def viewer() -> Browser:
    return operator(VIEWERS)


@pytest.fixture
def jane() -> User:
    return User.objects.create(login_service=login_service(), external_id="1", username="Jane")


def shown(browser: Browser, **query: str) -> set[int]:
    """The numbers, in their details, of the events on the first page."""
    answer = browser.get(reverse(LIST), query)
    assert answer.status_code == 200, answer
    return set(numbers(answer))


def numbers(page: Any) -> list[int]:
    """Those of the events of a test; the sign-in of its operator has none."""
    found = [event.details.get("n") for event in page.context["cl"].result_list]
    return [number for number in found if number is not None]


def text_of(browser: Browser, **query: str) -> str:
    return browser.get(reverse(LIST), query).content.decode()


# --- Searched ------------------------------------------------------------------------------------


def test_each_field_narrows_and_they_narrow_each_other(viewer, jane):
    record(TAG, at=NOW, client_id="shop", user_id=jane.pk, address="10.1.2.3", n=1)
    record(OTHER_TAG, at=NOW + timedelta(hours=1), client_id="shop", address="10.2.0.1", n=2)
    record(TAG, at=NOW + timedelta(hours=2), client_id="portal", address="2001:db8::7", n=3)
    for query, expected in (
        ({}, {1, 2, 3}),
        ({"tag": TAG}, {1, 3}),
        ({"client": "shop"}, {1, 2}),
        ({"user": "acme-web/jane"}, {1}),
        ({"user": jane.sub}, {1}),
        ({"address": "10.1.2.3"}, {1}),
        ({"address": "10.0.0.0/8"}, {1, 2}),
        ({"address": "2001:db8::/32"}, {3}),
        ({"from": "2031-05-14T13:00"}, {2, 3}),
        ({"before": "2031-05-14T13:00"}, {1}),
        ({"from": "2031-05-14T12:30", "before": "2031-05-14T13:30"}, {2}),
        ({"client": "shop", "tag": TAG}, {1}),
        ({"client": "", "tag": "", "from": ""}, {1, 2, 3}),
    ):
        assert shown(viewer, **query) == expected, query


def test_the_newest_come_first(viewer):
    for n in range(60):
        record(TAG, at=NOW, n=n)
    answer = viewer.get(reverse(LIST))
    assert numbers(answer) == [*range(59, 9, -1)]
    second = viewer.get(reverse(LIST), {"p": "2"})
    assert numbers(second) == [*range(9, -1, -1)]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"user": "nobody"}, "There is no such user."),
        ({"user": "acme-web/nobody"}, "There is no such user."),
        ({"address": "home"}, "does not appear to be an IPv4 or IPv6 network"),
        ({"address": "10.1.0.1/16"}, "has host bits set"),
        ({"from": "yesterday"}, "Enter a valid date/time."),
        ({"before": "2031-13-14T12:00"}, "Enter a valid date/time."),
        ({"tag": "tokens"}, "is not one of the available choices."),
        ({"client": "x" * 256}, "at most 255 characters"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_shows_nothing(viewer, query, problem):
    record(TAG, n=1)
    assert shown(viewer, **query) == set()
    assert problem in text_of(viewer, **query)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"from": "0001-01-01T00:00"}, {1}),
        ({"from": "9999-12-31T23:59"}, set()),
        ({"before": "0001-01-01T00:00"}, set()),
        ({"before": "9999-12-31T23:59"}, {1}),
    ],
)
def test_the_first_and_the_last_moment_that_there_is_are_times_like_others(viewer, query, expected):
    record(TAG, n=1)
    assert shown(viewer, **query) - {None} == expected


def test_tags_are_grouped_by_their_source(viewer):
    page = text_of(viewer)
    assert page.count("<optgroup") == len({tag.source for tag in Tag})
    assert all(f'value="{tag}"' in page for tag in Tag)


@pytest.mark.parametrize(
    "query", ["tag__contains=a", "details__n=1", "at__year=2031", "address__gt=1.1.1.1"]
)
def test_a_lookup_typed_into_the_address_is_refused(viewer, query):
    assert viewer.get(f"{reverse(LIST)}?{query}").status_code == 400


@pytest.mark.parametrize("page", [LONGEST_LIST // 50 + 1, 9**20, -1, "x"])
def test_no_page_is_too_far_back_to_be_found(viewer, page):
    record(TAG, n=1)
    assert viewer.get(reverse(LIST), {"p": str(page)}, follow=True).status_code == 200
    asked = [query["sql"] for query in captured(viewer, p=str(page))]
    assert not [sql for sql in asked if f"OFFSET {LONGEST_LIST}" in sql]


# --- Fast ----------------------------------------------------------------------------------------


@pytest.fixture
def many(jane: User) -> None:
    """20,000 events in one partition, a second apart; every 200th is Jane's at the shop."""
    partitions.make_ahead(AUDIT_EVENTS, NOW)
    recording.known.refresh()
    record(TAG, at=NOW, n=0)
    partition = AUDIT_EVENTS.partition(AUDIT_EVENTS.bucket_of(NOW))
    rare = f"'{OTHER_TAG}', {jane.pk}, 'shop', '10.1.0.7'::inet"
    with connection.cursor() as cursor:
        for condition, columns in (("> 0", f"'{TAG}', null, null, '10.2.0.1'"), ("= 0", rare)):
            cursor.execute(
                f"INSERT INTO {partition} (id, at, tag, user_id, client_id, address)"
                f" SELECT id + n, at + n * interval '1 second', {columns}"
                f" FROM {AUDIT_EVENTS.name}, generate_series(1, 20000) n"
                f" WHERE details = '{{\"n\": 0}}' AND n % 200 {condition}"
            )
        cursor.execute(f"ANALYZE {partition}")


def captured(browser: Browser, **query: str) -> list[dict[str, str]]:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        browser.get(reverse(LIST), query)
    return [query for query in queries.captured_queries if "idp_auditevent" in query["sql"]]


def scans(sql: str) -> list[dict[str, Any]]:
    """What reads the partition, as PostgreSQL has carried it out."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}".replace("%", "%%"))
        (explained,) = cursor.fetchone()
    (plan,) = json.loads(explained) if isinstance(explained, str) else explained
    pending, found = [plan["Plan"]], []
    while pending:
        node = pending.pop()
        pending += node.get("Plans", [])
        name = node.get("Index Name", node.get("Relation Name", ""))
        if name.startswith(AUDIT_EVENTS.partition(AUDIT_EVENTS.bucket_of(NOW))):
            found.append(node)
    return found


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({}, "pkey"),
        ({"tag": OTHER_TAG}, "tag_id_idx"),
        ({"user": "acme-web/jane"}, "user_id_id_idx"),
        ({"client": "shop"}, "client_id_id_idx"),
        ({"address": "10.1.0.7"}, "address_id_idx"),
        ({"address": "10.1.0.0/16"}, "address_id_idx"),
        ({"from": "2031-05-14T13:00", "before": "2031-05-14T14:00"}, "pkey"),
        ({"tag": OTHER_TAG, "before": "2031-05-14T14:00"}, "tag_id_idx"),
        ({"client": "shop", "from": "2031-05-14T13:00"}, "client_id_id_idx"),
    ],
)
def test_a_list_is_read_from_one_index_and_hardly_more_than_is_shown(viewer, many, query, index):
    asked = captured(viewer, **query)
    (listing,) = [query["sql"] for query in asked if "details" in query["sql"]]
    found = scans(listing)
    partition = AUDIT_EVENTS.partition(AUDIT_EVENTS.bucket_of(NOW))
    assert {scan["Index Name"] for scan in found} == {f"{partition}_{index}"}
    read = sum(
        scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
        for scan in found
        if "Index Name" in scan
    )
    assert read <= 1000  # A quarter of an hour beyond the range, and the hundred of Jane.
    assert not [query for query in asked if "COUNT(" in query["sql"]]


def test_a_page_of_the_list_asks_as_little_however_long_it_is(viewer, jane):
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            viewer.get(reverse(LIST))
        return len(asked)

    record(TAG, client_id="shop", user_id=jane.pk)
    one = queries()
    for _ in range(40):
        record(TAG, client_id="shop", user_id=jane.pk)
    assert queries() == one


# --- Read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [VIEWERS, EDITORS])
def test_an_event_is_read_by_all_operators_and_changed_by_none(role):
    browser = operator(role)
    record(TAG, n=1)
    event = AuditEvent.objects.get(tag=TAG)
    address = reverse("admin:idp_auditevent_change", args=[event.pk])
    assert browser.get(address).status_code == 200
    assert browser.post(address, {"tag": "x"}).status_code == 403
    assert browser.get(reverse("admin:idp_auditevent_add")).status_code == 403
    assert browser.get(reverse("admin:idp_auditevent_delete", args=[event.pk])).status_code == 403
    assert browser.get(reverse("admin:index")).content.decode().count(reverse(LIST)) > 0


def test_an_operator_without_a_role_sees_nothing():
    browser = operator(VIEWERS)
    User.objects.get(username=VIEWERS).groups.clear()
    assert browser.get(reverse(LIST)).status_code == 403


def test_the_page_of_an_event_has_all_of_it_with_links(viewer, jane):
    client = Client.objects.create(client_id="shop", name="Shop", client_type="public")
    record(
        TAG,
        at=NOW,
        client_id="shop",
        user_id=jane.pk,
        address="10.1.2.3",
        actor="vera (operators)",
        scopes=["a", "b"],
        changed={"access_token_seconds": [60, 120], "first_party": True},
        text="<script>",
    )
    event = AuditEvent.objects.get(tag=TAG)
    address = reverse("admin:idp_auditevent_change", args=[event.pk])
    page = viewer.get(address).content.decode()
    for text in (
        "2031-05-14 12:00:00",
        str(TAG),
        TAG.meaning,
        "10.1.2.3",
        "vera (operators)",
        reverse("admin:clients_admin_client_change", args=[client.pk]),
        reverse("admin:idp_user_change", args=[jane.pk]),
        '<th scope="row">scopes</th><td>a, b</td>',
        "60, 120",
        "&lt;script&gt;",
    ):
        assert text in page, text
    assert "<script>&lt;" not in page
    listed = text_of(viewer)
    assert reverse("admin:clients_admin_client_change", args=[client.pk]) in listed
    assert address in listed


def test_who_is_no_more_is_named_without_a_link(viewer):
    record(TAG, client_id="gone", user_id=123456789)
    page = text_of(viewer)
    assert "gone" in page
    assert "123456789" in page


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({}, []),
        ({"a": 1, "b": None, "c": False}, [("a", "1"), ("b", "none"), ("c", "no")]),
        ({"a": {"b": {"c": "x"}}}, [("a.b.c", "x")]),
        ({"a": [1, "x", None]}, [("a", "1, x, none")]),
        ({"a": [{"b": 1}, [2]]}, [("a.1.b", "1"), ("a.2", "2")]),
        ({"a": [], "b": {}}, [("a", "none"), ("b", "none")]),
    ],
)
def test_details_are_rows_of_a_table(details, expected):
    assert list(rows(details)) == expected
