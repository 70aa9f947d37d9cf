"""RFC 7662 over HTTP."""

import pytest

from tests.configuration import Shopper, account, basic, batch, gateway, introspected, post, shop

pytestmark = pytest.mark.django_db

PATH = "/oauth2/introspect"


@pytest.fixture
def shopper() -> Shopper:
    account()
    gateway()
    shop()
    return Shopper()


def test_a_users_token(shopper, settings):
    body = introspected(shopper.tokens()["access_token"])
    assert body == {
        "active": True,
        "iss": settings.PUBLIC_URL,
        "sub": body["sub"],
        "username": "jane",
        "client_id": "shop",
        "scope": "email openid orders.read",
        "token_type": "Bearer",
        "iat": body["iat"],
        "exp": body["iat"] + 7200,
        "auth_time": body["auth_time"],
        "acr": "urn:idp:acr:1fa",
        "amr": ["pwd"],
        "brand": "acme",
        "login_service": "acme-web",
    }


def test_scope_groups_are_opened_on_the_way_out(shopper):
    from clients_admin.models import Client, ScopeGroup

    inner = ScopeGroup.objects.create(name="buying")
    inner.scopes.add(*Client.objects.get(client_id="shop").scopes.filter(name="orders.read"))
    outer = ScopeGroup.objects.create(name="everything")
    outer.groups.add(inner)
    shop_client = Client.objects.get(client_id="shop")
    shop_client.scopes.remove(*shop_client.scopes.filter(name="orders.read"))
    shop_client.scope_groups.add(outer)
    token = shopper.tokens(scope="openid everything")["access_token"]
    assert introspected(token)["scope"] == "openid orders.read"


@pytest.mark.parametrize("token", ["at_made-up", "x", "rt_AAAA", "🙂"])
def test_anything_else_is_inactive_and_nothing_more_is_said(shopper, token):
    assert introspected(token) == {"active": False}


def test_a_refresh_token_is_no_access_token(shopper):
    assert introspected(shopper.tokens()["refresh_token"]) == {"active": False}


def test_a_made_up_token_costs_no_query_of_its_own(shopper, django_assert_num_queries):
    introspected("at_made-up")
    token = shopper.tokens()["access_token"]
    forged = token[:-1] + ("A" if token[-1] != "A" else "B")
    from tokens import issue
    from tokens.format import Prefix
    from tokens.introspection.check import living

    with django_assert_num_queries(0):
        assert living(issue.hear(Prefix.ACCESS_TOKEN, forged), now=None) is None


@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        ({}, 401, "invalid_client"),
        (basic("gateway", "wrong"), 401, "invalid_client"),
        (basic("batch"), 403, "unauthorized_client"),
    ],
)
def test_who_may_not_look(shopper, headers, status, error):
    batch()
    answer = post(PATH, {"token": "at_x"}, **headers)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_knowing_a_public_client_id_opens_nothing(shopper):
    answer = post(PATH, {"token": shopper.tokens()["access_token"], "client_id": "shop"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


def test_a_token_in_the_url_is_refused(shopper):
    answer = shopper.browser.get(f"{PATH}?token=at_x", **basic("gateway"))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
