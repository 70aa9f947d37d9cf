"""OpenID Connect RP-Initiated Logout 1.0 over HTTP."""

import pytest
from django.test import Client as Browser

from tests.configuration import Shopper, account, basic, gateway, post, shop

pytestmark = pytest.mark.django_db

PATH = "/oauth2/logout"
RETURN = "https://shop.example/bye"


@pytest.fixture
def shopper() -> Shopper:
    account()
    shop(post_logout_redirect_uris=RETURN)
    return Shopper()


def is_signed_in(shopper: Shopper) -> bool:
    return not shopper.authorize().headers["Location"].startswith("/sign-in?")


def test_a_client_that_knows_its_user_signs_them_out_at_once(shopper):
    hint = shopper.tokens()["id_token"]
    answer = shopper.browser.get(
        PATH, {"id_token_hint": hint, "post_logout_redirect_uri": RETURN, "state": "s"}
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{RETURN}?state=s")
    assert not is_signed_in(shopper)


def test_without_a_hint_the_user_is_asked(shopper):
    shopper.tokens()
    answer = shopper.browser.get(PATH, {"client_id": "shop", "post_logout_redirect_uri": RETURN})
    page = answer.headers["Location"]
    assert page.startswith("/sign-out?")
    assert shopper.browser.get(page).status_code == 200
    assert is_signed_in(shopper), "looking at the question ends nothing"
    stayed = shopper.browser.post(page, {"decision": "stay"})
    assert stayed.headers["Location"] == RETURN
    assert is_signed_in(shopper)
    done = shopper.browser.post(page, {"decision": "sign_out"})
    assert done.headers["Location"] == RETURN
    assert not is_signed_in(shopper)


def test_a_hint_about_somebody_else_does_not_sign_out(shopper):
    account("john")
    hint = Shopper(username="john").tokens()["id_token"]
    shopper.tokens()
    answer = shopper.browser.get(PATH, {"id_token_hint": hint})
    assert answer.headers["Location"].startswith("/sign-out?")
    assert is_signed_in(shopper)


def test_an_expired_hint_is_still_a_hint(shopper):
    import time_machine

    with time_machine.travel("2026-06-01T12:00:00Z", tick=False):
        hint = shopper.tokens()["id_token"]
    with time_machine.travel("2026-06-01T20:00:00Z", tick=False):
        answer = shopper.browser.get(PATH, {"id_token_hint": hint})
        assert answer.status_code == 200
        assert not is_signed_in(shopper)


@pytest.mark.parametrize(
    "parameters",
    [
        {"id_token_hint": "a.b.c"},
        {"client_id": "shop", "post_logout_redirect_uri": "https://evil.example/"},
        {"post_logout_redirect_uri": RETURN},
        {"client_id": "nobody", "post_logout_redirect_uri": RETURN},
    ],
)
def test_a_wrong_request_is_shown_and_never_redirected(shopper, parameters):
    shopper.tokens()
    answer = shopper.browser.get(PATH, parameters)
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert is_signed_in(shopper)


def test_a_gateway_jwt_is_no_id_token(shopper):
    gateway()
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": shopper.tokens()["access_token"],
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    }
    jwt = post("/oauth2/token", form, **basic("gateway")).json()["access_token"]
    assert shopper.browser.get(PATH, {"id_token_hint": jwt}).status_code == 400


def test_nobody_signed_in_is_signed_out_already():
    assert Browser().get(PATH).status_code == 200
