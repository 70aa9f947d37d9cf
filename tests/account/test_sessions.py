"""`/account/sessions`: a user sees the browsers in which they are signed in, and ends theirs."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from idp.accounts.models import BrowserSession, User
from idp.accounts.user_agents import device
from idp.audit.models import AuditEvent
from tests.configuration import PASSWORD, Shopper, account

pytestmark = pytest.mark.django_db

PATH = "/account/sessions"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)


def signed_in(username: str = "jane", user_agent: str = FIREFOX, **environ: str) -> Shopper:
    shopper = Shopper(username=username)
    shopper.browser = Browser(HTTP_USER_AGENT=user_agent, **environ)
    shopper.code()
    return shopper


def is_signed_in(shopper: Shopper) -> bool:
    return "code=" in shopper.authorize(prompt="none").headers["Location"]


def number_of(shopper: Shopper) -> int:
    key = shopper.browser.session.session_key
    return BrowserSession.objects.get(session_id=key).pk


def test_each_browser_is_named_with_its_address_and_times(shopper):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        first = signed_in(REMOTE_ADDR="192.0.2.7")
        signed_in(user_agent=IPHONE)
        clock.shift(timedelta(minutes=6))
        page = first.browser.get(PATH).content.decode()
    assert "Firefox on Linux" in page
    assert "Safari on iPhone" in page
    assert "192.0.2.7" in page
    assert "2026-06-01T12:00:00+00:00" in page
    assert "2026-06-01T12:06:00+00:00" in page
    assert page.count("This one") == 1
    assert page.count("Sign out there") == 1


def test_one_of_them_is_ended_at_once(shopper):
    here, there = signed_in(), signed_in(user_agent=IPHONE)
    answer = here.browser.post(PATH, {"session": number_of(there)})
    assert (answer.status_code, answer.headers["Location"]) == (303, PATH)
    assert (is_signed_in(here), is_signed_in(there)) == (True, False)
    event = AuditEvent.objects.get(tag="accounts:session:revoked")
    assert event.user_id == User.objects.get().pk


def test_all_others_are_ended_and_this_one_goes_on_as_it_was(shopper):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        here, there = signed_in(), signed_in(user_agent=IPHONE)
        clock.shift(timedelta(minutes=5))
        here.browser.post(PATH, {"session": "others"})
        assert (is_signed_in(here), is_signed_in(there)) == (True, False)
        page = here.browser.get(PATH).content.decode()
    assert "This one" in page
    assert "iPhone" not in page
    assert "2026-06-01T12:00:00+00:00" in page
    assert AuditEvent.objects.filter(tag="accounts:sessions:others_revoked").count() == 1


@pytest.mark.parametrize("asked", ["bob", "0", "-1", "x", "9" * 30, "²", "", "1\0"])
def test_nobody_ends_what_is_not_theirs(shopper, asked):
    account("bob")
    here, bobs = signed_in(), signed_in("bob")
    asked = number_of(bobs) if asked == "bob" else asked
    assert here.browser.post(PATH, {"session": asked}).status_code == 303
    assert is_signed_in(here)
    assert is_signed_in(bobs)
    assert not AuditEvent.objects.filter(tag__contains="revoked").exists()


def test_sessions_that_have_ended_otherwise_are_not_shown(shopper):
    here, there, expired = signed_in(), signed_in(), signed_in()
    there.browser.post("/sign-out", {"decision": "sign_out"})
    Session.objects.filter(pk=expired.browser.session.session_key).update(
        expire_date=timezone.now()
    )
    page = here.browser.get(PATH).content.decode()
    assert page.count("thing-name") == 1


def test_the_row_goes_with_the_session(shopper):
    signed_in()
    Session.objects.all().delete()
    assert not BrowserSession.objects.exists()


def test_a_user_agent_is_text_and_no_markup(shopper):
    here = signed_in(user_agent="<script>alert(1)</script>\0" + "x" * 5000)
    page = here.browser.get(PATH).content.decode()
    assert "A device that we do not know" in page
    assert "alert(1)" not in page


def test_it_costs_the_same_whatever_the_number(shopper):
    here = signed_in()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert here.browser.get(PATH).status_code == 200
        return len(captured)

    before = queries()
    for _ in range(4):
        signed_in()
    assert queries() == before


# --- The door -------------------------------------------------------------------------------------

PATHS = ["/account/", PATH, "/account/applications", "/account/sign-ins"]


@pytest.mark.parametrize("path", PATHS)
def test_nobody_is_let_in_who_has_not_signed_in(shopper, path):
    assert Browser().get(path).status_code == 401
    page = Browser().get(path, {"client_id": "shop"})
    assert page.status_code == 200
    assert 'type="password"' in page.content.decode()


@pytest.mark.parametrize("path", PATHS)
def test_an_application_links_there_and_the_user_signs_in_on_the_spot(shopper, path):
    browser = Browser()
    url = f"{path}?client_id=shop"
    refused = browser.post(url, {"username": "jane", "password": "wrong"})
    assert refused.status_code == 401
    answer = browser.post(url, {"username": "jane", "password": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (303, url)
    page = browser.get(url)
    assert page.status_code == 200
    assert 'type="password"' not in page.content.decode()


@pytest.mark.parametrize("client_id", ["nobody", "a\0b", "é"])
def test_an_application_that_is_not_known_is_said_to_be(shopper, client_id):
    assert Browser().get("/account/", {"client_id": client_id}).status_code == 400


def test_a_change_needs_a_fresh_sign_in_and_is_then_made_at_once(shopper):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        here, there = signed_in(), signed_in(user_agent=IPHONE)
        clock.shift(timedelta(minutes=11))
        assert here.browser.get(PATH).status_code == 200
        form = {"session": str(number_of(there))}
        page = here.browser.post(PATH, form)
        assert "Sign in again to change this" in page.content.decode()
        assert f'value="{form["session"]}"' in page.content.decode()
        assert is_signed_in(there)
        again = here.browser.post(PATH, {**form, "username": "jane", "password": "wrong"})
        assert again.status_code == 401
        assert is_signed_in(there)
        done = here.browser.post(PATH, {**form, "username": "jane", "password": PASSWORD})
        assert done.status_code == 303
        assert not is_signed_in(there)


def test_somebody_else_cannot_prove_it(shopper):
    account("bob")
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        here, there = signed_in(), signed_in(user_agent=IPHONE)
        clock.shift(timedelta(minutes=11))
        form = {"session": str(number_of(there)), "username": "bob", "password": PASSWORD}
        assert here.browser.post(PATH, form).status_code == 401
        assert is_signed_in(there)


def test_a_form_of_another_site_changes_nothing(shopper):
    here, there = signed_in(), signed_in()
    strict = Browser(enforce_csrf_checks=True)
    strict.cookies = here.browser.cookies
    assert strict.post(PATH, {"session": number_of(there)}).status_code == 403
    assert is_signed_in(there)


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, ("Firefox", "Linux")),
        (IPHONE, ("Safari", "iPhone")),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", ("Edge", "Windows")),
        (
            "Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36",
            ("Chrome", "Android"),
        ),
        ("", ("", "")),
    ],
)
def test_browsers_and_systems_are_told_apart(user_agent, words):
    assert device(user_agent) == words
