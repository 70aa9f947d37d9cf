"""The `claims` parameter (OpenID Connect Core 1.0 section 5.5), over HTTP."""

import json

import jwt
import pytest
from django.test import Client as Browser

from clients_admin.models import Client
from idp.accounts.models import LocalAccount
from tests.configuration import Shopper, account, returned, scopes, shop
from tokens import authorization
from tokens.models import Consent

pytestmark = pytest.mark.django_db

KNOWN = {"email": "jane@example.org", "name": "Jane Doe", "given_name": "Jane"}


@pytest.fixture
def shopper() -> Shopper:
    account()
    shop()
    return Shopper()


def userinfo(tokens: dict[str, str]) -> dict[str, object]:
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {tokens['access_token']}"}
    body: dict[str, object] = Browser().get("/oauth2/userinfo", **bearer).json()
    return {name: value for name, value in body.items() if name != "sub"}


def in_id_token(tokens: dict[str, str]) -> dict[str, object]:
    said = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    return {name: value for name, value in said.items() if name in KNOWN}


def wanted(**places: object) -> str:
    return json.dumps(places)


def test_a_claim_is_told_at_the_place_where_it_was_asked_for(shopper):
    asked = wanted(userinfo={"given_name": None}, id_token={"email": {"essential": True}})
    tokens = shopper.tokens(scope="openid", claims=asked)
    assert tokens["scope"] == "openid"
    assert userinfo(tokens) == {"given_name": "Jane"}
    assert in_id_token(tokens) == {"email": "jane@example.org"}


def test_without_the_parameter_the_id_token_tells_nothing(shopper):
    assert in_id_token(shopper.tokens(scope="openid email profile")) == {}


def test_a_claim_of_a_scope_that_was_asked_for_is_told_in_the_id_token_too(shopper):
    tokens = shopper.tokens(scope="openid email", claims=wanted(id_token={"email": None}))
    assert in_id_token(tokens) == {"email": "jane@example.org"}
    assert userinfo(tokens) == {"email": "jane@example.org"}


def test_a_scope_that_the_client_does_not_have_lets_nothing_out_by_this_way(shopper):
    LocalAccount.objects.update(claims={**KNOWN, "phone_number": "+31 20 1234567"})
    asked = wanted(userinfo={"phone_number": None, "email": None}, id_token={"phone_number": None})
    assert userinfo(shopper.tokens(scope="openid", claims=asked)) == {"email": "jane@example.org"}
    Client.objects.get().scopes.add(*scopes("phone"))
    assert "phone_number" in userinfo(shopper.tokens(scope="openid", claims=asked))


def test_a_scope_that_the_client_loses_takes_the_claim_along(shopper):
    tokens = shopper.tokens(scope="openid", claims=wanted(userinfo={"email": None}))
    assert userinfo(tokens) == {"email": "jane@example.org"}
    Client.objects.get().scopes.remove(*scopes("email"))
    assert userinfo(tokens) == {}


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ({"value": "jane@example.org"}, {"email": "jane@example.org"}),
        ({"value": "joe@example.org"}, {}),
        ({"values": ["joe@example.org", "jane@example.org"]}, {"email": "jane@example.org"}),
        ({"values": ["joe@example.org"]}, {}),
        ({"essential": True, "value": None}, {}),
        ({"essential": False, "x": {"y": 1}}, {"email": "jane@example.org"}),
    ],
)
def test_a_claim_of_another_value_is_left_out(shopper, how, found):
    asked = wanted(userinfo={"email": how}, id_token={"email": how})
    tokens = shopper.tokens(scope="openid", claims=asked)
    assert userinfo(tokens) == found
    assert in_id_token(tokens) == found


def test_what_was_granted_lives_on_through_a_refresh(shopper):
    tokens = shopper.tokens(scope="openid", claims=wanted(userinfo={"email": None}))
    refreshed = shopper.refresh(tokens["refresh_token"]).json()
    assert userinfo(refreshed) == {"email": "jane@example.org"}
    assert in_id_token(refreshed) == {}


def test_a_token_with_claims_is_shared_with_no_other_login(shopper):
    Client.objects.update(flags={"consent": "never", "access_token_reuse": "always"})
    with_claims = shopper.tokens(scope="openid", claims=wanted(userinfo={"email": None}))
    assert userinfo(shopper.tokens(scope="openid")) == {}
    assert userinfo(with_claims) == {"email": "jane@example.org"}


@pytest.mark.parametrize(
    "text",
    [
        *("x", "[]", "1", "null", '"x"', "{", "[" * 4000, '{"a":' * 1000),
        *('{"userinfo": []}', '{"id_token": 1}', '{"userinfo": {"email": 1}}'),
        '{"userinfo": {"email": {"essential": 1}}}',
        '{"userinfo": {"email": {"values": []}}}',
        '{"userinfo": {"email": {"values": "x"}}}',
        '{"userinfo": {"email": {"value": "x", "values": ["x"]}}}',
        '{"userinfo": {"email": {"value": NaN}}}',
        json.dumps({"id_token": {f"c{number}": None for number in range(51)}}),
    ],
    ids=lambda text: text[:40],
)
def test_what_cannot_be_read_is_refused(shopper, text):
    back = returned(shopper.authorize(claims=text))
    assert (back["error"], back["state"]) == ("invalid_request", "the-state")
    assert "claims" in back["error_description"]


@pytest.mark.parametrize("place", ["userinfo", "id_token"])
def test_a_subject_that_is_asked_for_must_be_the_one(shopper, place):
    shopper.code()
    mine = wanted(**{place: {"sub": {"value": shopper.sub()}}})
    theirs = wanted(**{place: {"sub": {"value": "somebody-else"}}})
    assert returned(shopper.authorize(claims=mine, prompt="none"))["code"]
    assert returned(shopper.authorize(claims=theirs, prompt="none"))["error"] == "login_required"
    page = shopper.authorize(claims=theirs)
    assert page.headers["Location"].startswith("/sign-in?")
    assert returned(shopper.sign_in(page))["error"] == "login_required"


def test_a_user_sees_single_claims_before_they_are_given(shopper):
    shop("third", flags={"consent": "remember"})
    third = Shopper("third")
    asked = wanted(userinfo={"email": None, "given_name": None, "shoe_size": None})
    page = third.sign_in(third.authorize(scope="openid", claims=asked)).headers["Location"]
    html = third.browser.get(page).content.decode()
    assert "See your e-mail address" in html
    assert "See your first name" in html
    assert "shoe" not in html
    back = third.browser.post(page, {"decision": "allow"})
    tokens = third.exchange(returned(back)["code"]).json()
    assert userinfo(tokens) == {"email": "jane@example.org", "given_name": "Jane"}
    assert Consent.objects.get().claims == "email given_name"


def test_consent_is_remembered_for_these_claims_and_asked_for_more(shopper):
    shop("third", flags={"consent": "remember"})
    third = Shopper("third")
    email, name = (wanted(userinfo={claim: None}) for claim in ("email", "name"))
    page = third.sign_in(third.authorize(scope="openid", claims=email)).headers["Location"]
    assert returned(third.browser.post(page, {"decision": "allow"}))["code"]
    assert returned(third.authorize(scope="openid", claims=email))["code"]
    silent = returned(third.authorize(scope="openid", claims=name, prompt="none"))
    assert silent["error"] == "consent_required"


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, ((), False)),
        ({"acr_values": "mfa pwd"}, (("mfa", "pwd"), False)),
        ({"claims": wanted(id_token={"acr": {"essential": True, "values": ["mfa"]}}),
          "acr_values": "pwd"}, (("mfa",), True)),
        ({"claims": wanted(id_token={"acr": {"value": "mfa"}})}, (("mfa",), False)),
        ({"claims": wanted(userinfo={"acr": {"value": "mfa"}})}, ((), False)),
    ],
)  # fmt: skip
def test_how_the_user_is_to_be_authenticated_is_read(shopper, parameters, found):
    asked = authorization.read(shopper.request(**parameters), lambda: "")
    assert (asked.acr_wanted, asked.acr_is_essential) == found


def test_discovery_says_so():
    document = Browser().get("/.well-known/openid-configuration").json()
    assert document["claims_parameter_supported"] is True
