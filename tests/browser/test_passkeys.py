"""A real browser with an authenticator in software: a passkey is made, lets in, and is removed."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import DESKTOP, Application, Visitor
from tests.interop import demo
from tests.servers import LiveIDP

CLIENT = "acme-shop"
# As that of a telephone or a laptop: it verifies its user and keeps what it has made.
OF_A_DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def visitor(browser: Browser, live_database: str, application: Application) -> Iterator[Visitor]:
    """At an issuer that is a domain, as passkeys need it."""
    with LiveIDP(live_database, public_host="localhost") as server:
        context = browser.new_context(locale="en-GB", viewport=DESKTOP)
        visitor = Visitor(context, server.public_url, application)
        yield visitor
        visitor.leave()


def test_a_passkey_is_made_lets_in_and_is_removed(visitor: Visitor) -> None:
    page, account = visitor.page, f"{visitor.issuer}/account/passkeys?client_id={CLIENT}"
    device = visitor.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    added = device.send("WebAuthn.addVirtualAuthenticator", {"options": OF_A_DEVICE})
    which = {"authenticatorId": added["authenticatorId"]}

    page.goto(account)
    visitor.sign_in(demo.user("acme-web"))
    visitor.press("Add a passkey")
    page.get_by_label("Name").fill("My laptop")
    visitor.press("Add it")
    page.get_by_text("My laptop").wait_for()
    (credential,) = device.send("WebAuthn.getCredentials", which)["credentials"]
    assert (credential["rpId"], credential["isResidentCredential"]) == ("localhost", True)

    page.goto(f"{visitor.issuer}/sign-out")
    visitor.press("Sign out")
    # Nobody is there at first: so the page waits, and the button is what is pressed.
    device.send("WebAuthn.setAutomaticPresenceSimulation", which | {"enabled": False})
    visit = visitor.open(CLIENT, prompt="login")
    device.send("WebAuthn.setAutomaticPresenceSimulation", which | {"enabled": True})
    visitor.press("Sign in with a passkey")
    # Another test may have let the application in for ever.
    page.wait_for_url(lambda url: "/consent?" in url or url.startswith(visit.redirect_uri))
    if visitor.path == "/consent":
        visitor.press("Allow")
    assert visitor.landed_with_code(visit)

    page.goto(account)
    page.get_by_text("Last used").wait_for()
    visitor.press("Remove My laptop")
    page.get_by_text("My laptop").wait_for(state="detached")


def test_where_the_device_makes_none_the_page_says_so(visitor: Visitor) -> None:
    """There is no authenticator at all, or its user does not want to."""
    page, device = visitor.page, visitor.context.new_cdp_session(visitor.page)
    device.send("WebAuthn.enable")
    options = {**OF_A_DEVICE, "isUserVerified": False}
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.goto(f"{visitor.issuer}/account/passkeys?client_id={CLIENT}")
    visitor.sign_in(demo.user("acme-web"))
    visitor.press("Add a passkey")
    page.get_by_label("Name").fill("My laptop")
    visitor.press("Add it")
    page.get_by_text("Your device has made no passkey.").wait_for()
