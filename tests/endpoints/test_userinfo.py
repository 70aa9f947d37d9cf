"""OpenID Connect Core 1.0 section 5.3 and RFC 6750, over HTTP."""

import pytest
from django.test import Client as Browser

from tests.configuration import Shopper, account, basic, batch, post, shop

pytestmark = pytest.mark.django_db

PATH = "/oauth2/userinfo"


@pytest.fixture
def shopper() -> Shopper:
    account()
    shop()
    return Shopper()


def ask(token: str):
    return Browser().get(PATH, HTTP_AUTHORIZATION=f"Bearer {token}")


@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("openid", {}),
        ("openid email", {"email": "jane@example.org"}),
        (
            "openid profile",
            {"name": "Jane Doe", "given_name": "Jane", "preferred_username": "jane"},
        ),
    ],
)
def test_each_scope_lets_out_its_claims(shopper, scope, claims):
    answer = ask(shopper.tokens(scope=scope)["access_token"])
    assert answer.json() == {"sub": answer.json()["sub"], **claims}


def test_the_token_may_be_posted(shopper):
    token = shopper.tokens()["access_token"]
    assert post(PATH, {"access_token": token}).json()["email"] == "jane@example.org"


def test_without_a_token_the_challenge_names_no_error():
    answer = Browser().get(PATH)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="idp"')


def test_a_bad_token_is_401():
    answer = ask("at_made-up")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="idp", error="invalid_token"'


@pytest.mark.parametrize("scope", ["orders.read", "email"])
def test_a_token_without_openid_is_403(shopper, scope):
    answer = ask(shopper.tokens(scope=scope)["access_token"])
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


def test_a_client_is_no_user():
    batch()
    grant = {"grant_type": "client_credentials"}
    token = post("/oauth2/token", grant, **basic("batch")).json()["access_token"]
    assert ask(token).status_code == 403


def test_a_token_in_the_url_is_refused(shopper):
    token = shopper.tokens()["access_token"]
    answer = Browser().get(f"{PATH}?access_token={token}")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert token not in answer.content.decode()
