"""The tab “Tokens” of a client: what it counts and at what cost, and what “revoke all” ends."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from clients_admin.directory import mark
from clients_admin.models import Client
from clients_admin.roles import EDITORS, VIEWERS
from idp.audit.models import AuditEvent
from idp.database.changes import CHANNEL
from idp.database.connections import connect
from tests.configuration import (
    Shopper,
    account,
    basic,
    batch,
    gateway,
    introspected,
    post,
    shop,
)
from tests.test_admin import operator
from tokens import of_client
from tokens.models import AccessToken, AuthorizationCode, RefreshToken
from tokens.of_client import Count

pytestmark = pytest.mark.django_db


def address(client: Client, name: str = "tokens") -> str:
    return reverse(f"admin:clients_admin_client_{name}", args=[client.pk])


def client_token(client_id: str = "batch") -> str:
    form = {"grant_type": "client_credentials"}
    return str(post("/oauth2/token", form, **basic(client_id)).json()["access_token"])


def many_like(token: AccessToken, count: int, *, user_id: int | None) -> None:
    """Living rows of the same client and partition, whose numbers nobody has drawn yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tokens_accesstoken (id, nonce, client_id, user_id, scope, issued_at,"
            " expires_at) SELECT %s + n, n, %s, %s, '*', %s, %s FROM generate_series(1, %s) n",
            [token.pk, token.client_id, user_id, token.issued_at, token.expires_at, count],
        )
        # As autovacuum would: by what other tests have left, a plan would be anybody's guess.
        cursor.execute("ANALYZE tokens_accesstoken")


@pytest.fixture
def shopper(monkeypatch) -> Shopper:
    # Rows that other tests have rolled back fill pages, too.
    monkeypatch.setattr(of_client, "SAMPLED_PAGES", 1_000_000)
    account()
    gateway()
    shop()
    return Shopper()


# --- Counting -------------------------------------------------------------------------------------


def test_a_few_are_counted_one_by_one_and_only_those_that_live(shopper):
    first = shopper.tokens()
    shopper.refresh(first["refresh_token"])
    shopper.tokens()
    counts = of_client.counts(Client.objects.get(client_id="shop"), timezone.now())
    assert counts == of_client.Counts(Count(0), Count(3), Count(2))
    assert counts.are_exact
    batch()
    client_token()
    counts = of_client.counts(Client.objects.get(client_id="batch"), timezone.now())
    assert counts == of_client.Counts(Count(1), Count(0), Count(0))
    later = timezone.now() + timedelta(hours=3)
    counts = of_client.counts(Client.objects.get(client_id="batch"), later)
    assert counts == of_client.Counts(Count(0), Count(0), Count(0))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (Count(0), "0"),
        (Count(10_000), "10,000"),
        (Count(10_001), "more than 10,000"),
        (Count(123, 0.01), "about 12,000"),
        (Count(0, 0.01), "fewer than about 300"),
    ],
)
def test_a_count_says_how_well_it_is_known(count, text):
    assert str(count) == text


def test_tokens_of_the_client_itself_are_counted_no_further_than_shown(monkeypatch):
    client = batch()
    client_token()
    many_like(AccessToken.objects.get(), 100, user_id=None)
    monkeypatch.setattr(of_client, "COUNTED", 10)
    assert str(of_client.counts(client, timezone.now()).own) == "more than 10"


def test_a_count_reads_a_bounded_number_of_rows_however_many_there_are(shopper, monkeypatch):
    shopper.tokens()
    client = Client.objects.get(client_id="shop")
    token = AccessToken.objects.get()
    many_like(token, 40_000, user_id=token.user_id)
    monkeypatch.setattr(of_client, "SAMPLED_PAGES", 20)
    with CaptureQueriesContext(connection) as captured:
        counts = of_client.counts(client, timezone.now())
    assert len(captured) == 5
    assert 0 < counts.of_users.share < 0.1
    assert 10_000 < counts.of_users.found / counts.of_users.share < 160_000
    assert str(counts.of_users).startswith("about ")
    for query in captured:
        if " FROM tokens_" in query["sql"]:
            assert sum(rows_read(query["sql"])) < 10_000


def rows_read(query: str):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
        (explained,) = cursor.fetchone()
    (plan,) = json.loads(explained) if isinstance(explained, str) else explained
    pending = [plan["Plan"]]
    while pending:
        node = pending.pop()
        pending += node.get("Plans", [])
        if "Relation Name" in node:
            assert node["Node Type"] != "Seq Scan" or not node["Actual Rows"]
            yield node["Actual Rows"] + node.get("Rows Removed by Filter", 0)


def test_the_page_costs_the_same_queries_however_many_tokens_there_are(shopper):
    editor = operator("eddy", EDITORS)
    client = Client.objects.get(client_id="shop")
    shopper.tokens()
    editor.get(address(client))  # What is cached for good is read now.
    with CaptureQueriesContext(connection) as few:
        assert editor.get(address(client)).status_code == 200
    token = AccessToken.objects.get()
    many_like(token, 5_000, user_id=token.user_id)
    with CaptureQueriesContext(connection) as many:
        html = editor.get(address(client)).content.decode()
    assert len(many) == len(few)
    assert "5,001" in html
    assert "Counted just now." in html


def test_the_page_says_that_it_has_only_sampled(shopper, monkeypatch):
    monkeypatch.setattr(of_client, "SAMPLED_PAGES", 0.01)
    shopper.tokens()
    viewer = operator("vera", VIEWERS)
    html = viewer.get(address(Client.objects.get(client_id="shop"))).content.decode()
    assert "about " in html
    assert "reckoned from a sample" in html


# --- Ending ---------------------------------------------------------------------------------------


def test_an_editor_revokes_all_tokens_of_one_client_and_no_others(shopper, monkeypatch):
    monkeypatch.setattr(of_client, "BATCH", 2)
    client = Client.objects.get(client_id="shop")
    shop("other")
    batch()
    ended = [shopper.tokens() for _ in range(3)]
    code = shopper.code()
    others = [Shopper("other").tokens()["access_token"], client_token()]
    editor = operator("eddy", EDITORS)
    page = editor.get(address(client, "revoke"))
    assert page.status_code == 200
    assert RefreshToken.objects.filter(client=client).count() == 3

    answer = editor.post(address(client, "revoke"))

    assert answer["Location"] == address(client)
    assert [introspected(tokens["access_token"]) for tokens in ended] == [{"active": False}] * 3
    for tokens in ended:
        assert shopper.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert shopper.exchange(code).json()["error"] == "invalid_grant"
    assert [introspected(token)["active"] for token in others] == [True, True]
    for model in (AccessToken, RefreshToken, AuthorizationCode):
        assert not model.objects.filter(client=client).exists()
    events = AuditEvent.objects.filter(tag="tokens:client:ended")
    assert {(event.client_id, event.actor) for event in events} == {("shop", "eddy (operators)")}
    assert sum(event.details["rows"] for event in events) == 10  # with the codes that were used
    assert max(event.details["rows"] for event in events) == 2
    assert "All tokens of this client were revoked (10 rows)." in page_text(editor, answer)
    assert introspected(Shopper().tokens()["access_token"])["active"] is True


def page_text(browser, answer) -> str:
    return str(browser.get(answer["Location"]).content.decode())


def test_where_nothing_lives_nothing_is_ended_and_nothing_audited():
    client = batch()
    editor = operator("eddy", EDITORS)
    answer = editor.post(address(client, "revoke"))
    assert "No token of this client was alive." in page_text(editor, answer)
    assert not AuditEvent.objects.filter(tag="tokens:client:ended").exists()


def test_a_viewer_sees_the_counts_and_revokes_nothing(shopper):
    token = shopper.tokens()["access_token"]
    client = Client.objects.get(client_id="shop")
    viewer = operator("vera", VIEWERS)
    html = viewer.get(address(client)).content.decode()
    assert "Refresh tokens that can be used" in html
    assert address(client, "revoke") not in html
    for send in (viewer.get, viewer.post):
        assert send(address(client, "revoke")).status_code == 403
    assert viewer.post(address(client)).status_code == 405
    assert introspected(token)["active"] is True


def test_who_has_no_role_sees_no_tokens(shopper):
    client = Client.objects.get(client_id="shop")
    nobody = operator("nobody")
    for name in ("tokens", "revoke", "explain"):
        assert nobody.get(address(client, name)).status_code == 403
    assert nobody.post(address(client, "revoke")).status_code == 403


def test_a_client_that_is_not_there_is_not_found():
    editor = operator("eddy", EDITORS)
    for name in ("tokens", "revoke", "explain"):
        for missing in (0, 2**31, 2**70):
            page = reverse(f"admin:clients_admin_client_{name}", args=[missing])
            assert editor.get(page).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_all_processes_are_told_to_forget_what_they_keep_of_the_client():
    """Each answer that is kept about a token has the mark of its client."""
    client = batch()
    client_token()
    with connect("test listener") as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        of_client.end_all(client, timezone.now())
        told = [notified.payload for notified in listener.notifies(timeout=5, stop_after=1)]
    assert told == [mark(client.pk)]


@pytest.mark.django_db(transaction=True)
def test_a_refresh_that_is_under_way_leaves_no_token_behind(shopper):
    """Its successor may lie where the revocation has looked already."""
    shopper.tokens()
    client = Client.objects.get(client_id="shop")
    old = RefreshToken.objects.get()
    with connect("test refresh") as refresh:
        refresh.execute("BEGIN")
        refresh.execute("SELECT 1 FROM tokens_refreshtoken WHERE id = %s FOR UPDATE", [old.pk])
        with ThreadPoolExecutor(1) as pool:
            revocation = pool.submit(end_all_in_thread, client)
            wait_until_somebody_waits(refresh)
            refresh.execute(
                "INSERT INTO tokens_refreshtoken (id, nonce, client_id, user_id, family, scope,"
                " auth_time, issued_at, expires_at, login_at) SELECT id - 1, nonce, client_id,"
                " user_id, family, scope, auth_time, issued_at, expires_at, login_at"
                " FROM tokens_refreshtoken WHERE id = %s",
                [old.pk],
            )
            refresh.execute("COMMIT")
            assert revocation.result() == 4  # code, access token, refresh token and its successor
    assert not RefreshToken.objects.exists()


def end_all_in_thread(client: Client) -> int:
    try:
        return of_client.end_all(client, timezone.now())
    finally:
        connection.close()


def wait_until_somebody_waits(server) -> None:
    for _ in range(1000):
        (waiting,) = server.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
        if waiting:
            return
        server.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("nobody waits for the row")
