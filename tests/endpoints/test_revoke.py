"""RFC 7009 over HTTP."""

import pytest

from idp.accounts.models import User
from idp.audit.models import AuditEvent
from tests.configuration import Shopper, account, basic, gateway, introspected, post, shop
from tokens.models import AccessToken, RefreshToken

pytestmark = pytest.mark.django_db

PATH = "/oauth2/revoke"


@pytest.fixture
def shopper() -> Shopper:
    account()
    gateway()
    shop()
    return Shopper()


def test_a_revoked_refresh_token_takes_its_family_along(shopper):
    first = shopper.tokens()
    second = shopper.refresh(first["refresh_token"]).json()
    other_login = shopper.tokens(prompt="login")
    answer = post(PATH, {"token": second["refresh_token"], "client_id": "shop"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert introspected(first["access_token"]) == {"active": False}
    assert introspected(second["access_token"]) == {"active": False}
    assert shopper.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"
    assert introspected(other_login["access_token"])["active"] is True
    assert (AccessToken.objects.count(), RefreshToken.objects.count()) == (1, 1)


def test_a_revoked_access_token_leaves_the_login_alive(shopper):
    tokens = shopper.tokens()
    post(PATH, {"token": tokens["access_token"], "client_id": "shop"})
    assert introspected(tokens["access_token"]) == {"active": False}
    assert shopper.refresh(tokens["refresh_token"]).status_code == 200


def test_a_revocation_is_audited(shopper):
    tokens = shopper.tokens()
    for name in ("access_token", "refresh_token"):
        post(PATH, {"token": tokens[name], "client_id": "shop"})
    user_id = User.objects.get().pk
    told = AuditEvent.objects.filter(tag__endswith=":revoked").order_by("id")
    assert list(told.values_list("tag", "client_id", "user_id")) == [
        ("tokens:access_token:revoked", "shop", user_id),
        ("tokens:family:revoked", "shop", user_id),
    ]


def test_an_unknown_token_is_revoked_already(shopper):
    assert post(PATH, {"token": "rt_made-up", "client_id": "shop"}).status_code == 200
    assert not AuditEvent.objects.exists()


def test_nobody_revokes_the_token_of_another_client(shopper):
    tokens = shopper.tokens()
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert post(PATH, {"token": token}, **basic("gateway")).status_code == 200
    assert introspected(tokens["access_token"])["active"] is True


@pytest.mark.parametrize(
    ("parameters", "status", "error"),
    [
        ({"token": "x"}, 401, "invalid_client"),
        ({"token": "x", "client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "shop"}, 400, "invalid_request"),
    ],
)
def test_what_is_refused(shopper, parameters, status, error):
    answer = post(PATH, parameters)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
