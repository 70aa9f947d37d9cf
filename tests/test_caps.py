"""The caps on living tokens of a use-case: what the job ends, what it reads, what it remembers."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clients_admin.models import Client
from idp.audit.models import AuditEvent
from idp.partitioning.tables import SEQUENCE_BITS
from tests.configuration import Shopper, account, basic, batch, gateway, introspected, post, shop
from tokens import caps, issue, watermark
from tokens.models import AccessToken, RefreshToken, Watermark

NOON = "2026-06-01T12:00:00Z"


@pytest.fixture
def clock(db):
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def shopper(clock) -> Shopper:
    account()
    gateway()
    shop()
    return Shopper()


def flag(client_id: str, **values: object) -> None:
    Client.objects.filter(client_id=client_id).update(flags={"consent": "never", **values})


def client_tokens(count: int, scope: str = "", client_id: str = "batch") -> list[str]:
    form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
    return [
        post("/oauth2/token", form, **basic(client_id)).json()["access_token"] for _ in range(count)
    ]


def alive(tokens: list[str]) -> list[bool]:
    return [introspected(token)["active"] for token in tokens]


def settled(clock) -> None:
    """Everything so far is looked at, and nothing can appear behind the watermark any more."""
    for _ in range(2):
        caps.enforce()
        clock.shift(watermark.SETTLED_AFTER)
    caps.enforce()


# --- What it ends --------------------------------------------------------------------------------


def test_of_more_than_eight_access_tokens_the_oldest_end(clock):
    batch()
    gateway()
    tokens = client_tokens(11)
    assert caps.enforce()["access_token"] == 3
    assert alive(tokens) == [False] * 3 + [True] * 8
    assert caps.enforce()["access_token"] == 0


def test_the_oldest_is_the_first_issued_and_not_the_first_to_expire(clock):
    batch(flags={"max_access_tokens": 2})
    gateway()
    long_lived = client_tokens(1)
    flag("batch", max_access_tokens=2, access_token_seconds=60)
    tokens = long_lived + client_tokens(2)
    caps.enforce()
    assert alive(tokens) == [False, True, True]


def test_expired_tokens_are_not_counted(clock):
    batch(flags={"max_access_tokens": 2, "access_token_seconds": 60})
    gateway()
    client_tokens(2)
    clock.shift(60)
    tokens = client_tokens(2)
    assert caps.enforce()["access_token"] == 0
    assert alive(tokens) == [True, True]


def test_each_scope_and_each_client_has_a_cap_of_its_own(clock):
    batch(flags={"max_access_tokens": 1})
    batch("other", flags={"max_access_tokens": 3})
    gateway()
    whole, narrow = client_tokens(2), client_tokens(2, "orders.read")
    others = client_tokens(4, client_id="other")
    assert caps.enforce()["access_token"] == 3
    assert alive(whole + narrow) == [False, True, False, True]
    assert alive(others) == [False, True, True, True]


def test_without_a_limit_none_ends(clock):
    batch(flags={"max_access_tokens": 0})
    client_tokens(12)
    assert caps.enforce()["access_token"] == 0
    assert AccessToken.objects.count() == 12


def test_on_the_ninth_device_the_login_that_was_used_longest_ago_ends(shopper):
    logins = [Shopper().tokens() for _ in range(9)]
    first = shopper.refresh(logins[0]["refresh_token"]).json()  # The first device is in use.
    assert caps.enforce()["family"] == 1
    assert introspected(logins[1]["access_token"]) == {"active": False}
    assert shopper.refresh(logins[1]["refresh_token"]).json()["error"] == "invalid_grant"
    for login in [first, *logins[2:]]:
        assert shopper.refresh(login["refresh_token"]).status_code == 200


def test_rotated_refresh_tokens_are_not_counted(shopper):
    flag("shop", max_refresh_tokens=1, max_access_tokens=0)
    tokens = shopper.tokens()
    for _ in range(5):
        tokens = shopper.refresh(tokens["refresh_token"]).json()
    assert caps.enforce()["family"] == 0
    assert RefreshToken.objects.count() == 6


def test_a_refresh_makes_no_work_for_the_cap_on_logins(shopper, clock):
    tokens = shopper.tokens()
    settled(clock)
    shopper.refresh(tokens["refresh_token"])
    with CaptureQueriesContext(connection) as captured:
        caps.enforce()
    assert not any("unnest" in q["sql"] and "rotated_at" in q["sql"] for q in captured)


def test_an_access_token_that_the_cap_ended_logs_nobody_out_within_the_grace_time(shopper):
    flag("shop", max_access_tokens=1)
    first = shopper.tokens()
    lost = shopper.refresh(first["refresh_token"]).json()
    Shopper().tokens()
    caps.enforce()
    assert introspected(lost["access_token"]) == {"active": False}
    again = shopper.refresh(first["refresh_token"]).json()
    assert again["refresh_token"] == lost["refresh_token"]
    assert introspected(again["access_token"])["active"] is True
    assert shopper.refresh(first["refresh_token"]).json()["access_token"] == again["access_token"]


def test_a_changed_cap_is_in_force_with_the_next_token_of_the_use_case(clock):
    batch(flags={"max_access_tokens": 0})
    client_tokens(5)
    settled(clock)
    flag("batch", max_access_tokens=2)
    assert caps.enforce()["access_token"] == 0, "nothing new, so nothing is looked at"
    client_tokens(1)
    assert caps.enforce()["access_token"] == 4
    assert AccessToken.objects.count() == 2


def test_tokens_of_a_deleted_client_are_left_to_their_partition(clock):
    batch()
    client_tokens(9)
    Client.objects.all().delete()
    assert caps.enforce()["access_token"] == 0


# --- What it says --------------------------------------------------------------------------------


def test_one_audit_event_for_each_use_case_whose_access_tokens_ended(clock):
    batch(flags={"max_access_tokens": 1})
    client_tokens(3)
    client_tokens(2, "orders.read")
    caps.enforce()
    events = AuditEvent.objects.filter(tag="tokens:access_token:evicted").order_by("id")
    assert sorted(event.details["rows"] for event in events) == [1, 2]
    assert {(event.client_id, event.user_id, event.actor) for event in events} == {
        ("batch", None, "caps job")
    }


def test_each_login_that_ended_has_an_audit_event(shopper):
    flag("shop", max_refresh_tokens=1)
    for _ in range(3):
        Shopper().tokens()
    user_id = RefreshToken.objects.first().user_id
    caps.enforce()
    events = AuditEvent.objects.filter(tag="tokens:family:evicted")
    assert [(event.client_id, event.user_id) for event in events] == [("shop", user_id)] * 2


# --- What it reads -------------------------------------------------------------------------------


@pytest.mark.parametrize("present", [1_000, 30_000])
def test_the_job_reads_the_new_rows_by_their_keys_whatever_else_lives(clock, present):
    batch()
    client_tokens(1)
    token = AccessToken.objects.get()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tokens_accesstoken (id, nonce, client_id, user_id, scope, issued_at,"
            " expires_at) SELECT %s - n, n, %s, n, '*', %s, %s FROM generate_series(1, %s) n",
            [token.pk, token.client_id, token.issued_at, token.expires_at, present],
        )
        cursor.execute("ANALYZE tokens_accesstoken")
    caps.skip_to_head()
    client_tokens(3)
    with CaptureQueriesContext(connection) as captured:
        caps.enforce()
    for marker, most_rows in ((" UNION ", 3), ("unnest", 4)):
        statement = next(q["sql"] for q in captured if marker in q["sql"])
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
            scans = list(scans_of(cursor.fetchone()[0][0]["Plan"]))
        assert {node["Node Type"] for node in scans} <= {
            "Index Scan", "Bitmap Heap Scan", "Bitmap Index Scan", "Seq Scan"
        }  # fmt: skip
        read = [
            node
            for node in scans
            if (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        ]
        assert read
        assert {node["Node Type"] for node in read} == {"Index Scan"}
        assert sum(node["Actual Rows"] * node["Actual Loops"] for node in read) <= most_rows
        assert not any(node.get("Rows Removed by Filter") for node in read)


def scans_of(plan):
    if "Relation Name" in plan:
        yield plan
    for node in plan.get("Plans", ()):
        yield from scans_of(node)


def test_with_nothing_new_the_job_asks_for_little_and_writes_nothing(clock):
    batch()
    client_tokens(2)
    settled(clock)
    with CaptureQueriesContext(connection) as captured:
        caps.enforce()
    issued = [q["sql"].split()[0] for q in captured if "SAVEPOINT" not in q["sql"]]
    assert set(issued) == {"SELECT"}
    assert len(issued) <= 8


def test_a_long_way_is_gone_in_steps(clock, monkeypatch):
    monkeypatch.setattr(caps, "STEP", 3)
    batch(flags={"max_access_tokens": 2})
    caps.skip_to_head()  # Not all the way since other tests.
    client_tokens(10)
    assert caps.enforce()["access_token"] == 8
    assert AccessToken.objects.count() == 2


# --- What it remembers ---------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("drawn_last", [False, True], ids=["drawn-first", "drawn-last"])
def test_a_token_that_is_committed_late_is_found_all_the_same(drawn_last):
    """Its number was drawn before or after the others', its transaction ended after the job had
    run."""
    client = batch(flags={"max_access_tokens": 1})
    if drawn_last:
        client_tokens(1)
    drawn, may_commit = Event(), Event()

    def write_late() -> None:
        try:
            with transaction.atomic():
                issue.client_token(client, "*", timezone.now())
                drawn.set()
                assert may_commit.wait(30)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(write_late)
        assert drawn.wait(30)
        if not drawn_last:
            client_tokens(1)
        assert caps.enforce()["access_token"] == 0
        assert caps.enforce()["access_token"] == 0
        may_commit.set()
        late.result(30)
    assert AccessToken.objects.count() == 2
    assert caps.enforce()["access_token"] == 1
    # Other databases of the server have transactions, too, which may hold the mark for a while.
    caps.enforce(timezone.now() + watermark.SETTLED_AFTER)
    number = AccessToken.objects.order_by("id").last().pk & ((1 << SEQUENCE_BITS) - 1)
    assert Watermark.objects.get(job="access_token").position == number


@pytest.mark.django_db(transaction=True)
def test_a_failing_step_leaves_nothing_half_done(monkeypatch):
    batch(flags={"max_access_tokens": 1})
    client_tokens(3)
    before = list(Watermark.objects.values())

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the worker is killed here")

    with monkeypatch.context() as patch:
        patch.setattr(watermark, "advance", fail)
        with pytest.raises(RuntimeError, match="killed"):
            caps.enforce()
    assert AccessToken.objects.count() == 3
    assert not AuditEvent.objects.filter(tag="tokens:access_token:evicted").exists()
    assert list(Watermark.objects.values()) == before
    assert caps.enforce()["access_token"] == 2


@pytest.mark.django_db(transaction=True)
def test_what_somebody_holds_is_left_and_looked_at_again():
    batch(flags={"max_access_tokens": 1})
    client_tokens(3)
    oldest = AccessToken.objects.order_by("id").first()
    with psycopg.connect(**connection_parameters()) as other:
        other.execute("SELECT 1 FROM tokens_accesstoken WHERE id = %s FOR UPDATE", [oldest.pk])
        assert caps.enforce()["access_token"] == 1
        assert AccessToken.objects.filter(pk=oldest.pk).exists()
    assert caps.enforce()["access_token"] == 1
    assert not AccessToken.objects.filter(pk=oldest.pk).exists()


def connection_parameters() -> dict[str, object]:
    parameters = connection.get_connection_params()
    return {name: parameters[name] for name in ("dbname", "user", "host", "port", "password")
            if parameters.get(name)}  # fmt: skip


def test_another_process_at_work_is_left_alone(clock):
    batch(flags={"max_access_tokens": 1})
    client_tokens(3)
    with psycopg.connect(**connection_parameters()) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [caps.ADVISORY_LOCK])
        assert caps.enforce() == {"access_token": 0, "family": 0}
    assert caps.enforce()["access_token"] == 2
