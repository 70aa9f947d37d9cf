"""`/account/sign-ins`: a user sees who has signed in as them of late, and who has tried."""

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from idp.accounts.models import User
from idp.audit.models import AuditEvent
from tests.configuration import Shopper, account
from tokens.account import sign_ins

pytestmark = pytest.mark.django_db

PATH = "/account/sign-ins"


def attempt(username: str, password: str, address: str = "192.0.2.9") -> None:
    shopper = Shopper(username=username)
    shopper.browser = Browser(REMOTE_ADDR=address)
    shopper.sign_in(shopper.authorize(), password)


def test_accepted_and_refused_ones_are_told_with_where_and_why(jane):
    attempt("jane", "wrong", "192.0.2.66")
    page = jane.browser.get(PATH).content.decode()
    assert page.index("Refused") < page.rindex("Signed in")
    assert "The password was wrong." in page
    assert "192.0.2.66" in page
    assert "shop" in page


def test_a_name_in_other_letters_is_the_same_user(jane):
    attempt("JANE", "wrong")
    assert AuditEvent.objects.get(tag="accounts:sign_in:refused").user_id == User.objects.get().pk


def test_attempts_at_others_are_not_shown(jane):
    account("bob")
    Shopper(username="bob").code()
    attempt("bob", "wrong")
    attempt("nobody", "wrong")
    page = jane.browser.get(PATH).content.decode()
    assert "Refused" not in page
    assert page.count("thing-name") == 1


def test_the_list_and_what_is_looked_at_are_bounded(jane, monkeypatch):
    monkeypatch.setattr(sign_ins, "MAX_SHOWN", 2)
    monkeypatch.setattr(sign_ins, "MAX_EVENTS", 20)
    for _ in range(3):
        attempt("jane", "wrong")
    assert len(sign_ins.of(User.objects.get())) == 2
    with CaptureQueriesContext(connection) as captured:
        jane.browser.get(PATH)
    (events,) = [q["sql"] for q in captured if "idp_auditevent" in q["sql"]]
    assert "LIMIT 20" in events


def test_it_costs_the_same_whatever_the_number(jane):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert jane.browser.get(PATH).status_code == 200
        return len(captured)

    before = queries()
    for _ in range(4):
        attempt("jane", "wrong")
    assert queries() == before
