"""Each page of users, as Chromium loads it without its cache: nothing of another origin, and light.

The pages are those of the preview, which a contract holds to be all of them; the ways of users are
driven by the other files.
"""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Response

from branding.previews import PREVIEWS
from tests.browser import pictures
from tests.browser.conftest import DESKTOP, PHONE, Visitor
from tests.servers import LiveIDP

PASSWORD = "the operators own password"
MOST_BYTES = 100_000
# A page that is sent has its script too, which a preview leaves out.
SCRIPT = "/static/branding/pages.js"


@pytest.fixture(scope="module")
def weigher(live_idp: LiveIDP) -> str:
    live_idp.manage(
        *("ensure_operator", "--username", "walt", "--password-stdin"), text=f"{PASSWORD}\n"
    )
    return "walt"


class Scale:
    """What a page has loaded, by status and address."""

    def __init__(self, page: Page) -> None:
        self.weights: dict[str, int] = {}
        page.on("response", self._weigh)

    def _weigh(self, response: Response) -> None:
        self.weights[f"{response.status} {response.url}"] = len(response.body())

    def taken(self) -> dict[str, int]:
        taken, self.weights = self.weights, {}
        return taken


def previews(page: Page, issuer: str) -> Iterator[tuple[int, str, str]]:
    """Of each brand in one look, and what the picture is called."""
    # The pages are the same for each brand, and what each loads is the same on all of its pages.
    some = PREVIEWS if pictures.are_taken() else PREVIEWS[:2]
    for brand, window, scheme, shown in ((1, DESKTOP, "light", PREVIEWS), (2, PHONE, "dark", some)):
        page.set_viewport_size(window)
        look = f"{'phone' if window is PHONE else 'desktop'}-{scheme}"
        for preview in shown:
            query = f"preview_page={preview.slug}&preview_language=en&preview_scheme={scheme}"
            address = f"{issuer}/admin/branding/brand/{brand}/preview/?{query}"
            yield brand, f"users-{preview.slug}-{look}", address


def test_no_page_loads_anything_from_elsewhere_or_weighs_100_kilobytes(
    invite: Callable[..., Visitor], weigher: str
) -> None:
    visitor = invite(viewport=DESKTOP)
    page = visitor.page
    page.goto(f"{visitor.issuer}/admin/login/")
    page.fill("[name=username]", weigher)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/admin/")
    script = len(page.request.get(f"{visitor.issuer}{SCRIPT}").body())
    assert script
    session = page.context.new_cdp_session(page)
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    scale, found = Scale(page), {}
    visitor.requested.clear()
    for brand, slug, address in previews(page, visitor.issuer):
        page.goto(address, wait_until="networkidle")
        parts = scale.taken()
        pictures.keep(page, slug, suffix=".jpg")
        assert len(parts) >= 4, parts  # the page, two style sheets, its logo
        assert all(part.startswith("200 ") for part in parts), parts
        found[brand, slug] = sum(parts.values()) + script
    origins = {f"{urlsplit(u).scheme}://{urlsplit(u).netloc}" for u in visitor.requested}
    assert origins <= {visitor.issuer, "data://"}, origins
    for (brand, slug), weight in found.items():
        print(f"\nbrand {brand} {slug}: {weight:,} bytes", end="")
    assert max(found.values()) < MOST_BYTES


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("client_id", ["acme-shop", "globex-shop"])
def test_a_page_looks_the_same_without_javascript(
    invite: Callable[..., Visitor], client_id: str, viewport: dict[str, int]
) -> None:
    boxes = []
    for enabled in (True, False):
        visitor = invite(viewport=viewport, java_script_enabled=enabled)
        visitor.open(client_id)
        parts = visitor.page.locator("header, h1, label, input:not([type=hidden]), main .button, a")
        boxes.append([part.bounding_box() for part in parts.all()])
        assert visitor.page.locator("button.reveal").is_visible() is enabled
    assert len(boxes[0]) > 10
    assert boxes[0] == boxes[1]


def test_the_button_shows_the_password_and_the_browser_does_not_keep_it(visitor: Visitor) -> None:
    visitor.open("acme-shop")
    field = visitor.page.locator("input[name=password]")
    button = visitor.page.get_by_role("button", name="Show what you type")
    field.fill("a secret")
    assert field.get_attribute("type") == "password"
    button.click()
    assert field.get_attribute("type") == "text"
    assert button.get_attribute("aria-pressed") == "true"
    assert field.evaluate("field => field === document.activeElement")
    button.press("Enter")
    assert field.get_attribute("type") == "password"
    button.click()
    visitor.page.evaluate(
        """() => document.querySelector("form").addEventListener("submit", (event) => {
            event.preventDefault();
            document.title = document.querySelector("[name=password]").type;
        })"""
    )
    visitor.page.locator("input[name=username]").fill("jane")
    visitor.press("Sign in")
    assert visitor.page.title() == "password"
