"""What beat does so that no table grows for ever: a rule for every table that grows.

A new table needs a line in `RULES`, or one in `BOUNDED` that says why it needs none.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import DatabaseError, models, transaction
from django.db.models import Q
from django.utils import timezone

from branding.models import BrandFile
from clients_admin.models import ClientSecret, Proposal
from idp import metrics
from idp.audit.models import AUDIT_EVENTS
from idp.audit.record import known as known_of_audit
from idp.blocking.models import LONGEST_WINDOW, Block, FailedAttempt
from idp.expiry_warnings import ExpiryWarning
from idp.partitioning import partitions
from idp.partitioning.tables import PartitionedTable, first_id
from idp.spent_assertions import SpentAssertion
from idp.tallies.models import Tally
from tokens import logout_notices, rows
from tokens.identifiers import ACCESS_TOKENS, AUTHORIZATION_CODES, REFRESH_TOKENS, TOKEN_TABLES
from tokens.keys.models import SigningKey
from tokens.models import (
    DeviceAuthorization,
    LogoutNotice,
    PushedAuthorizationRequest,
    SessionLogin,
)

log = logging.getLogger(__name__)

BATCH = 1000
PARTITIONED_TABLES = (*TOKEN_TABLES, AUDIT_EVENTS)


def make_partitions(now: datetime | None = None) -> int:
    """Makes the partitions that the rows of the coming time will need; answers how many."""
    made = 0
    for table in PARTITIONED_TABLES:
        count = partitions.make_ahead(table, now)
        metrics.count(metrics.PARTITIONS_MADE, count, table=table.name)
        _measure(table)
        made += count
    rows.known.refresh()
    known_of_audit.refresh()
    return made


def clean_up(now: datetime | None = None) -> dict[str, int]:
    """Follows every rule; answers by table how many partitions or rows went.

    A rule that fails holds up no other; at the end all failures are raised together.
    """
    now = now or timezone.now()
    gone, failures = {}, []
    for table, rule in RULES.items():
        try:
            gone[table] = rule.clean(now)
        except DatabaseError as error:
            log.exception("%s is not cleaned up", table)
            failures.append(error)
    if failures:
        raise ExceptionGroup("clean-up", failures)
    return gone


def drop_expired(table: PartitionedTable, now: datetime) -> int:
    """Drops the partitions that are over; dead rows of the default partition go in batches."""
    dropped = partitions.drop_expired(table, now)
    deleted = partitions.empty_default(table, now)
    metrics.count(metrics.PARTITIONS_DROPPED, dropped, table=table.name)
    metrics.count(metrics.CLEANED_ROWS, deleted, table=table.name)
    _measure(table)
    return dropped + deleted


def delete(model: type[models.Model], dead: Callable[[datetime], Q], now: datetime) -> int:
    """Deletes the rows that are dead, a short transaction a batch; others may do it meanwhile."""
    found = model._base_manager.filter(dead(now)).select_for_update(skip_locked=True)
    deleted = 0
    while True:
        with transaction.atomic():
            keys = list(found.values_list("pk", flat=True)[:BATCH])
            model._base_manager.filter(pk__in=keys).delete()
        deleted += len(keys)
        if len(keys) < BATCH:
            metrics.count(metrics.CLEANED_ROWS, deleted, table=model._meta.db_table)
            return deleted


def _measure(table: PartitionedTable) -> None:
    buckets = partitions.existing(table)
    metrics.PARTITIONS.labels(table=table.name).set(len(buckets))
    if buckets:
        begins_at = buckets[0] * table.bucket_seconds
        metrics.OLDEST_PARTITION_TIMESTAMP.labels(table=table.name).set(begins_at)


@dataclass(frozen=True, slots=True)
class Rule:
    """How long the rows of a table are kept, in words, and what lets go of them."""

    keeps: str
    clean: Callable[[datetime], int]


def _partitions_of(table: PartitionedTable, keeps: str) -> tuple[str, Rule]:
    return table.name, Rule(keeps, partial(drop_expired, table))


def _rows_of(
    model: type[models.Model], keeps: str, dead: Callable[[datetime], Q]
) -> tuple[str, Rule]:
    return model._meta.db_table, Rule(keeps, partial(delete, model, dead))


def first_code_of_day(moment: datetime) -> int:
    """The key of what belongs to a code begins with the day, as that of the code does."""
    return first_id(AUTHORIZATION_CODES.bucket_of(moment))


BLOCKS_KEPT = timedelta(days=90)
SECRETS_KEPT = timedelta(days=90)
TALLIES_KEPT = timedelta(days=40)
KEYS_KEPT = timedelta(days=365)
# A browser session lasts for twelve hours from its last sign-in on.
SESSION_LOGINS_KEPT = timedelta(days=7)
PROPOSALS_KEPT = timedelta(days=365)
# From the warning on, not from the end: what has ended and stays is warned of once a year.
WARNINGS_KEPT = timedelta(days=365)

RULES: dict[str, Rule] = dict([
    _partitions_of(ACCESS_TOKENS, "until the day is over in which they expire"),
    _partitions_of(REFRESH_TOKENS, "until the week is over in which they expire"),
    _partitions_of(AUTHORIZATION_CODES, "until the day is over in which they expire"),
    _partitions_of(AUDIT_EVENTS, "IDP_AUDIT_DAYS after the month of the event"),
    _rows_of(LogEntry, "IDP_AUDIT_DAYS", lambda now: Q(action_time__lte=now - AUDIT_EVENTS.keep)),
    _rows_of(Session, "until they expire", lambda now: Q(expire_date__lte=now)),
    _rows_of(SpentAssertion, "until a minute after they expire",
             lambda now: Q(forget_at__lte=now)),
    _rows_of(DeviceAuthorization, "until they expire", lambda now: Q(expires_at__lte=now)),
    _rows_of(PushedAuthorizationRequest, "until they expire",
             lambda now: Q(expires_at__lte=now)),
    _rows_of(SessionLogin, "a week after the day of the login",
             lambda now: Q(pk__lt=first_code_of_day(now - SESSION_LOGINS_KEPT))),
    (LogoutNotice._meta.db_table,
     Rule("a day after the logout; then they are given up", logout_notices.give_up_overdue)),
    _rows_of(ClientSecret, "90 days after their end",
             lambda now: Q(expires_at__lte=now - SECRETS_KEPT)),
    _rows_of(Proposal, "a year after they were closed, with approvals and comments",
             lambda now: Q(closed_at__lte=now - PROPOSALS_KEPT)),
    _rows_of(ExpiryWarning, "a year after the warning",
             lambda now: Q(warned_at__lte=now - WARNINGS_KEPT)),
    _rows_of(BrandFile, "a day after they came, where no brand has them",
             BrandFile.unused),
    _rows_of(Tally, "40 days", lambda now: Q(hour__lte=now - TALLIES_KEPT)),
    _rows_of(FailedAttempt, "a day", lambda now: Q(at__lte=now - LONGEST_WINDOW)),
    _rows_of(Block, "90 days after their time", lambda now: Q(until__lte=now - BLOCKS_KEPT)),
    _rows_of(SigningKey, "a year after they were retired",
             lambda now: Q(retired_at__lte=now - KEYS_KEPT)),
])  # fmt: skip

BOUNDED = {
    "auth_group": "the roles of operators",
    "auth_group_permissions": "the roles of operators",
    "auth_permission": "one for each action on a model",
    "branding_brand": "configuration",
    "clients_admin_approval": "go with their proposal",
    "clients_admin_client": "configuration",
    "clients_admin_client_scope_groups": "configuration",
    "clients_admin_client_scopes": "configuration",
    "clients_admin_clientloginservice": "configuration",
    "clients_admin_comment": "go with their proposal",
    "clients_admin_scope": "configuration",
    "clients_admin_scopegroup": "configuration",
    "clients_admin_scopegroup_groups": "configuration",
    "clients_admin_scopegroup_scopes": "configuration",
    "django_content_type": "one for each model",
    "django_migrations": "one for each migration",
    "idp_authenticatorapp": "one for each user who has one",
    "idp_browsersession": "go with their session",
    "idp_localaccount": "one for each person with a local password",
    "idp_loginservice": "configuration",
    "idp_networkprofile": "configuration",
    "idp_passkey": "at most ten for each user",
    "idp_recoverycode": "ten for each user who has an authenticator app",
    "idp_trustedissuer": "configuration",
    "idp_user": "one for each person who has ever signed in",
    "idp_user_groups": "operators",
    "idp_user_user_permissions": "operators",
    "tokens_consent": "one for each user and client",
    "tokens_watermark": "one for each kind of token",
}
