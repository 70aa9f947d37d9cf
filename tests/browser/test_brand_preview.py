"""The live preview beside the form of a brand: it follows the form, and nothing happens on it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, Visitor
from tests.servers import LiveIDP

PASSWORD = "the operators own password"


@pytest.fixture(scope="module")
def previewer(live_idp: LiveIDP) -> str:
    live_idp.manage(
        *("ensure_operator", "--username", "pat", "--password-stdin"), text=f"{PASSWORD}\n"
    )
    return "pat"


def open_form(page: Page, issuer: str, operator: str) -> None:
    page.goto(f"{issuer}/admin/login/")
    page.fill("[name=username]", operator)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/admin/")
    page.goto(f"{issuer}/admin/branding/brand/1/change/")


def test_it_follows_the_form_and_whoever_leaves_is_still_asked(
    invite: Callable[..., Visitor], previewer: str
) -> None:
    visitor = invite(viewport=DESKTOP)
    page = visitor.page
    open_form(page, visitor.issuer, previewer)
    shown = page.frame_locator("iframe[name=brand-preview]")
    expect(shown.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.fill("[name=name]", "Acme Nouveau")
    expect(shown.get_by_alt_text("Acme Nouveau")).to_be_visible()
    page.select_option("[name=preview_page]", "consent")
    page.select_option("[name=preview_language]", "fr")
    page.select_option("[name=preview_scheme]", "dark")
    page.select_option("[name=preview_width]", "phone")
    expect(shown.locator("html")).to_have_attribute("lang", "fr")
    expect(shown.locator("body")).to_have_css("color", "rgb(240, 242, 245)")
    frame = page.frame(name="brand-preview")
    assert frame
    assert frame.locator("html").bounding_box()["width"] < 392  # type: ignore[index]
    before = frame.url
    for part in ("a", "button"):
        frame.locator(part).first.click(force=True)
    page.wait_for_timeout(300)
    assert (frame.url, page.url) == (before, f"{visitor.issuer}/admin/branding/brand/1/change/")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto(f"{visitor.issuer}/admin/branding/brand/")
    assert asked == ["beforeunload"]
    expect(page.get_by_role("link", name="Acme Nouveau")).to_have_count(0)
    visitor.complaints.clear()  # Of the sandbox, about what Playwright runs in it.
