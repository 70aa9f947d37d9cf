"""In which language pages are: the visitor's choice, else the application's wish, else the
browser's; from the first page of a login to the last."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import HttpResponse
from django.test import Client as Browser

from branding.languages import CODES
from branding.models import Brand
from tests.configuration import Shopper, account, shop

pytestmark = pytest.mark.django_db

SIGN_IN = {"en": "Sign in", "nl": "Inloggen", "de": "Anmelden", "fr": "Se connecter"}


def language(page: HttpResponse) -> str:
    """What the page says of itself, the same in the header and to a screen reader."""
    (said,) = re.findall(r'<html lang="(\w+)">', page.content.decode())
    assert page.headers["Content-Language"] == said
    return said


def switch(page: HttpResponse) -> dict[str, str]:
    """The links of the language switch by language."""
    found = re.findall(r'href="([^"]+)"\s+lang="(\w+)"', page.content.decode())
    return {code: address.replace("&amp;", "&") for address, code in found}


@pytest.fixture
def shopper() -> Shopper:
    account()
    shop(flags={"consent": "always"})
    Brand.objects.update(languages=CODES)
    return Shopper()


@pytest.mark.parametrize("code", CODES)
def test_the_wish_of_the_application_holds_on_every_page(shopper, code):
    browser = shopper.browser
    asked = shopper.authorize(ui_locales=f"xx {code}-AT en").headers["Location"]
    page = browser.get(asked)
    assert f"<h1>{SIGN_IN[code]}</h1>" in page.content.decode()
    pages = [page, browser.post(asked, {"username": "jane", "password": "wrong"})]
    consent = shopper.sign_in(shopper.authorize(ui_locales=code)).headers["Location"]
    pages += [
        browser.get(consent),
        browser.post(consent, {"decision": "neither"}),
        browser.get("/oauth2/authorize", {"client_id": "nobody", "ui_locales": code}),
        browser.get(
            browser.get("/oauth2/logout", {"ui_locales": code, "client_id": "shop"}).headers[
                "Location"
            ]
        ),
        browser.post(f"/sign-out?ui_locales={code}", {"decision": "sign_out"}),
    ]
    assert [(page.status_code, language(page)) for page in pages] == [
        (status, code) for status in (200, 401, 200, 400, 400, 200, 200)
    ]


def test_the_choice_of_the_visitor_beats_application_and_browser_and_keeps_the_request(shopper):
    browser = Browser(headers={"Accept-Language": "de"})
    address = f"/sign-in?{urlsplit(shopper.authorize(ui_locales='nl').headers['Location']).query}"
    page = browser.get(address)
    assert language(page) == "nl"
    links = switch(page)
    assert set(links) == {"en", "de", "fr"}
    chosen = browser.get(links["fr"])
    assert (chosen.status_code, chosen.headers["Location"]) == (303, address)
    cookie = chosen.cookies["idp-language"]
    assert (cookie.value, cookie["httponly"], cookie["samesite"], cookie["path"]) == (
        *("fr", True, "Lax"),
        "/",
    )
    assert language(browser.get(address)) == "fr"
    # On the pages of all brands, and where there is none.
    assert language(browser.get("/oauth2/device")) == "fr"
    assert language(browser.get("/nowhere")) == "fr"
    # A brand that does not speak it falls back to what was wished for otherwise.
    Brand.objects.update(languages=["en", "de"])
    assert language(browser.get(address)) == "de"


def test_a_wrong_password_leaves_a_switch_that_keeps_the_request(shopper):
    address = shopper.authorize().headers["Location"]
    page = shopper.browser.post(address, {"username": "jane", "password": "wrong"})
    chosen = shopper.browser.get(switch(page)["nl"])
    assert chosen.headers["Location"] == address


def test_what_a_form_has_done_is_said_once_so_there_is_no_switch(shopper):
    page = shopper.browser.post("/sign-out", {"decision": "sign_out"})
    assert (page.status_code, switch(page)) == (200, {})


def test_a_brand_of_one_language_has_no_switch(shopper):
    Brand.objects.update(languages=["nl"])
    page = shopper.browser.get(shopper.authorize().headers["Location"])
    assert (language(page), switch(page)) == ("nl", {})


@pytest.mark.parametrize(
    ("path", "query", "location"),
    [
        ("//attacker.example/", "page_language=nl", "/%2Fattacker.example/"),
        ("/\\attacker.example/", "page_language=nl", "/%5Cattacker.example/"),
        ("/sign-in", "a=%2B&page_language=nl&b=1%20", "/sign-in?a=%2B&b=1%20"),
        ("/sign-in", "page_language=nl&page_language=de", "/sign-in"),
    ],
)
def test_a_choice_leads_to_the_same_address_and_to_no_other_host(path, query, location):
    answer = Browser().get("/", PATH_INFO=path, QUERY_STRING=query)
    assert (answer.status_code, answer.headers["Location"]) == (303, location)


def test_a_language_that_we_do_not_speak_is_no_choice():
    page = Browser(headers={"Accept-Language": "nl"}).get("/nowhere?page_language=xx")
    assert (page.status_code, language(page), dict(page.cookies)) == (404, "nl", {})


def test_credentials_in_the_address_are_in_no_link_of_the_page(shopper):
    page = shopper.browser.get("/sign-in?client_id=shop&password=a-guess-in-the-address")
    assert page.status_code == 400
    assert b"a-guess-in-the-address" not in page.content


def test_the_languages_are_advertised():
    document = Browser().get("/.well-known/openid-configuration").json()
    assert document["ui_locales_supported"] == CODES


def test_a_post_is_no_choice(shopper):
    address = f"{shopper.authorize().headers['Location']}&page_language=nl"
    page = shopper.browser.post(address, {"username": "jane", "password": "wrong"})
    assert (page.status_code, dict(page.cookies).get("idp-language")) == (401, None)
    assert parse_qs(urlsplit(switch(page)["de"]).query)["page_language"] == ["de"]
