"""A television and a telephone: the whole device flow (RFC 8628), in a real browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.conftest import DESKTOP, PHONE, Visitor
from tests.browser.test_pages import MEASURE
from tests.browser.test_sign_in import BAD_REQUEST, UNAUTHORIZED
from tests.interop import demo

CLIENT = "acme-tv"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def ask(visitor: Visitor, path: str, **form: str) -> requests.Response:
    """What the television sends."""
    url = f"{visitor.issuer}/oauth2/{path}"
    return requests.post(url, data={"client_id": CLIENT, **form}, timeout=30)


def poll(visitor: Visitor, started: dict[str, str]) -> requests.Response:
    return ask(visitor, "token", grant_type=DEVICE, device_code=started["device_code"])


def enter(visitor: Visitor, code: str) -> None:
    visitor.page.get_by_label("Code").fill(code)
    visitor.press("Continue")


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_user_connects_a_device(invite: Callable[..., Visitor], scripts: bool) -> None:
    visitor = invite(java_script_enabled=scripts)
    page, user = visitor.page, demo.user("acme-web")
    started = ask(visitor, "device_authorization", scope="openid orders.read").json()
    assert poll(visitor, started).json()["error"] == "authorization_pending"

    page.goto(started["verification_uri"])
    assert visitor.heading == "Connect a device"
    expect(page.get_by_role("banner")).to_have_count(0)
    enter(visitor, "BBBB-BBBB")
    expect(page.get_by_role("alert")).to_contain_text("This code does not work")
    expect(page).to_have_title("Error: Connect a device")
    enter(visitor, started["user_code"].lower().replace("-", " "))

    assert visitor.heading == "Sign in"
    expect(page.get_by_role("banner").get_by_alt_text("Acme")).to_be_visible()
    visitor.sign_in(user, password="not-the-password")
    visitor.sign_in(user)

    assert visitor.heading == "Connect a device to Acme TV?"
    main = page.get_by_role("main")
    expect(main).to_contain_text(started["user_code"])
    expect(main).to_contain_text(f"signed in as {user.claims['name']}")
    expect(page.get_by_role("listitem")).to_contain_text(
        [demo.scope_description(name) for name in ("openid", "orders.read")]
    )
    visitor.press("Allow")
    assert visitor.heading == "Your device is connected"
    visitor.expect_complaints(BAD_REQUEST, UNAUTHORIZED)

    tokens = poll(visitor, started).json()
    assert tokens["scope"] == "openid orders.read"
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    said = requests.get(f"{visitor.issuer}/oauth2/userinfo", headers=headers, timeout=30).json()
    assert set(said) == {"sub"}
    assert poll(visitor, started).json()["error"] == "invalid_grant"


def test_a_user_who_is_signed_in_scans_the_code_and_refuses(visitor: Visitor) -> None:
    visitor.open("acme-own")
    visitor.sign_in(demo.user("acme-web"))
    started = ask(visitor, "device_authorization").json()
    visitor.page.goto(started["verification_uri_complete"])
    assert visitor.heading == "Connect a device to Acme TV?"
    visitor.press("Deny")
    assert visitor.heading == "You refused the device"
    assert poll(visitor, started).json()["error"] == "access_denied"


def test_a_user_of_another_brand_has_to_sign_in_there(visitor: Visitor) -> None:
    visitor.open("globex-shop")
    visitor.sign_in(demo.user("globex-web"))
    started = ask(visitor, "device_authorization").json()
    visitor.page.goto(started["verification_uri_complete"])
    assert visitor.heading == "Sign in"
    expect(visitor.page.get_by_role("banner").get_by_alt_text("Acme")).to_be_visible()


@pytest.mark.parametrize(
    ("viewport", "scheme", "locale"),
    [(DESKTOP, "light", "en-GB"), (PHONE, "dark", "nl-NL")],
    ids=["desktop", "phone-in-the-dark"],
)
def test_the_pages_fit_their_window_and_speak_the_visitors_language(
    invite: Callable[..., Visitor],
    tmp_path: Path,
    viewport: dict[str, int],
    scheme: str,
    locale: str,
) -> None:
    visitor = invite(viewport=viewport, color_scheme=scheme, locale=locale)
    page, user = visitor.page, demo.user("acme-web")
    is_dutch = locale == "nl-NL"

    def fits(name: str, heading: str) -> None:
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        width, lowest = page.evaluate(MEASURE)
        assert width <= viewport["width"], name
        assert lowest >= 24, name  # WCAG 2.2, criterion 2.5.8
        assert visitor.heading == heading

    started = ask(visitor, "device_authorization").json()
    page.goto(started["verification_uri"])
    connect = "Apparaat koppelen" if is_dutch else "Connect a device"
    fits("code", connect)
    page.goto(f"{started['verification_uri']}?user_code=BBBB-BBBB")
    fits("wrong-code", connect)
    visitor.complaints.clear()
    page.goto(started["verification_uri_complete"])
    page.locator("[name=username]").fill(user.username)
    page.locator("[name=password]").fill(user.password)
    page.locator("button[type=submit]").click()
    page.wait_for_selector("[name=decision]")
    fits(
        "confirm",
        "Apparaat koppelen met Acme TV?" if is_dutch else "Connect a device to Acme TV?",
    )
    page.locator("[value=allow]").click()
    page.wait_for_selector(".sign-done")
    fits("done", "Je apparaat is gekoppeld" if is_dutch else "Your device is connected")
