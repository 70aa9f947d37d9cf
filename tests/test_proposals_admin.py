"""Proposals in the operators' UI: which forms become one, and that nothing goes round them."""

import re

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from branding.models import Brand
from clients_admin.models import Client, Proposal, Scope, ScopeGroup
from clients_admin.proposals import life
from clients_admin.roles import APPROVERS, EDITORS, VIEWERS
from idp.audit.models import AuditEvent
from tests.configuration import batch, brand, scopes
from tests.proposals import browser_of, entry_of, operator, propose
from tests.test_admin import change_form, client_form, page

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop():
    acme = brand()
    acme.approvals_needed = 1
    acme.save()
    return batch("shop", name="Shop", brand=acme)


@pytest.fixture
def viewer():
    return operator("vera", VIEWERS)


@pytest.fixture
def editor():
    return operator("eddy", EDITORS)


@pytest.fixture
def approver():
    return operator("ada", APPROVERS)


def form_of(shop, **changes):
    known = [scope.pk for scope in shop.scopes.all()]
    return change_form(shop, **{"brand": shop.brand_id or "", "scopes": known, **changes})


def deed(proposal, name):
    return reverse("admin:clients_admin_proposal_deed", args=[proposal.pk, name])


def said(response):
    """The newest message; no page has shown those before it."""
    return [str(message) for message in get_messages(response.wsgi_request)][-1]


# --- What becomes a proposal ------------------------------------------------------------------


def test_what_an_editor_saves_of_a_brand_with_approvals_is_proposed(shop, editor):
    browser = browser_of(editor)
    html = browser.get(page(Client, "change", shop.pk)).content.decode()
    assert "<strong>1 approval</strong>" in html
    assert "Propose to delete it" in html
    assert 'name="_continue"' not in html
    before = entry_of(shop)
    response = browser.post(
        page(Client, "change", shop.pk),
        form_of(
            shop,
            name="The shop",
            **{"proposal-title": "A better name", "proposal-why": "It is one."},
        ),
    )
    proposal = Proposal.objects.get()
    assert response["Location"] == page(Proposal, "change", proposal.pk)
    assert (proposal.title, proposal.why) == ("A better name", "It is one.")
    assert (proposal.author, proposal.name, proposal.kind) == (editor, "shop", "client")
    assert proposal.before == entry_of(shop) == before
    assert proposal.wanted == {**before, "name": "The shop"}
    assert not AuditEvent.objects.filter(tag="clients:client:changed").exists()


@pytest.mark.parametrize("button", ["_save", "_continue", "_addanother", "_saveasnew", "_none"])
def test_no_button_saves_what_must_be_proposed(shop, editor, button):
    form = form_of(shop, name="By hand", **{button: "1"})
    browser_of(editor).post(page(Client, "change", shop.pk), form)
    assert Client.objects.get().name == "Shop"


def test_a_client_leaves_and_enters_such_a_brand_by_a_proposal_only(shop, editor):
    browser, free = browser_of(editor), batch("free")
    browser.post(page(Client, "change", shop.pk), form_of(shop, brand=""))
    browser.post(page(Client, "change", free.pk), form_of(free, brand=shop.brand_id))
    browser.post(page(Client, "add"), client_form(brand=shop.brand_id))
    assert [proposal.name for proposal in Proposal.objects.order_by("id")] == [
        "shop",
        "free",
        "new-client",
    ]
    assert set(Client.objects.values_list("client_id", "brand__slug")) == {
        ("shop", "acme"),
        ("free", None),
    }


def test_login_services_in_rows_of_their_own_are_proposed_too(shop, editor):
    service = operator("x").login_service
    rows = {
        "clientloginservice_set-TOTAL_FORMS": "1",
        "clientloginservice_set-0-login_service": service.pk,
        "clientloginservice_set-0-position": "0",
    }
    browser_of(editor).post(page(Client, "change", shop.pk), form_of(shop, **rows))
    assert Proposal.objects.get().wanted["login_services"] == ["operators"]
    assert not shop.login_services.exists()


def test_a_deletion_is_proposed(shop, editor):
    response = browser_of(editor).post(page(Client, "delete", shop.pk), {"post": "yes"})
    proposal = Proposal.objects.get()
    assert response["Location"] == page(Proposal, "change", proposal.pk)
    assert (proposal.before, proposal.wanted) == (entry_of(shop), None)
    html = browser_of(editor).get(response["Location"]).content.decode()
    assert "is to be deleted" in html


def test_scopes_and_groups_of_its_clients_are_proposed_and_others_saved(shop, editor):
    browser = browser_of(editor)
    used, free = Scope.objects.get(name="orders.read"), scopes("profile")[0]
    group = ScopeGroup.objects.create(name="group")
    shop.scope_groups.add(group)
    for row in (used, free):
        browser.post(page(Scope, "change", row.pk), {"description": "New"})
    address, form = page(ScopeGroup, "change", group.pk), {"scopes": [free.pk]}
    # First it is shown who gains by it.
    shown = browser.post(address, form).content.decode()
    confirmed = re.search(r'name="confirmed_effects" value="([0-9a-f]+)"', shown)[1]
    browser.post(address, {**form, "confirmed_effects": confirmed})
    assert [proposal.name for proposal in Proposal.objects.order_by("id")] == [
        "orders.read",
        "group",
    ]
    assert list(Scope.objects.filter(description="New")) == [free]
    assert not group.scopes.exists()


def test_without_approvals_editors_save_directly_and_superusers_are_no_exception(shop, editor):
    root = browser_of(operator("root", is_staff=True, is_superuser=True))
    root.post(page(Client, "change", shop.pk), form_of(shop, name="Root's"))
    assert Client.objects.get().name == "Shop"
    Brand.objects.update(approvals_needed=0)
    browser_of(editor).post(page(Client, "change", shop.pk), form_of(shop, name="Direct"))
    assert Client.objects.get().name == "Direct"
    assert Proposal.objects.count() == 1


def test_only_superusers_say_how_many_approvals_a_brand_needs(shop, editor):
    form = {
        "name": "Acme",
        "primary_color": "#334155",
        "languages": ["en"],
        "first_language": "en",
        "scheme": "automatic",
        "font": "system",
        "corner_radius": "12",
        "approvals_needed": "0",
    }
    browser_of(editor).post(page(Brand, "change", shop.brand_id), form)
    assert Brand.objects.get().approvals_needed == 1
    root = browser_of(operator("root", is_staff=True, is_superuser=True))
    html = root.post(page(Brand, "change", shop.brand_id), {**form, "approvals_needed": "6"})
    assert "less than or equal to 5" in html.content.decode()
    root.post(page(Brand, "change", shop.brand_id), {**form, "approvals_needed": "5"})
    assert Brand.objects.get().approvals_needed == 5


def test_a_bad_form_opens_no_proposal_and_keeps_what_was_entered(shop, editor):
    browser = browser_of(editor)
    for changes, problem in (
        ({"redirect_uris": "https://x.example/#a"}, "without a fragment"),
        ({"name": "Typed", "proposal-why": "x" * 2001}, "at most 2000 characters"),
        ({"name": "Typed", "proposal-title": "a\0b"}, "Null characters are not allowed"),
        (
            {"name": "Typed", "flags-other-name": ["jwt_secondss"], "flags-other-value": ["1"]},
            "did you mean",
        ),
    ):
        response = browser.post(page(Client, "change", shop.pk), form_of(shop, **changes))
        assert response.status_code == 200
        assert problem in response.content.decode()
    assert 'value="Typed"' in response.content.decode()
    assert not Proposal.objects.exists()


# --- Viewers ----------------------------------------------------------------------------------


def test_a_viewer_proposes_and_never_saves(shop, viewer):
    browser = browser_of(viewer)
    Brand.objects.update(approvals_needed=0)
    html = browser.get(page(Client, "change", shop.pk)).content.decode()
    assert f'href="{page(Client, "propose", shop.pk)}"' in html
    assert 'name="_save"' not in html
    assert browser.post(page(Client, "change", shop.pk), form_of(shop)).status_code == 403
    form = browser.get(page(Client, "propose", shop.pk)).content.decode()
    assert 'name="redirect_uris"' in form
    assert "tab-secrets" not in form
    browser.post(page(Client, "propose", shop.pk), form_of(shop, name="Proposed"))
    assert Proposal.objects.get().wanted["name"] == "Proposed"
    assert Client.objects.get().name == "Shop"
    response = browser.post(page(Client, "propose", shop.pk), form_of(shop))
    assert "Nothing would change." in response.content.decode()


def test_a_viewer_proposes_a_new_client_scope_and_group(shop, viewer):
    browser = browser_of(viewer)
    for model, form in (
        (Client, client_form()),
        (Scope, {"name": "new.scope", "description": "New"}),
        (ScopeGroup, {"name": "new-group", "scopes": [Scope.objects.first().pk]}),
    ):
        assert browser.get(page(model, "propose_new")).status_code == 200
        assert browser.post(page(model, "add"), form).status_code == 403
        assert browser.post(page(model, "propose_new"), form).status_code == 302
    assert [proposal.name for proposal in Proposal.objects.order_by("id")] == [
        "new-client",
        "new.scope",
        "new-group",
    ]
    assert Client.objects.count() == 1


def test_who_has_no_role_proposes_and_sees_nothing(shop, viewer):
    proposal = propose(shop, viewer, name="New")
    nobody = browser_of(operator("nobody", is_staff=True))
    for address in (
        page(Client, "propose", shop.pk),
        page(Proposal),
        page(Proposal, "change", proposal.pk),
    ):
        assert nobody.get(address).status_code == 403
    assert nobody.post(page(Client, "propose", shop.pk), form_of(shop)).status_code == 403
    for name in ("approve", "apply", "comment"):
        assert nobody.post(deed(proposal, name), {"text": "x"}).status_code == 403


# --- The pages of proposals -------------------------------------------------------------------


def test_the_list_has_what_waits_first(shop, viewer, editor):
    waits, closed = propose(shop, viewer, name="A"), propose(shop, viewer, name="B")
    life.withdraw(closed, viewer)
    html = browser_of(viewer).get(page(Proposal)).content.decode()
    assert html.index(f"/{waits.pk}/change/") < html.index(f"/{closed.pk}/change/")
    html = browser_of(viewer).get(f"{page(Proposal)}?status__exact=withdrawn").content.decode()
    assert f"/{waits.pk}/change/" not in html


def test_the_list_costs_the_same_queries_however_long_it_is(shop, viewer):
    browser, costs = browser_of(viewer), []
    for numbers in (range(2), range(2, 12)):
        for number in numbers:
            propose(shop, operator(f"author{number}", VIEWERS), name=str(number))
        with CaptureQueriesContext(connection) as queries:
            browser.get(page(Proposal))
        costs.append(len(queries))
    assert costs[0] == costs[1]


def test_the_page_shows_the_difference_and_each_role_its_buttons(shop, viewer, editor, approver):
    proposal = propose(shop, viewer, name="<b>New</b>", flags={"jwt_seconds": 60})
    address = page(Proposal, "change", proposal.pk)
    html = browser_of(viewer).get(address).content.decode()
    assert "&lt;b&gt;New&lt;/b&gt;" in html
    assert "flags.jwt_seconds" in html
    assert "<strong>0 of 1</strong> needed" in html

    def buttons(user):
        shown = browser_of(user).get(address).content.decode()
        return {name for name in ("approve", "apply", "reject", "withdraw", "comment")
                if deed(proposal, name) in shown}  # fmt: skip

    assert buttons(viewer) == {"withdraw", "comment"}
    assert buttons(editor) == {"reject", "comment"}
    assert buttons(approver) == {"approve", "reject", "comment"}
    life.approve(proposal, approver)
    assert buttons(approver) == {"reject", "comment"}
    assert buttons(editor) == {"apply", "reject", "comment"}
    Client.objects.update(description="Moved")
    assert buttons(editor) == {"reject", "comment"}
    assert "It was changed meanwhile" in browser_of(viewer).get(address).content.decode()


def test_deeds_are_posted_and_refusals_are_said(shop, viewer, editor, approver):
    proposal = propose(shop, viewer, name="New")
    browser = browser_of(approver)
    assert browser.get(deed(proposal, "approve")).status_code == 405
    assert browser.post(deed(proposal, "delete-it")).status_code == 403
    response = browser.post(deed(proposal, "comment"), {"text": "a\0b"})
    assert said(response) == "Null characters are not allowed."
    assert said(browser.post(deed(proposal, "reject"))) == "Say why, in a comment."
    assert said(browser_of(viewer).post(deed(proposal, "approve"))) == "You may not do this."
    assert said(browser.post(deed(proposal, "approve"))) == "You have approved it."
    assert said(browser_of(editor).post(deed(proposal, "apply"))) == "It is applied."
    assert Client.objects.get().name == "New"
    changed = AuditEvent.objects.get(tag="clients:client:changed")
    assert (changed.actor, changed.details["proposal"]) == (str(editor), proposal.pk)
    assert browser.post(page(Proposal, "delete", proposal.pk), {"post": "yes"}).status_code == 403
