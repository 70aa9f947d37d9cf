"""RFC 6749 section 4.4 over HTTP."""

import json

import pytest

from tests.configuration import basic, batch, gateway, introspected, post, shop
from tokens.models import AccessToken, RefreshToken

pytestmark = pytest.mark.django_db

PATH = "/oauth2/token"
GRANT = {"grant_type": "client_credentials"}


def test_a_client_gets_a_token_of_its_own_with_all_its_scopes():
    batch()
    answer = post(PATH, GRANT, **basic("batch"))
    body = answer.json()
    assert answer.status_code == 200
    assert body == {
        "access_token": body["access_token"],
        "token_type": "Bearer",
        "expires_in": 7200,
        "scope": "orders.read orders.write",
    }
    assert answer.headers["Cache-Control"] == "no-store"
    row = AccessToken.objects.get()
    assert (row.scope, row.user_id, row.family, row.auth_time) == ("*", None, None, None)
    assert not RefreshToken.objects.exists()


def test_a_narrower_scope_is_frozen_in_the_row():
    batch()
    body = post(PATH, GRANT | {"scope": "orders.read"}, **basic("batch")).json()
    assert body["scope"] == "orders.read"
    assert AccessToken.objects.get().scope == "orders.read"


def test_a_token_with_all_scopes_means_what_the_client_has_now():
    client, _ = batch(), gateway()
    token = post(PATH, GRANT, **basic("batch")).json()["access_token"]
    client.scopes.remove(*client.scopes.filter(name="orders.write"))
    assert introspected(token)["scope"] == "orders.read"


def test_the_secret_may_come_in_the_body():
    batch()
    secret = "a-secret-for-tests-of-more-than-32-characters"
    answer = post(PATH, GRANT | {"client_id": "batch", "client_secret": secret})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("parameters", "headers", "status", "error"),
    [
        (GRANT | {"scope": "orders.read admin"}, basic("batch"), 400, "invalid_scope"),
        (GRANT | {"scope": "*"}, basic("batch"), 400, "invalid_scope"),
        (GRANT, basic("batch", "wrong"), 401, "invalid_client"),
        (GRANT, basic("nobody"), 401, "invalid_client"),
        (GRANT, {}, 401, "invalid_client"),
        (GRANT | {"client_id": "batch"}, {}, 401, "invalid_client"),
        (GRANT | {"client_id": "shop"}, {}, 400, "unauthorized_client"),
        (GRANT | {"client_id": "other"}, basic("batch"), 400, "invalid_request"),
        (GRANT | {"client_secret": "twice"}, basic("batch"), 400, "invalid_request"),
        ({"grant_type": "implicit"}, basic("batch"), 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, basic("batch"), 400, "invalid_request"),
        ({}, basic("batch"), 400, "invalid_request"),
    ],
)
def test_what_is_refused_and_how(parameters, headers, status, error):
    batch()
    shop()
    answer = post(PATH, parameters, **headers)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "error_description"}
    assert not AccessToken.objects.exists()
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="idp", charset="UTF-8"'


def test_an_inactive_client_is_refused():
    batch(is_active=False)
    assert post(PATH, GRANT, **basic("batch")).status_code == 401


def test_an_inactive_client_takes_its_living_tokens_with_it():
    client, _ = batch(), gateway()
    token = post(PATH, GRANT, **basic("batch")).json()["access_token"]
    client.is_active = False
    client.save()
    assert introspected(token) == {"active": False}


def test_each_client_has_its_own_lifetime():
    batch(flags={"access_token_seconds": 60})
    assert json.loads(post(PATH, GRANT, **basic("batch")).content)["expires_in"] == 60


def test_nothing_may_come_in_the_url():
    batch()
    answer = post(f"{PATH}?client_secret=abc", GRANT, **basic("batch"))
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "error": "invalid_request",
            "error_description": "Credentials must not be sent in the URL.",
        },
    )
