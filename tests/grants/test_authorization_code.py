"""RFC 6749 section 4.1 with PKCE, and OpenID Connect Core, over HTTP."""

import jwt
import pytest
import time_machine

from clients_admin.models import Client, ScopeGroup
from idp.audit.models import AuditEvent
from tests.configuration import (
    PASSWORD,
    REDIRECT_URI,
    Shopper,
    account,
    brand,
    gateway,
    introspected,
    login_service,
    post,
    returned,
    scopes,
    shop,
)
from tokens.models import AccessToken, AuthorizationCode, Consent, RefreshToken

pytestmark = pytest.mark.django_db

ISSUER = "http://127.0.0.1:8000"


@pytest.fixture
def shopper() -> Shopper:
    account()
    shop()
    return Shopper()


def test_a_user_signs_in_and_the_client_gets_tokens(shopper, settings):
    answer = shopper.sign_in(shopper.authorize())
    back = returned(answer)
    assert answer.headers["Location"].startswith(f"{REDIRECT_URI}?")
    assert back == {"code": back["code"], "state": "the-state", "iss": settings.PUBLIC_URL}
    body = shopper.exchange(back["code"]).json()
    assert body == {
        "access_token": body["access_token"],
        "refresh_token": body["refresh_token"],
        "id_token": body["id_token"],
        "token_type": "Bearer",
        "expires_in": body["expires_in"],
        "scope": "email openid orders.read",
    }
    assert 7198 <= body["expires_in"] <= 7200
    claims = jwt.decode(body["id_token"], options={"verify_signature": False})
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (
        settings.PUBLIC_URL,
        "shop",
        "the-nonce",
    )
    code = AuthorizationCode.objects.get()
    assert AccessToken.objects.get().family == RefreshToken.objects.get().family == code.pk


def test_a_signed_in_user_is_not_asked_again(shopper):
    shopper.code()
    answer = shopper.authorize(state="second")
    assert returned(answer)["state"] == "second"


def test_a_replayed_code_ends_all_tokens_that_came_of_it(shopper):
    gateway()
    code = shopper.code()
    first = shopper.exchange(code).json()
    refreshed = shopper.refresh(first["refresh_token"]).json()
    replay = shopper.exchange(code)
    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")
    assert AuditEvent.objects.latest("id").tag == "tokens:code:replayed"
    assert introspected(first["access_token"]) == {"active": False}
    assert introspected(refreshed["access_token"]) == {"active": False}
    assert shopper.refresh(refreshed["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": "https://shop.example/other"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_grant"),
        ({"code": "ac_made-up"}, "invalid_grant"),
        ({"code": ""}, "invalid_request"),
        ({"client_id": "other-shop"}, "invalid_grant"),
    ],
)
def test_a_code_is_bound_to_verifier_redirect_uri_and_client(shopper, parameters, error):
    shop("other-shop")
    answer = shopper.exchange(shopper.code(), **parameters)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert not AccessToken.objects.exists()


def test_a_code_lives_for_a_minute(shopper):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        code = shopper.code()
        clock.shift(60)
        assert shopper.exchange(code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/callback",
        "https://shop.example/callback/",
        "https://shop.example/callback?x=1",
        "https://shop.example/callback/../other",
        "https://shop.example@evil.example/callback",
        "https://SHOP.example/callback",
        "https://shop.example:444/callback",
        "http://shop.example/callback",
        "//shop.example/callback",
        "https://shop.example/callback#fragment",
        "javascript:alert(1)",
    ],
)
def test_an_unregistered_redirect_uri_is_shown_on_our_page_and_never_followed(shopper, uri):
    answer = shopper.authorize(redirect_uri=uri)
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert answer.headers["Content-Type"].startswith("text/html")


def test_an_unknown_client_is_shown_on_our_page(shopper):
    assert shopper.authorize(client_id="nobody").status_code == 400


def test_a_loopback_redirect_uri_may_have_any_port():
    account()
    shop(redirect_uris="http://127.0.0.1/callback")
    answer = Shopper().authorize(redirect_uri="http://127.0.0.1:49152/callback")
    assert answer.headers["Location"].startswith("/sign-in?")


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": ""}, "invalid_request"),
        ({"scope": "openid admin"}, "invalid_scope"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "a.b.c"}, "request_not_supported"),
        ({"request_uri": "https://shop.example/r"}, "request_uri_not_supported"),
        ({"prompt": "none"}, "login_required"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "dance"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
    ],
)
def test_a_refusal_goes_back_to_the_client(shopper, parameters, error, settings):
    back = returned(shopper.authorize(**parameters))
    assert back == {
        "error": error,
        "error_description": back["error_description"],
        "state": "the-state",
        "iss": settings.PUBLIC_URL,
    }


def test_prompt_login_and_an_elapsed_max_age_ask_again(shopper):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        shopper.code()
        assert shopper.authorize(prompt="login").headers["Location"].startswith("/sign-in?")
        assert returned(shopper.authorize(max_age="60"))["code"]
        clock.shift(61)
        assert shopper.authorize(max_age="60").headers["Location"].startswith("/sign-in?")
        again = shopper.sign_in(shopper.authorize(max_age="60"))
        assert returned(again)["code"]


def test_a_session_of_another_login_service_does_not_count(shopper):
    other = login_service("globex-web", "globex")
    shop("globex-shop", brand=brand("globex"), login_services=[other])
    shopper.code()
    answer = shopper.authorize(client_id="globex-shop")
    assert answer.headers["Location"].startswith("/sign-in?")
    refused = shopper.browser.post(
        answer.headers["Location"], {"username": "jane", "password": PASSWORD}
    )
    assert refused.status_code == 401, "jane of acme is nobody at globex"


def test_the_same_name_in_two_login_services_is_two_people(shopper):
    other = login_service("globex-web", "globex")
    account("jane", other)
    shop("globex-shop", brand=brand("globex"), login_services=[other])
    acme = shopper.tokens()
    globex = Shopper("globex-shop").tokens()
    subjects = {
        jwt.decode(tokens["id_token"], options={"verify_signature": False})["sub"]
        for tokens in (acme, globex)
    }
    assert len(subjects) == 2


def test_consent_is_asked_once_remembered_and_asked_again_for_more(shopper):
    client = shop("third", flags={"consent": "remember"})
    third = Shopper("third")
    page = third.sign_in(third.authorize(scope="openid"))
    assert page.headers["Location"].startswith("/consent?")
    back = third.browser.post(page.headers["Location"], {"decision": "allow"})
    assert returned(back)["code"]
    assert Consent.objects.get().scope == "openid"
    assert returned(third.authorize(scope="openid"))["code"]
    client.scopes.add(*scopes("orders.write"))
    more = third.authorize(scope="openid orders.write")
    assert more.headers["Location"].startswith("/consent?")
    assert returned(third.authorize(scope="openid orders.write", prompt="none"))["error"] == (
        "consent_required"
    )


def test_a_denied_consent_goes_back_as_access_denied(shopper):
    shop("third", flags={"consent": "always"})
    third = Shopper("third")
    page = third.sign_in(third.authorize())
    back = returned(third.browser.post(page.headers["Location"], {"decision": "deny"}))
    assert (back["error"], back["state"]) == ("access_denied", "the-state")
    assert not AuthorizationCode.objects.exists()


def test_what_a_user_consented_to_never_grows(shopper):
    client = shop("third", flags={"consent": "always"})
    third = Shopper("third")
    page = third.sign_in(third.authorize(scope=""))
    back = third.browser.post(page.headers["Location"], {"decision": "allow"})
    tokens = third.exchange(returned(back)["code"]).json()
    assert tokens["scope"] == "email openid orders.read profile"
    client.scopes.add(*scopes("orders.write"))
    refreshed = third.refresh(tokens["refresh_token"]).json()
    assert refreshed["scope"] == "email openid orders.read profile"


def test_what_a_user_consented_to_does_not_grow_through_a_group_either(shopper):
    group = ScopeGroup.objects.create(name="buying")
    group.scopes.add(*scopes("orders.read"))
    shop("third", flags={"consent": "always"}).scope_groups.add(group)
    third = Shopper("third")
    page = third.sign_in(third.authorize(scope="openid buying"))
    back = third.browser.post(page.headers["Location"], {"decision": "allow"})
    tokens = third.exchange(returned(back)["code"]).json()
    assert tokens["scope"] == "openid orders.read"
    group.scopes.add(*scopes("orders.write"))
    assert third.refresh(tokens["refresh_token"]).json()["scope"] == "openid orders.read"


def test_a_group_that_a_first_party_login_named_grows_with_the_group(shopper):
    group = ScopeGroup.objects.create(name="buying")
    Client.objects.get(client_id="shop").scope_groups.add(group)
    tokens = shopper.tokens(scope="openid buying")
    assert tokens["scope"] == "openid"
    group.scopes.add(*scopes("orders.write"))
    assert shopper.refresh(tokens["refresh_token"]).json()["scope"] == "openid orders.write"


def test_a_first_party_login_without_a_scope_grows_with_the_client(shopper):
    tokens = shopper.tokens(scope="")
    assert tokens["scope"] == "email openid orders.read profile"
    Client.objects.get(client_id="shop").scopes.add(*scopes("orders.write"))
    refreshed = shopper.refresh(tokens["refresh_token"]).json()
    assert refreshed["scope"] == "email openid orders.read orders.write profile"


def test_without_openid_there_is_no_id_token(shopper):
    assert "id_token" not in shopper.tokens(scope="orders.read")


def test_without_the_refresh_grant_there_is_no_refresh_token(shopper):
    shop("short", grant_types=["authorization_code"])
    assert "refresh_token" not in Shopper("short").tokens()


def test_a_form_from_another_site_is_refused(shopper):
    from django.test import Client as Browser

    strict = Browser(enforce_csrf_checks=True)
    location = shopper.authorize().headers["Location"]
    answer = strict.post(location, {"username": "jane", "password": PASSWORD})
    assert answer.status_code == 403


def test_signing_in_gives_the_browser_a_new_session(shopper):
    session = shopper.browser.session
    session["planted"] = "by an attacker"
    session.save()
    planted = shopper.browser.cookies[session_cookie()].value
    shopper.code()
    assert shopper.browser.cookies[session_cookie()].value != planted


def session_cookie() -> str:
    from django.conf import settings

    return settings.SESSION_COOKIE_NAME


def test_the_request_may_be_posted_by_the_client(shopper):
    answer = post("/oauth2/authorize", shopper.request())
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/oauth2/authorize?")
