"""RFC 8628 over HTTP: a device waits, its user types a code, signs in and decides elsewhere."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import time_machine
from django.db import connections
from django.http import HttpResponse
from django.test import Client as Browser

from clients_admin.models import Client, GrantType
from idp.accounts.models import User
from idp.audit.models import AuditEvent
from tests.configuration import (
    PASSWORD,
    Shopper,
    account,
    basic,
    brand,
    client,
    gateway,
    introspected,
    login_service,
    post,
    scopes,
    shop,
)
from tokens import cleanup, devices
from tokens.models import AccessToken, DeviceAuthorization, RefreshToken

pytestmark = pytest.mark.django_db

DEVICE = GrantType.DEVICE_CODE.value
PAGE = "/oauth2/device"
AUTHORIZE = "/oauth2/device_authorization"
POLLS = 20


def television(client_id: str = "tv", **fields) -> Client:
    """A public client without a keyboard, and a stranger to us: its users are asked."""
    defaults = {
        "name": "Acme TV",
        "client_type": "public",
        "grant_types": [DEVICE, "refresh_token"],
        "brand": brand(),
        "login_services": [login_service()],
    }
    return client(client_id, "openid", "email", "orders.read", **{**defaults, **fields})


def begin(client_id: str = "tv", **parameters: str) -> dict:
    return post(AUTHORIZE, {"client_id": client_id, **parameters}).json()


def poll(device_code: str, client_id: str = "tv") -> HttpResponse:
    form = {"grant_type": DEVICE, "device_code": device_code, "client_id": client_id}
    return post("/oauth2/token", form)


def error(answer: HttpResponse) -> str:
    assert answer.status_code == 400
    return answer.json()["error"]


@dataclass
class Person:
    """Somebody with a browser, who reads the code from the device."""

    username: str = "jane"
    browser: Browser = field(default_factory=Browser)

    def open(self, user_code: str) -> HttpResponse:
        return self.browser.get(PAGE, {"user_code": user_code})

    def type(self, user_code: str) -> HttpResponse:
        return self.browser.post(PAGE, {"user_code": user_code})

    def sign_in(self, user_code: str, password: str = PASSWORD) -> HttpResponse:
        form = {"username": self.username, "password": password}
        return self.browser.post(f"{PAGE}?user_code={user_code}", form)

    def decide(self, user_code: str, decision: str = "allow") -> HttpResponse:
        """What the page says after the whole way to the decision."""
        assert self.type(user_code).status_code == 303
        if b'name="password"' in self.open(user_code).content:
            assert self.sign_in(user_code).status_code == 303
        return self.browser.post(f"{PAGE}?user_code={user_code}", {"decision": decision})


@pytest.fixture
def jane() -> Person:
    account()
    gateway()
    television()
    return Person()


# --- The device asks ------------------------------------------------------------------------------


def test_a_device_gets_a_code_for_itself_and_one_for_its_user(jane, settings):
    answer = post(AUTHORIZE, {"client_id": "tv", "scope": "openid"})
    body = answer.json()
    page = f"{settings.PUBLIC_URL}{PAGE}"
    assert body == {
        "device_code": body["device_code"],
        "user_code": body["user_code"],
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={body['user_code']}",
        "expires_in": 600,
        "interval": 5,
    }
    assert re.fullmatch(r"dc_[\w-]{44}", body["device_code"])
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", body["user_code"])
    assert answer.headers["Cache-Control"] == "no-store"
    document = Browser().get("/.well-known/openid-configuration").json()
    assert document["device_authorization_endpoint"] == f"{settings.PUBLIC_URL}{AUTHORIZE}"
    assert DEVICE in document["grant_types_supported"]


def test_neither_code_is_ever_given_twice(jane, monkeypatch):
    letters = iter("BBBBBBBB" * 2 + "CCCCCCCC")
    monkeypatch.setattr(devices.secrets, "choice", lambda _: next(letters))
    assert [begin()["user_code"] for _ in range(2)] == ["BBBB-BBBB", "CCCC-CCCC"]


@pytest.mark.parametrize(
    ("fields", "parameters", "told"),
    [
        ({"grant_types": ["refresh_token"]}, {}, (400, "unauthorized_client")),
        ({}, {"scope": "orders.write"}, (400, "invalid_scope")),
        ({}, {"client_id": "nobody"}, (401, "invalid_client")),
        ({"is_active": False}, {}, (401, "invalid_client")),
        ({"client_type": "confidential"}, {}, (401, "invalid_client")),
    ],
)
def test_what_a_device_may_not_ask(fields, parameters, told):
    television(**fields)
    answer = post(AUTHORIZE, {"client_id": "tv", **parameters})
    assert (answer.status_code, answer.json()["error"]) == told
    assert not DeviceAuthorization.objects.exists()


def test_a_confidential_client_proves_itself_at_both_endpoints(jane):
    television("box", client_type="confidential")
    code = post(AUTHORIZE, {"scope": "openid"}, **basic("box")).json()["device_code"]
    assert poll(code, "box").status_code == 401
    form = {"grant_type": DEVICE, "device_code": code}
    assert error(post("/oauth2/token", form, **basic("box"))) == "authorization_pending"


# --- The device waits -----------------------------------------------------------------------------


def test_it_is_told_to_wait_and_then_gets_tokens_once(jane):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        started = begin(scope="openid orders.read")
        assert error(poll(started["device_code"])) == "authorization_pending"
        clock.shift(5)
        assert error(poll(started["device_code"])) == "authorization_pending"
        assert jane.decide(started["user_code"]).status_code == 200
        clock.shift(5)
        body = poll(started["device_code"]).json()
        assert body == {
            "access_token": body["access_token"],
            "refresh_token": body["refresh_token"],
            "id_token": body["id_token"],
            "token_type": "Bearer",
            "expires_in": 7200,
            "scope": "openid orders.read",
        }
        said = introspected(body["access_token"])
        assert (said["username"], said["iat"] - said["auth_time"]) == ("jane", 5)
        assert error(poll(started["device_code"])) == "invalid_grant"
        assert introspected(body["access_token"])["active"]
        clock.shift(600)
        assert error(poll(started["device_code"])) == "invalid_grant", "used, and expired later"
    device = DeviceAuthorization.objects.get()
    assert AccessToken.objects.get().family == RefreshToken.objects.get().family == device.pk
    assert device.state == "used"


def test_whoever_asks_too_soon_waits_five_seconds_longer_each_time(jane):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        code = begin()["device_code"]
        told = []
        for seconds in (0, 4, 9, 14, 20):
            clock.shift(seconds)
            told.append(error(poll(code)))
        assert told == [
            "authorization_pending",
            *("slow_down", "slow_down", "slow_down"),  # From now on 10, 15 and 20 seconds.
            "authorization_pending",
        ]


def test_the_interval_does_not_grow_past_what_helps(jane):
    code = begin()["device_code"]
    for _ in range(30):
        poll(code)
    assert DeviceAuthorization.objects.get().interval_seconds == devices.MAX_INTERVAL_SECONDS


def test_a_code_lives_for_ten_minutes(jane):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        waiting, approved, denied = (begin() for _ in range(3))
        jane.decide(approved["user_code"])
        jane.decide(denied["user_code"], "deny")
        clock.shift(600)
        for started in (waiting, approved, denied):
            assert error(poll(started["device_code"])) == "expired_token"
        assert jane.type(waiting["user_code"]).status_code == 400
        cleanup.clean_up()
        assert not DeviceAuthorization.objects.exists()
        assert error(poll(waiting["device_code"])) == "expired_token"


def test_a_refusal_is_told_and_audited(jane):
    started = begin()
    assert b"You refused the device" in jane.decide(started["user_code"], "deny").content
    assert poll(started["device_code"]).json() == {
        "error": "access_denied",
        "error_description": "The user refused.",
    }
    event = AuditEvent.objects.get(tag="tokens:device:denied")
    assert (event.client_id, event.user_id) == ("tv", User.objects.get().pk)


def test_another_client_gets_nothing_for_a_code(jane):
    television("other")
    started = begin()
    jane.decide(started["user_code"])
    assert error(poll(started["device_code"], "other")) == "invalid_grant"
    assert poll(started["device_code"]).status_code == 200


@pytest.mark.parametrize("code", ["made-up", "dc_" + "A" * 44, "ac_" + "A" * 44])
def test_a_made_up_code_is_refused_without_a_query(jane, code):
    assert error(poll(code)) == "invalid_grant"


def test_the_code_is_missing(jane):
    form = {"grant_type": DEVICE, "client_id": "tv"}
    assert error(post("/oauth2/token", form)) == "invalid_request"


def test_a_client_that_has_lost_the_grant_gets_nothing_more(jane):
    started = begin()
    jane.decide(started["user_code"])
    Client.objects.update(grant_types=["refresh_token"])
    assert error(poll(started["device_code"])) == "unauthorized_client"


def test_a_user_who_was_blocked_meanwhile_gets_no_tokens(jane):
    started = begin()
    jane.decide(started["user_code"])
    User.objects.update(is_active=False)
    assert error(poll(started["device_code"])) == "invalid_grant"
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize(("consent", "reaches"), [("never", True), ("remember", False)])
def test_a_later_scope_reaches_the_devices_of_our_own_clients_only(consent, reaches):
    account()
    gateway()
    made = television(flags={"consent": consent})
    started = begin()
    Person().decide(started["user_code"])
    token = poll(started["device_code"]).json()["access_token"]
    made.scopes.add(*scopes("orders.write"))
    assert ("orders.write" in introspected(token)["scope"]) is reaches


@pytest.mark.django_db(transaction=True)
def test_of_many_polls_at_once_one_is_granted():
    account()
    television()
    started = begin()
    Person().decide(started["user_code"])
    answers = at_once(started["device_code"])
    assert sorted({(answer.status_code, answer.json().get("error")) for answer in answers}) == [
        (200, None),
        (400, "invalid_grant"),
    ]
    assert [answer.status_code for answer in answers].count(200) == 1
    assert AccessToken.objects.count() == RefreshToken.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_polls_at_once_one_is_in_time():
    television()
    told = [error(answer) for answer in at_once(begin()["device_code"])]
    assert sorted(told) == ["authorization_pending", *["slow_down"] * (POLLS - 1)]


def at_once(device_code: str) -> list[HttpResponse]:
    """Each in a thread and a connection of its own."""

    def ask(_: int) -> HttpResponse:
        try:
            return poll(device_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(POLLS) as pool:
        return list(pool.map(ask, range(POLLS)))


# --- The user decides -----------------------------------------------------------------------------


def test_the_page_asks_for_the_code_without_a_brand(jane):
    page = jane.browser.get(PAGE)
    assert page.status_code == 200
    assert b"Connect a device" in page.content
    assert b"Acme" not in page.content


def test_the_code_may_be_typed_in_any_way(jane):
    code = begin()["user_code"]
    for typed in (code, code.lower(), code.replace("-", ""), f" {code.replace('-', ' ')} "):
        answer = jane.type(typed)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{PAGE}?user_code={code}")


def test_the_user_sees_what_is_asked_for_and_by_whom_and_the_code_to_compare(jane):
    code = begin(scope="openid orders.read")["user_code"]
    assert b"Sign in" in jane.open(code).content
    jane.sign_in(code)
    page = jane.open(code).content.decode()
    for text in ("Acme TV", code, "Jane Doe", "See your orders", "Know who you are", "Acme"):
        assert text in page
    assert "See your e-mail address" not in page


def test_users_of_our_own_clients_are_asked_too(jane):
    television("own", flags={"consent": "never"})
    started = begin("own")
    jane.sign_in(started["user_code"])
    assert b'value="allow"' in jane.open(started["user_code"]).content
    assert error(poll(started["device_code"], "own")) == "authorization_pending"


def test_an_approval_is_audited(jane):
    jane.decide(begin()["user_code"])
    event = AuditEvent.objects.get(tag="tokens:device:approved")
    assert (event.client_id, event.user_id) == ("tv", User.objects.get().pk)


def test_the_password_must_be_right(jane):
    started = begin()
    assert jane.sign_in(started["user_code"], "wrong").status_code == 401
    form = {"decision": "allow"}
    answer = jane.browser.post(f"{PAGE}?user_code={started['user_code']}", form)
    assert answer.status_code == 400, "a form without a user name"
    assert error(poll(started["device_code"])) == "authorization_pending"


def test_a_session_counts_only_where_the_client_takes_its_login_service(jane):
    globex = login_service("globex-web", "globex")
    account("gus", globex)
    shop("globex-shop", login_services=[globex])
    gus = Shopper("globex-shop", "gus")
    gus.code()
    person = Person("gus", gus.browser)
    started = begin()
    assert b'name="password"' in person.open(started["user_code"]).content
    assert person.sign_in(started["user_code"]).status_code == 401
    form = {"decision": "allow"}
    person.browser.post(f"{PAGE}?user_code={started['user_code']}", form)
    assert error(poll(started["device_code"])) == "authorization_pending"


def test_a_session_of_the_right_service_need_not_sign_in_again(jane):
    shop()
    shopper = Shopper()
    shopper.code()
    code = begin()["user_code"]
    assert b'value="allow"' in Person(browser=shopper.browser).open(code).content


def test_a_decision_counts_once(jane):
    started = begin()
    jane.decide(started["user_code"], "deny")
    form = {"decision": "allow"}
    again = jane.browser.post(f"{PAGE}?user_code={started['user_code']}", form)
    assert again.status_code == 400
    assert error(poll(started["device_code"])) == "access_denied"
    assert not AuditEvent.objects.filter(tag="tokens:device:approved").exists()


def test_a_form_without_its_csrf_token_decides_nothing(jane):
    strict = Browser(enforce_csrf_checks=True)
    code = begin()["user_code"]
    strict.force_login(User.objects.create(login_service=login_service(), external_id="1"))
    assert strict.post(f"{PAGE}?user_code={code}", {"decision": "allow"}).status_code == 403


@pytest.mark.parametrize("typed", ["BBBB-BBBB", "AAAA-AAAA", "BBBB", "<script>", "BBBB-BBBB-B"])
def test_a_wrong_code_is_said_to_be_wrong(jane, typed):
    for answer in (jane.type(typed), jane.open(typed)):
        assert answer.status_code == 400
        assert b"This code does not work" in answer.content
        assert b"<script>" not in answer.content


def test_the_code_of_an_inactive_client_does_not_work(jane):
    code = begin()["user_code"]
    Client.objects.update(is_active=False)
    assert jane.open(code).status_code == 400


def test_whoever_guesses_ten_times_waits_for_ten_minutes(jane):
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        for _ in range(10):
            assert jane.type("BBBB-BBBB").status_code == 400
        code = begin()["user_code"]
        assert jane.type(code).status_code == 429
        assert b"Too many wrong codes" in jane.open(code).content
        assert Person().type(code).status_code == 303, "others are not held up"
        clock.shift(601)
        assert jane.type(begin()["user_code"]).status_code == 303


def test_the_page_takes_get_and_post_only(jane):
    answer = jane.browser.put(PAGE)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
