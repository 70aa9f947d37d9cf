"""Signing out: asked first, unless the application proves whom it speaks of."""

from urllib.parse import urlencode

from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.interop import demo
from tests.interop.user_agent import Landing


def sign_out(visitor: Visitor, **parameters: str) -> None:
    query = f"?{urlencode(parameters)}" if parameters else ""
    visitor.page.goto(f"{visitor.issuer}/oauth2/logout{query}")


def signed_in(visitor: Visitor) -> bool:
    """As an application sees it that may not ask."""
    visit = visitor.open("acme-own", scope="openid", prompt="none")
    return "code" in visitor.landed(visit)


def begin(visitor: Visitor) -> None:
    visit = visitor.open("acme-own", scope="openid")
    visitor.sign_in(demo.user("acme-web"))
    visitor.landed_with_code(visit)


def test_a_user_is_asked_and_may_stay(visitor: Visitor) -> None:
    begin(visitor)
    sign_out(visitor)
    assert visitor.path == "/sign-out"
    assert visitor.heading == "Do you want to sign out?"
    assert signed_in(visitor)


def test_a_user_who_says_so_is_signed_out(visitor: Visitor) -> None:
    begin(visitor)
    sign_out(visitor)
    visitor.press("Sign out")
    assert visitor.heading == "You are signed out"
    assert not signed_in(visitor)


def test_a_user_who_was_sent_by_an_application_goes_back_to_it(visitor: Visitor) -> None:
    begin(visitor)
    back = visitor.at_application(demo.client("acme-own").post_logout_redirect_uri)
    sign_out(visitor, client_id="acme-own", post_logout_redirect_uri=back, state="s 1")
    expect(visitor.page.get_by_role("banner").get_by_alt_text("Acme")).to_be_visible()
    expect(visitor.page.get_by_role("main")).to_contain_text("My Acme asks to sign you out.")
    visitor.press("Sign out")
    visitor.page.wait_for_url(f"{back}**", timeout=5000)
    assert Landing.at(visitor.page.url) == Landing(back, {"state": "s 1"})
    assert not signed_in(visitor)


def test_staying_signed_in_is_no_error(visitor: Visitor) -> None:
    begin(visitor)
    sign_out(visitor, client_id="acme-own")
    visitor.press("Stay signed in")
    expect(visitor.page.get_by_role("main")).to_contain_text("still signed in")
    assert visitor.heading != "This link does not work"
    assert signed_in(visitor)


def test_a_sign_out_to_an_address_that_is_not_registered_goes_nowhere(visitor: Visitor) -> None:
    begin(visitor)
    sign_out(visitor, client_id="acme-own", post_logout_redirect_uri="https://attacker.example/")
    assert visitor.path == "/oauth2/logout"
    assert visitor.heading == "This link does not work"
    visitor.expect_complaints(
        "Failed to load resource: the server responded with a status of 400 (Bad Request)"
    )
    assert signed_in(visitor)
