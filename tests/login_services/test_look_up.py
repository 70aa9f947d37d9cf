"""Operators ask a login service about a name: they see what it answers, and nobody is signed in."""

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from clients_admin.roles import EDITORS, VIEWERS
from idp.accounts.login import sign_in
from idp.accounts.models import LocalAccount, LoginService, User
from idp.audit.models import AuditEvent
from idp.blocking.guard import UserName
from idp.blocking.models import FailedAttempt
from tests.api.callers import block
from tests.configuration import PASSWORD, account, login_service
from tests.login_services.databases import PostgreSQL
from tests.login_services.test_operators import EDITORS_DN
from tests.test_admin import operator

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer() -> Browser:
    return operator("vera", VIEWERS)


def page(service: LoginService) -> str:
    return reverse("admin:idp_loginservice_look_up", args=[service.pk])


def ask(browser: Browser, service: LoginService, username: str) -> Any:
    """What the page answers, and that nothing was counted and nobody made."""
    users = User.objects.count()
    response = browser.post(page(service), {"username": username})
    assert response.status_code == 200
    assert User.objects.count() == users
    assert FailedAttempt.objects.count() == 0
    return response.context["answer"]


def test_of_a_local_account_all_is_shown_but_the_password(viewer):
    web = login_service("web")
    jane = account("jane", web)
    answer = ask(viewer, web, "JANE")
    assert answer.is_good
    facts = dict(answer.facts)
    assert facts["External ID"] == str(jane.external_id)
    assert facts["User name"] == "jane"
    assert facts["Known here as"] == "nobody yet: not signed in so far"
    shown = viewer.post(page(web), {"username": "jane"}).content.decode()
    assert LocalAccount.objects.get(username="jane").password not in shown


def test_somebody_who_has_signed_in_is_linked(viewer):
    web = login_service("web")
    account("jane", web)
    jane = sign_in([web], "jane", PASSWORD).user
    answer = ask(viewer, web, "jane")
    assert dict(answer.facts)["Known here as"] == jane.sub
    shown = viewer.post(page(web), {"username": "jane"}).content.decode()
    assert reverse("admin:idp_user_change", args=[jane.pk]) in shown


def test_who_is_refused_here_is_shown_as_that(viewer):
    web = login_service("web")
    account("jane", web)
    jane = sign_in([web], "jane", PASSWORD).user
    User.objects.filter(pk=jane.pk).update(is_active=False)
    assert ("Refused here", "this user is switched off") in ask(viewer, web, "jane").facts
    name = UserName(web.pk, web.name, "jane")
    block("jane (web)", subject=name.subject, kind="user")
    assert ("Refused here", "this user name is blocked") in ask(viewer, web, "jane").facts


@pytest.mark.parametrize("name", ["nobody", "\0", "x" * 255, "admin)(|(uid=*", "*", "'; --"])
def test_a_name_that_nobody_has_is_said_to_be_so(viewer, name):
    answer = ask(viewer, login_service("web"), name)
    if answer is None:
        assert name == "\0", "which the form refuses"
    else:
        assert answer.text == "It lets nobody in by that name: unknown user name."


def test_a_database_of_somebody_else_is_asked(viewer, service):
    foreign = PostgreSQL("looked_up")
    try:
        foreign.add("jane", "no hash of any scheme")
        foreign.add("gone", None, active=False)
        accounts = service("sql", foreign.settings())
        assert ask(viewer, accounts, "jane").is_good
        assert "unknown user name" in ask(viewer, accounts, "joe").text
        assert "inactive account" in ask(viewer, accounts, "gone").text
    finally:
        foreign.close()


def test_a_directory_is_asked_and_says_what_an_operator_may(viewer, service, slapd):
    groups = {"groups": {"editors": EDITORS_DN}, "editor_groups": ["editors"]}
    directory = service("ldap", slapd.settings(**groups), "staff")
    facts = dict(ask(viewer, directory, "eddy").facts)
    assert facts["Roles here"] == EDITORS
    assert dict(ask(viewer, directory, "jane").facts)["Roles here"] == "none"
    assert "unknown user name" in ask(viewer, directory, "*").text
    slapd.stop()
    try:
        answer = ask(viewer, directory, "jane")
        assert not answer.is_good
        assert answer.text.startswith("It could not be asked: ")
    finally:
        slapd.start()


def test_of_a_service_without_names_only_those_are_known_who_were_here(viewer):
    corporate = LoginService.objects.create(name="corporate", kind="corporate")
    assert "nobody of that name has signed in here" in ask(viewer, corporate, "jane").text
    User.objects.create(login_service=corporate, external_id="4711", username="jane")
    assert dict(ask(viewer, corporate, "Jane").facts)["External ID"] == "4711"


def test_it_is_audited_who_has_looked_and_not_what_may_be_a_password(viewer):
    web = login_service("web")
    account("jane", web)
    ask(viewer, web, "jane")
    ask(viewer, web, PASSWORD)
    known, unknown = AuditEvent.objects.filter(tag="accounts:user:looked_up").order_by("id")
    assert known.actor == "vera (operators)"
    assert known.details == {"login_service": "web", "username": "jane"}
    assert PASSWORD not in str(unknown.details)


def test_whoever_may_not_see_users_may_not_ask(viewer):
    web = login_service("web")
    nobody = operator("nora")
    assert nobody.get(page(web)).status_code == 403
    assert nobody.post(page(web), {"username": "jane"}).status_code == 403
    assert Browser().get(page(web)).status_code == 302
    assert viewer.get(page(web)).status_code == 200
    assert viewer.get(page(LoginService(pk=4711))).status_code == 404
    link = reverse("admin:idp_loginservice_change", args=[web.pk])
    assert page(web) in viewer.get(link).content.decode()
