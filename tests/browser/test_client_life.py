"""The whole life of a client in a real browser: made, used, changed, set back, looked at."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Error, Page, expect

from clients_admin.roles import EDITORS, VIEWERS
from tests.browser.conftest import PHONE, Visitor
from tests.browser.operators import give_role, sign_in
from tests.browser.pictures import keep
from tests.servers import LiveIDP

PASSWORD = "a-till-is-born-and-looked-at"
ROLES = {"emma": EDITORS, "vito": VIEWERS}
CONFIGURATION = f"""
brands: [{{slug: corner, name: Corner Shop}}]
scopes: {{till.read: Read what a till has sold, till.close: Close a till}}
scope_groups: {{tills: [till.read, till.close]}}
login_services: [{{name: operators, kind: local}}]
users:
  - {{login_service: operators, username: emma, password: {PASSWORD}}}
  - {{login_service: operators, username: vito, password: {PASSWORD}}}
"""
LOOKS: dict[str, dict[str, Any]] = {
    "desktop-light": {"viewport": {"width": 1440, "height": 900}},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark"},
}


@pytest.fixture(scope="module")
def configured(live_idp: LiveIDP, tmp_path_factory: pytest.TempPathFactory) -> LiveIDP:
    file = tmp_path_factory.mktemp("life") / "configuration.yaml"
    file.write_text(CONFIGURATION)
    live_idp.manage("config", "apply", str(file))
    return live_idp


@pytest.fixture
def enter(invite: Callable[..., Visitor], configured: LiveIDP) -> Callable[..., Page]:
    def come_in(name: str, **settings: object) -> Page:
        page = invite(**settings).page
        sign_in(page, configured, name, PASSWORD)
        if "request-client" in page.url:
            give_role(configured, name, ROLES[name])
        page.goto(f"{configured.public_url}/admin/")
        return page

    return come_in


def token(idp: LiveIDP, client_id: str, secret: str) -> dict[str, Any]:
    """What the client gets with its own secret."""
    proof = b64encode(f"{client_id}:{secret}".encode()).decode()
    request = Request(
        f"{idp.public_url}/oauth2/token",
        data=b"grant_type=client_credentials",
        headers={"Authorization": f"Basic {proof}"},
    )
    with urlopen(request, timeout=10) as answer:
        return dict(json.load(answer))


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def save(page: Page) -> None:
    page.get_by_role("button", name="Save and continue editing").click()


@pytest.mark.parametrize("look", LOOKS)
def test_from_its_first_flag_to_the_eyes_of_a_viewer(
    enter: Callable[..., Page], configured: LiveIDP, look: str
) -> None:
    client_id = f"till-{look}"
    page = enter("emma", **LOOKS[look])

    page.goto(f"{configured.public_url}/admin/clients_admin/client/add/")
    page.get_by_label("Client ID").fill(client_id)
    page.get_by_label("Name", exact=True).fill("Till at the corner")
    tab(page, "Grants and redirects")
    page.get_by_label("Client credentials").check()
    tab(page, "Flags")
    page.locator("#flag-access_token_seconds").fill("-5")
    page.locator("#flag-max_access_tokens").fill("3")
    page.locator("#flag-jwt_audience").fill("tills")
    page.locator("#flag-refresh_expiry").select_option("fixed")
    page.locator("#flag-allow_password_grant").select_option("no")
    page.locator("#flag-on_behalf_of_login_services").fill("operators")
    save(page)
    tab(page, "Flags")
    row = page.get_by_role("row").filter(has=page.locator("#flag-access_token_seconds"))
    expect(row).to_contain_text("access_token_seconds must be")
    keep(page, f"flags-refused-{look}", whole=False)

    page.locator("#flag-access_token_seconds").fill("600")
    expect(row).to_contain_text("10 minutes")
    save(page)
    tab(page, "Scopes and groups")
    page.locator("#id_scope_groups ~ .select2 .select2-search__field").fill("tills")
    page.get_by_role("option", name="tills").click()
    save_all_the_same(page, look)
    secret = made_secret(page, look)
    assert token(configured, client_id, secret)["expires_in"] == 600
    assert token(configured, client_id, secret)["scope"] == "till.close till.read"

    tab(page, "Flags")
    page.locator("#flag-access_token_seconds").fill("900")
    save(page)
    tab(page, "Flags")
    assert token(configured, client_id, secret)["expires_in"] == 900
    keep(page, f"flags-{look}", whole=False)

    tab(page, "History")
    change = page.get_by_role("listitem").filter(has_text="flags.access_token_seconds").first
    expect(change).to_contain_text(re.compile("600.*900", re.DOTALL))
    keep(page, f"history-{look}", whole=False)
    change.get_by_role("link", name="Undo this change").click()
    keep(page, f"undo-{look}")
    page.get_by_role("button", name="Undo this change").click()
    expect(page.get_by_text("set back")).to_be_visible()
    assert token(configured, client_id, secret)["expires_in"] == 600

    looked_at(enter("vito", **LOOKS[look]), configured, client_id, secret, look)
    assert token(configured, client_id, secret)["expires_in"] == 600


def save_all_the_same(page: Page, look: str) -> None:
    """Past the page that says who gains scopes by it."""
    save(page)
    expect(page.get_by_role("heading", name="Who gains, who loses")).to_be_visible()
    keep(page, f"effects-{look}")
    page.get_by_role("button", name="Save", exact=True).click()


def made_secret(page: Page, look: str) -> str:
    """Shown in the answer to the click, and nowhere afterwards."""
    tab(page, "Secrets")
    page.get_by_role("button", name="New secret").click()
    secret = page.locator(".operators-secret").inner_text()
    keep(page, f"secret-{look}")
    page.get_by_role("link", name="I have kept it").click()
    tab(page, "Secrets")
    expect(page.get_by_role("row").filter(has_text="never")).to_have_count(1)
    assert secret not in page.content()
    address = page.url
    with pytest.raises(Error, match="ERR_CACHE_MISS"):  # The page was kept by nobody.
        page.go_back()
    page.wait_for_url("chrome-error://**")
    page.goto(address)
    return secret


def looked_at(page: Page, idp: LiveIDP, client_id: str, secret: str, look: str) -> None:
    """By a viewer: all of it but the secret; and what they send by hand changes nothing."""
    page.goto(f"{idp.public_url}/admin/clients_admin/client/?q={client_id}")
    page.get_by_role("link", name=client_id, exact=True).click()
    expect(page.get_by_text("Till at the corner").first).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Save"))).to_have_count(0)
    expect(page.get_by_role("tab", name="Secrets")).to_have_count(0)
    tab(page, "Flags")
    expect(page.get_by_role("row").filter(has_text="access_token_seconds").first).to_contain_text(
        "600 seconds"
    )
    keep(page, f"viewer-{look}", whole=False)
    assert secret not in page.content()
    guard = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    form = {"csrfmiddlewaretoken": guard, "name": "Mine", "flags-access_token_seconds": "5"}
    answer = page.request.post(page.url, form=form, headers={"Referer": page.url})
    assert answer.status == 403
    assert "CSRF" not in answer.text()
    page.reload()
    expect(page.get_by_text("Till at the corner").first).to_be_visible()
