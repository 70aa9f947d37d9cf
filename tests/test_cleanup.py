"""Every table that grows has a rule, and each rule lets go of its rows in time and not before."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.models import Model

from branding.models import BrandFile
from clients_admin.models import Approval, ClientSecret, Proposal
from clients_admin.proposals import life
from clients_admin.roles import APPROVERS, VIEWERS
from idp.audit.models import AUDIT_EVENTS, AuditEvent
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.blocking.models import Block, FailedAttempt
from idp.expiry_warnings import ExpiryWarning, is_first
from idp.partitioning.partitions import CLOCK_MARGIN
from idp.partitioning.tables import PartitionedTable, first_id
from idp.spent_assertions import LEEWAY, SpentAssertion, spend
from idp.tallies.models import Tally
from tests.configuration import account, batch
from tests.proposals import operator, propose
from tokens import cleanup, devices, issue, pushed
from tokens.identifiers import ACCESS_TOKENS, AUTHORIZATION_CODES, REFRESH_TOKENS
from tokens.keys import rotation
from tokens.keys.models import SigningKey
from tokens.models import (
    AccessToken,
    AuthorizationCode,
    DeviceAuthorization,
    LogoutNotice,
    PushedAuthorizationRequest,
    RefreshToken,
    SessionLogin,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partition_lists")]

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def tables() -> set[str]:
    """All tables of the database but partitions."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition"
        )
        return {name for (name,) in cursor.fetchall()}


def test_every_table_either_has_a_rule_or_a_reason_not_to_grow():
    assert tables() == cleanup.RULES.keys() | cleanup.BOUNDED.keys()
    assert not cleanup.RULES.keys() & cleanup.BOUNDED.keys()
    assert all(rule.keeps for rule in cleanup.RULES.values())
    assert all(cleanup.BOUNDED.values())


# --- Each kind of row -----------------------------------------------------------------------------
#
# A builder makes a row and answers its model, and the first moment at which the rule lets go of it.


def end_of_bucket(table: PartitionedTable, moment: datetime) -> datetime:
    return table.ends_at(table.bucket_of(moment)) + table.keep + CLOCK_MARGIN


def access_token() -> tuple[type[Model], datetime]:
    token = issue.client_token(batch(), "*", NOON)
    return AccessToken, end_of_bucket(ACCESS_TOKENS, token.expires_at)


def refresh_token() -> tuple[type[Model], datetime]:
    token = issue.refresh_tokens.insert(
        expires_at=NOON + 90 * DAY, client_id=batch().pk, user_id=1, family=1, scope="*",
        issued_at=NOON, login_at=NOON, auth_time=NOON,
    )  # fmt: skip
    return RefreshToken, end_of_bucket(REFRESH_TOKENS, token.expires_at)


def authorization_code() -> tuple[type[Model], datetime]:
    account()
    code = issue.authorization_codes.insert(
        expires_at=NOON + timedelta(minutes=1), client_id=batch().pk, user_id=1, scope="*",
        issued_at=NOON, auth_time=NOON, redirect_uri="", redirect_uri_was_given=False,
        code_challenge="", openid_nonce="",
    )  # fmt: skip
    return AuthorizationCode, end_of_bucket(AUTHORIZATION_CODES, code.expires_at)


def device() -> tuple[type[Model], datetime]:
    made = devices.begin(batch(), "*", NOON)
    return DeviceAuthorization, made.expires_at


def pushed_request() -> tuple[type[Model], datetime]:
    pushed.push(batch(), {"client_id": "batch"}, None, NOON)
    return PushedAuthorizationRequest, NOON + timedelta(seconds=pushed.LIFETIME_SECONDS)


def session_login() -> tuple[type[Model], datetime]:
    day = AUTHORIZATION_CODES.bucket_of(NOON)
    user = account("john").login_service.users.create(external_id="john")
    SessionLogin.objects.create(
        family=first_id(day + 1) - 1, sid="s", user=user, client=batch(), is_offline=False
    )
    return SessionLogin, AUTHORIZATION_CODES.ends_at(day) + 7 * DAY


def logout_notice() -> tuple[type[Model], datetime]:
    user = account("joan").login_service.users.create(external_id="joan")
    LogoutNotice.objects.create(client=batch(), user=user, ended_at=NOON, due_at=NOON)
    return LogoutNotice, NOON + DAY


def audit_event() -> tuple[type[Model], datetime]:
    record(Tag.TOKENS_FAMILY_REVOKED, at=NOON)
    return AuditEvent, end_of_bucket(AUDIT_EVENTS, NOON)


def session() -> tuple[type[Model], datetime]:
    Session.objects.create(session_key="a" * 32, session_data="", expire_date=NOON)
    return Session, NOON


def admin_log_entry() -> tuple[type[Model], datetime]:
    made = batch()
    user = account().login_service.users.create(external_id="operator")
    LogEntry.objects.create(
        action_time=NOON, user=user, content_type=ContentType.objects.get_for_model(made),
        object_id=made.pk, object_repr="batch", action_flag=CHANGE,
    )  # fmt: skip
    return LogEntry, NOON + AUDIT_EVENTS.keep


def spent_assertion() -> tuple[type[Model], datetime]:
    assert spend("https://issuer.example", "1", NOON)
    return SpentAssertion, NOON + 2 * LEEWAY


def ended_secret() -> tuple[type[Model], datetime]:
    batch().secrets.update(expires_at=NOON)
    return ClientSecret, NOON + 90 * DAY


def expiry_warning() -> tuple[type[Model], datetime]:
    is_first("of the test", NOON + 7 * DAY, 7, NOON)
    return ExpiryWarning, NOON + 365 * DAY


def closed_proposal() -> tuple[type[Model], datetime]:
    proposal = propose(batch(), operator("vera", VIEWERS), name="New")
    Approval.objects.create(proposal=proposal, approver=operator("ada", APPROVERS))
    life.withdraw(proposal, proposal.author)
    Proposal.objects.update(closed_at=NOON)
    return Proposal, NOON + 365 * DAY


def retired_key() -> tuple[type[Model], datetime]:
    SigningKey.objects.all().delete()
    rotation.rotate_due(NOON)
    SigningKey.objects.exclude(algorithm="ES256", state="active").delete()
    SigningKey.objects.update(state="retired", retired_at=NOON)
    return SigningKey, NOON + 365 * DAY


def brand_file() -> tuple[type[Model], datetime]:
    BrandFile.objects.create(name="0.svg", content=b"<svg/>", kept_at=NOON)
    return BrandFile, NOON + DAY


def tally() -> tuple[type[Model], datetime]:
    Tally.objects.create(hour=NOON, name="tokens:new", number=1)
    return Tally, NOON + 40 * DAY


def failed_attempt() -> tuple[type[Model], datetime]:
    FailedAttempt.objects.create(
        subject="192.0.2.1", name_key="x", name_shown="x", what="password", at=NOON
    )
    return FailedAttempt, NOON + DAY


def block() -> tuple[type[Model], datetime]:
    Block.objects.create(
        subject="192.0.2.1",
        kind="address",
        effect="refuse",
        attempts=1,
        name_count=1,
        created_at=NOON - DAY,
        until=NOON,
    )
    return Block, NOON + 90 * DAY


BUILDERS: tuple[Callable[[], tuple[type[Model], datetime]], ...] = (
    access_token,
    refresh_token,
    authorization_code,
    device,
    pushed_request,
    session_login,
    logout_notice,
    audit_event,
    session,
    admin_log_entry,
    spent_assertion,
    brand_file,
    tally,
    ended_secret,
    expiry_warning,
    closed_proposal,
    retired_key,
    failed_attempt,
    block,
)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("has_partition", [True, False])
def test_a_row_goes_when_its_time_has_come_and_not_before(build, has_partition):
    if has_partition:
        cleanup.make_partitions(NOON)
    model, dead_at = build()
    assert model._base_manager.count() == 1
    cleanup.clean_up(dead_at - SECOND)
    assert model._base_manager.count() == 1
    cleanup.clean_up(dead_at)
    assert model._base_manager.count() == 0


def test_the_rows_above_are_of_every_kind_that_has_a_rule():
    built = set()
    for build in BUILDERS:
        with transaction.atomic():
            built.add(build()[0]._meta.db_table)
            transaction.set_rollback(True)
    assert built == cleanup.RULES.keys()


def test_living_secrets_keys_and_sessions_are_never_touched():
    batch()
    rotation.rotate_due(NOON)
    Session.objects.create(session_key="b" * 32, session_data="", expire_date=NOON + 4000 * DAY)
    before = [m.objects.count() for m in (ClientSecret, SigningKey, Session)]
    cleanup.clean_up(NOON + 3000 * DAY)
    assert [m.objects.count() for m in (ClientSecret, SigningKey, Session)] == before


def test_many_dead_rows_go_in_short_batches():
    Session.objects.bulk_create(
        Session(session_key=f"{number:032}", session_data="", expire_date=NOON)
        for number in range(2 * cleanup.BATCH + 1)
    )
    assert cleanup.RULES["django_session"].clean(NOON) == 2 * cleanup.BATCH + 1
    assert Session.objects.count() == 0


def test_a_rule_that_fails_holds_up_no_other(monkeypatch):
    Session.objects.create(session_key="a" * 32, session_data="", expire_date=NOON)

    def fail(now: datetime) -> int:
        raise DatabaseError("the table is locked")

    broken = {"tokens_accesstoken": cleanup.Rule("for ever", fail)}
    monkeypatch.setattr(
        cleanup, "RULES", broken | {"django_session": cleanup.RULES["django_session"]}
    )
    with pytest.raises(ExceptionGroup) as raised:
        cleanup.clean_up(NOON)
    assert len(raised.value.exceptions) == 1
    assert Session.objects.count() == 0


def test_the_operators_page_names_every_rule():
    from idp.environment import PROJECT

    page = (PROJECT / "docs" / "token-lifecycle.md").read_text()
    for table, rule in cleanup.RULES.items():
        assert f"| `{table}` | {rule.keeps} |" in page


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_goes_half_of_the_way_ends_well():
    try:
        call_command("migrate", "idp", "0001", verbosity=0)
        assert "idp_auditevent" not in tables()
    finally:
        call_command("migrate", verbosity=0)
    assert "idp_auditevent" in tables()
