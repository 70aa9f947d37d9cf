"""Several accounts in one browser, over HTTP: signed in beside each other, chosen, signed out."""

import re

import jwt
import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client as Browser

from branding.models import Brand
from clients_admin.models import Client
from idp.accounts import browser_sessions
from idp.accounts.models import User
from idp.audit.models import AuditEvent
from tests.configuration import (
    REDIRECT_URI,
    Shopper,
    account,
    brand,
    login_service,
    returned,
    shop,
)
from tokens.interaction import session
from tokens.interaction.browser import ACCOUNTS_COOKIE
from tokens.models import Consent

pytestmark = pytest.mark.django_db

SESSION = settings.SESSION_COOKIE_NAME
PATH = "/select-account"


@pytest.fixture
def shopper() -> Shopper:
    """A browser in which jane and, after her, joe have signed in at the shop."""
    account("jane")
    account("joe")
    shop()
    shopper = Shopper()
    shopper.code()
    sign_in_as(shopper, "joe")
    return shopper


def sign_in_as(shopper: Shopper, name: str, **parameters: str):
    shopper.username = name
    query = shopper.request(**parameters)
    page = shopper.browser.get("/sign-in", query)
    assert page.status_code == 200
    return shopper.sign_in(as_redirect(shopper, query))


def as_redirect(shopper: Shopper, query: dict[str, str]):
    """The answer that leads to the sign-in page with this request."""
    answer = Browser().get("/oauth2/authorize", query)
    assert answer.headers["Location"].startswith("/sign-in?")
    return answer


def sub(name: str) -> str:
    return User.objects.get(username=name).sub


def whose(shopper: Shopper, answer) -> str:
    """The user whom a code that has come back is about."""
    body = shopper.exchange(returned(answer)["code"]).json()
    claims = jwt.decode(body["id_token"], options={"verify_signature": False})
    return User.objects.get(sub=claims["sub"]).username


def shown(shopper: Shopper, **parameters: str) -> list[str]:
    """Whom the page of accounts shows, in its order."""
    answer = shopper.browser.get(PATH, shopper.request(**parameters))
    subs = re.findall(r'name="account"\s+value="([^"]+)"', answer.content.decode())
    return [User.objects.get(sub=found).username for found in subs]


def press(shopper: Shopper, button: str, name: str, **parameters: str):
    """A button of the page of accounts; answers where all our redirects have led."""
    address = shopper.authorize(**parameters).headers["Location"]
    assert address.startswith(f"{PATH}?"), address
    return shopper.follow(shopper.browser.post(address, {button: sub(name)}))


def test_both_are_signed_in_each_with_a_session_of_its_own(shopper):
    assert shown(shopper) == ["joe", "jane"]
    assert Session.objects.count() == 2
    begun = AuditEvent.objects.filter(tag="accounts:session:begun")
    assert set(begun.values_list("user_id", flat=True)) == {
        User.objects.get(username=name).pk for name in ("jane", "joe")
    }


def test_who_was_last_chosen_for_a_client_goes_on_there(shopper):
    assert whose(shopper, shopper.authorize()) == "joe"
    back = press(shopper, "account", "jane", prompt="select_account")
    assert whose(shopper, back) == "jane"
    assert whose(shopper, shopper.authorize(prompt="none")) == "jane"


def test_a_client_that_knows_nobody_yet_has_to_ask(shopper):
    shop("second")
    second = Shopper("second")
    second.browser = shopper.browser
    assert second.authorize().headers["Location"].startswith(f"{PATH}?")
    silent = returned(second.authorize(prompt="none"))
    assert (silent["error"], silent["state"]) == ("account_selection_required", "the-state")
    assert whose(second, press(second, "account", "jane")) == "jane"
    assert whose(shopper, shopper.authorize()) == "joe", "the first client keeps its own"


def test_select_account_asks_though_there_is_one_account_only():
    account()
    shop()
    shopper = Shopper()
    shopper.code()
    assert shown(shopper, prompt="select_account") == ["jane"]
    assert whose(shopper, press(shopper, "account", "jane", prompt="select_account")) == "jane"


def test_select_account_without_any_account_is_a_sign_in():
    account()
    shop()
    shopper = Shopper()
    page = shopper.authorize(prompt="select_account")
    assert page.headers["Location"].startswith("/sign-in?")
    assert returned(shopper.sign_in(page))["code"]


def test_another_account_is_signed_in_from_the_page_and_goes_on(shopper):
    asked = shopper.authorize(prompt="select_account")
    html = shopper.browser.get(asked.headers["Location"]).content.decode()
    assert '<a href="/sign-in?' in html
    account("kim")
    shopper.username = "kim"
    back = shopper.sign_in(asked_at_sign_in(asked))
    assert whose(shopper, back) == "kim"
    assert shown(shopper) == ["kim", "joe", "jane"]


def asked_at_sign_in(answer):
    answer.headers["Location"] = answer.headers["Location"].replace(PATH, "/sign-in")
    return answer


@pytest.mark.parametrize("hint", ["jane", "JANE", "jane@example.org"])
def test_a_login_hint_picks_one(shopper, hint):
    assert whose(shopper, shopper.authorize(login_hint=hint)) == "jane"


def test_an_id_token_hint_picks_one_also_silently(shopper):
    token = tokens_of(shopper, "jane")["id_token"]
    assert whose(shopper, shopper.authorize()) == "jane"
    press(shopper, "account", "joe", prompt="select_account")
    assert whose(shopper, shopper.authorize(id_token_hint=token, prompt="none")) == "jane"


def tokens_of(shopper: Shopper, name: str):
    back = press(shopper, "account", name, prompt="select_account")
    return shopper.exchange(returned(back)["code"]).json()


def test_one_is_signed_out_and_the_other_stays(shopper):
    press(shopper, "sign_out", "joe", prompt="select_account")
    assert shown(shopper) == ["jane"]
    assert Session.objects.count() == 1
    event = AuditEvent.objects.get(tag="accounts:session:ended")
    assert event.user_id == User.objects.get(username="joe").pk
    assert whose(shopper, shopper.authorize()) == "jane"


def test_the_last_one_that_signs_out_leads_to_the_sign_in_page(shopper):
    for name in ("joe", "jane"):
        press(shopper, "sign_out", name, prompt="select_account")
    assert shopper.authorize().headers["Location"].startswith("/sign-in?")
    assert not Session.objects.exists()


def test_an_account_of_somebody_elses_browser_is_not_to_be_had(shopper):
    account("kim")
    other = Shopper(username="kim")
    other.code()
    address = shopper.authorize(prompt="select_account").headers["Location"]
    for button in ("account", "sign_out"):
        answer = shopper.browser.post(address, {button: sub("kim")})
        assert answer.headers["Location"].startswith(f"{PATH}?")
    assert shown(shopper) == ["joe", "jane"]
    assert whose(other, other.authorize()) == "kim"


def test_accounts_that_the_client_does_not_accept_are_not_shown(shopper):
    elsewhere = login_service("globex-web", "globex")
    account("jane", elsewhere)
    shop("globex-shop", brand=brand("globex"), login_services=[elsewhere])
    globex = Shopper("globex-shop")
    globex.browser = shopper.browser
    assert globex.authorize().headers["Location"].startswith("/sign-in?")
    assert returned(globex.sign_in(globex.authorize()))["code"]
    page = globex.browser.get(PATH, globex.request()).content.decode()
    assert page.count('name="account"') == 1


def test_the_oldest_of_too_many_is_signed_out(shopper):
    for name in ("kim", "lee", "max", "noa"):
        account(name)
        sign_in_as(shopper, name)
    assert shown(shopper) == ["noa", "max", "lee", "kim", "joe"]
    assert Session.objects.count() == session.MAX_ACCOUNTS == 5


def test_who_signs_in_again_keeps_one_session_under_a_new_key(shopper):
    before = set(Session.objects.values_list("session_key", flat=True))
    sign_in_as(shopper, "jane")
    after = set(Session.objects.values_list("session_key", flat=True))
    assert (len(before), len(after), len(before & after)) == (2, 2, 1)
    assert shown(shopper) == ["jane", "joe"]


def test_a_session_that_was_ended_elsewhere_is_gone_from_the_browser(shopper):
    browser_sessions.end_all(User.objects.get(username="jane"))
    assert shown(shopper) == ["joe"]
    browser_sessions.end_all(User.objects.get(username="joe"))
    assert shopper.authorize().headers["Location"].startswith("/sign-in?")


def test_the_cookie_of_the_others_cannot_be_read_by_scripts_nor_made_up(shopper):
    cookie = shopper.browser.cookies[ACCOUNTS_COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    for made_up in ("a" * 32, ".".join(["b" * 32] * 50), "x", '"\\000"', ".", "é"):
        shopper.browser.cookies[ACCOUNTS_COOKIE] = made_up
        assert shown(shopper) == ["joe"]


def test_no_page_says_the_key_of_a_session(shopper):
    html = shopper.browser.get(PATH, shopper.request()).content.decode()
    keys = Session.objects.values_list("session_key", flat=True)
    assert len(keys) == 2
    assert not [key for key in keys if key in html]


def test_consent_is_given_by_the_account_that_has_seen_the_page(shopper):
    Client.objects.update(flags={"consent": "always"})
    page = shopper.authorize().headers["Location"]
    html = shopper.browser.get(page).content.decode()
    assert f'name="account" value="{sub("joe")}"' in html
    address = shopper.authorize(prompt="select_account").headers["Location"]
    shopper.browser.post(address, {"account": sub("jane")})
    late = shopper.browser.post(page, {"decision": "allow", "account": sub("joe")})
    assert late.headers["Location"].startswith("/oauth2/authorize?")
    assert not Consent.objects.exists()


def test_a_client_signs_out_the_account_that_it_knows(shopper):
    tokens = tokens_of(shopper, "jane")
    press(shopper, "account", "joe", prompt="select_account")
    shopper.browser.get("/oauth2/logout", {"id_token_hint": tokens["id_token"]})
    assert shown(shopper) == ["joe"]


def test_a_hint_about_one_of_them_in_another_browser_is_asked_about(shopper):
    hint = Shopper(username="jane").tokens()["id_token"]
    answer = shopper.browser.get("/oauth2/logout", {"id_token_hint": hint})
    assert answer.headers["Location"].startswith("/sign-out?")
    assert sorted(shown(shopper)) == ["jane", "joe"]


def test_who_says_so_on_our_page_signs_everybody_out(shopper):
    shopper.browser.post("/sign-out", {"decision": "sign_out"})
    assert not Session.objects.exists()
    assert shopper.browser.cookies[ACCOUNTS_COOKIE].value == ""
    assert AuditEvent.objects.filter(tag="accounts:session:ended").count() == 2


def test_the_page_without_a_button_is_refused(shopper):
    answer = shopper.browser.post(f"{PATH}?{shopper_query(shopper)}", {})
    assert answer.status_code == 400


def shopper_query(shopper: Shopper) -> str:
    return shopper.authorize(prompt="select_account").headers["Location"].partition("?")[2]


@pytest.mark.parametrize(
    ("language", "heading"),
    [
        ("en", "Choose an account"),
        ("nl", "Kies een account"),
        ("de", "Konto auswählen"),
        ("fr", "Choisir un compte"),
    ],
)
def test_the_page_speaks_the_language_of_the_browser(shopper, language, heading):
    Brand.objects.update(languages=["en", "nl", "de", "fr"])
    answer = shopper.browser.get(PATH, shopper.request(), headers={"Accept-Language": language})
    assert f"<h1>{heading}</h1>" in answer.content.decode()
    assert REDIRECT_URI.partition("/")[0] in answer.headers["Content-Security-Policy"]
