"""A user who is signed in sets a new password, knowing the present one."""

import pytest
from django.core import mail
from django.test import Client as Browser

from idp.accounts import local
from idp.accounts.models import LocalAccount, LoginService
from idp.audit.models import AuditEvent
from idp.blocking.models import Block
from tests.configuration import (
    PASSWORD,
    Shopper,
    account,
    gateway,
    introspected,
    returned,
    shop,
)
from tests.passwords.journey import CHANGE, NEW, can_sign_in

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("partition_lists", "at_work"),
]
FORM = {"present_password": PASSWORD, "new_password": NEW, "repeated": NEW}


@pytest.fixture
def shopper():
    shop()
    gateway()
    account()
    made = Shopper()
    made.code()
    return made


def test_the_new_password_counts_from_now_on_and_the_owner_is_told(shopper):
    page = shopper.browser.get(CHANGE).content.decode()
    assert "<bdi>jane</bdi>" in page
    answer = shopper.browser.post(CHANGE, FORM)
    assert (answer.status_code, "was changed" in answer.content.decode()) == (200, True)
    assert can_sign_in(NEW)
    assert not can_sign_in(PASSWORD)
    (told,) = mail.outbox
    assert (told.to, told.subject) == (
        ["jane@example.org"],
        "Your password was changed \N{EN DASH} Acme",
    )
    event = AuditEvent.objects.get(tag="accounts:password:changed")
    assert (event.address, event.details) == (
        "127.0.0.1",
        {"login_service": "acme-web", "username": "jane"},
    )


def test_this_session_goes_on_and_all_else_ends(shopper):
    other = Shopper()
    tokens = other.tokens()
    shopper.browser.post(CHANGE, FORM)
    assert not introspected(tokens["access_token"])["active"]
    assert other.refresh(tokens["refresh_token"]).status_code == 400
    assert other.authorize().headers["Location"].startswith("/sign-in")
    assert other.browser.get(CHANGE).status_code == 401
    assert returned(shopper.authorize())["code"]
    assert shopper.browser.get(CHANGE).status_code == 200


def test_the_session_has_another_key_afterwards(shopper):
    before = shopper.browser.cookies["idp-session"].value
    shopper.browser.post(CHANGE, FORM)
    assert shopper.browser.cookies["idp-session"].value != before


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"present_password": "wrong"}, 401, "This is not your present password."),
        ({"present_password": ""}, 400, "Enter your present password."),
        ({"new_password": "short", "repeated": "short"}, 400, "Use at least 10 characters."),
        ({"repeated": "another one"}, 400, "The two passwords are not the same."),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_changes_nothing(shopper, changed, status, said):
    answer = shopper.browser.post(CHANGE, FORM | changed)
    assert answer.status_code == status
    assert f'_error">{said}</p>' in answer.content.decode()
    assert can_sign_in(PASSWORD)
    assert mail.outbox == []
    assert not AuditEvent.objects.filter(tag="accounts:password:changed").exists()


def test_guesses_of_the_present_password_count_and_end_the_session(shopper, settings, monkeypatch):
    from django.db import transaction

    from idp.blocking import attempts

    settings.BLOCKING, settings.USER_FAILURES = "on", 3
    monkeypatch.setattr(attempts, "apart", transaction.atomic)
    wrong = FORM | {"present_password": "wrong"}
    answers = [shopper.browser.post(CHANGE, wrong) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401] * 3
    assert "Too many wrong passwords" in answers[-1].content.decode()
    assert Block.objects.get().label == "jane (acme-web)"
    assert shopper.browser.post(CHANGE, FORM).status_code == 401
    assert shopper.browser.get(CHANGE).status_code == 401
    assert not can_sign_in(NEW)


def test_a_reset_that_comes_first_wins(shopper, monkeypatch):
    from tokens.interaction import password_change

    checked = password_change.sign_in

    def check_slowly(*arguments, **options):
        outcome = checked(*arguments, **options)
        jane = LocalAccount.objects.get()
        local.set_password(jane, "what the owner has chosen")
        jane.save()
        return outcome

    monkeypatch.setattr(password_change, "sign_in", check_slowly)
    assert shopper.browser.post(CHANGE, FORM).status_code == 401
    assert not can_sign_in(NEW)
    assert can_sign_in("what the owner has chosen")


def test_a_user_of_the_same_name_elsewhere_is_not_meant(shopper):
    from tests.configuration import login_service

    account("jane", login_service("elsewhere"))
    shopper.browser.post(CHANGE, FORM)
    theirs = LocalAccount.objects.get(login_service__name="elsewhere")
    assert local.check(theirs.login_service, "jane", PASSWORD).username == "jane"


def test_strangers_are_told_to_sign_in(db):
    for method in ("get", "post"):
        answer = getattr(Browser(), method)(CHANGE, FORM)
        assert answer.status_code == 401
        assert "You are not signed in" in answer.content.decode()


def test_where_the_password_is_kept_elsewhere_it_is_said(shopper):
    LoginService.objects.filter(name="acme-web").update(kind="sql")
    answer = shopper.browser.get(CHANGE)
    assert answer.status_code == 404
    assert "Your password is not kept here" in answer.content.decode()


def test_a_form_of_another_site_changes_nothing(shopper):
    browser = Browser(enforce_csrf_checks=True)
    browser.cookies = shopper.browser.cookies
    assert browser.post(CHANGE, FORM).status_code == 403
    assert can_sign_in(PASSWORD)
