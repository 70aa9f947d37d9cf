"""“I need a client”: the one page for people with an account where operators have theirs, and no
role; what it lets them do, and that it lets them do nothing else."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from clients_admin.admin.client_requests import MAX_OPEN
from clients_admin.admin.pages import PAGES
from clients_admin.models import Client, Proposal, Scope
from clients_admin.proposals import life
from clients_admin.roles import EDITORS, VIEWERS
from idp.accounts.models import LoginService, User
from tests.configuration import PASSWORD, account, batch, brand, login_service, scopes
from tests.proposals import browser_of, entry_of, operator

pytestmark = pytest.mark.django_db

PAGE = "/admin/request-client/"


@pytest.fixture
def nobody():
    """Somebody who has signed in at the admin's form, and has no role."""
    service = LoginService.objects.create(name="operators")
    account("norah", service)
    browser = Browser()
    form = {"username": "norah", "password": PASSWORD, "next": "/admin/"}
    answer = browser.post(reverse("admin:login"), form)
    assert answer["Location"] == "/admin/"
    return browser


def form(**changes):
    scopes("orders.read")
    return {
        "name": "Price board",
        "why": "Shows prices in shops.",
        "responsible": "Team Tills, tills@acme.example",
        "brand": brand().pk,
        "ways": ["sign-in"],
        "place": "public",
        "redirect_uris": "https://prices.example/callback",
        "scopes": [Scope.objects.get(name="orders.read").pk],
        **changes,
    }


def test_who_has_no_role_is_led_to_the_page_and_is_no_staff(nobody):
    assert nobody.get("/admin/", follow=True).redirect_chain[-1] == (PAGE, 302)
    assert "Do you need a client?" in nobody.get(PAGE).content.decode()
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser, user.groups.count()) == (False, False, 0)


def test_a_request_is_a_proposal_that_an_editor_can_apply(nobody):
    response = nobody.post(PAGE, form())
    assert response["Location"] == PAGE
    proposal = Proposal.objects.get()
    assert (proposal.author, proposal.before) == (User.objects.get(username="norah"), None)
    assert proposal.title == "New client: Price board"
    assert "Team Tills" in proposal.why
    html = nobody.get(PAGE).content.decode()
    assert "price-board" in html
    life.apply(proposal, operator("eddy", EDITORS))
    made = Client.objects.get()
    assert entry_of(made) == proposal.wanted
    assert entry_of(made) == {
        **entry_of(made),
        "client_id": "price-board",
        "client_type": "public",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": ["https://prices.example/callback"],
        "scopes": ["orders.read"],
        "brand": "acme",
        "flags": {},
    }
    assert "Applied" in nobody.get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "a\0b"}, "Null characters are not allowed."),
        ({"redirect_uris": ""}, "needs at least one redirect URI"),
        ({"redirect_uris": "http://prices.example/"}, "plain http is for loopback addresses only"),
        ({"ways": ["sign-in", "program"]}, "A public client cannot have client_credentials"),
        ({"ways": ["anything"]}, "Select a valid choice."),
        ({"place": "nowhere"}, "Select a valid choice."),
        ({"scopes": ["x"]}, "is not a valid value"),
        ({"brand": "999999"}, "Select a valid choice."),
    ],
)
def test_a_request_that_could_not_be_applied_is_refused(nobody, changes, problem):
    response = nobody.post(PAGE, form(**changes))
    assert response.status_code == 200
    assert problem in response.content.decode()
    assert not Proposal.objects.exists()


def test_two_applications_of_one_name_get_two_client_ids(nobody):
    batch("price-board")
    nobody.post(PAGE, form())
    nobody.post(PAGE, form())
    nobody.post(PAGE, form(name="!!!"))
    names = Proposal.objects.order_by("id").values_list("name", flat=True)
    assert list(names) == ["price-board-2", "price-board-3", "client"]


def test_open_requests_are_bounded(nobody):
    for _ in range(MAX_OPEN):
        nobody.post(PAGE, form())
    assert f"You have {MAX_OPEN} open proposals" in nobody.post(PAGE, form()).content.decode()
    assert Proposal.objects.count() == MAX_OPEN


def test_they_see_their_own_requests_and_nothing_else(nobody):
    other = operator("vera", VIEWERS)
    wanted = {**entry_of(batch("secret-project")), "client_id": "other-plans"}
    theirs = life.open_proposal("client", None, wanted, author=other)
    nobody.post(PAGE, form())
    html = nobody.get(PAGE).content.decode()
    assert "price-board" in html
    assert "other-plans" not in html
    assert "secret-project" not in html
    for name in ("approve", "apply", "comment", "withdraw"):
        address = reverse("admin:clients_admin_proposal_deed", args=[theirs.pk, name])
        assert nobody.post(address, {"text": "x"})["Location"].startswith("/admin/login/")
    theirs.refresh_from_db()
    assert theirs.is_open


def test_no_other_page_of_the_admin_opens_for_them(nobody):
    client = batch()
    for model in (Client, *PAGES):
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        for address in (reverse(f"{base}_changelist"), reverse(f"{base}_add")):
            assert nobody.get(address)["Location"].startswith("/admin/login/"), address
    address = reverse("admin:clients_admin_client_propose", args=[client.pk])
    assert nobody.post(address, {})["Location"].startswith("/admin/login/")


def test_users_of_other_login_services_are_sent_to_the_form(nobody):
    jane = User.objects.create(login_service=login_service(), external_id="1", username="jane")
    for browser in (Browser(), browser_of(jane)):
        assert browser.get(PAGE)["Location"] == "/admin/login/"
        assert browser.post(PAGE, form())["Location"] == "/admin/login/"
        assert browser.get("/admin/login/").status_code == 200
    assert not Proposal.objects.exists()


def test_they_sign_out_there_and_a_forged_request_is_refused(nobody):
    strict = Browser(enforce_csrf_checks=True)
    strict.cookies = nobody.cookies
    assert strict.post(PAGE, form()).status_code == 403
    assert nobody.post(reverse("admin:logout")).status_code == 200
    assert nobody.get(PAGE)["Location"] == "/admin/login/"
