"""What password managers and screen readers need of the pages with passwords."""

import re

import pytest
from django.http import HttpResponse
from django.test import Client as Browser

from tests.configuration import Shopper, account, shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def shopper() -> Shopper:
    account()
    shop()
    return Shopper()


def fields(page: HttpResponse) -> dict[str, dict[str, str]]:
    """The attributes of visible inputs by name, in the order of the page."""
    found = {}
    for tag in re.findall(r"<input\b[^>]*>", page.content.decode()):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        bare = re.sub(r'[\w-]+="[^"]*"', "", tag)
        if attributes.get("type") != "hidden":
            words = re.findall(r"\b(autofocus|required|hidden)\b", bare)
            found[attributes["name"]] = attributes | dict.fromkeys(words, "")
    return found


def test_password_managers_know_the_fields_of_the_sign_in(shopper):
    found = fields(shopper.browser.get(shopper.authorize().headers["Location"]))
    assert [(name, row["autocomplete"]) for name, row in found.items()] == [
        ("username", "username"),
        ("password", "current-password"),
    ]
    assert found["username"]["autocapitalize"] == "none"


def test_after_a_wrong_password_the_name_is_kept_and_the_mistake_is_told(shopper):
    address = shopper.authorize().headers["Location"]
    page = shopper.browser.post(address, {"username": "jane", "password": "wrong"})
    found = fields(page)
    assert found["username"]["value"] == "jane"
    assert "value" not in found["password"]
    assert "autofocus" in found["password"]
    assert "autofocus" not in found["username"]
    described = {row["aria-describedby"] for row in found.values()}
    assert described == {"problem"}
    assert page.content.decode().count('id="problem"') == 1
    assert "<title>Error: " in page.content.decode()


@pytest.mark.parametrize(
    ("form", "focused", "wrong"),
    [
        ({}, "username", {"username", "password"}),
        ({"username": "jane"}, "password", {"password"}),
        ({"password": "wrong"}, "username", {"username"}),
    ],
)
def test_the_cursor_is_in_the_first_field_that_is_wrong(shopper, form, focused, wrong):
    page = shopper.browser.post(shopper.authorize().headers["Location"], form)
    found = fields(page)
    assert [name for name, row in found.items() if "autofocus" in row] == [focused]
    assert {name for name, row in found.items() if row.get("aria-invalid") == "true"} == wrong
    for name in wrong:
        assert f'id="{found[name]["aria-describedby"]}"' in page.content.decode()


def test_password_managers_know_the_fields_of_a_new_password(shopper):
    shopper.tokens()
    found = fields(shopper.browser.get("/account/password"))
    assert [(name, row["autocomplete"]) for name, row in found.items()] == [
        ("username", "username"),
        ("present_password", "current-password"),
        ("new_password", "new-password"),
        ("repeated", "new-password"),
    ]
    assert found["username"]["value"] == "jane"


def test_password_managers_find_where_a_password_is_changed():
    answer = Browser().get("/.well-known/change-password")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/account/password")
    # What is not there is said not to be, as the specification of that address wants it.
    assert Browser().get("/.well-known/resource-that-is-not-there").status_code == 404
