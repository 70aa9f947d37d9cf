"""The sessions of a user, in the admin: what is shown of them, and what a revocation ends."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from clients_admin.models import Client
from clients_admin.roles import EDITORS, VIEWERS
from idp.accounts.models import User
from idp.audit.models import AuditEvent
from tests.configuration import (
    EXCHANGE,
    PASSWORD,
    Shopper,
    account,
    basic,
    client,
    gateway,
    introspected,
    login_service,
    portal,
    post,
    shop,
    trust,
)
from tests.issuers import Signer
from tests.test_admin import operator
from tokens import logins
from tokens.models import AccessToken, RefreshToken

pytestmark = pytest.mark.django_db

NOON = "2026-06-01T12:00:00Z"


@pytest.fixture
def shopper() -> Shopper:
    account()
    gateway()
    shop()
    return Shopper()


def jane() -> User:
    return User.objects.get(username="jane")


def address(user: User, name: str = "sessions") -> str:
    return reverse(f"admin:idp_user_{name}", args=[user.pk])


def refusal(answer) -> str:
    return str(answer.json()["error"])


# --- What is shown --------------------------------------------------------------------------------


def test_each_login_has_its_client_its_times_and_how_it_was_had(shopper):
    with time_machine.travel(NOON, tick=False) as clock:
        begun = timezone.now()
        first = shopper.tokens()
        clock.shift(timedelta(hours=1))
        shopper.refresh(first["refresh_token"])
        clock.shift(timedelta(minutes=10))
        (login,) = logins.of(jane(), timezone.now()).found
        token = RefreshToken.objects.get(rotated_at=None)
        assert login == logins.Login(
            client=Client.objects.get(client_id="shop"),
            key=token.family,
            since=begun,
            last_token_at=begun + timedelta(hours=1),
            until=begun + timedelta(hours=1, days=90),
            moves=True,
            how="signed in on our page, or let a device in",
        )
        clock.shift(timedelta(days=91))
        assert logins.of(jane(), timezone.now()) == logins.Logins([], are_all=True)


def test_a_password_and_a_login_with_a_fixed_end_are_said(shopper):
    flags = {"allow_password_grant": True, "refresh_expiry": "fixed"}
    grants = ["password", "refresh_token"]
    client("legacy", "orders.read", grant_types=grants, login_services=[login_service()],
           flags=flags)  # fmt: skip
    form = {"grant_type": "password", "username": "jane", "password": PASSWORD}
    assert post("/oauth2/token", form, **basic("legacy")).status_code == 200
    (login,) = logins.of(jane(), timezone.now()).found
    assert (login.how, login.moves) == ("the client sent the password", False)


def test_a_trusted_issuer_is_named():
    signer = Signer("https://sso.example", "https://id.example")
    trust(signer)
    portal()
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": signer.sign(),
    }
    answer = post("/oauth2/token", form, **basic("portal"))
    assert answer.status_code == 200, answer.content
    (login,) = logins.of(User.objects.get(), timezone.now()).found
    assert login.how == f"the JWT of a trusted issuer ({signer.issuer})"


def test_what_a_client_has_on_behalf_of_a_user_is_no_login(shopper):
    shopper.tokens()
    flags = {"on_behalf_of_login_services": ["acme-web"], "on_behalf_of_scopes": ["orders.read"]}
    agent = client("agent", "orders.read", grant_types=[EXCHANGE], flags=flags)
    form = {
        "grant_type": EXCHANGE,
        "subject_token": f"acme-web:{jane().external_id}",
        "subject_token_type": "urn:idp:params:oauth:token-type:user-reference",
    }
    token = post("/oauth2/token", form, **basic("agent")).json()["access_token"]
    found = {login.client.client_id: login for login in logins.of(jane(), timezone.now()).found}
    assert set(found) == {"shop", "agent"}
    assert (found["agent"].key, found["agent"].how) == (None, logins.ON_BEHALF)
    editor = operator("eddy", EDITORS)
    editor.post(address(jane(), "revoke"), {"login": f"{agent.pk}-"})
    assert introspected(token) == {"active": False}
    assert [login.client.client_id for login in logins.of(jane(), timezone.now()).found] == ["shop"]


def test_a_login_without_its_event_says_that_it_is_not_known(shopper, monkeypatch):
    shopper.tokens()
    monkeypatch.setattr(logins, "MAX_EVENTS", 0)
    (login,) = logins.of(jane(), timezone.now()).found
    assert login.how == logins.NOT_KNOWN


def test_a_user_with_too_many_tokens_is_told_apart(shopper, monkeypatch):
    shopper.tokens()
    shopper.tokens()
    assert logins.of(jane(), timezone.now()).are_all
    monkeypatch.setattr(logins, "MAX_ROWS", 1)
    assert not logins.of(jane(), timezone.now()).are_all
    html = operator("vera", VIEWERS).get(address(jane())).content.decode()
    assert "there may be more sessions" in html


def test_the_search_reads_one_users_rows_by_their_index_and_no_dead_partition(shopper):
    shopper.tokens()
    token, refresh_token = AccessToken.objects.get(), RefreshToken.objects.get()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tokens_accesstoken (id, nonce, client_id, user_id, scope, issued_at,"
            " expires_at) SELECT %s + n, n, %s, %s + n, '*', %s, %s"
            " FROM generate_series(1, 20000) n",
            [token.pk, token.client_id, token.user_id, token.issued_at, token.expires_at],
        )
        cursor.execute("ANALYZE tokens_accesstoken")
    with CaptureQueriesContext(connection) as captured:
        logins.of(jane(), timezone.now())
    statement = next(q["sql"] for q in captured if "WITH living" in q["sql"])
    scans = list(scans_of(statement))
    read = [scan for scan in scans if scan["Actual Rows"]]
    assert {scan["Node Type"] for scan in read} <= {"Index Scan", "Bitmap Heap Scan", "Seq Scan"}
    (of_access_tokens,) = [s for s in read if s["Relation Name"].startswith("tokens_access")]
    assert of_access_tokens["Node Type"] != "Seq Scan"
    assert of_access_tokens["Actual Rows"] == 1
    assert not of_access_tokens.get("Rows Removed by Filter")
    living = {token._meta.db_table, refresh_token._meta.db_table}
    today = f"{timezone.now() - timedelta(days=8):%Y%m%d%H}"
    for scan in scans:
        table, _, hour = scan["Relation Name"].rpartition("_")
        assert table in living
        assert hour == "default" or hour > today


def scans_of(statement: str):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        (explained,) = cursor.fetchone()
    (plan,) = json.loads(explained) if isinstance(explained, str) else explained
    pending = [plan["Plan"]]
    while pending:
        node = pending.pop()
        pending += node.get("Plans", [])
        if "Relation Name" in node:
            yield node


def test_the_page_costs_the_same_queries_however_many_logins_there_are(shopper):
    viewer = operator("vera", VIEWERS)
    shopper.tokens()
    viewer.get(address(jane()))  # What is cached for good is read now.
    with CaptureQueriesContext(connection) as one:
        viewer.get(address(jane()))
    for number in range(4):
        shop(f"shop-{number}")
        Shopper(f"shop-{number}").tokens()
        shopper.tokens()
    with CaptureQueriesContext(connection) as many:
        html = viewer.get(address(jane())).content.decode()
    assert len(many) == len(one)
    assert html.count("signed in on our page") == 9


# --- What is ended --------------------------------------------------------------------------------


def test_an_editor_revokes_one_login_and_the_others_live(shopper):
    ended, kept = shopper.tokens(), shopper.tokens()
    family = RefreshToken.objects.order_by("login_at").first().family
    name = f"{Client.objects.get(client_id='shop').pk}-{family}"
    editor = operator("eddy", EDITORS)
    asked = editor.get(address(jane(), "revoke"), {"login": name})
    assert "Revoke this session?" in asked.content.decode()
    answer = editor.post(address(jane(), "revoke"), {"login": name})
    assert answer["Location"] == address(jane())
    assert introspected(ended["access_token"]) == {"active": False}
    assert refusal(shopper.refresh(ended["refresh_token"])) == "invalid_grant"
    assert introspected(kept["access_token"])["active"] is True
    assert shopper.authorize().headers["Location"].startswith("https://shop.example/")
    event = AuditEvent.objects.get(tag="tokens:family:ended")
    assert (event.client_id, event.user_id, event.actor, event.details) == (
        "shop", jane().pk, "eddy (operators)", {"rows": 2},
    )  # fmt: skip


def test_revoke_all_ends_every_token_and_every_browser_session_of_that_user_alone(shopper):
    account("joe")
    joe = Shopper(username="joe")
    tokens, of_joe = shopper.tokens(), joe.tokens()
    editor = operator("eddy", EDITORS)
    editor.post(address(jane(), "revoke"), {"login": "all"})
    assert introspected(tokens["access_token"]) == {"active": False}
    assert refusal(shopper.refresh(tokens["refresh_token"])) == "invalid_grant"
    assert shopper.authorize().headers["Location"].startswith("/sign-in")
    assert introspected(of_joe["access_token"])["active"] is True
    assert joe.authorize().headers["Location"].startswith("https://shop.example/")
    told = AuditEvent.objects.filter(user_id=jane().pk, actor="eddy (operators)")
    assert set(told.values_list("tag", flat=True)) == {
        "accounts:sessions:ended", "tokens:family:signed_out", "tokens:user:ended",
    }  # fmt: skip


@pytest.mark.parametrize(
    "login", ["", "x", "1-2", "99999999999999999999-1", "1-" + 30 * "9", "a\0"]
)
def test_a_session_that_is_not_there_ends_nothing(shopper, login):
    token = shopper.tokens()["access_token"]
    editor = operator("eddy", EDITORS)
    answer = editor.post(address(jane(), "revoke"), {"login": login})
    assert answer["Location"] == address(jane())
    assert "That session has ended already." in editor.get(address(jane())).content.decode()
    assert introspected(token)["active"] is True
    assert not AuditEvent.objects.filter(tag__endswith=":ended", actor="eddy (operators)").exists()


def test_a_viewer_sees_the_sessions_and_revokes_none(shopper):
    token = shopper.tokens()["access_token"]
    viewer = operator("vera", VIEWERS)
    html = viewer.get(address(jane())).content.decode()
    assert "signed in on our page" in html
    assert address(jane(), "revoke") not in html
    (known,) = logins.of(jane(), timezone.now()).found
    for login in ("all", known.name):
        assert viewer.get(address(jane(), "revoke"), {"login": login}).status_code == 403
        assert viewer.post(address(jane(), "revoke"), {"login": login}).status_code == 403
    assert introspected(token)["active"] is True
    assert "/sign-in" not in shopper.authorize().headers["Location"]


def test_the_page_of_the_user_leads_to_the_sessions(shopper):
    shopper.tokens()
    viewer = operator("vera", VIEWERS)
    page = reverse("admin:idp_user_change", args=[jane().pk])
    assert f'href="{address(jane())}"' in viewer.get(page).content.decode()
