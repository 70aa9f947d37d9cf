"""Operators from a directory: their groups are their roles, at the next request that matters."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse

from branding.models import Brand
from clients_admin.roles import APPROVERS, EDITORS, VIEWERS
from idp.accounts.models import LocalAccount, LoginService, User
from idp.accounts.outcomes import Role
from idp.audit.changes import version_of
from tests.configuration import account
from tests.login_services.slapd import GROUPS, PASSWORD, PEOPLE, Slapd

EDITORS_DN, VIEWERS_DN = f"cn=idp-editors,{GROUPS}", f"cn=idp-viewers,{GROUPS}"
NOBODY = f"uid=decoy,{PEOPLE}"
EDDY = f"uid=eddy,{PEOPLE}"
SETTINGS = {
    "groups": {"editors": EDITORS_DN, "viewers": VIEWERS_DN},
    "editor_groups": ["editors"],
    "viewer_groups": ["viewers"],
    "role_check_seconds": 0,
}


@pytest.fixture
def operators(slapd: Slapd, service) -> Callable[..., LoginService]:
    """The login service that IDP_ADMIN_LOGIN_SERVICES names unless it is given."""
    return lambda **settings: service("ldap", slapd.settings(**SETTINGS, **settings), "operators")


def entered(username: str, password: str = PASSWORD) -> Browser:
    browser = Browser()
    form = {"username": username, "password": password}
    browser.answer = browser.post(reverse("admin:login"), form)  # type: ignore[attr-defined]
    return browser


def change(browser: Browser) -> int:
    """The status of an attempt to change something."""
    brand = Brand.objects.get(slug="acme")
    form = {"name": "Changed", "primary_color": "#00aa55", "languages": ["en"]}
    form |= {"scheme": "automatic", "font": "system", "corner_radius": "12"}
    form |= {"first_language": "en", "opened_version": version_of(brand)}
    return browser.post(reverse("admin:branding_brand_change", args=[brand.pk]), form).status_code


def look(browser: Browser) -> int:
    return browser.get(reverse("admin:branding_brand_changelist")).status_code


def roles(username: str) -> set[str]:
    return set(User.objects.get(username=username).groups.values_list("name", flat=True))


def test_the_names_of_the_roles_are_those_of_the_groups():
    assert {*Role} == {EDITORS, VIEWERS, APPROVERS}


def test_groups_of_the_directory_are_roles(operators):
    operators()
    editor, viewer, nobody = map(entered, ("eddy", "vera", "jane"))
    assert (look(editor), change(editor)) == (200, 302)
    assert (look(viewer), change(viewer)) == (200, 403)
    # Nobody without a role gets further than to the page where a client can be asked for.
    assert [look(nobody), change(nobody)] == [302, 302]
    assert not User.objects.get(username="jane").is_staff
    assert [roles(name) for name in ("eddy", "vera", "jane")] == [
        {EDITORS, VIEWERS},
        {VIEWERS},
        set(),
    ]


def test_who_leaves_a_group_loses_its_right_at_the_next_request(operators, slapd):
    operators()
    eddy = entered("eddy")
    assert change(eddy) == 302
    with slapd.changed(EDITORS_DN, "member", NOBODY):
        assert change(eddy) == 403
        assert look(eddy) == 200
        assert roles("eddy") == {VIEWERS}
    assert change(eddy) == 302


def test_who_leaves_all_groups_is_out(operators, slapd):
    operators()
    vera = entered("vera")
    with slapd.changed(VIEWERS_DN, "member", EDDY):
        assert look(vera) == 403
        assert look(vera) == 302  # To the sign-in page.
        assert not User.objects.get(username="vera").is_staff


def test_who_leaves_the_directory_is_out(operators, slapd):
    operators(user_filter="(&(uid={username})(employeeType=active))", claims={})
    with slapd.changed(EDDY, "employeeType", "active"):
        eddy = entered("eddy")
        assert change(eddy) == 302
    assert change(eddy) == 403
    assert look(eddy) == 302  # To the sign-in page.
    assert roles("eddy") == set()


def test_a_superuser_whom_the_directory_does_not_know_as_one_is_none(operators):
    operators()
    entered("vera")
    User.objects.filter(username="vera").update(is_superuser=True)
    vera = entered("vera")
    assert change(vera) == 403
    assert not User.objects.get(username="vera").is_superuser


def test_a_superuser_whom_the_directory_does_not_know_as_one_is_none_before_they_sign_in_again(
    operators,
):
    operators()
    vera = entered("vera")
    User.objects.filter(username="vera").update(is_superuser=True)
    assert change(vera) == 403
    assert look(vera) == 200
    assert not User.objects.get(username="vera").is_superuser


def test_a_superuser_of_a_directory_that_is_away_looks_and_changes_nothing(operators, slapd):
    operators()
    eddy = entered("eddy")
    User.objects.filter(username="eddy").update(is_superuser=True)
    slapd.stop()
    try:
        assert look(eddy) == 200
        assert change(eddy) == 403
    finally:
        slapd.start()


def test_while_the_directory_is_away_operators_look_and_change_nothing(operators, slapd):
    operators()
    eddy = entered("eddy")
    slapd.stop()
    try:
        assert look(eddy) == 200
        assert change(eddy) == 403
        assert roles("eddy") == {EDITORS, VIEWERS}
        page = entered("eddy").answer.content.decode()
        assert "Your login service does not answer" in page
        assert "Please enter" not in page
    finally:
        slapd.start()


def test_within_the_seconds_of_the_settings_the_directory_is_not_asked_again(
    slapd, service, monkeypatch
):
    service("ldap", slapd.settings(**{**SETTINGS, "role_check_seconds": 60}), "operators")
    eddy = entered("eddy")
    slapd.stop()
    try:
        assert change(eddy) == 302
        User.objects.update(roles_checked_at=None)
        assert change(eddy) == 403
    finally:
        slapd.start()


def test_a_directory_that_names_no_roles_leaves_them_to_superusers(slapd, service):
    service("ldap", slapd.settings(role_check_seconds=0), "operators")
    entered("jane")
    jane = User.objects.get(username="jane")
    User.objects.filter(pk=jane.pk).update(is_staff=True)
    jane.groups.add(Group.objects.get(name=EDITORS))
    browser = entered("jane")
    assert change(browser) == 302
    User.objects.filter(pk=jane.pk).update(external_id="somebody who has left")
    assert change(browser) == 403
    assert roles("jane") == {EDITORS}


def test_a_directory_user_called_like_a_local_administrator_is_somebody_else(
    operators, slapd, settings, monkeypatch
):
    """The hole of the package: it would have been that administrator from then on."""
    operators()
    local = LoginService.objects.create(name="local-operators")
    known: LocalAccount = account("eddy", local)
    root = User.objects.create(
        login_service=local,
        external_id=str(known.external_id),
        username="eddy",
        is_staff=True,
        is_superuser=True,
    )
    eddy = entered("eddy")
    signed_in = User.objects.get(pk=eddy.session["_auth_user_id"])
    assert signed_in != root
    assert not signed_in.is_superuser
    root.refresh_from_db()
    assert (root.is_superuser, root.login_service) == (True, local)
