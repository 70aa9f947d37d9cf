"""Attacks on the browser's part of the protocol, over HTTP; docs/attacks.md lists them with those
that have their tests elsewhere."""

import re
from urllib.parse import quote, urlsplit

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client as Browser

from clients_admin.models import Client
from tests.configuration import (
    PASSWORD,
    REDIRECT_URI,
    VERIFIER,
    Shopper,
    account,
    returned,
    shop,
)
from tests.environment import PUBLIC_URL
from tokens.models import AuthorizationCode

pytestmark = pytest.mark.django_db

EVIL = "https://evil.example/"
GOODBYE = "https://shop.example/goodbye"
# Every page with a form that an end-user sees; the walk below finds a new one.
FORM_PAGES = (
    "/sign-in", "/select-account", "/consent", "/sign-out", "/oauth2/device",
    "/account/password", "/account/password/forgotten", "/account/password/reset",
)  # fmt: skip


@pytest.fixture
def shopper() -> Shopper:
    account()
    shop(post_logout_redirect_uris=GOODBYE)
    return Shopper()


def form_pages(shopper: Shopper):
    """Each page with a form, as the user sees it who is just there."""
    shopper.code()
    Client.objects.update(flags={"consent": "always"})
    for path in FORM_PAGES:
        yield path, shopper.browser.get(path, shopper.request())


# --- Clickjacking ---------------------------------------------------------------------------------


def test_no_page_can_be_framed(shopper):
    pages = [*form_pages(shopper), ("error", shopper.browser.get("/oauth2/authorize"))]
    for path, answer in pages:
        assert answer.headers["X-Frame-Options"] == "DENY", path
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy, path
        assert "unsafe-inline" not in policy, path


# --- CSRF -----------------------------------------------------------------------------------------


def test_every_form_has_a_token(shopper):
    seen = 0
    for path, answer in form_pages(shopper):
        forms = re.findall(r"<form.*?</form>", answer.content.decode(), re.DOTALL)
        assert all('name="csrfmiddlewaretoken"' in form for form in forms), path
        seen += bool(forms)
    assert seen >= len(FORM_PAGES) - 1, "the page of a reset has its form behind a link only"


@pytest.mark.parametrize("path", FORM_PAGES)
@pytest.mark.parametrize("token", ["", "c" * 32])
def test_a_form_of_another_site_is_refused(shopper, path, token):
    shopper.code()
    strict = Browser(enforce_csrf_checks=True)
    strict.cookies = shopper.browser.cookies
    sessions = set(Session.objects.values_list("session_key", flat=True))
    form = {
        "username": "jane", "password": PASSWORD, "decision": "allow", "account": shopper.sub(),
        "sign_out": shopper.sub(), "csrfmiddlewaretoken": token,
    }  # fmt: skip
    codes = AuthorizationCode.objects.count()
    answer = strict.post(
        f"{path}?{shopper_query(shopper)}", form, headers={"Origin": "https://evil.example"}
    )
    if path == "/sign-in":
        # Whoever is signed in goes on as who they are; the form has signed nobody in.
        assert answer.headers["Location"].startswith("/oauth2/authorize?")
    else:
        assert answer.status_code == 403
    assert set(Session.objects.values_list("session_key", flat=True)) == sessions
    assert AuthorizationCode.objects.count() == codes


def shopper_query(shopper: Shopper) -> str:
    address = Browser().get("/oauth2/authorize", shopper.request()).headers["Location"]
    return str(address.partition("?")[2])


# --- Session fixation -----------------------------------------------------------------------------


def test_a_planted_session_is_not_the_one_that_is_signed_in(shopper):
    planted = planted_in(shopper.browser)
    shopper.code()
    key = shopper.browser.cookies[settings.SESSION_COOKIE_NAME].value
    assert key != planted
    assert not Session.objects.filter(session_key=planted).exists()
    attacker = Browser()
    attacker.cookies[settings.SESSION_COOKIE_NAME] = planted
    answer = attacker.get("/oauth2/authorize", shopper.request())
    assert answer.headers["Location"].startswith("/sign-in?")


def planted_in(browser: Browser) -> str:
    session = browser.session
    session["planted"] = "by an attacker"
    session.save()
    return str(session.session_key)


def test_a_session_gets_a_new_key_when_its_user_signs_in_again(shopper):
    shopper.code()
    before = shopper.browser.cookies[settings.SESSION_COOKIE_NAME].value
    shopper.sign_in(shopper.authorize(prompt="login"))
    assert shopper.browser.cookies[settings.SESSION_COOKIE_NAME].value != before
    assert not Session.objects.filter(session_key=before).exists()


# --- Open redirect --------------------------------------------------------------------------------

# What is an address, each for itself, and what other products take one from, all at once.
ADDRESSES = {
    "redirect": ("redirect_uri",),
    "goodbye": ("post_logout_redirect_uri",),
    "pushed": ("request_uri",),
    "others": ("next", "return_to", "return_url", "continue", "target", "url", "goto", "origin",
               "referer", "client_uri", "policy_uri", "initiate_login_uri", "redirect"),
}  # fmt: skip
# The logout comes last: it may end the session.
OPEN_TO_ALL = ("/oauth2/authorize", *FORM_PAGES, "/admin/login/", "/oauth2/logout")


@pytest.mark.parametrize("names", ADDRESSES)
@pytest.mark.parametrize("address", [EVIL, "//evil.example/", "/\\evil.example", "javascript:x"])
def test_no_parameter_leads_away(shopper, names, address):
    shopper.code()
    query = {**shopper.request(), **dict.fromkeys(ADDRESSES[names], address)}
    for path in OPEN_TO_ALL:
        location = shopper.browser.get(path, query).headers.get("Location", "/")
        assert urlsplit(location).netloc in {"", "shop.example"}, (path, location)
        assert not location.startswith(("//", "/\\", "javascript:")), (path, location)


# --- Mixed-up issuers -----------------------------------------------------------------------------


def test_each_answer_says_who_it_comes_from(shopper):
    """RFC 9207; what is refused later is in the tests of each rule."""
    answers = [
        shopper.authorize(prompt="none"),
        shopper.authorize(scope="openid admin"),
        shopper.authorize(response_type="token"),
        shopper.authorize(code_challenge=""),
        shopper.authorize(request="a.b.c"),
        shopper.authorize(request_uri="https://evil.example/r"),
        shopper.authorize(claims="x"),
        shopper.sign_in(shopper.authorize()),
    ]
    assert [returned(answer)["iss"] for answer in answers] == [PUBLIC_URL] * len(answers)


# --- Code injection, and PKCE that is taken away --------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"client_id": "other-shop"}, "invalid_grant"),
        ({"redirect_uri": "https://other.example/callback"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_grant"),
        ({"code_verifier": VERIFIER + "x"}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
    ],
)
def test_a_stolen_code_opens_nothing_elsewhere(shopper, parameters, error):
    shop("other-shop")
    answer = shopper.exchange(shopper.code(), **parameters)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize(
    "parameters",
    [
        {"code_challenge": "", "code_challenge_method": ""},
        {"code_challenge": ""},
        {"code_challenge_method": ""},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "plain", "code_challenge": VERIFIER},
        {"code_challenge_method": "s256"},
    ],
)
def test_pkce_cannot_be_taken_out_of_a_request(shopper, parameters):
    shopper.code()
    codes = AuthorizationCode.objects.count()
    assert returned(shopper.authorize(**parameters))["error"] == "invalid_request"
    assert AuthorizationCode.objects.count() == codes


# --- Redirect URIs --------------------------------------------------------------------------------

TRICKS = (
    "https://shop.example@evil.example/callback",
    "https://shop.example:pw@evil.example/callback",
    "https://evil.example#@shop.example/callback",
    "https://evil.example\\@shop.example/callback",
    "https://shop.example\\.evil.example/callback",
    f"{REDIRECT_URI}#fragment",
    f"{REDIRECT_URI}#",
    f"{REDIRECT_URI}/../other",
    "https://shop.example/other/../callback",
    "https://shop.example/./callback",
    "https://shop.example/%2e%2e/callback",
    "https://shop.example/%63allback",
    "https://shop.example//callback",
    "https://shop.example/callback%00",
    "https://shop.example/callback%0d%0aLocation:evil",
    "https://shop.example/Callback",
    "HTTPS://shop.example/callback",
    "https://SHOP.example/callback",
    "https://shop.example:443/callback",
    "https://shop.example:8443/callback",
    "https://shop.example./callback",
    "https://xn--shp-0qa.example/callback",
    "https://sh\u043ep.example/callback",
    "https://shop\u3002example/callback",
    "https://shop.example.evil.example/callback",
    "https://evilshop.example/callback",
    "https://evil.example/?https://shop.example/callback",
    "https://sub.shop.example/callback",
    f"{REDIRECT_URI}2",
    f"{REDIRECT_URI}/",
    f"{REDIRECT_URI}?",
    f"{REDIRECT_URI}?code=x",
    f"{REDIRECT_URI};x=y",
    f" {REDIRECT_URI}",
    f"{REDIRECT_URI} ",
    f"{REDIRECT_URI} https://evil.example/",
    REDIRECT_URI[:-1],
    "//shop.example/callback",
    "https:/shop.example/callback",
    "https:shop.example/callback",
    "/callback",
    "data:text/html,x",
    "*",
)


@pytest.mark.parametrize("uri", TRICKS)
def test_a_redirect_uri_is_the_registered_one_to_the_letter(shopper, uri):
    shopper.code()
    answer = shopper.authorize(redirect_uri=uri)
    assert (answer.status_code, "Location" in answer.headers) == (400, False)
    goodbye = shopper.browser.get(
        "/oauth2/logout",
        {"client_id": "shop", "post_logout_redirect_uri": uri.replace("callback", "goodbye")},
    )
    assert (goodbye.status_code, "Location" in goodbye.headers) == (400, False)


def test_two_redirect_uris_are_none(shopper):
    query = f"{shopper_query(shopper)}&redirect_uri={quote(EVIL, safe='')}"
    answer = shopper.browser.get(f"/oauth2/authorize?{query}")
    assert (answer.status_code, "Location" in answer.headers) == (400, False)


# --- The Host header ------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["HTTP_HOST", "HTTP_X_FORWARDED_HOST", "HTTP_FORWARDED"])
def test_a_host_of_the_callers_is_in_no_answer(shopper, header):
    evil = {header: "host=evil.example" if header == "HTTP_FORWARDED" else "evil.example"}
    answers = [
        shopper.browser.get(path, shopper.request(), **evil)
        for path in ("/oauth2/authorize", *FORM_PAGES, "/.well-known/openid-configuration")
    ]
    for answer in answers:
        assert answer.status_code < 500
        said = answer.content.decode() + str(dict(answer.headers)) + str(answer.cookies)
        assert "evil.example" not in said
