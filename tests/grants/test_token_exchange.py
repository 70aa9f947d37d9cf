"""RFC 8693: an access token for the gateway JWT, over HTTP."""

import jwt
import pytest
import time_machine
from django.test import Client as Browser

from tests.configuration import (
    ACCESS_TOKEN_TYPE,
    EXCHANGE,
    Shopper,
    account,
    basic,
    batch,
    gateway,
    post,
    shop,
)
from tokens.models import AccessToken

pytestmark = pytest.mark.django_db

JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"


def exchange(token: str, **parameters: str):
    form = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN_TYPE,
        **parameters,
    }
    return post("/oauth2/token", {k: v for k, v in form.items() if v}, **basic("gateway"))


def verified(encoded: str) -> dict:
    """The claims, after a check against the published keys as a service would do it."""
    keys = jwt.PyJWKSet.from_dict(Browser().get("/.well-known/jwks.json").json())
    header = jwt.get_unverified_header(encoded)
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt")
    return jwt.decode(encoded, keys[header["kid"]], algorithms=["ES256"], audience="services")


@pytest.fixture
def shopper() -> Shopper:
    account()
    gateway()
    shop()
    return Shopper()


def test_the_jwt_says_who_may_do_what(shopper, settings):
    tokens = shopper.tokens()
    rows = AccessToken.objects.count()
    answer = exchange(tokens["access_token"])
    body = answer.json()
    assert body == {
        "access_token": body["access_token"],
        "issued_token_type": JWT_TYPE,
        "token_type": "Bearer",
        "expires_in": body["expires_in"],
        "scope": "email openid orders.read",
    }
    assert 298 <= body["expires_in"] <= 300
    claims = verified(body["access_token"])
    id_token = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert claims == {
        "acr": "urn:idp:acr:1fa",
        "amr": ["pwd"],
        "iss": settings.PUBLIC_URL,
        "sub": id_token["sub"],
        "aud": "services",
        "client_id": "shop",
        "scope": "email openid orders.read",
        "iat": claims["iat"],
        "exp": claims["iat"] + 300,
        "jti": claims["jti"],
        "auth_time": id_token["auth_time"],
        "brand": "acme",
        "login_service": "acme-web",
        "email": "jane@example.org",
    }
    assert AccessToken.objects.count() == rows, "no row is written"


def test_a_client_without_a_user_is_its_own_subject(shopper):
    batch()
    grant = {"grant_type": "client_credentials"}
    token = post("/oauth2/token", grant, **basic("batch")).json()["access_token"]
    claims = verified(exchange(token).json()["access_token"])
    assert (claims["sub"], claims["client_id"]) == ("batch", "batch")
    assert "login_service" not in claims


def test_the_jwt_ends_no_later_than_its_token():
    account()
    gateway()
    shop(flags={"consent": "never", "access_token_seconds": 60})
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        token = Shopper().tokens()["access_token"]
        clock.shift(50)
        assert exchange(token).json()["expires_in"] == 10
        clock.shift(10)
        assert exchange(token).json()["error"] == "invalid_request"


def test_a_scope_can_be_narrowed_and_never_widened(shopper):
    token = shopper.tokens()["access_token"]
    assert verified(exchange(token, scope="orders.read").json()["access_token"])["scope"] == (
        "orders.read"
    )
    assert exchange(token, scope="orders.write").json()["error"] == "invalid_scope"


def test_what_is_said_about_the_user_is_narrowed_with_the_scope(shopper):
    token = shopper.tokens()["access_token"]
    assert "email" in verified(exchange(token, scope="email").json()["access_token"])
    assert "email" not in verified(exchange(token, scope="orders.read").json()["access_token"])


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"subject_token": ""}, "invalid_request"),
        ({"subject_token": "at_made-up"}, "invalid_request"),
        ({"subject_token_type": JWT_TYPE}, "invalid_request"),
        ({"subject_token_type": ""}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"actor_token": "x", "actor_token_type": "y"}, "invalid_request"),
        ({"audience": "elsewhere"}, "invalid_target"),
        ({"resource": "https://services.example"}, "invalid_target"),
    ],
)
def test_what_is_refused(shopper, parameters, error):
    answer = exchange(shopper.tokens()["access_token"], **parameters)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_only_a_client_with_the_grant_may_exchange(shopper):
    batch()
    form = {"grant_type": EXCHANGE, "subject_token": "x", "subject_token_type": ACCESS_TOKEN_TYPE}
    answer = post("/oauth2/token", form, **basic("batch"))
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
