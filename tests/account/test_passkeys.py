"""Passkeys: added, signed in with, worth what they say, and nothing else lets in (WebAuthn level 2,
sections 7.1 and 7.2)."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from threading import Barrier

import jwt
import pytest
import time_machine
from django.db import connection, transaction
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from clients_admin.models import Client
from clients_admin.roles import EDITORS
from idp.accounts import passkeys
from idp.accounts.models import LocalAccount, Passkey, User
from idp.accounts.passkeys import Problem, Proved
from idp.audit.models import AuditEvent
from idp.blocking import attempts
from tests.authenticator import PRESENT, VERIFIED, Authenticator
from tests.configuration import PASSWORD, Shopper, account, login_service, returned, shop
from tests.test_admin import operator

pytestmark = pytest.mark.django_db

PATH = "/account/passkeys"
URL = "http://localhost:8000"
TWO = "urn:idp:acr:2fa"
HARDWARE, SYNCED = ["hwk", "user", "mfa"], ["swk", "user", "mfa"]


@pytest.fixture(autouse=True)
def domain(settings) -> None:
    """Browsers have no passkeys for an address."""
    settings.PUBLIC_URL = URL


@pytest.fixture
def key(jane) -> Authenticator:
    """Jane's, and she has signed out."""
    key = Authenticator(URL)
    assert add(jane, key).status_code == 303
    jane.browser.post("/sign-out", {"decision": "sign_out"})
    return key


def options_on(page: str) -> dict:
    return json.loads(unescape(re.search(r'data-options="([^"]*)"', page)[1]))


def add(shopper: Shopper, key: Authenticator, name: str = "My telephone", **bent):
    page = shopper.browser.post(PATH, {"passkey": "add"}).content.decode()
    return shopper.browser.post(
        PATH, {"passkey_new": key.create(options_on(page), **bent), "passkey_name": name}
    )


def sign_in_page(shopper: Shopper, **parameters: str) -> tuple[str, dict]:
    """Where it is, and what it hands to the browser."""
    address = shopper.authorize(**parameters).headers["Location"]
    return address, options_on(shopper.browser.get(address).content.decode())


def sign_in(shopper: Shopper, key: Authenticator, **bent):
    address, options = sign_in_page(shopper)
    return shopper.browser.post(address, {"passkey_answer": key.get(options, **bent)})


def require_two_factors() -> None:
    Client.objects.filter(client_id="shop").update(flags={"consent": "never", "required_acr": TWO})


def said(tokens: dict) -> dict:
    return jwt.decode(tokens["id_token"], options={"verify_signature": False})


def why_refused() -> str:
    return AuditEvent.objects.filter(tag="accounts:passkey:refused").latest("id").details["reason"]


# --- The way of a user ----------------------------------------------------------------------------


def test_a_passkey_is_added_and_shown_with_its_name(jane):
    assert add(jane, Authenticator(URL)).status_code == 303
    page = jane.browser.get(PATH).content.decode()
    assert "My telephone" in page
    assert "Last used" not in page
    event = AuditEvent.objects.get(tag="accounts:passkey:added")
    assert event.user_id == User.objects.get().pk


def test_it_lets_in_without_a_name_and_is_worth_two_factors(shopper, key):
    require_two_factors()
    address, options = sign_in_page(shopper)
    assert options["rpId"] == "localhost"
    assert options["userVerification"] == "required"
    assert "allowCredentials" not in options, "who has a passkey is nobody's business"
    back = shopper.follow(shopper.browser.post(address, {"passkey_answer": key.get(options)}))
    claims = said(shopper.exchange(returned(back)["code"]).json())
    assert (claims["acr"], claims["amr"]) == (TWO, HARDWARE)
    assert claims["sub"] == User.objects.get().sub
    assert "Last used" in shopper.browser.get(PATH).content.decode()
    assert shopper.browser.get("/account/sign-ins").content.decode().count("<time") >= 2


def test_one_that_is_synced_says_so(jane):
    key = Authenticator(URL, counts=False, is_synced=True)
    add(jane, key)
    for _ in range(2):
        jane.browser.post("/sign-out", {"decision": "sign_out"})
        back = jane.follow(sign_in(jane, key))
        assert said(jane.exchange(returned(back)["code"]).json())["amr"] == SYNCED


def test_after_a_password_it_is_the_second_factor(shopper, key):
    require_two_factors()
    address = shopper.authorize().headers["Location"]
    page = shopper.browser.post(address, {"username": "jane", "password": PASSWORD})
    address = shopper.browser.get(page.headers["Location"]).headers["Location"]
    page = shopper.browser.get(address).content.decode()
    assert "authenticator app" not in page
    options = options_on(page)
    assert [one["id"] for one in options["allowCredentials"]] == [
        json.loads(key.get(options))["id"]
    ]
    back = shopper.follow(shopper.browser.post(address, {"passkey_answer": key.get(options)}))
    assert said(shopper.exchange(returned(back)["code"]).json())["amr"] == ["pwd", *HARDWARE]


def test_a_session_gets_a_new_key(shopper, key):
    shopper.browser.session.save()
    before = shopper.browser.session.session_key
    assert sign_in(shopper, key).status_code == 303
    assert shopper.browser.session.session_key != before


def test_who_has_none_is_offered_the_same(shopper):
    _, options = sign_in_page(shopper)
    assert set(options) == {"challenge", "rpId", "userVerification"}


def test_one_is_removed_and_lets_in_no_more(jane):
    key = Authenticator(URL)
    add(jane, key)
    assert jane.browser.post(PATH, {"passkey": Passkey.objects.get().pk}).status_code == 303
    assert not Passkey.objects.exists()
    assert AuditEvent.objects.filter(tag="accounts:passkey:removed").count() == 1
    jane.browser.post("/sign-out", {"decision": "sign_out"})
    assert sign_in(jane, key).status_code == 401
    assert why_refused() == "no passkey of ours"


def test_an_operator_removes_them_with_the_rest(jane):
    add(jane, Authenticator(URL))
    page = reverse("admin:idp_user_second-factor", args=[User.objects.get(username="jane").pk])
    eddy = operator("eddy", EDITORS)
    assert "My telephone" in eddy.get(page).content.decode()
    assert eddy.post(page).status_code == 302
    assert not Passkey.objects.exists()


# --- What lets nobody in --------------------------------------------------------------------------

ELSEWHERE = {"client_data": {"origin": "https://evil.example"}}
BENT = {
    "another origin": (ELSEWHERE, "origin"),
    "another port": ({"client_data": {"origin": "http://localhost:8001"}}, "origin"),
    "a made-up challenge": ({"client_data": {"challenge": "A" * 75}}, "challenge"),
    "no challenge": ({"client_data": {"challenge": ""}}, "challenge"),
    "a frame of another site": ({"client_data": {"crossOrigin": True}}, "frame"),
    "another type": ({"client_data": {"type": "webauthn.create"}}, "type"),
    "another party": ({"host": "evil.example"}, "RP ID"),
    "nobody was there": ({"flags": VERIFIED}, "Present"),
    "the user was not verified": ({"flags": PRESENT}, "verif"),
    "another user": ({"user_handle": b"somebody"}, "somebody else"),
    "a wrong signature": ({"signature": b"x" * 70}, "ignature"),
    "no signature": ({"signature": b""}, "ignature"),
    "short data": ({"data": b"\0"}, "read"),
}


@pytest.mark.parametrize("case", BENT)
def test_an_answer_that_is_not_right_lets_nobody_in(shopper, key, case):
    bent, reason = BENT[case]
    answer = sign_in(shopper, key, **bent)
    assert answer.status_code == 401
    assert "This passkey is not known here" in answer.content.decode()
    assert reason in why_refused()
    assert "code" not in returned(shopper.authorize(prompt="none"))


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[]", "null", "1", "[" * 9_000, "\0", "é", "{" + '"a":{' * 2_000, "x" * 20_000),
        '{"id":"a","rawId":"b","type":"public-key","response":{}}',
        '{"id":"a","rawId":"a","response":{"clientDataJSON":"!","signature":"AA"}}',
        '{"id":7,"rawId":7,"type":7,"response":7}',
    ],
)
def test_what_cannot_be_read_is_refused(shopper, key, text):
    address, _ = sign_in_page(shopper)
    assert shopper.browser.post(address, {"passkey_answer": text}).status_code == 401
    assert why_refused() == "what the browser said cannot be read"


def test_an_answer_counts_once(shopper, key):
    address, options = sign_in_page(shopper)
    answer = {"passkey_answer": key.get(options)}
    assert shopper.browser.post(address, answer).status_code == 303
    shopper.browser.post("/sign-out", {"decision": "sign_out"})
    assert shopper.browser.post(address, answer).status_code == 401
    assert why_refused() == "a challenge that was answered before"


def test_an_answer_counts_in_the_browser_that_asked(shopper, key):
    address, options = sign_in_page(shopper)
    other = Browser()
    other.get(address)
    assert other.post(address, {"passkey_answer": key.get(options)}).status_code == 401
    assert why_refused() == "a challenge that was not made for this browser"


def test_a_challenge_ends(shopper, key):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        address, options = sign_in_page(shopper)
        clock.shift(timedelta(minutes=10))
        answer = shopper.browser.post(address, {"passkey_answer": key.get(options)})
    assert answer.status_code == 401
    assert why_refused() == "a challenge that has ended"


def test_a_challenge_to_make_one_is_none_to_sign_in(jane, key):
    jane.code()
    options = options_on(jane.browser.post(PATH, {"passkey": "add"}).content.decode())
    jane.browser.post("/sign-out", {"decision": "sign_out"})
    address, _ = sign_in_page(jane)
    assert jane.browser.post(address, {"passkey_answer": key.get(options)}).status_code == 401
    assert why_refused() == "a challenge that was not made for this browser"


def test_a_counter_that_does_not_go_on_is_that_of_a_clone(shopper, key):
    assert sign_in(shopper, key).status_code == 303
    shopper.browser.post("/sign-out", {"decision": "sign_out"})
    for count in (0, 1):
        assert sign_in(shopper, key, count=count).status_code == 401
        assert why_refused() == "a signature counter that does not go on"
    assert sign_in(shopper, key, count=9).status_code == 303


def test_somebody_elses_is_no_second_factor(shopper, key):
    account("joe")
    joe = Shopper(username="joe")
    joe.code()
    add(joe, of_joe := Authenticator(URL))
    require_two_factors()
    page = shopper.authorize().headers["Location"]
    shopper.browser.post(page, {"username": "jane", "password": PASSWORD})
    address = shopper.authorize().headers["Location"]
    options = options_on(shopper.browser.get(address).content.decode())
    answer = shopper.browser.post(address, {"passkey_answer": of_joe.get(options)})
    assert answer.status_code == 401
    assert why_refused() == "the passkey of somebody else"


def test_whose_login_service_the_client_does_not_accept_stays_outside(shopper, key):
    shop("other-shop", login_services=[login_service("other")])
    other = Shopper("other-shop")
    other.browser = shopper.browser
    assert sign_in(other, key).status_code == 401


@pytest.mark.parametrize("model", [User, LocalAccount])
def test_who_is_switched_off_stays_outside(shopper, key, model):
    model.objects.filter(username="jane").update(is_active=False)
    assert sign_in(shopper, key).status_code == 401
    assert why_refused() == "inactive user"


def test_wrong_answers_block_as_wrong_passwords_do(shopper, key, settings, monkeypatch):
    settings.BLOCKING = "on"
    # What is counted goes with the test.
    monkeypatch.setattr(attempts, "apart", transaction.atomic)
    address, options = sign_in_page(shopper)
    wrong, right = key.get(options, signature=b"x" * 70), key.get(options)
    # From many addresses, so that it is the user who is blocked.
    answers = [
        shopper.browser.post(address, {"passkey_answer": wrong}, REMOTE_ADDR=f"192.0.2.{number}")
        for number in range(30)
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert "Too many attempts" in answers[-1].content.decode()
    answer = shopper.browser.post(address, {"passkey_answer": right}, REMOTE_ADDR="192.0.2.99")
    assert answer.status_code == 401


# --- What is not added ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bent",
    [
        ELSEWHERE,
        {"client_data": {"challenge": "AAAA"}},
        {"client_data": {"type": "webauthn.get"}},
        {"host": "evil.example"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"attested": b""},
        {"attested": b"\xff" * 90},
        {"statement": b"\xff"},
        {"statement": b"\x81" * 5_000},
    ],
)
def test_what_is_not_right_is_not_added(jane, bent):
    answer = add(jane, Authenticator(URL), **bent)
    assert answer.status_code == 400
    assert "This passkey could not be added" in answer.content.decode()
    assert not Passkey.objects.exists()


def test_one_is_added_once_and_its_challenge_as_well(jane):
    key = Authenticator(URL)
    page = jane.browser.post(PATH, {"passkey": "add"}).content.decode()
    form = {"passkey_new": key.create(options_on(page)), "passkey_name": "x"}
    assert jane.browser.post(PATH, form).status_code == 303
    assert jane.browser.post(PATH, form).status_code == 400
    other = {**form, "passkey_new": Authenticator(URL).create(options_on(page))}
    assert jane.browser.post(PATH, other).status_code == 400
    assert Passkey.objects.count() == 1


@pytest.mark.parametrize(("length", "status"), [(1_023, 303), (1_024, 400), (8_000, 400)])
def test_an_id_may_be_so_long(jane, length, status):
    key = Authenticator(URL)
    key.credential_id = bytes(length)
    assert add(jane, key).status_code == status
    assert Passkey.objects.count() == (status == 303)


def test_nobody_has_more_than_ten(jane):
    for _ in range(10):
        assert add(jane, Authenticator(URL)).status_code == 303
    assert add(jane, Authenticator(URL)).status_code == 400
    assert 'value="add"' not in jane.browser.get(PATH).content.decode()


@pytest.mark.parametrize("name", ["", " ", "x" * 61, "a\0"])
def test_a_name_is_needed(jane, name):
    assert add(jane, Authenticator(URL), name).status_code == 400
    assert not Passkey.objects.exists()


def test_it_needs_a_fresh_sign_in(jane):
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        page = jane.browser.post(PATH, {"passkey": "add"}).content.decode()
        assert "Sign in again to change this" in page
        assert "data-options" not in page


@pytest.mark.parametrize("asked", ["other", "0", "-1", "x", "9" * 30, "²", ""])
def test_nobody_removes_what_is_not_theirs(jane, asked):
    account("joe")
    joe = Shopper(username="joe")
    joe.code()
    add(joe, Authenticator(URL))
    number = str(Passkey.objects.get().pk) if asked == "other" else asked
    assert jane.browser.post(PATH, {"passkey": number}).status_code == 303
    assert Passkey.objects.count() == 1


def test_at_an_address_that_is_no_domain_there_are_none(jane, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    assert "You cannot have a passkey here" in jane.browser.get(PATH).content.decode()
    assert add_button_missing(jane)
    jane.browser.post("/sign-out", {"decision": "sign_out"})
    page = jane.browser.get(jane.authorize().headers["Location"]).content.decode()
    assert "passkey" not in page.replace("webauthn", "")


def add_button_missing(shopper: Shopper) -> bool:
    return 'value="add"' not in shopper.browser.get(PATH).content.decode()


# --- Two at once ----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_many_answers_to_one_challenge_at_once_one_counts():
    account()
    shop()
    jane = Shopper()
    jane.code()
    key = Authenticator(URL, counts=False, is_synced=True)
    add(jane, key)
    options = passkeys.to_sign_in("browser", timezone.now())
    answer, start = key.get(json.loads(json.dumps(options))), Barrier(8)

    def check(_: int) -> object:
        start.wait()
        try:
            return passkeys.check(
                answer, browser="browser", address="", client_id=None, now=timezone.now()
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(check, range(8)))
    assert sum(isinstance(outcome, Proved) for outcome in outcomes) == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_users_who_add_the_same_at_once_one_has_it():
    shop()
    key, start, users = Authenticator(URL), Barrier(2), []
    for name in ("jane", "joe"):
        account(name)
        Shopper(username=name).code()
        users.append(User.objects.get(username=name))
    now = timezone.now()
    made = [key.create(passkeys.to_register(user, user.username, now)) for user in users]

    def register(user: User, said: str) -> str:
        start.wait()
        try:
            passkeys.register(user, said, "mine", browser=user.username, now=now)
        except Problem as problem:
            return str(problem)
        else:
            return ""
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(register, users, made))
    assert told == ["", "a passkey that is known already"]
