"""axe-core finds nothing against WCAG 2.2 AA on any page, in light and dark, wide and narrow.

The pages of the operators' UI are found by following its links, so that a new one is looked at
without being listed here.
"""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Page

from tests.browser import axe
from tests.browser.conftest import DESKTOP, PHONE, Visitor
from tests.interop import demo
from tests.interop.conftest import node  # noqa: F401 - a fixture
from tests.servers import LiveIDP

PASSWORD = "the operators own password"
# One object of a kind is enough, and one page of a list.
_NUMBER = re.compile(r"/\d+/")
# No pages: a file, what ends the session, and what another test leaves alone.
_NOT_FOLLOWED = re.compile(r"^/admin/(logout|jsi18n|autocomplete)")
MOST_PAGES = 150
LOOKS = {
    "light": {"color_scheme": "light", "viewport": DESKTOP},
    "dark on a phone": {"color_scheme": "dark", "viewport": PHONE},
}
looks = pytest.mark.parametrize("look", LOOKS)


@pytest.fixture(scope="module")
def library(node: str) -> str:  # noqa: F811
    return axe.source()


@pytest.fixture(scope="module")
def operator(live_idp: LiveIDP) -> str:
    live_idp.manage(
        *("ensure_operator", "--username", "axel", "--password-stdin"), text=f"{PASSWORD}\n"
    )
    return "axel"


def test_the_pages_of_operators(
    invite: Callable[..., Visitor], operator: str, library: str
) -> None:
    visitor = invite(**LOOKS["light"])
    page, found = visitor.page, {}

    def look_at(name: str) -> None:
        """By all rules; then dark on a phone, by those that depend on it."""
        found[name] = axe.violations(page, library, axe.WCAG_22_AA)
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size(PHONE)
        found[f"{name}, dark on a phone"] = axe.violations(page, library, axe.LOOKS)
        page.set_viewport_size(DESKTOP)
        page.emulate_media(color_scheme="light")

    page.goto(f"{visitor.issuer}/admin/login/")
    look_at("/admin/login/")
    page.fill("[name=username]", operator)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/admin/")
    for path in pages_from(page, visitor.issuer, "/admin/"):
        look_at(path)
        for tab in page.get_by_role("tab").all():
            tab.click()
            found[f"{path} {tab.inner_text()}"] = axe.violations(page, library, axe.WCAG_22_AA)
    assert len(found) > 80, sorted(found)
    print(f"\n{len(found)} pages and tabs of operators, light, and pages dark on a phone")
    problems = together(found)
    assert not problems, problems


def together(found: dict[str, list[str]]) -> str:
    """What is wrong, each once, with the pages where it is."""
    places: dict[str, list[str]] = {}
    for path, wrong in found.items():
        for line in wrong:
            places.setdefault(line, []).append(path)
    return "\n".join(f"{line}\n    on {len(on)}: {on[:3]}" for line, on in places.items())


def pages_from(page: Page, issuer: str, first: str) -> Iterator[str]:
    """Opens the first page and all that links lead to from there, one of each kind."""
    todo, seen = [first], {first}
    while todo:
        path = todo.pop(0)
        answer = page.goto(f"{issuer}{path}")
        assert answer is not None
        assert answer.status == 200, (path, answer.status)
        yield path
        for link in page.locator("a[href]").all():
            target = urlsplit(urljoin(page.url, link.get_attribute("href") or ""))
            kind = _NUMBER.sub("/1/", target.path)
            if (
                target.path.startswith("/admin/")
                and not _NOT_FOLLOWED.match(target.path)
                and kind not in seen
                and len(seen) < MOST_PAGES
            ):
                seen.add(kind)
                todo.append(target.path)


@looks
@pytest.mark.parametrize("brand", ["acme", "globex"])
def test_the_pages_of_users(
    invite: Callable[..., Visitor], library: str, look: str, brand: str
) -> None:
    visitor = invite(**LOOKS[look])
    page, found = visitor.page, {}

    def look_at(name: str) -> None:
        found[name] = axe.violations(page, library, axe.ALL)

    client_id, user = f"{brand}-shop", demo.user(f"{brand}-web")
    visitor.open(client_id)
    query = urlsplit(page.url).query
    look_at("sign-in")
    visitor.sign_in(user, password="wrong")
    look_at("refused")
    page.goto(f"{visitor.issuer}/account/password/forgotten?{query}")
    look_at("forgotten password")
    visitor.open(client_id)
    visitor.sign_in(user)
    if visitor.path == "/consent":
        look_at("consent")
        visitor.press("Allow")
    page.goto(f"{visitor.issuer}/select-account?{query}")
    look_at("accounts")
    for path in (
        *("/account/", "/account/sessions", "/account/applications", "/account/sign-ins"),
        *("/account/second-factor", "/account/passkeys"),
        *("/account/password", "/oauth2/device", "/oauth2/logout", "/sign-out"),
    ):
        page.goto(f"{visitor.issuer}{path}")
        look_at(path)
    page.goto(f"{visitor.issuer}/account/password/reset/made-up")
    look_at("a link that is over")
    page.goto(f"{visitor.issuer}/oauth2/authorize?client_id=nobody")
    look_at("an error")
    visitor.complaints.clear()
    problems = together(found)
    assert not problems, problems
