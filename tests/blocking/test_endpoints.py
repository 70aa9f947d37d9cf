"""Whatever may be guessed counts against the address, at every endpoint that takes it."""

import pytest
from django.test import Client as Browser

from branding.models import Brand
from idp.accounts import local
from idp.accounts.models import LocalAccount
from idp.audit.models import AuditEvent
from idp.blocking import guard
from idp.blocking.models import Block, NetworkProfile
from tests.configuration import (
    FORM,
    Shopper,
    account,
    basic,
    batch,
    client,
    gateway,
    login_service,
    shop,
)
from tests.configuration import PASSWORD as RIGHT
from tests.issuers import Signer
from tokens.models import AccessToken, RefreshToken

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blocking", "partition_lists")]

HOME, OFFICE = "192.0.2.1", "192.0.2.2"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def post(path, body, address=HOME, **headers):
    return Browser(REMOTE_ADDR=address).post(path, body, content_type=FORM, **headers)


def legacy(client_id="legacy", **fields):
    return client(
        client_id,
        "openid",
        grant_types=["password", "refresh_token"],
        login_services=[login_service()],
        flags={"allow_password_grant": True},
        **fields,
    )


def by_password(username, password, address=HOME, client_id="legacy", **headers):
    body = f"grant_type=password&username={username}&password={password}"
    return post("/oauth2/token", body, address, **basic(client_id), **headers)


ENDPOINTS = {
    "/oauth2/token": "grant_type=client_credentials",
    "/oauth2/introspect": "token=x",
    "/oauth2/revoke": "token=x",
    "/oauth2/device_authorization": "scope=openid",
}


@pytest.mark.parametrize(("path", "body"), ENDPOINTS.items(), ids=ENDPOINTS)
@pytest.mark.parametrize("client_id", ["gateway", "nobody"])
def test_wrong_secrets_of_clients_count(path, body, client_id):
    gateway()
    NetworkProfile.objects.filter(name="default").update(max_client_failures=5)
    answers = [post(path, body, **basic(client_id, "wrong")).status_code for _ in range(7)]
    assert answers == [401] * 5 + [429] * 2
    assert post(path, body, **basic("gateway")).status_code == 429
    assert Block.objects.get().names == ["gateway" if client_id == "gateway" else "n•••"]


def test_many_client_ids_are_an_attack():
    answers = [
        post("/oauth2/introspect", "token=x", **basic(f"c{n}", "wrong")).status_code
        for n in range(12)
    ]
    assert answers == [401] * 10 + [429] * 2


def test_wrong_assertions_of_clients_count():
    signer = Signer("signing", "https://elsewhere.example", defaults={"sub": "signing"})
    client("signing", grant_types=["client_credentials"], jwks=signer.jwks)
    NetworkProfile.objects.filter(name="default").update(max_client_failures=5)
    body = "grant_type=client_credentials&client_assertion_type={}&client_assertion={}"
    for _ in range(5):
        post("/oauth2/token", body.format(ASSERTION, signer.sign()))
    assert "client assertion" in Block.objects.get().reason


def test_a_password_grant_counts_for_the_address_and_the_user():
    account()
    legacy(client_type="public")
    answers = [
        post(
            "/oauth2/token",
            "grant_type=password&client_id=legacy&username=jane&password=wrong",
        ).status_code
        for _ in range(10)
    ]
    assert answers == [400] * 9 + [429]
    assert Block.objects.get().label == HOME


def test_an_application_that_does_not_forward_is_warned_of_and_not_blocked():
    account()
    legacy()
    for number in range(30):
        assert by_password(f"user{number}", "wrong").status_code == 400
    block = Block.objects.get()
    assert (block.effect, block.client_id) == ("warning", "legacy")
    assert by_password("jane", "x").status_code == 400
    assert by_password("jane", RIGHT.replace(" ", "%20")).status_code == 200


def test_what_was_typed_for_a_name_is_not_in_the_audit():
    account()
    legacy()
    by_password("hunter2-my-password", "x")
    by_password("jane", "wrong")
    events = AuditEvent.objects.filter(tag="tokens:password:refused").order_by("id")
    assert [event.details["username"] for event in events] == ["h•••", "jane"]


def test_the_sign_in_page_counts_and_a_blocked_user_reads_how_to_go_on():
    account()
    shop()
    Brand.objects.update(reset_url="https://acme.example/reset")
    for number in range(10):
        shopper = Shopper()
        shopper.browser = Browser(REMOTE_ADDR=f"203.0.113.{number}")
        answer = shopper.sign_in(shopper.authorize(), "wrong")
    assert answer.status_code == 401
    page = answer.content.decode()
    assert "Too many wrong passwords" in page
    assert "https://acme.example/reset" in page
    shopper = Shopper()
    assert "Too many wrong" in shopper.sign_in(shopper.authorize()).content.decode()

    jane = LocalAccount.objects.get(username="jane")
    local.set_password(jane, RIGHT)
    jane.save()
    assert shopper.code()


def test_one_address_at_the_sign_in_page_is_blocked():
    account()
    shop()
    shopper = Shopper()
    shopper.browser = Browser(REMOTE_ADDR=HOME)
    asked = shopper.authorize()
    answers = [shopper.sign_in(asked, "wrong").status_code for _ in range(10)]
    assert answers == [401] * 9 + [429]


def test_wrong_codes_of_devices_count():
    for number in range(10):
        letter = "BCDFGHJKLM"[number]
        Browser(REMOTE_ADDR=HOME).post("/oauth2/device", {"user_code": f"WDJB-MJH{letter}"})
    assert Block.objects.get().reason == "many names failed (user code)"


def test_the_sign_in_of_operators_counts():
    login_service("operators")
    for _ in range(9):
        Browser(REMOTE_ADDR=HOME).post("/admin/login/", {"username": "root", "password": "x"})
    assert guard.blocked(HOME, Block.objects.get().created_at)


def test_all_tokens_of_a_user_end_when_they_are_blocked():
    account("jane")
    account("john")
    legacy()
    gateway()
    pairs = {name: by_password(name, RIGHT.replace(" ", "%20")).json() for name in ("jane", "john")}
    for number in range(10):
        by_password("jane", "wrong", address=f"203.0.113.{number}")
    assert (AccessToken.objects.count(), RefreshToken.objects.count()) == (1, 1)
    alive = {
        name: post(
            "/oauth2/introspect", f"token={pair['access_token']}", OFFICE, **basic("gateway")
        ).json()["active"]
        for name, pair in pairs.items()
    }
    assert alive == {"jane": False, "john": True}
    assert AuditEvent.objects.get(tag="tokens:user:ended").details == {"rows": 2}
    body = f"grant_type=refresh_token&refresh_token={pairs['jane']['refresh_token']}"
    assert post("/oauth2/token", body, OFFICE, **basic("legacy")).status_code == 400


def test_good_requests_count_nothing():
    batch()
    for _ in range(20):
        answer = post("/oauth2/token", "grant_type=client_credentials", **basic("batch"))
        assert answer.status_code == 200
    assert Block.objects.count() == 0
