"""Saying an access token again: client flags `access_token_reuse` and its bounds, over HTTP."""

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clients_admin.models import Client
from tests.configuration import (
    Shopper,
    account,
    basic,
    batch,
    gateway,
    introspected,
    post,
    returned,
    shop,
)
from tokens.models import AccessToken

pytestmark = pytest.mark.django_db

NOON = "2026-06-01T12:00:00Z"


@pytest.fixture
def clock():
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def shopper() -> Shopper:
    account()
    gateway()
    shop()
    return Shopper()


def flag(client_id: str, **values: object) -> None:
    Client.objects.filter(client_id=client_id).update(flags={"consent": "never", **values})


def client_token(scope: str = "", client_id: str = "batch") -> dict[str, object]:
    form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
    answer = post("/oauth2/token", form, **basic(client_id))
    assert answer.status_code == 200
    return answer.json()


def test_by_default_each_request_gets_a_token_of_its_own(db):
    batch()
    assert client_token()["access_token"] != client_token()["access_token"]


def test_a_recent_token_is_said_again_for_seconds_only(clock):
    batch(flags={"access_token_reuse": "recent", "reuse_recent_seconds": 5})
    first = client_token()
    clock.shift(4)
    second = client_token()
    assert second == {**first, "expires_in": first["expires_in"] - 4}
    clock.shift(1)
    assert client_token()["access_token"] != first["access_token"]
    assert AccessToken.objects.count() == 2


def test_a_token_is_always_said_again_until_it_is_almost_dead(clock):
    batch(flags={"access_token_reuse": "always", "reuse_min_remaining_seconds": 300})
    first = client_token()
    clock.shift(6900)
    assert client_token()["access_token"] == first["access_token"]
    assert client_token()["expires_in"] == 300
    clock.shift(1)
    second = client_token()
    assert second["access_token"] != first["access_token"]
    assert second["expires_in"] == 7200


def test_a_token_that_ends_this_very_moment_is_not_said_again_whatever_must_remain(clock):
    batch(
        flags={
            "access_token_seconds": 60,
            "access_token_reuse": "always",
            "reuse_min_remaining_seconds": 0,
        }
    )
    first = client_token()
    clock.shift(59)
    assert client_token() == {**first, "expires_in": 1}
    clock.shift(1)
    second = client_token()
    assert second["access_token"] != first["access_token"]
    assert second["expires_in"] == 60


def test_a_flag_is_in_force_for_the_next_request(clock):
    batch()
    first = client_token()
    flag("batch", access_token_reuse="always")
    assert client_token()["access_token"] == first["access_token"]
    flag("batch")
    assert client_token()["access_token"] != first["access_token"]


def test_a_revoked_token_is_never_said_again(clock):
    batch(flags={"access_token_reuse": "always"})
    first = client_token()
    post("/oauth2/revoke", {"token": first["access_token"]}, **basic("batch"))
    assert client_token()["access_token"] != first["access_token"]


def test_a_token_that_outlives_the_present_lifetime_is_not_said_again(clock):
    batch(flags={"access_token_reuse": "always"})
    first = client_token()
    flag("batch", access_token_reuse="always", access_token_seconds=600)
    second = client_token()
    assert second["access_token"] != first["access_token"]
    assert second["expires_in"] == 600


def test_another_scope_or_client_is_another_use_case(clock):
    for client_id in ("batch", "other"):
        batch(client_id, flags={"access_token_reuse": "always"})
    asked = [
        client_token(),
        client_token("orders.read"),
        client_token("orders.read orders.write"),
        client_token(client_id="other"),
    ]
    assert len({token["access_token"] for token in asked}) == 4
    again = client_token("orders.write orders.read")
    assert again["access_token"] == asked[2]["access_token"], "the order of scopes means nothing"


def test_users_never_share_a_token(shopper, clock):
    account("john")
    flag("shop", access_token_reuse="always")
    assert shopper.tokens()["access_token"] != Shopper(username="john").tokens()["access_token"]


def test_two_sessions_of_a_user_share_the_access_token_and_nothing_else(shopper, clock):
    flag("shop", access_token_reuse="always")
    first, second = shopper.tokens(), Shopper().tokens()
    assert second["access_token"] == first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]


def test_a_shared_token_ends_with_the_first_of_its_logins(shopper, clock):
    flag("shop", access_token_reuse="always", refresh_grace_seconds=0)
    first, second = shopper.tokens(), Shopper().tokens()
    form = {"token": second["refresh_token"], "client_id": "shop"}
    assert post("/oauth2/revoke", form).status_code == 200
    assert introspected(first["access_token"]) == {"active": False}
    third = shopper.refresh(first["refresh_token"]).json()
    assert third["access_token"] != first["access_token"]
    assert introspected(third["access_token"])["active"] is True


def test_who_asks_for_a_fresh_sign_in_gets_a_token_that_says_so(shopper, clock):
    flag("shop", access_token_reuse="always")
    first = shopper.tokens()
    clock.shift(60)
    page = shopper.sign_in(shopper.authorize(prompt="login"))
    second = shopper.exchange(returned(page)["code"]).json()
    assert second["access_token"] != first["access_token"]


def test_a_refresh_says_the_same_access_token_again_while_it_is_good(shopper, clock):
    flag("shop", access_token_reuse="always", refresh_rotation="keep")
    first = shopper.tokens()
    clock.shift(600)
    second = shopper.refresh(first["refresh_token"]).json()
    assert second["access_token"] == first["access_token"]
    assert second["expires_in"] == first["expires_in"] - 600


def test_no_login_gets_a_token_that_outlives_it(shopper, clock):
    """The older login ends in an hour, the newer one's token lives for two."""
    rules = {"refresh_expiry": "fixed", "refresh_token_seconds": 4 * 3600}
    flag("shop", access_token_reuse="always", **rules)
    old = shopper.tokens()
    clock.shift(3 * 3600)
    new = Shopper().tokens()
    refreshed = shopper.refresh(old["refresh_token"]).json()
    assert refreshed["access_token"] != new["access_token"]
    assert refreshed["expires_in"] == 3600


@pytest.mark.parametrize("living", [1_000, 20_000])
def test_the_search_reads_one_index_and_few_rows_whatever_else_lives(clock, living):
    batch(flags={"access_token_reuse": "always"})
    client_token()
    token = AccessToken.objects.get()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tokens_accesstoken (id, nonce, client_id, user_id, scope, issued_at,"
            " expires_at) SELECT %s + n, n, %s, nullif(n %% 100, 0), '*', %s, %s"
            " FROM generate_series(1, %s) n",
            [token.pk, token.client_id, token.issued_at, token.expires_at, living],
        )
        cursor.execute("ANALYZE tokens_accesstoken")
    with CaptureQueriesContext(connection) as captured:
        client_token()
    (search,) = [q["sql"] for q in captured if "id DESC LIMIT 1" in q["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {search}")
        plan = cursor.fetchone()[0][0]["Plan"]
    (scan,) = plan["Plans"]
    assert scan["Node Type"] in {"Index Scan", "Index Scan Backward"}
    assert scan["Actual Rows"] == 1
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= 5
