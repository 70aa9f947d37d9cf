"""Four eyes, in a real browser: a viewer proposes, an approver approves, an editor applies."""

from collections.abc import Callable
from urllib.parse import urljoin

import psycopg
import pytest
from playwright.sync_api import Page, expect

from clients_admin.roles import APPROVERS, EDITORS, VIEWERS
from tests.browser.conftest import PHONE, Visitor
from tests.browser.operators import give_role, sign_in
from tests.servers import LiveIDP

PASSWORD = "four-eyes-see-more-than-two"
ROLES = {"vera": VIEWERS, "eddy": EDITORS, "ada": APPROVERS}
CONFIGURATION = f"""
brands: [{{slug: foureyes, name: Four Eyes, approvals_needed: 1}}]
login_services: [{{name: operators, kind: local}}]
users:
  - {{login_service: operators, username: vera, password: {PASSWORD}}}
  - {{login_service: operators, username: eddy, password: {PASSWORD}}}
  - {{login_service: operators, username: ada, password: {PASSWORD}}}
  - {{login_service: operators, username: norah, password: {PASSWORD}}}
clients:
  - {{client_id: till, name: Till, client_type: public, grant_types: [authorization_code],
     redirect_uris: [https://till.example/callback], brand: foureyes}}
"""


@pytest.fixture(scope="module")
def configured(live_idp: LiveIDP, tmp_path_factory: pytest.TempPathFactory) -> LiveIDP:
    file = tmp_path_factory.mktemp("proposals") / "configuration.yaml"
    file.write_text(CONFIGURATION)
    live_idp.manage("config", "apply", str(file))
    return live_idp


@pytest.fixture
def enter(invite: Callable[..., Visitor], configured: LiveIDP) -> Callable[..., Page]:
    """Signs somebody in at the admin, with the role that a superuser has given them."""

    def come_in(name: str, **settings: object) -> Page:
        page = invite(**settings).page
        sign_in(page, configured, name, PASSWORD)
        if name in ROLES and "request-client" in page.url:
            expect(page.get_by_text("have no role here")).to_be_visible()
            give_role(configured, name, ROLES[name])
            page.goto(f"{configured.public_url}/admin/")
        return page

    return come_in


def stored_name(idp: LiveIDP) -> str:
    with psycopg.connect(idp.environment["IDP_DATABASE_URL"]) as database:
        query = "SELECT name FROM clients_admin_client WHERE client_id = 'till'"
        return str(database.execute(query).fetchone()[0])  # type: ignore[index]


def open_client(page: Page) -> None:
    page.goto(urljoin(page.url, "/admin/clients_admin/client/"))
    page.get_by_role("link", name="till", exact=True).click()


def test_a_viewer_proposes_an_approver_approves_and_an_editor_applies(
    enter: Callable[..., Page], configured: LiveIDP
) -> None:
    viewer, editor, approver = enter("vera"), enter("eddy"), enter("ada")

    open_client(viewer)
    viewer.get_by_role("link", name="Propose a change").click()
    viewer.locator("#id_name").fill("Till of the shop")
    viewer.get_by_label("Title").fill("A name that says more")
    viewer.get_by_role("button", name="Propose").click()
    expect(viewer.get_by_role("heading", name="A name that says more")).to_be_visible()
    proposal = viewer.url
    row = viewer.get_by_role("row").filter(has_text="name")
    expect(row).to_contain_text("Till of the shop")
    expect(viewer.get_by_role("button", name="Approve")).to_have_count(0)
    expect(viewer.get_by_role("button", name="Apply")).to_have_count(0)

    editor.goto(proposal)
    expect(editor.get_by_text("0 of 1")).to_be_visible()
    expect(editor.get_by_role("button", name="Apply")).to_have_count(0)

    approver.goto(proposal)
    approver.get_by_label("Comment").fill("Better.")
    approver.get_by_role("button", name="Comment", exact=True).click()
    approver.get_by_role("button", name="Approve").click()
    expect(approver.get_by_text("You have approved it.")).to_be_visible()
    expect(approver.get_by_role("button", name="Apply")).to_have_count(0)
    assert stored_name(configured) == "Till"

    editor.reload()
    expect(editor.get_by_text("Better.")).to_be_visible()
    editor.get_by_role("button", name="Apply").click()
    expect(editor.get_by_text("It is applied.")).to_be_visible()
    assert stored_name(configured) == "Till of the shop"


def test_an_editor_does_not_approve_what_they_save(
    enter: Callable[..., Page], configured: LiveIDP
) -> None:
    editor = enter("eddy", viewport=PHONE)
    before = stored_name(configured)
    editor.goto(f"{configured.public_url}/admin/clients_admin/client/")
    editor.get_by_role("link", name="till", exact=True).click()
    editor.locator("#id_name").fill("By one pair of eyes")
    expect(editor.get_by_role("button", name="Save")).to_have_count(0)
    editor.get_by_role("button", name="Propose").click()
    expect(editor.get_by_text("nothing is changed yet")).to_be_visible()
    expect(editor.get_by_text("Somebody else must approve it")).to_be_visible()
    expect(editor.get_by_role("button", name="Approve")).to_have_count(0)
    # By hand, as the button of somebody else would do it.
    approve = editor.url.replace("/change/", "/approve/")
    editor.evaluate(
        """url => { const form = document.querySelector("form[action$='/withdraw/']");
                    form.action = url; form.submit(); }""",
        approve,
    )
    expect(editor.get_by_text("You may not do this.")).to_be_visible()
    assert stored_name(configured) == before


def test_who_has_no_role_asks_for_a_client_and_sees_their_request(
    enter: Callable[..., Page], configured: LiveIDP
) -> None:
    page = enter("norah")
    page.get_by_label("Name of the application").fill("Price board")
    page.get_by_label("What it is for").fill("Prices in shops.")
    page.get_by_label("Who is responsible").fill("Team Tills")
    page.get_by_label("People sign in with a browser").check()
    page.get_by_label("Redirect URIs").fill("https://prices.example/callback")
    page.get_by_role("button", name="Send the request").click()
    expect(page.get_by_role("row").filter(has_text="price-board")).to_contain_text("Open")
    approver = enter("ada")
    approver.goto(f"{configured.public_url}/admin/clients_admin/proposal/")
    approver.get_by_role("link", name="New client: Price board").click()
    expect(approver.get_by_text("https://prices.example/callback")).to_be_visible()
