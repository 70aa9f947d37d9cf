"""The whole way of a user, by the keyboard alone: no test here moves a mouse.

Every two of brand, language, window, colours and scripts that can meet do so in one row.
"""

from collections.abc import Callable
from itertools import combinations

import pytest
import requests

from tests.browser.conftest import DESKTOP, PHONE, Visit, Visitor
from tests.browser.test_device import ask, poll
from tests.interop import demo

WINDOWS = {"desktop": DESKTOP, "phone": PHONE}
# Brand, language, window, colours, scripts.
TABLE = [
    ("acme", "en", "desktop", "light", "on"),
    ("acme", "en", "phone", "dark", "off"),
    ("acme", "nl", "desktop", "dark", "off"),
    ("acme", "nl", "phone", "light", "on"),
    ("acme", "de", "phone", "dark", "on"),
    ("acme", "fr", "desktop", "dark", "on"),
    ("acme", "fr", "phone", "light", "off"),
    ("globex", "de", "desktop", "light", "off"),
    ("globex", "en", "phone", "dark", "on"),
]
MOST_TABS = 40
IS_AT = """selector => document.activeElement.matches(selector)"""
IS_SEEN = """() => {
    const style = getComputedStyle(document.activeElement)
    return document.activeElement.matches(":focus-visible")
        && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
}"""


def test_every_two_choices_that_can_meet_do() -> None:
    brands = {row["slug"]: row["languages"] for row in demo.configuration()["brands"]}
    values = [sorted(set(column)) for column in zip(*TABLE, strict=True)]
    missing = [
        (one, other)
        for (left, ones), (right, others) in combinations(enumerate(values), 2)
        for one in ones
        for other in others
        if (left, right) != (0, 1) or other in brands[one]
        if not any(row[left] == one and row[right] == other for row in TABLE)
    ]
    assert missing == []
    assert values[1] == ["de", "en", "fr", "nl"]


class Typist:
    """A visitor with a keyboard, who sees where they are."""

    def __init__(self, visitor: Visitor, language: str) -> None:
        self.visitor, self.page, self.language = visitor, visitor.page, language
        self.keyboard = visitor.page.keyboard

    def tab_to(self, selector: str) -> None:
        """Presses Tab until that is where the keyboard is; each stop on the way is seen."""
        for _ in range(MOST_TABS):
            if self.page.evaluate(IS_AT, selector):
                return
            self.keyboard.press("Tab")
            assert self.page.evaluate(IS_SEEN), f"an invisible stop before {selector}"
        raise AssertionError(f"Tab never leads to {selector}")

    def press(self, key: str = "Enter") -> None:
        """The key that leads to the next page."""
        with self.page.expect_navigation():
            self.keyboard.press(key)

    def sign_in(self, user: demo.User) -> None:
        """First with a wrong password. The page puts the cursor where it is needed."""
        self.at_page("/sign-in")
        self.type_at("[name=username]", user.username)
        self.keyboard.press("Tab")
        self.type_at("[name=password]", "not-the-password")
        self.press()
        self.at_page("/sign-in")
        self.type_at("[name=password]", user.password)
        self.press()

    def type_at(self, selector: str, text: str) -> None:
        self.page.wait_for_function(IS_AT, arg=selector)
        assert self.page.evaluate(IS_SEEN)
        self.keyboard.type(text)

    def at_page(self, path: str) -> None:
        assert self.visitor.path == path
        assert self.page.locator("html").get_attribute("lang") == self.language
        width = self.page.evaluate("document.documentElement.scrollWidth")
        assert width <= self.page.viewport_size["width"]  # type: ignore[index]

    def decide(self, value: str) -> None:
        self.tab_to(f"button[value={value}]")
        self.press()


@pytest.mark.parametrize("row", TABLE, ids=["-".join(row) for row in TABLE])
def test_from_the_sign_in_to_the_sign_out(
    invite: Callable[..., Visitor], row: tuple[str, str, str, str, str]
) -> None:
    brand, language, window, scheme, scripts = row
    visitor = invite(
        viewport=WINDOWS[window], color_scheme=scheme, java_script_enabled=scripts == "on"
    )
    typist, client_id = Typist(visitor, language), f"{brand}-shop"
    asked = {"ui_locales": language, "prompt": "consent", "scope": "openid email orders.read"}

    visit = visitor.open(client_id, **asked)
    typist.sign_in(demo.user(f"{brand}-web"))
    typist.at_page("/consent")
    typist.decide("deny")
    assert visitor.landed(visit)["error"] == "access_denied"

    visit = visitor.open(client_id, **asked)
    typist.at_page("/consent")
    typist.tab_to("[name='scope-email']")
    typist.keyboard.press("Space")
    typist.decide("allow")
    assert scope_of(visitor, client_id, visit) == "openid orders.read"

    # What was left out is offered without a tick, and can be had again.
    visit = visitor.open(client_id, **asked)
    typist.tab_to("[name='scope-email']")
    assert not visitor.page.locator("[name='scope-email']").is_checked()
    typist.keyboard.press("Space")
    typist.decide("allow")
    assert scope_of(visitor, client_id, visit) == "email openid orders.read"

    if brand == "acme":
        connect_a_device(typist)
    visitor.page.goto(f"{visitor.issuer}/oauth2/logout?client_id={client_id}&ui_locales={language}")
    typist.at_page("/sign-out")
    typist.decide("sign_out")
    assert visitor.page.locator(".sign-done").is_visible()

    visitor.open(client_id, redirect_uri="https://attacker.example/", ui_locales=language)
    typist.at_page("/oauth2/authorize")
    assert visitor.page.locator("code").inner_text()
    choose_another_language(typist)
    visitor.complaints.clear()


def scope_of(visitor: Visitor, client_id: str, visit: Visit) -> str:
    client = demo.client(client_id)
    secret = {"client_secret": client.secret} if client.secret else {}
    form = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": visitor.landed_with_code(visit),
        "redirect_uri": visit.redirect_uri,
        "code_verifier": visit.verifier,
    }
    answer = requests.post(f"{visitor.issuer}/oauth2/token", data=form | secret, timeout=20)
    return str(answer.json()["scope"])


def connect_a_device(typist: Typist) -> None:
    visitor = typist.visitor
    started = ask(visitor, "device_authorization", scope="openid orders.read").json()
    address = f"{started['verification_uri']}?ui_locales={typist.language}"
    visitor.page.goto(address)
    typist.at_page("/oauth2/device")
    typist.type_at("[name=user_code]", started["user_code"])
    typist.press()
    typist.decide("allow")
    assert visitor.page.locator(".sign-done").is_visible()
    assert poll(visitor, started).json()["scope"] == "openid orders.read"


def choose_another_language(typist: Typist) -> None:
    """The choice beats what the application asks for, and the request stays as it is."""
    page, before = typist.page, typist.page.url
    other = "de" if typist.language == "en" else "en"
    typist.tab_to(f"nav a[lang={other}]")
    typist.press()
    assert page.url == before
    typist.language = other
    typist.at_page("/oauth2/authorize")
