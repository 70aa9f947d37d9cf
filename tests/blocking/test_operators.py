"""What operators see of blocks, and how they lift one: in the admin and by command."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from clients_admin.roles import EDITORS, VIEWERS
from idp.accounts.login import sign_in
from idp.accounts.models import User
from idp.audit.models import AuditEvent
from idp.blocking import guard
from idp.blocking.models import Block, NetworkProfile
from tests.configuration import account, login_service
from tests.operators import OperatorBrowser

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blocking", "partition_lists")]

HOME, NETWORK = "192.0.2.1", "2001:db8:0:1::/64"


def operator(role, name="vera"):
    user = User.objects.create(
        login_service=login_service("operators"), external_id=name, username=name, is_staff=True
    )
    user.groups.add(Group.objects.get(name=role))
    browser = OperatorBrowser()
    browser.force_login(user)
    return browser


@pytest.fixture
def viewer():
    return operator(VIEWERS)


@pytest.fixture
def editor():
    return operator(EDITORS, "eddy")


def block(address=HOME, **options):
    for number in range(10):
        made = guard.failed(address, what=guard.Failure.PASSWORD, name=f"user{number}", **options)
    return made


def block_jane():
    service = login_service()
    account("jane", service)
    for _ in range(10):
        sign_in([service], "jane", "wrong")
    return Block.objects.get(kind="user")


LIST = "admin:idp_block_changelist"


def shown(browser, **query):
    return browser.get(reverse(LIST), query).content.decode()


# --- The admin ------------------------------------------------------------------------------------


def test_the_list_shows_who_is_blocked_and_why(viewer):
    block()
    block_jane()
    page = shown(viewer)
    for text in (HOME, "jane (acme-web)", "many names failed", "u•••", "Unblock"):
        assert text in page


def test_shadows_warnings_and_the_past_stand_apart(viewer, blocking):
    now = timezone.now()
    block("192.0.2.11")
    block("192.0.2.12", client_id="portal")
    block("192.0.2.13", now=now - timedelta(hours=1))
    blocking.BLOCKING = "shadow"
    block("192.0.2.14")
    found = {
        query: {n for n in range(11, 15) if f"192.0.2.{n}" in shown(viewer, shown=query)}
        for query in ("", "shadow", "warning", "ended", "all")
    }
    assert found == {
        "": {11},
        "shadow": {14},
        "warning": {12},
        "ended": {13},
        "all": {11, 12, 13, 14},
    }


@pytest.mark.parametrize("role", [VIEWERS, EDITORS])
def test_one_click_lifts_a_block_and_says_who_did_it(role):
    made = block()
    answer = operator(role).post(reverse("admin:idp_block_unblock", args=[made.pk]), follow=True)
    assert f"{HOME} is free again." in answer.content.decode()
    made.refresh_from_db()
    assert made.ended_by == "vera (operators)"
    assert guard.blocked(HOME, timezone.now()) is None
    event = AuditEvent.objects.order_by("-id").first()
    assert (event.tag, event.actor) == ("blocking:address:unblocked", "vera (operators)")
    again = operator(role, "other").post(
        reverse("admin:idp_block_unblock", args=[made.pk]), follow=True
    )
    assert "was free already" in again.content.decode()


def test_the_page_of_a_block_has_all_of_it(viewer):
    made = block_jane()
    page = viewer.get(reverse("admin:idp_block_change", args=[made.pk])).content.decode()
    for text in ("jane (acme-web)", "the same names failed many times (password)", "Unblock"):
        assert text in page


def test_a_link_lifts_nothing_and_strangers_lift_nothing(viewer):
    made = block()
    address = reverse("admin:idp_block_unblock", args=[made.pk])
    assert viewer.get(address).status_code == 405
    assert Browser().post(address).status_code == 302
    nobody = operator(VIEWERS, "nobody")
    User.objects.get(username="nobody").groups.clear()
    assert nobody.post(address).status_code == 403
    strict = Browser(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="vera"))
    assert strict.post(address).status_code == 403
    made.refresh_from_db()
    assert made.ended_at is None


@pytest.mark.parametrize("role", [VIEWERS, EDITORS])
def test_nobody_makes_changes_or_deletes_a_block_by_hand(role):
    made, browser = block(), operator(role)
    assert browser.get(reverse("admin:idp_block_add")).status_code == 403
    assert browser.get(reverse("admin:idp_block_delete", args=[made.pk])).status_code == 403
    change = reverse("admin:idp_block_change", args=[made.pk])
    assert browser.post(change, {"label": "x"}).status_code == 403


PROFILE = {
    "name": "office",
    "description": "",
    "networks": "198.51.100.0/24\n2001:db8::/32",
    "window_seconds": 600,
    "max_names": 50,
    "max_repeats": 10,
    "max_client_failures": 100,
    "block_seconds": 900,
    "longest_block_seconds": 86400,
}


def test_an_editor_makes_a_profile_and_it_is_audited(editor):
    answer = editor.post(reverse("admin:idp_networkprofile_add"), PROFILE)
    assert answer.status_code == 302, answer.content.decode()
    made = NetworkProfile.objects.get(name="office")
    assert made.networks == ["198.51.100.0/24", "2001:db8::/32"]
    event = AuditEvent.objects.get(tag="blocking:profile:changed")
    assert event.actor == "eddy (operators)"
    assert (event.details["what"], event.details["name"]) == ("added", "office")
    assert event.details["changed"]["max_names"] == [None, 50]


@pytest.mark.parametrize(
    ("networks", "problem"),
    [
        ("198.51.100.1/24", "has host bits set"),
        ("nonsense", "does not appear to be"),
        ("198.51.100.0/24 198.51.100.0/24", "Each network once"),
        ("198.51.100.7", "as 198.51.100.7/32"),
        ("203.0.113.0/24", "is in other"),
    ],
)
def test_networks_are_checked(editor, networks, problem):
    NetworkProfile.objects.create(name="other", networks=["203.0.113.0/24"])
    page = editor.post(reverse("admin:idp_networkprofile_add"), {**PROFILE, "networks": networks})
    assert problem in page.content.decode()
    assert not NetworkProfile.objects.filter(name="office").exists()


def test_viewers_read_profiles_and_nobody_deletes_the_default(viewer, editor):
    default = NetworkProfile.objects.get(name="default")
    page = reverse("admin:idp_networkprofile_change", args=[default.pk])
    assert viewer.get(page).status_code == 200
    assert viewer.post(page, PROFILE).status_code == 403
    delete = reverse("admin:idp_networkprofile_delete", args=[default.pk])
    assert editor.post(delete, {"post": "yes"}).status_code == 403


# --- Commands -------------------------------------------------------------------------------------


def said(capsys, *arguments):
    call_command(*arguments)
    return capsys.readouterr().out


def test_the_command_lists_and_lifts(capsys, blocking):
    block()
    block("2001:db8:0:1::5")
    block_jane()
    listed = said(capsys, "blocks").splitlines()
    assert [line.split(":")[0] for line in listed] == [
        "user jane (acme-web)",
        "address 2001",
        f"address {HOME}",
    ]
    assert said(capsys, "unblock", HOME) == f"address {HOME}: lifted\n"
    assert said(capsys, "unblock", HOME) == "Nothing there is blocked.\n"
    assert said(capsys, "unblock", NETWORK) == f"address {NETWORK}: lifted\n"
    assert said(capsys, "unblock", "--user", "acme-web", "Jane") == (
        "user jane (acme-web): lifted\n"
    )
    assert said(capsys, "blocks") == ""
    assert len(said(capsys, "blocks", "--all").splitlines()) == 3
    block()
    assert said(capsys, "unblock", "--all") == f"address {HOME}: lifted\n"
    assert AuditEvent.objects.filter(tag__endswith=":unblocked").count() == 4


def test_the_command_says_what_it_does_not_understand():
    with pytest.raises(CommandError, match="no address"):
        call_command("unblock", "nonsense")
    with pytest.raises(CommandError, match="no login service"):
        call_command("unblock", "--user", "nowhere", "jane")
    with pytest.raises(CommandError):
        call_command("unblock")
