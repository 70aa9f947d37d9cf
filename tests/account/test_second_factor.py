"""An authenticator app as second factor: set up, asked for, worth what it says, not got round.

RFC 6238, RFC 8176, and OpenID Connect Core 1.0 sections 3.1.2.1 and 5.5.1.1.
"""

import base64
import re
from datetime import UTC, datetime, timedelta

import jwt
import pytest
import time_machine
from django.db import transaction
from django.test import Client as Browser
from django.urls import reverse

from clients_admin.models import Client
from clients_admin.roles import EDITORS, VIEWERS
from idp.accounts import second_factor, totp
from idp.accounts.models import AuthenticatorApp, RecoveryCode, User
from idp.audit.models import AuditEvent
from idp.blocking import attempts
from tests.configuration import (
    EXCHANGE,
    PASSWORD,
    Shopper,
    account,
    basic,
    client,
    introspected,
    login_service,
    post,
    returned,
)
from tests.test_admin import PASSWORD as OPERATOR_PASSWORD
from tests.test_admin import operator

pytestmark = pytest.mark.django_db

PATH = "/account/second-factor"
NOON = "2026-06-01T12:00:00Z"
TWO, ONE = "urn:idp:acr:2fa", "urn:idp:acr:1fa"


@pytest.fixture
def clock():
    with time_machine.travel(NOON, tick=False) as moved:
        yield moved


def code_of(secret: bytes) -> str:
    return totp.code(secret, totp.step_at(datetime.now(UTC)))


def secret_on(page: str) -> bytes:
    key = re.search(r'class="user-code">([A-Z2-7 ]+)<', page)[1]
    return base64.b32decode(key.replace(" ", ""))


def set_up(shopper: Shopper) -> tuple[bytes, list[str]]:
    """The secret and the recovery codes of a signed-in user."""
    secret = secret_on(shopper.browser.post(PATH, {"second_factor": "begin"}).content.decode())
    page = shopper.browser.post(PATH, {"code": code_of(secret)}).content.decode()
    return secret, re.findall(r"<code>([A-Z2-7-]+)</code>", page)


@pytest.fixture
def protected(clock, jane) -> bytes:
    """Jane has an app; half a minute later."""
    secret, _ = set_up(jane)
    clock.shift(timedelta(seconds=30))
    return secret


def before_code(shopper: Shopper, **parameters: str) -> str:
    """The page where a browser that has proved the password stands."""
    page = shopper.authorize(**parameters).headers["Location"]
    answer = shopper.browser.post(page, {"username": shopper.username, "password": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (303, page)
    return page


def require(acr: str = TWO) -> None:
    shop = Client.objects.get(client_id="shop")
    shop.flags = {**shop.flags, "required_acr": acr}
    shop.save()


# --- RFC 6238 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_rfc(seconds, code):
    """Appendix B, cut to six digits."""
    assert totp.code(b"12345678901234567890", seconds // 30) == code


@pytest.mark.parametrize(("steps", "is_right"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_clock_may_be_half_a_minute_off(steps, is_right):
    now, secret = datetime(2026, 6, 1, tzinfo=UTC), totp.new_secret()
    typed = totp.code(secret, totp.step_at(now) + steps)
    assert (totp.matching_step(secret, typed, now) is not None) is is_right


# --- Setting up -----------------------------------------------------------------------------------


def test_it_is_set_up_by_a_code_and_gives_recovery_codes_once(clock, jane):
    secret, codes = set_up(jane)
    assert len(set(codes)) == 10
    app = AuthenticatorApp.objects.get()
    assert secret not in bytes(app.sealed_secret)
    assert totp.in_base32(secret).encode() not in bytes(app.sealed_secret)
    page = jane.browser.get(PATH).content.decode()
    assert "Recovery codes left: 10." in page
    assert not any(code in page for code in codes)
    assert AuditEvent.objects.get(tag="accounts:second_factor:added").user_id == app.user_id


def test_a_wrong_code_sets_nothing_up(clock, jane):
    secret = secret_on(jane.browser.post(PATH, {"second_factor": "begin"}).content.decode())
    wrong = f"{(int(code_of(secret)) + 1) % 10**6:06}"
    assert jane.browser.post(PATH, {"code": wrong}).status_code == 400
    assert not AuthenticatorApp.objects.exists()


def test_it_needs_a_fresh_sign_in(clock, jane):
    clock.shift(timedelta(minutes=11))
    page = jane.browser.post(PATH, {"second_factor": "begin"}).content.decode()
    assert "Sign in again to change this" in page


def test_its_user_removes_it(protected, jane):
    jane.browser.post(PATH, {"second_factor": "remove"})
    assert not AuthenticatorApp.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert "code" in returned(Shopper().sign_in(Shopper().authorize()))


# --- Signing in -----------------------------------------------------------------------------------


def test_a_password_alone_signs_nobody_in(protected, shopper):
    there = Shopper()
    page = before_code(there)
    assert "Enter your code" in there.browser.get(page).content.decode()
    assert there.authorize(prompt="none").headers["Location"].find("login_required") > 0
    for path in ("/account/", "/account/password", "/account/sessions"):
        assert there.browser.get(path).status_code in {200, 401}
        assert "You are signed in as" not in there.browser.get(path).content.decode()


def test_password_and_code_do_and_tokens_say_so(protected, clock):
    there = Shopper()
    page = before_code(there)
    code = returned(there.follow(there.browser.post(page, {"code": code_of(protected)})))["code"]
    tokens = there.exchange(code).json()
    said = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    seen = introspected(tokens["access_token"])
    for claims in (said, seen):
        assert (claims["acr"], claims["amr"]) == (TWO, ["pwd", "otp", "mfa"])
        assert claims["auth_time"] == int(datetime.now(UTC).timestamp())
    again = there.refresh(tokens["refresh_token"]).json()
    assert introspected(again["access_token"])["acr"] == TWO
    refreshed = jwt.decode(again["id_token"], options={"verify_signature": False})
    assert refreshed["amr"] == ["pwd", "otp", "mfa"]


def test_a_code_counts_once(protected):
    first, second = Shopper(), Shopper()
    pages = before_code(first), before_code(second)
    code = code_of(protected)
    assert first.browser.post(pages[0], {"code": code}).status_code == 303
    refused = second.browser.post(pages[1], {"code": code})
    assert refused.status_code == 401
    assert "This code is not right" in refused.content.decode()


def test_a_recovery_code_counts_once_in_any_letters(clock, jane):
    _, codes = set_up(jane)
    first, second = Shopper(), Shopper()
    pages = before_code(first), before_code(second)
    typed = codes[3].lower().replace("-", " ")
    assert first.browser.post(pages[0], {"code": typed}).status_code == 303
    assert second.browser.post(pages[1], {"code": typed}).status_code == 401
    assert second_factor.codes_left(User.objects.get()) == 9


def test_nobody_guesses_on_and_on(protected, settings, monkeypatch):
    settings.BLOCKING = "on"
    # What is counted goes with the test.
    monkeypatch.setattr(attempts, "apart", transaction.atomic)
    there = Shopper()
    page = before_code(there)
    for number in range(10):
        address = f"192.0.2.{number}"
        answer = there.browser.post(page, {"code": "000000"}, REMOTE_ADDR=address)
        assert answer.status_code == 401
    assert AuditEvent.objects.filter(tag="accounts:second_factor:refused").count() == 10
    assert AuditEvent.objects.get(tag="blocking:user:blocked")
    # All that they had has ended, and so has the proof of the password.
    right = there.browser.post(page, {"code": code_of(protected)})
    assert right.status_code == 400
    again = there.browser.post(page, {"username": "jane", "password": PASSWORD})
    assert "Too many attempts" in again.content.decode()


def test_who_waits_too_long_begins_anew(protected, clock):
    there = Shopper()
    page = before_code(there)
    clock.shift(timedelta(minutes=11))
    assert 'type="password"' in there.browser.get(page).content.decode()
    assert there.browser.post(page, {"code": code_of(protected)}).status_code == 400


def test_who_waits_is_forgotten_when_all_sessions_end(protected, jane):
    there = Shopper()
    page = before_code(there)
    jane.browser.post("/account/sessions", {"session": "others"})
    assert there.browser.post(page, {"code": code_of(protected)}).status_code == 400


def test_somebody_else_may_sign_in_instead(protected):
    there = Shopper()
    page = before_code(there)
    assert there.browser.post(page, {"restart": "yes"}).status_code == 303
    assert 'type="password"' in there.browser.get(page).content.decode()


@pytest.mark.parametrize("code", ["", "x" * 5000, "a\0b", "١٢٣٤٥٦", "-1", "000 000 0", "💩"])
def test_whatever_is_typed_is_refused_in_peace(protected, code):
    there = Shopper()
    page = before_code(there)
    assert there.browser.post(page, {"code": code}).status_code in {400, 401}
    assert there.authorize(prompt="none").headers["Location"].find("login_required") > 0


def test_the_account_and_devices_ask_for_it_too(protected):
    browser = Browser()
    form = {"username": "jane", "password": PASSWORD}
    assert browser.post("/account/?client_id=shop", form).status_code == 303
    assert "Enter your code" in browser.get("/account/?client_id=shop").content.decode()
    assert browser.post("/account/?client_id=shop", {"restart": "yes"}).status_code == 303
    assert 'type="password"' in browser.get("/account/?client_id=shop").content.decode()
    browser.post("/account/?client_id=shop", form)
    browser.post("/account/?client_id=shop", {"code": code_of(protected)})
    assert "You are signed in as" in browser.get("/account/").content.decode()


# --- What a client asks for -----------------------------------------------------------------------


def test_a_session_that_is_worth_less_is_asked_for_the_second_factor_alone(jane, clock):
    there = Shopper()
    there.code()
    secret, _ = set_up(jane)
    clock.shift(timedelta(seconds=30))
    page = there.authorize(acr_values=f"{TWO} {ONE}").headers["Location"]
    assert page.startswith("/sign-in?")
    assert 'type="password"' not in there.browser.get(page).content.decode()
    answer = there.follow(there.browser.post(page, {"code": code_of(secret)}))
    tokens = there.exchange(returned(answer)["code"]).json()
    assert introspected(tokens["access_token"])["acr"] == TWO


@pytest.mark.parametrize("acr", [TWO, "urn:mace:incommon:iap:silver", f"{ONE} {TWO}"])
def test_what_is_merely_preferred_keeps_nobody_out(jane, acr):
    tokens = jane.tokens(acr_values=acr)
    assert introspected(tokens["access_token"])["acr"] == ONE


def test_a_client_that_requires_it_leads_local_users_to_set_it_up(jane, clock):
    require()
    answer = jane.authorize(prompt="none")
    assert returned(answer)["error"] == "interaction_required"
    page = jane.authorize().headers["Location"]
    secret = secret_on(jane.browser.get(page).content.decode())
    shown = jane.browser.post(page, {"code": code_of(secret)}).content.decode()
    url = re.search(r'href="(/oauth2/authorize\?[^"]+)"', shown)[1].replace("&amp;", "&")
    code = returned(jane.follow(jane.browser.get(url)))["code"]
    assert introspected(jane.exchange(code).json()["access_token"])["acr"] == TWO


def test_users_of_others_are_refused_where_it_cannot_be_asked_for(jane):
    require()
    service = login_service()
    type(service).objects.filter(pk=service.pk).update(kind="sql")
    assert returned(jane.authorize())["error"] == "unmet_authentication_requirements"


def test_a_login_from_before_is_not_refreshed(jane):
    tokens = jane.tokens()
    require()
    refused = jane.refresh(tokens["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


def legacy(**flags: object) -> Client:
    return client(
        "legacy",
        "orders.read",
        grant_types=["password", EXCHANGE],
        login_services=[login_service()],
        flags={"allow_password_grant": True, **flags},
    )


def password_grant():
    form = {"grant_type": "password", "username": "jane", "password": PASSWORD}
    return post("/oauth2/token", form, **basic("legacy"))


def test_the_password_grant_does_not_get_round_a_users_second_factor(protected):
    legacy()
    refused = password_grant()
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert refused.json()["error_description"] == "The user name or the password is not right."
    event = AuditEvent.objects.get(tag="tokens:password:refused")
    assert event.details["reason"] == "second factor not asked for"


def test_nor_does_it_or_another_grant_get_round_what_the_client_requires(shopper):
    on_behalf = {
        "on_behalf_of_login_services": ["acme-web"],
        "on_behalf_of_scopes": ["orders.read"],
    }
    legacy(required_acr=TWO, **on_behalf)
    assert password_grant().json()["error"] == "unauthorized_client"
    form = {
        "grant_type": EXCHANGE,
        "subject_token": "acme-web:anybody",
        "subject_token_type": "urn:idp:params:oauth:token-type:user-reference",
    }
    assert post("/oauth2/token", form, **basic("legacy")).json()["error"] == "unauthorized_client"


def test_a_password_grant_says_what_it_is_worth(shopper):
    legacy()
    assert introspected(password_grant().json()["access_token"])["acr"] == ONE


def test_others_keep_theirs(protected):
    account("bob")
    assert Shopper(username="bob").code()


# --- Operators ------------------------------------------------------------------------------------


def with_app(browser: Browser) -> bytes:
    """The operator behind this browser has an app."""
    user, secret = User.objects.get(pk=browser.session["_auth_user_id"]), totp.new_secret()
    before = datetime.now(UTC) - timedelta(seconds=30)
    code = totp.code(secret, totp.step_at(before))
    assert second_factor.set_up(user, secret, code, before)
    return secret


def test_an_operator_who_has_one_needs_it_in_the_admin(clock, partition_lists):
    secret = with_app(operator("eddy", EDITORS))
    form = {"username": "eddy", "password": OPERATOR_PASSWORD}
    refused = Browser().post("/admin/login/", form)
    assert "The code is missing or not right." in refused.content.decode()
    assert "_auth_user_id" not in refused.wsgi_request.session
    let_in = Browser().post("/admin/login/", {**form, "code": code_of(secret)})
    assert let_in.status_code == 302


def test_an_editor_removes_a_lost_one(protected):
    user = User.objects.get(username="jane")
    page = reverse("admin:idp_user_second-factor", args=[user.pk])
    editor = operator("eddy", EDITORS)
    assert "has an authenticator app" in editor.get(page).content.decode()
    assert editor.post(page).status_code == 302
    assert not second_factor.is_set_up(user)
    event = AuditEvent.objects.get(tag="accounts:second_factor:removed")
    assert event.details["by_operator"] is True
    assert event.actor.startswith("eddy")


def test_a_viewer_does_not_and_an_editor_not_that_of_an_operator(protected):
    user = User.objects.get(username="jane")
    page = reverse("admin:idp_user_second-factor", args=[user.pk])
    assert operator("vera", VIEWERS).post(page).status_code == 403
    root = operator("root", is_superuser=True)
    with_app(root)
    page = reverse("admin:idp_user_second-factor", args=[root.session["_auth_user_id"]])
    assert operator("eddy", EDITORS).post(page).status_code == 403
    assert AuthenticatorApp.objects.count() == 2
