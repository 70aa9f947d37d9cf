"""OpenID Connect RP-Initiated Logout 1.0 over HTTP."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import pytest
import time_machine
from django.test import Client as Browser
from django.utils import timezone

from clients_admin.models import Client
from idp.accounts.models import User
from tests.configuration import FORM, Shopper, account, basic, gateway, post, shop
from tokens import logout_token
from tokens.keys import ring

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


def test_a_hint_of_a_session_before_is_suspect(shopper):
    """RP-Initiated Logout section 4: "does not correspond to the RP's current session"."""
    hint = shopper.tokens()["id_token"]
    shopper.browser.post("/sign-out", {"decision": "sign_out"})
    shopper.tokens()
    answer = shopper.browser.get(PATH, {"id_token_hint": hint})
    assert answer.headers["Location"].startswith("/sign-out?")
    assert is_signed_in(shopper)


def test_a_hint_of_another_browser_is_suspect(shopper):
    hint = shopper.tokens()["id_token"]
    other = Shopper()
    other.tokens()
    answer = other.browser.get(PATH, {"id_token_hint": hint})
    assert answer.headers["Location"].startswith("/sign-out?")
    assert is_signed_in(other)


def test_a_hint_that_names_no_session_is_taken_by_its_user(shopper):
    """As the release before made them."""
    claims = jwt.decode(shopper.tokens()["id_token"], options={"verify_signature": False})
    del claims["sid"]
    hint = ring.current().signer("RS256").sign(claims)
    assert shopper.browser.get(PATH, {"id_token_hint": hint}).status_code == 200
    assert not is_signed_in(shopper)


@pytest.mark.parametrize(
    ("named", "is_asked"),
    [("jane", False), ("jane@example.org", False), ("sub", False), ("john", True)],
)
def test_a_logout_hint_about_somebody_else_is_asked_about(shopper, named, is_asked):
    hint = shopper.tokens()["id_token"]
    if named == "sub":
        named = jwt.decode(hint, options={"verify_signature": False})["sub"]
    answer = shopper.browser.get(PATH, {"id_token_hint": hint, "logout_hint": named})
    assert ("Location" in answer.headers) is is_asked
    assert is_signed_in(shopper) is is_asked


def test_a_logout_hint_alone_signs_nobody_out(shopper):
    shopper.tokens()
    answer = shopper.browser.get(PATH, {"logout_hint": "jane", "client_id": "shop"})
    assert answer.headers["Location"].startswith("/sign-out?")
    assert is_signed_in(shopper)


def test_it_is_asked_for_by_post_as_well(shopper):
    hint = shopper.tokens()["id_token"]
    strict = Browser(enforce_csrf_checks=True)
    strict.cookies = shopper.browser.cookies
    form = {"id_token_hint": hint, "post_logout_redirect_uri": RETURN, "state": "a b&c"}
    answer = strict.post(PATH, urlencode(form), content_type=FORM)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{RETURN}?state=a+b%26c")
    assert not is_signed_in(shopper)


def test_the_page_that_asks_keeps_all_that_was_said(shopper):
    shopper.tokens()
    asked = {
        "client_id": "shop",
        "post_logout_redirect_uri": RETURN,
        "state": "s",
        "logout_hint": "jane",
        "ui_locales": "nl en",
    }
    page = shopper.browser.get(PATH, asked).headers["Location"]
    assert returned_to(page) == asked
    done = shopper.browser.post(page, {"decision": "sign_out"})
    assert done.headers["Location"] == f"{RETURN}?state=s"


def returned_to(location: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location).query))


@pytest.mark.parametrize(
    "uri",
    [
        *(f"{RETURN}/", f"{RETURN}?a=b", f"{RETURN}#x", "https://shop.example/by"),
        *("https://shop.example/BYE", "https://SHOP.example/bye", "http://shop.example/bye"),
        *("https://shop.example:443/bye", "https://shop.example/a/../bye", " " + RETURN),
        *("https://shop.example.evil.example/bye", "https://shop.example@evil.example/bye"),
        "https://shop.example/callback",
    ],
)
def test_where_a_browser_may_go_is_compared_letter_for_letter(shopper, uri):
    hint = shopper.tokens()["id_token"]
    answer = shopper.browser.get(PATH, {"id_token_hint": hint, "post_logout_redirect_uri": uri})
    assert (answer.status_code, "Location" in answer.headers) == (400, False)
    assert is_signed_in(shopper)


def test_a_hint_of_one_client_sends_nobody_to_another(shopper):
    shop("blog", post_logout_redirect_uris="https://blog.example/bye")
    hint = shopper.tokens()["id_token"]
    for parameters in (
        {"post_logout_redirect_uri": "https://blog.example/bye"},
        {"client_id": "blog", "post_logout_redirect_uri": "https://blog.example/bye"},
    ):
        answer = shopper.browser.get(PATH, {"id_token_hint": hint, **parameters})
        assert (answer.status_code, "Location" in answer.headers) == (400, False)
    assert is_signed_in(shopper)


def test_a_logout_token_is_no_hint(shopper):
    shopper.tokens()
    row, user = Client.objects.get(client_id="shop"), User.objects.get()
    token = logout_token.of(row, user.sub, "s", timezone.now())
    assert shopper.browser.get(PATH, {"id_token_hint": token}).status_code == 400
    assert is_signed_in(shopper)


def test_an_expired_hint_is_still_a_hint(shopper):
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
    encoded = post("/oauth2/token", form, **basic("gateway")).json()["access_token"]
    assert shopper.browser.get(PATH, {"id_token_hint": encoded}).status_code == 400


def test_nobody_signed_in_is_signed_out_already():
    assert Browser().get(PATH).status_code == 200
