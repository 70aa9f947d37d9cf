"""Signing in, in a real browser: from the application to the brand's pages and back."""

from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.conftest import SCOPE, Visitor
from tests.interop import demo

UNAUTHORIZED = "Failed to load resource: the server responded with a status of 401 (Unauthorized)"
FORBIDDEN = "Failed to load resource: the server responded with a status of 403 (Forbidden)"
BAD_REQUEST = "Failed to load resource: the server responded with a status of 400 (Bad Request)"


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
@pytest.mark.parametrize(
    ("client_id", "login_service", "brand"),
    [("acme-shop", "acme-web", "Acme"), ("globex-shop", "globex-web", "Globex")],
)
def test_a_user_signs_in_and_consents_on_the_pages_of_the_brand(
    invite: Callable[..., Visitor], client_id: str, login_service: str, brand: str, scripts: bool
) -> None:
    visitor = invite(java_script_enabled=scripts)
    page, client, user = visitor.page, demo.client(client_id), demo.user(login_service)

    visit = visitor.open(client_id, prompt="consent")
    assert visitor.path == "/sign-in"
    assert visitor.heading == "Sign in"
    expect(page).to_have_title(f"{client.name} \N{EN DASH} {brand}")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("banner").get_by_alt_text(brand)).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text(f"to continue to {client.name}")

    visitor.sign_in(user)
    assert visitor.path == "/consent"
    assert visitor.heading == f"Allow {client.name} to use your account?"
    expect(page.get_by_role("banner").get_by_alt_text(brand)).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text(f"signed in as {user.claims['name']}")
    expect(page.get_by_role("listitem")).to_contain_text(
        # Who the user is comes first, whatever the alphabet says.
        [
            demo.scope_description(name)
            for name in sorted(SCOPE.split(), key=lambda name: (name != "openid", name))
        ]
    )

    visitor.press("Allow")
    code = visitor.landed_with_code(visit)
    redeemed = requests.post(
        f"{visitor.issuer}/oauth2/token",
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": visit.redirect_uri,
            "code_verifier": visit.verifier,
        }
        | ({"client_secret": client.secret} if client.secret else {})
        | {"client_id": client_id},
        timeout=20,
    )
    assert redeemed.status_code == 200, redeemed.text
    assert redeemed.json()["scope"] == SCOPE


def test_the_keyboard_is_enough(visitor: Visitor) -> None:
    keyboard, user = visitor.page.keyboard, demo.user("globex-web")
    visit = visitor.open("globex-shop")
    expect(visitor.page.get_by_label("User name")).to_be_focused()
    keyboard.type(user.username)
    keyboard.press("Tab")
    keyboard.type(user.password)
    with visitor.page.expect_navigation():
        keyboard.press("Enter")
    assert visitor.path == "/consent"
    visitor.page.get_by_role("button", name="Allow", exact=True).focus()
    keyboard.press("Enter")
    assert visitor.landed_with_code(visit)


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_wrong_password_is_said_beside_the_form_which_keeps_the_user_name(
    invite: Callable[..., Visitor], scripts: bool
) -> None:
    visitor = invite(java_script_enabled=scripts)
    page, user = visitor.page, demo.user("globex-web")
    visit = visitor.open("globex-shop")
    visitor.sign_in(user, password="not-the-password")

    assert visitor.path == "/sign-in"
    expect(page).to_have_title("Error: Globex Shop \N{EN DASH} Globex")
    expect(page.get_by_role("alert")).to_contain_text("We could not sign you in")
    expect(page.get_by_role("alert")).to_contain_text("The user name or the password is not right.")
    expect(page.get_by_label("User name")).to_have_value(user.username)
    expect(page.get_by_label("Password")).to_have_value("")
    expect(page.get_by_label("Password")).to_be_focused()
    visitor.expect_complaints(UNAUTHORIZED)

    visitor.sign_in(user)
    visitor.press("Allow")
    assert visitor.landed_with_code(visit)


def test_a_user_nobody_knows_is_refused_in_the_same_words(visitor: Visitor) -> None:
    known, unknown = demo.user("globex-web"), demo.User("no-such-user", "whatever", {})
    said = []
    for user in (known, unknown):
        visitor.open("globex-shop")
        visitor.sign_in(user, password="not-the-password")
        said.append(visitor.page.get_by_role("main").inner_text())
    assert said[0] == said[1]
    visitor.expect_complaints(UNAUTHORIZED, UNAUTHORIZED)


def test_a_session_at_one_brand_is_none_for_the_other_brand(visitor: Visitor) -> None:
    first = visitor.open("acme-own", scope="openid")
    visitor.sign_in(demo.user("acme-web"))
    visitor.landed_with_code(first)

    second = visitor.open("globex-shop", prompt="none")
    assert visitor.landed(second)["error"] == "login_required"
    visitor.open("globex-shop")
    assert visitor.heading == "Sign in"
    expect(visitor.page.get_by_role("banner").get_by_alt_text("Globex")).to_be_visible()
    # And looking at that page ended nothing at the first.
    third = visitor.open("acme-own", scope="openid", prompt="none")
    visitor.landed_with_code(third)


def test_who_is_signed_in_is_not_asked_again_unless_the_application_wants_it(
    visitor: Visitor,
) -> None:
    user = demo.user("acme-web")
    visit = visitor.open("acme-own", scope="openid")
    visitor.sign_in(user)
    visitor.landed_with_code(visit)

    visitor.landed_with_code(visitor.open("acme-own", scope="openid"))

    again = visitor.open("acme-own", scope="openid", prompt="login")
    assert visitor.heading == "Sign in"
    visitor.sign_in(user)
    visitor.landed_with_code(again)


def test_an_application_that_may_not_ask_is_told_that_a_sign_in_is_needed(
    visitor: Visitor,
) -> None:
    visit = visitor.open("globex-shop", prompt="none")
    assert visitor.landed(visit) == {
        "error": "login_required",
        "error_description": "The user must sign in.",
        "state": visit.state,
        "iss": visitor.issuer,
    }


def test_the_user_name_that_the_application_knows_is_filled_in(visitor: Visitor) -> None:
    visitor.open("globex-shop", login_hint="john")
    expect(visitor.page.get_by_label("User name")).to_have_value("john")
    expect(visitor.page.get_by_label("Password")).to_be_focused()


@pytest.mark.parametrize(
    ("wrong", "links"),
    [
        ({"redirect_uri": "https://attacker.example/callback"}, ["Get help"]),
        ({"redirect_uri": "http://127.0.0.1:8765/callback/../elsewhere"}, ["Get help"]),
        ({"redirect_uri": "http://127.0.0.1:8765@attacker.example/callback"}, ["Get help"]),
        ({"client_id": "no-such-client"}, []),
    ],
)
def test_a_request_from_nobody_we_know_ends_on_our_own_page(
    visitor: Visitor, wrong: dict[str, str], links: list[str]
) -> None:
    visit = visitor.visit("acme-shop", **wrong)
    answer = visitor.page.goto(visit.url)
    assert (answer.status, visitor.page.url) == (400, visit.url)
    assert visitor.heading == "This link does not work"
    expect(visitor.page.locator("html")).to_have_attribute("lang", "en")
    assert visitor.page.locator("form").count() == 0
    # The brand's help where the client is known; nowhere else to go.
    assert visitor.page.locator("main a").all_inner_texts() == links
    visitor.expect_complaints(BAD_REQUEST)


def test_an_application_may_send_its_request_as_a_form(visitor: Visitor) -> None:
    first = visitor.open("acme-own", scope="openid")
    visitor.sign_in(demo.user("acme-web"))
    visitor.landed_with_code(first)

    # From another site, so that cookies of SameSite=Lax do not come along with the POST.
    visit = visitor.visit("acme-own", scope="openid")
    visitor.page.goto(visitor.application.other_origin)
    visitor.page.evaluate(SUBMIT, visit.url)
    visitor.landed_with_code(visit)


SUBMIT = """address => {
    const url = new URL(address), form = document.createElement("form")
    form.method = "post"
    form.action = url.origin + url.pathname
    for (const [name, value] of url.searchParams)
        form.append(Object.assign(document.createElement("input"), {name, value}))
    document.body.append(form)
    form.submit()
}"""


@pytest.mark.parametrize("client_id", ["acme-own", "globex-shop"])
def test_an_application_may_send_the_user_on_to_another_site(
    visitor: Visitor, client_id: str
) -> None:
    """Browsers hold the redirects after a form against the policy of the form's page."""
    visitor.application.onward = f"{visitor.application.other_origin}/welcome"
    visitor.open(client_id, scope="openid")
    visitor.sign_in(demo.user("acme-web" if client_id == "acme-own" else "globex-web"))
    if client_id == "globex-shop":
        visitor.press("Allow")
    visitor.page.wait_for_url(visitor.application.onward, timeout=8000)


def test_going_back_and_allowing_again_gives_another_code(visitor: Visitor) -> None:
    visit = visitor.open("globex-shop")
    visitor.sign_in(demo.user("globex-web"))
    visitor.press("Allow")
    first = visitor.landed_with_code(visit)
    visitor.page.go_back()
    assert visitor.path == "/consent"
    visitor.press("Allow")
    assert visitor.landed_with_code(visit) != first


def test_a_session_that_ends_before_the_consent_leads_back_to_the_sign_in(
    visitor: Visitor,
) -> None:
    user = demo.user("globex-web")
    visit = visitor.open("globex-shop")
    visitor.sign_in(user)
    visitor.context.clear_cookies(name="idp-session")
    visitor.press("Allow")
    assert visitor.heading == "Sign in"
    visitor.sign_in(user)
    visitor.press("Allow")
    visitor.landed_with_code(visit)


def test_two_tabs_may_sign_in_one_after_the_other(visitor: Visitor) -> None:
    user = demo.user("globex-web")
    later = visitor.open("globex-shop")
    later_page = visitor.page

    visitor.page = visitor.context.new_page()
    sooner = visitor.open("globex-shop")
    visitor.sign_in(user)
    visitor.press("Allow")
    visitor.landed_with_code(sooner)

    visitor.page = later_page
    visitor.sign_in(user)
    assert visitor.heading == "Allow Globex Shop to use your account?"
    visitor.press("Allow")
    visitor.landed_with_code(later)


def test_a_browser_that_lost_its_cookies_is_told_so_on_a_page_of_ours(visitor: Visitor) -> None:
    visitor.open("globex-shop")
    visitor.context.clear_cookies()
    visitor.sign_in(demo.user("globex-web"))
    expect(visitor.page.locator("html")).to_have_attribute("lang", "en")
    assert "CSRF" not in visitor.page.locator("body").inner_text()
    assert visitor.complaints in ([], [FORBIDDEN])  # asked again, or told
    visitor.complaints.clear()
