"""How the pages behave as pages: size, language, policy. Screenshots go to pytest's tmp_path."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DESKTOP, PHONE, Visitor
from tests.interop import demo

# What a page needs in width, and the lowest thing to press on it, in CSS pixels.
MEASURE = """() => [
    document.documentElement.scrollWidth,
    Math.min(...[...document.querySelectorAll("a, button, input:not([type=hidden])")]
        .map(target => target.getBoundingClientRect().height)),
]"""


@pytest.mark.parametrize(
    ("brand", "viewport", "scheme"),
    [
        ("acme", DESKTOP, "light"),
        ("acme", PHONE, "dark"),
        ("globex", DESKTOP, "dark"),
        ("globex", PHONE, "light"),
    ],
    ids=["desktop", "phone-in-the-dark", "desktop-in-the-dark", "phone"],
)
def test_every_page_fits_its_window(
    invite: Callable[..., Visitor],
    tmp_path: Path,
    brand: str,
    viewport: dict[str, int],
    scheme: str,
) -> None:
    visitor = invite(viewport=viewport, color_scheme=scheme)
    page, user = visitor.page, demo.user(f"{brand}-web")

    def fits(name: str) -> None:
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        width, lowest = page.evaluate(MEASURE)
        assert width <= viewport["width"], name
        assert lowest >= 24, name  # WCAG 2.2, criterion 2.5.8

    visitor.open(f"{brand}-shop", prompt="consent", scope="openid profile email shop")
    fits("sign-in")
    visitor.sign_in(user, password="not-the-password")
    fits("sign-in-refused")
    visitor.complaints.clear()
    visitor.sign_in(user)
    fits("consent")
    page.goto(f"{visitor.issuer}/oauth2/logout?client_id={brand}-shop")
    fits("sign-out")
    visitor.press("Sign out")
    fits("signed-out")
    visitor.open(f"{brand}-shop", redirect_uri="https://attacker.example/")
    fits("error")
    visitor.complaints.clear()


@pytest.mark.parametrize(
    ("client_id", "locale", "language", "heading"),
    [
        ("acme-shop", "nl-NL", "nl", "Inloggen"),
        ("globex-shop", "de-AT", "de", "Anmelden"),
        ("globex-shop", "nl-NL", "en", "Sign in"),  # which this brand does not speak
        ("acme-shop", "en-GB", "en", "Sign in"),
    ],
)
def test_a_page_speaks_the_language_of_the_visitor_where_the_brand_does(
    invite: Callable[..., Visitor], client_id: str, locale: str, language: str, heading: str
) -> None:
    visitor = invite(locale=locale)
    visitor.open(client_id)
    expect(visitor.page.locator("html")).to_have_attribute("lang", language)
    assert visitor.heading == heading


def test_an_error_page_is_in_one_language(invite: Callable[..., Visitor]) -> None:
    said = []
    for locale in ("en-GB", "nl-NL"):
        visitor = invite(locale=locale)
        visitor.open("acme-shop", redirect_uri="https://attacker.example/")
        said.append(visitor.page.get_by_role("main").inner_text().splitlines())
        visitor.complaints.clear()
    # All but the reference, which is last.
    assert set(said[0][:-1]) & set(said[1][:-1]) <= {""}


def test_the_links_of_the_brand_are_on_its_sign_in_page(visitor: Visitor) -> None:
    visitor.open("acme-shop")
    links = {
        link.inner_text(): link.get_attribute("href")
        for link in visitor.page.locator("main a, footer a").all()
    }
    assert links == {
        "Forgot your password?": "https://acme.example/forgotten-password",
        "Create an account": "https://acme.example/register",
        "Help": "https://acme.example/help",
        "Privacy": "https://acme.example/privacy",
        "Terms": "https://acme.example/terms",
    }


def test_the_policy_of_a_page_stops_what_was_never_ours(visitor: Visitor) -> None:
    """Also the proof that the other tests would see it."""
    visitor.open("acme-shop")
    visitor.page.evaluate(
        """document.body.insertAdjacentHTML("beforeend",
            '<img src="https://attacker.example/x.png" onerror="document.title = 1">')"""
    )
    visitor.page.wait_for_timeout(300)
    expect(visitor.page).to_have_title("Acme Shop \N{EN DASH} Acme")
    assert visitor.complaints
    assert all("Content Security Policy" in text for text in visitor.complaints)
    visitor.complaints.clear()
    visitor.requested.clear()


def test_a_page_cannot_be_put_into_a_frame(visitor: Visitor) -> None:
    visit = visitor.visit("acme-shop")
    visitor.page.goto(visitor.application.origin)
    visitor.page.evaluate(
        """url => { const frame = document.createElement("iframe"); frame.src = url;
            document.body.append(frame) }""",
        visit.url,
    )
    visitor.page.wait_for_timeout(500)
    assert [frame.locator("input").count() for frame in visitor.page.frames] == [0, 0]
    assert any("frame-ancestors" in text for text in visitor.complaints), visitor.complaints
    visitor.complaints.clear()
    visitor.requested.clear()
