"""Clients as one process knows them: shared, saved by nobody, no older than what is heard."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clients_admin import directory as directory_module
from clients_admin import secrets
from clients_admin.directory import ALL, Directory, mark
from clients_admin.models import Client, Known, ScopeGroup
from idp.accounts.models import LoginService
from idp.database import statements
from idp.database.changes import Changes
from tests.configuration import SECRET, batch, client, login_service, scopes

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Changes:
    """What this process hears: nothing, unless a test says so; nobody lets the lease end."""
    made = Changes()
    monkeypatch.setattr(directory_module, "changes", made)
    begin(made)
    return made


def begin(heard: Changes) -> None:
    heard.begin()
    heard.renew(time.monotonic() + 60)


@pytest.fixture
def known(heard: Changes) -> Directory:
    made = Directory()
    heard.subscribe(made.forget)
    return made


def queries(work: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


# --- What is known -------------------------------------------------------------------------------


def test_a_client_is_read_once_and_then_known_by_both_its_names(known):
    row = batch()
    first = known.client("batch")
    assert first == row
    assert queries(lambda: known.client("batch")) == 0
    assert queries(lambda: known.client_by_key(row.pk)) == 0
    assert known.client("batch") is known.client_by_key(row.pk) is first


def test_all_that_a_request_asks_of_a_known_client_is_there(known):
    batch(flags={"jwt_audience": "orders"})
    found = known.client("batch")

    def ask() -> None:
        assert found.effective_flags.jwt_audience == "orders"
        assert found.read().allowed_scopes == {"orders.read", "orders.write"}
        assert len(secrets.live(found)) == 1
        assert found.brand is None

    assert queries(ask) == 0


def test_in_the_fast_lane_a_known_client_is_answered_and_an_unknown_one_is_left_to_django(known):
    batch()
    known.client("batch")
    with statements.alone():
        assert known.client("batch").client_id == "batch"
        with pytest.raises(statements.NotAlone):
            known.client("nobody")


def test_who_does_not_exist_is_asked_for_each_time(known):
    """Made-up names must not fill the memory, and one may be made the next moment."""
    assert known.client("batch") is None
    batch()
    assert known.client("batch") is not None


def test_a_known_client_cannot_be_saved(known):
    """All threads see the same object: a change of it would be seen by all, before any commit."""
    batch()
    found = known.client("batch")
    found.name = "Somebody else"
    with pytest.raises(TypeError):
        found.save()
    with pytest.raises(TypeError):
        found.save(update_fields=["name"])
    assert Client.objects.get(client_id="batch").name == ""


def test_a_client_that_is_not_of_the_directory_can_be_saved(known):
    batch()
    known.client("batch")
    row = Client.objects.get(client_id="batch")
    row.name = "Batch"
    row.save()
    assert Client.objects.get(client_id="batch").name == "Batch"


def test_a_known_secret_opens_until_its_end_and_no_longer(known):
    """What is known does not change by itself, so the clock is asked each time."""
    row = batch()
    now = timezone.now()
    row.secrets.update(expires_at=now + timedelta(seconds=5))
    found = known.client("batch")
    assert secrets.live(found, now)
    assert not secrets.live(found, now + timedelta(seconds=5))


def test_the_use_of_a_known_secret_is_written_once(known):
    batch()
    found = known.client("batch")
    assert queries(lambda: secrets.verify(found, SECRET)) == 1
    assert queries(lambda: secrets.verify(found, SECRET)) == 0


# --- What drops it -------------------------------------------------------------------------------


def test_its_mark_drops_a_client(known, heard):
    row = batch()
    before = known.client("batch")
    heard.hear(mark(row.pk))
    assert known.client("batch") is not before
    assert known.client_by_key(row.pk) is known.client("batch")


def test_the_mark_of_another_leaves_a_client(known, heard):
    row = batch()
    before = known.client("batch")
    heard.hear(mark(row.pk + 1))
    assert known.client("batch") is before


@pytest.mark.parametrize("other", ["user:1", "token:1", "keys", ""])
def test_marks_of_other_kinds_leave_a_client(known, heard, other):
    batch()
    before = known.client("batch")
    heard.hear(other)
    assert known.client("batch") is before


def test_the_mark_of_all_drops_all(known, heard):
    batch()
    login_service()
    clients, groups = known.client("batch"), known.scope_groups()
    heard.hear(ALL)
    assert known.client("batch") is not clients
    assert known.scope_groups() is not groups


def test_a_client_that_was_renamed_is_gone_under_its_old_name(known, heard):
    row = batch()
    known.client("batch")
    Client.objects.filter(pk=row.pk).update(client_id="renamed")
    heard.hear(mark(row.pk))
    assert known.client("batch") is None
    assert known.client("renamed").pk == row.pk


def test_what_is_not_live_is_read_anew(known, heard):
    row = batch()
    before = known.client("batch")
    heard.lease_until = 0.0
    Client.objects.filter(pk=row.pk).update(name="Batch")
    assert known.client("batch").name == known.client_by_key(row.pk).name == "Batch"
    assert before.name == ""


def test_what_is_shared_is_read_anew_where_it_is_not_live(known, heard):
    service = login_service("web")
    assert known.login_service_name(service.pk) == "web"
    heard.lease_until = 0.0
    LoginService.objects.filter(pk=service.pk).update(name="renamed")
    assert known.login_service_name(service.pk) == "renamed"


def test_in_the_fast_lane_what_is_not_live_is_left_to_django(known, heard):
    row = batch()
    known.client("batch")
    name = login_service().pk
    known.login_service_name(name)
    heard.lease_until = 0.0
    with statements.alone():
        for ask in (
            lambda: known.client("batch"),
            lambda: known.client_by_key(row.pk),
            lambda: known.login_service_name(name),
            known.scope_groups,
        ):
            with pytest.raises(statements.NotAlone):
                ask()


# --- Changes at the same moment ------------------------------------------------------------------


def while_reading(monkeypatch: pytest.MonkeyPatch, work: Callable[[], None]) -> None:
    """Has `work` done once, when a client's row is read and what belongs to it is not yet."""
    original, left = Known.of, [work]

    def of(client: Client, groups: dict[str, list[str]]) -> Known:
        while left:
            left.pop()()
        return original(client, groups)

    monkeypatch.setattr(Known, "of", of)


@pytest.mark.parametrize("heard_mark", ["its own", ALL])
def test_what_another_changes_while_it_is_read_is_not_kept(known, heard, monkeypatch, heard_mark):
    row = batch()
    told = mark(row.pk) if heard_mark == "its own" else heard_mark

    def change() -> None:
        Client.objects.filter(pk=row.pk).update(name="Batch")
        heard.hear(told)

    while_reading(monkeypatch, change)
    assert known.client("batch").name == ""  # The request had asked before.
    assert known.client("batch").name == "Batch"


def test_what_is_read_while_changes_are_lost_is_not_kept(known, heard, monkeypatch):
    row = batch()

    def lose() -> None:
        heard.end()
        Client.objects.filter(pk=row.pk).update(name="Batch")
        begin(heard)

    while_reading(monkeypatch, lose)
    known.client("batch")
    assert known.client("batch").name == "Batch"


def test_shared_things_that_change_while_they_are_read_are_not_kept(known, heard):
    def read() -> str:
        heard.hear(ALL)
        return "old"

    assert known._share("a thing", read) == "old"
    assert known._share("a thing", lambda: "new") == "new"


def test_a_client_is_not_kept_with_scope_groups_that_are_just_dropped(monkeypatch):
    """The listener has noted the mark, and has yet to drop what is known: a request reads the
    client, takes the groups that are still there, and is done when they are dropped."""
    group = ScopeGroup.objects.create(name="group")
    client("shop", "openid").scope_groups.add(group)
    heard, known = Changes(), Directory()
    monkeypatch.setattr(directory_module, "changes", heard)
    begin(heard)
    known.scope_groups()
    group.scopes.set(scopes("orders.read"))

    while_reading(monkeypatch, lambda: known.forget(ALL))
    heard.subscribe(lambda _: known.client("shop"))
    heard.hear(ALL)
    assert known.client("shop").read().allowed_scopes == {"openid", "orders.read"}
