"""What operators and files change is told field by field, by whom and from where, and no secret."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from clients_admin import secrets
from clients_admin.models import Scope
from clients_admin.roles import EDITORS
from idp.accounts import login
from idp.accounts.local import set_password
from idp.accounts.models import LocalAccount, User
from idp.accounts.outcomes import Identity, Unavailable
from idp.audit import changes, context
from idp.audit.details import CUT
from idp.audit.models import AuditEvent
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.blocking.models import NetworkProfile
from tests.configuration import (
    PASSWORD,
    Shopper,
    account,
    basic,
    batch,
    brand,
    corporate,
    login_service,
    post,
    shop,
)
from tests.operators import OperatorBrowser
from tokens.format import Prefix, TokenFormat

pytestmark = pytest.mark.django_db

TOKEN = TokenFormat({1: b"k" * 32}).write(Prefix.ACCESS_TOKEN, 1 << 60, -1)
HOME = "198.51.100.7"

plants_secrets = pytest.mark.plants_secrets("for an operator may write one anywhere")


def told(tag: Tag) -> AuditEvent:
    return AuditEvent.objects.get(tag=tag)


def diff(event: AuditEvent) -> tuple[str, dict[str, Any], list[str]]:
    return event.details["what"], event.details["changed"], event.details["hidden"]


@pytest.fixture
def editor() -> Browser:
    service = login_service("operators")
    known = account("eddy", service)
    user = User.objects.create(
        login_service=service, external_id=str(known.external_id), username="eddy", is_staff=True
    )
    user.groups.add(Group.objects.get(name=EDITORS))
    browser = OperatorBrowser(REMOTE_ADDR=HOME)
    browser.force_login(user)
    return browser


# --- Diffs ----------------------------------------------------------------------------------------


def changed(row: Any, **values: Any) -> AuditEvent:
    """The event of a change to a row."""
    before = changes.state_of(row)
    for name, value in values.items():
        setattr(row, name, value)
    row.save()
    changes.record_change(row, before)
    return AuditEvent.objects.latest("id")


def test_a_new_row_is_told_with_all_that_it_holds():
    scope = Scope.objects.create(name="orders.read", description="See your orders")
    assert changes.record_change(scope, changes.NOTHING)
    event = told(Tag.CLIENTS_SCOPE_CHANGED)
    assert event.details == {
        "what": "added",
        "name": "orders.read",
        "changed": {"name": [None, "orders.read"], "description": [None, "See your orders"]},
        "hidden": [],
        "row": changes.key_of(scope),
    }


def test_a_row_that_goes_is_told_with_all_that_it_held():
    profile = NetworkProfile.objects.create(name="office", networks=["192.0.2.0/24"])
    changes.record_deletion(profile)
    what, fields, _ = diff(told(Tag.BLOCKING_PROFILE_CHANGED))
    assert what == "deleted"
    assert (fields["name"], fields["networks"]) == (["office", None], [["192.0.2.0/24"], None])


def test_each_entry_of_a_table_is_told_by_itself():
    client = batch(flags={"access_token_seconds": 60, "refresh_rotation": "keep"})
    event = changed(client, flags={"access_token_seconds": 120, "refresh_rotation": "keep"})
    assert diff(event) == ("changed", {"flags.access_token_seconds": [60, 120]}, [])
    assert (event.client_id, event.user_id, event.details["name"]) == ("batch", None, "batch")


def test_a_version_stands_for_what_is_stored_shown_or_not():
    row, acme = shop(), brand()
    namesake = type(acme).objects.create(slug="other", name=acme.name)
    first = changes.version_of(row)
    assert first == changes.version_of(type(row).objects.get(pk=row.pk))
    seen = {first, changes.version_of(acme)}
    for change in (
        lambda: type(row).objects.update(name="Another"),
        lambda: type(row).objects.update(brand=namesake),
        row.scopes.clear,
        lambda: type(row).objects.update(flags={"password": "one"}),
        lambda: type(row).objects.update(flags={"password": "two"}),
    ):
        change()
        version = changes.version_of(row)
        assert version not in seen
        seen.add(version)
    row.name = "not saved"
    assert changes.version_of(row) == version


def test_what_stays_as_it_is_is_not_told():
    client = batch()
    before = changes.state_of(client)
    client.save()  # which notes when
    assert not changes.record_change(client, before)
    assert not AuditEvent.objects.exists()


def test_the_names_of_others_are_told_in_their_order():
    client = batch(login_services=[login_service("b"), login_service("a")], brand=brand())
    before = changes.state_of(client)
    client.login_services.through.objects.filter(login_service__name="b").update(position=9)
    client.scopes.set(Scope.objects.filter(name="orders.read"))
    client.brand = None
    client.save()
    changes.record_change(client, before)
    assert diff(told(Tag.CLIENTS_CLIENT_CHANGED))[1] == {
        "brand": ["Acme", None],
        "login_services": [["b", "a"], ["a", "b"]],
        "scopes": [["orders.read", "orders.write"], ["orders.read"]],
    }


# --- No secrets -----------------------------------------------------------------------------------


def test_of_a_password_and_of_claims_only_the_name_is_told():
    known = account()
    before = changes.state_of(known)
    set_password(known, "another-password")
    known.claims = {"email": "new@example.org", "name": "Jane Doe", "given_name": "Jane"}
    known.save()
    changes.record_change(known, before)
    event = told(Tag.ACCOUNTS_LOCAL_ACCOUNT_CHANGED)
    assert diff(event) == ("changed", {}, ["claims.email", "password"])
    assert "new@example.org" not in everything()
    assert LocalAccount.objects.get().password not in everything()


@pytest.mark.parametrize("name", ["webhook_secret", "apiToken", "old.password", "code"])
def test_of_a_flag_that_is_named_like_a_secret_only_the_name_is_told(name):
    event = changed(batch(), flags={name: "hunter2", "team": "checkout"})
    assert diff(event) == ("changed", {"flags.team": [None, "checkout"]}, [f"flags.{name}"])
    assert "hunter2" not in everything()


@plants_secrets
def test_a_secret_within_a_value_is_left_out():
    event = changed(batch(), description=f"Call us with {TOKEN} or {secrets.generate()}")
    assert diff(event)[1] == {"description": [None, f"Call us with {CUT} or {CUT}"]}


def test_another_key_under_the_same_names_is_told_and_is_another_version():
    client = batch(jwks={"keys": [{"kty": "EC", "x": "one"}]})
    version = changes.version_of(client)
    event = changed(client, jwks={"keys": [{"kty": "EC", "x": "two"}]})
    assert diff(event)[1] == {
        "jwks.keys": [[{"kty": "EC", "x": "one"}], [{"kty": "EC", "x": "two"}]]
    }
    assert changes.version_of(client) != version


def test_the_events_about_a_row_are_found_whatever_its_name_becomes():
    client, other = batch(), batch(client_id="other")
    for row, name in ((client, "One"), (other, "Two"), (client, "Three")):
        changed(row, name=name)
    key = changes.key_of(client)
    assert key == f"clients_admin.client:{client.pk}"
    found = AuditEvent.objects.of_row(key).order_by("id")
    assert [event.details["changed"]["name"][1] for event in found] == ["One", "Three"]


@plants_secrets
def test_a_secret_as_the_name_of_a_flag_is_left_out():
    event = changed(batch(), flags={TOKEN: "x"})
    assert diff(event) == ("changed", {}, [f"flags.{CUT}"])


def test_a_secret_deep_in_a_list_hides_the_list():
    keys = {"keys": [{"kty": "EC", "password": "hunter2"}]}
    assert diff(changed(batch(), jwks=keys)) == ("changed", {}, ["jwks.keys"])
    assert "hunter2" not in everything()


def test_where_a_secret_is_kept_is_told_and_what_it_is_is_not(monkeypatch):
    monkeypatch.setenv("CRM_PASSWORD", "hunter2")
    settings = {"url": "https://crm.example", "password_variable": "CRM_PASSWORD"}
    event = changed(login_service(), kind="rest", settings=settings)
    assert diff(event)[1]["settings.password_variable"] == [None, "CRM_PASSWORD"]
    assert "hunter2" not in everything()


def test_hostile_values_are_told_and_break_nothing():
    odd = {"x" * 5000: "y" * 5000, "deep": {"er": [[[[["z"]]]]]}, "n": 10**30}
    event = changed(batch(), flags={**odd, **{f"f{n}": n for n in range(500)}})
    assert event.tag == Tag.CLIENTS_CLIENT_CHANGED
    assert len(json.dumps(event.details)) < 20_000


def everything() -> str:
    return str(list(AuditEvent.objects.values()))


# --- In the admin and from files ------------------------------------------------------------------


def test_an_editors_change_is_told_with_who_and_where(editor):
    scope = Scope.objects.create(name="orders.read", description="See your orders")
    page = reverse("admin:clients_admin_scope_change", args=[scope.pk])
    assert editor.post(page, {"description": "Look at them"}).status_code == 302
    event = told(Tag.CLIENTS_SCOPE_CHANGED)
    assert (event.actor, event.address) == ("eddy (operators)", HOME)
    assert diff(event) == ("changed", {"description": ["See your orders", "Look at them"]}, [])


def test_a_deletion_in_the_admin_is_told(editor):
    scope = Scope.objects.create(name="orders.read")
    page = reverse("admin:clients_admin_scope_delete", args=[scope.pk])
    assert editor.post(page, {"post": "yes"}).status_code == 302
    event = told(Tag.CLIENTS_SCOPE_CHANGED)
    assert diff(event) == ("deleted", {"name": ["orders.read", None]}, [])
    assert event.actor == "eddy (operators)"


def test_a_page_that_is_saved_as_it_is_tells_nothing(editor):
    scope = Scope.objects.create(name="orders.read", description="See your orders")
    page = reverse("admin:clients_admin_scope_change", args=[scope.pk])
    assert editor.post(page, {"description": "See your orders"}).status_code == 302
    assert not AuditEvent.objects.filter(tag=Tag.CLIENTS_SCOPE_CHANGED).exists()


def test_a_form_that_is_refused_tells_nothing(editor):
    assert editor.post(reverse("admin:clients_admin_scope_add"), {"name": "*"}).status_code == 200
    assert not AuditEvent.objects.filter(tag=Tag.CLIENTS_SCOPE_CHANGED).exists()


FILE = "scopes: {{orders.read: {}}}\n"


def test_a_file_is_told_like_the_admin_and_only_where_it_changes_something(tmp_path):
    file = tmp_path / "configuration.yaml"
    for text in ("See your orders", "See your orders", "Look at them"):
        file.write_text(FILE.format(text))
        call_command("config", "apply", str(file), stdout=io.StringIO())
    events = AuditEvent.objects.filter(tag=Tag.CLIENTS_SCOPE_CHANGED).order_by("id")
    assert [diff(event)[:2] for event in events] == [
        ("added", {"name": [None, "orders.read"], "description": [None, "See your orders"]}),
        ("changed", {"description": ["See your orders", "Look at them"]}),
    ]
    assert {(event.actor, event.address) for event in events} == {("manage.py config apply", None)}


def test_what_a_file_would_change_is_not_told(tmp_path):
    file = tmp_path / "configuration.yaml"
    file.write_text(FILE.format("See your orders"))
    with pytest.raises(SystemExit):
        call_command("config", "diff", str(file), stdout=io.StringIO())
    assert not AuditEvent.objects.exists()


# --- Users ----------------------------------------------------------------------------------------


def test_a_login_is_told_from_the_password_to_the_tokens():
    shop()
    account()
    shopper = Shopper()
    shopper.browser = Browser(REMOTE_ADDR=HOME)
    shopper.tokens()
    user = User.objects.get()
    assert list(AuditEvent.objects.order_by("id").values_list("tag", "client_id", "user_id")) == [
        ("accounts:user:added", None, user.pk),
        ("accounts:sign_in:accepted", "shop", user.pk),
        ("accounts:session:begun", None, user.pk),
        ("tokens:family:issued", "shop", user.pk),
    ]
    accepted = told(Tag.ACCOUNTS_SIGN_IN_ACCEPTED)
    assert accepted.address == HOME
    assert accepted.details == {
        "door": "sign-in page",
        "login_service": "acme-web",
        "username": "jane",
    }
    assert PASSWORD not in everything()


@pytest.mark.parametrize(
    ("username", "password", "reason", "shown"),
    [
        ("jane", "wrong", "wrong password", "jane"),
        ("nobody", PASSWORD, "unknown user name", "n•••"),
        (TOKEN, PASSWORD, "unknown user name", "a•••"),
    ],
)
def test_a_refused_password_is_told_and_nothing_that_was_typed_by_mistake(
    username, password, reason, shown
):
    shop()
    account()
    shopper = Shopper(username=username)
    shopper.browser = Browser(REMOTE_ADDR=HOME)
    answer = shopper.sign_in(shopper.authorize(), password)
    assert answer.status_code == 401
    event = AuditEvent.objects.get()
    assert (event.tag, event.client_id, event.address) == (
        *("accounts:sign_in:refused", "shop", HOME),
    )
    assert event.details == {
        "door": "sign-in page",
        "login_services": ["acme-web"],
        "username": shown,
        "reason": reason,
    }


def test_a_user_who_was_switched_off_is_refused_by_name():
    shop()
    account()
    Shopper().tokens()
    User.objects.update(is_active=False)
    shopper = Shopper()
    assert shopper.sign_in(shopper.authorize()).status_code == 401
    event = told(Tag.ACCOUNTS_SIGN_IN_REFUSED)
    assert (event.details["reason"], event.details["username"]) == ("inactive user", "jane")


def test_an_outage_is_no_refusal(monkeypatch):
    shop()
    monkeypatch.setitem(login.CHECKS, "local", lambda *_: Unavailable("away"))
    shopper = Shopper()
    assert shopper.sign_in(shopper.authorize()).status_code == 503
    assert not AuditEvent.objects.exists()


def test_operators_are_told_of_like_users(editor):
    form = {"username": "eddy", "password": PASSWORD}
    browser = Browser(REMOTE_ADDR=HOME)
    assert browser.post(reverse("admin:login"), form).status_code == 302
    assert browser.post(reverse("admin:logout")).status_code in {200, 302}
    accepted = told(Tag.ACCOUNTS_SIGN_IN_ACCEPTED)
    assert (accepted.details["door"], accepted.client_id) == ("admin", None)
    user = User.objects.get()
    for tag in (Tag.ACCOUNTS_SESSION_BEGUN, Tag.ACCOUNTS_SESSION_ENDED):
        events = AuditEvent.objects.filter(tag=tag, address=HOME, user_id=user.pk)
        assert events.exists(), tag


def test_what_is_asked_all_the_time_is_not_told():
    """Decision 0015: client credentials, refresh and introspection."""
    shop()
    account()
    batch()
    first = Shopper().tokens()
    before = AuditEvent.objects.count()
    Shopper().refresh(first["refresh_token"])
    answer = post("/oauth2/token", {"grant_type": "client_credentials"}, **basic("batch"))
    assert answer.status_code == 200
    assert AuditEvent.objects.count() == before


def test_a_user_of_a_trusted_issuer_is_told_of_once():
    identity = Identity("employee-1", "jane", {"email": "jane@corp.example"})
    for _ in range(2):
        login.accept(corporate(), identity)
    event = told(Tag.ACCOUNTS_USER_ADDED)
    assert event.details == {"login_service": "corporate", "username": "jane"}


# --- Who and where --------------------------------------------------------------------------------


def test_what_a_writer_says_counts_more_than_where_it_is_said():
    meta = {"REMOTE_ADDR": HOME}
    with context.during(context.Context(meta=meta)), context.acting("job"):
        record(Tag.TOKENS_USER_ENDED)
        record(Tag.TOKENS_USER_ENDED, actor="jane", address="192.0.2.1")
    record(Tag.TOKENS_USER_ENDED)
    assert list(AuditEvent.objects.order_by("id").values_list("actor", "address")) == [
        ("job", HOME),
        ("jane", "192.0.2.1"),
        (None, None),
    ]


def test_an_actor_who_is_named_like_a_token_can_act():
    with context.acting(f"{TOKEN} (operators)"):
        record(Tag.TOKENS_USER_ENDED)
    assert AuditEvent.objects.get().actor == f"{CUT} (operators)"


def test_nobody_acts_any_more_when_a_request_has_failed():
    def fail(_request: Any) -> Any:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        context.AuditContextMiddleware(fail)(_Request())  # type: ignore[arg-type]
    assert context.current() == context.Context()


class _Request:
    META: dict[str, str] = {}


# --- The application's role -----------------------------------------------------------------------


def run(*statements: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def names(query: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [name for (name,) in cursor.fetchall()]


@pytest.fixture
def role() -> str:
    """A role that owns nothing, and was granted all there is to grant."""
    run(
        "CREATE ROLE of_the_application",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO of_the_application",
    )
    return "of_the_application"


@pytest.mark.parametrize("whose", ["none", "of_the_application"], ids=["owner", "granted"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET tag = tag", "DELETE FROM {}", "TRUNCATE {}"])
def test_no_role_changes_an_event_in_the_table_or_any_partition(role, whose, verb):
    partitions = names(
        "SELECT inhrelid::regclass::text FROM pg_inherits "
        "WHERE inhparent = 'idp_auditevent'::regclass"
    )
    assert len(partitions) > 3
    record(Tag.TOKENS_USER_ENDED)
    # A trigger of rows has none to refuse where there are none.
    holding = [name for name in partitions if names(f"SELECT tag FROM {name}")]
    assert len(holding) == 1
    for relation in ["idp_auditevent", *(partitions if "TRUNCATE" in verb else holding)]:
        with pytest.raises(ProgrammingError, match="is append-only"):
            run(f"SET LOCAL ROLE {whose}", verb.format(relation))
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE idp_auditevent DISABLE TRIGGER ALL",
        "DROP TRIGGER append_only_rows ON idp_auditevent",
        "DROP TABLE idp_auditevent",
        "DROP FUNCTION idp_append_only() CASCADE",
        "SET LOCAL session_replication_role = replica",
    ],
)
def test_a_role_that_owns_nothing_cannot_take_the_refusal_away(role, statement):
    with pytest.raises(ProgrammingError, match=r"must be owner|permission denied"):
        run(f"SET LOCAL ROLE {role}", statement)


@pytest.mark.parametrize("verb", ["UPDATE {} SET tag = tag", "DELETE FROM {}", "TRUNCATE {}"])
def test_a_role_cannot_give_itself_leave(role, verb):
    record(Tag.TOKENS_USER_ENDED)
    leave = (f"SET LOCAL ROLE {role}", "SET LOCAL idp.rows_may_go = 'on'")
    with pytest.raises(ProgrammingError, match="is append-only"):
        run(*leave, verb.format("idp_auditevent"))
    assert AuditEvent.objects.count() == 1


def test_even_with_leave_only_what_has_no_partition_can_go(role):
    """By the role of the application, which makes partitions, and so moves those out of there."""
    now = timezone.now()
    for at in (now, now + timedelta(days=999)):
        record(Tag.TOKENS_USER_ENDED, at=at)
    run(
        f"SET LOCAL ROLE {role}",
        "SET LOCAL idp.rows_may_go = 'on'",
        "DELETE FROM idp_auditevent_default",
    )
    assert AuditEvent.objects.get().at == now
