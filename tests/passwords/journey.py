"""What somebody does who has forgotten a password."""

import re

from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.http import HttpResponse
from django.test import Client as Browser

from tests.configuration import Shopper

NEW = "a horse of another colour"
FORGOTTEN = "/account/password/forgotten"
RESET = "/account/password/reset"
CHANGE = "/account/password"


def link_in(sent: EmailMultiAlternatives) -> str:
    """The path of the link in a mail; the same in both of its forms."""
    found = re.findall(r"http://127\.0\.0\.1:8000(/account/\S+)", str(sent.body))
    html = re.findall(r'"http://127\.0\.0\.1:8000(/account/[^"]+)"', sent.alternatives[0].content)
    assert len(found) == 1
    assert found == html
    return found[0]


def ask_for_link(browser: Browser | None = None, username: str = "jane", **query: str) -> str:
    """The link that jane is mailed who has forgotten her password at the shop."""
    asked = query or {"client_id": "shop"}
    answer = (browser or Browser()).post(FORGOTTEN, {"username": username}, query_params=asked)
    assert answer.status_code == 200, answer.content.decode()
    return link_in(mail.outbox[-1])


def follow(link: str, browser: Browser | None = None) -> Browser:
    """A browser that stands before the form for a new password."""
    browser = browser or Browser()
    answer = browser.get(link)
    assert (answer.status_code, answer.headers["Location"]) == (303, RESET)
    return browser


def set_new(browser: Browser, password: str = NEW, repeated: str | None = None) -> HttpResponse:
    form = {"new_password": password, "repeated": password if repeated is None else repeated}
    return browser.post(RESET, form)


def can_sign_in(password: str, username: str = "jane", client_id: str = "shop") -> bool:
    shopper = Shopper(client_id, username)
    return shopper.sign_in(shopper.authorize(), password).status_code == 303
