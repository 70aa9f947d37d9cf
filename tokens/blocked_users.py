"""A user was blocked, or has a new password: all that they have ends at once.

See `idp.signals`: `user_blocked`, `password_changed`. An operator may order it, too (`logins`).
"""

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from idp import metrics
from idp.accounts.models import User
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.partitioning.tables import first_id
from tokens import revoke, session_logins
from tokens.issue import access_tokens, lock_family, refresh_tokens
from tokens.rows import Rows


def end_all(user: User, now: datetime) -> int:
    """Ends every token of a user that can still be alive; answers how many rows went.

    Each family is held first, in order, as whoever refreshes one does: what a refresh has made
    meanwhile is there when the rows are deleted. A code lives for a minute and is left to that.
    """
    with transaction.atomic():
        session_logins.end_without_tokens(user, None, now)
        families = {family for rows in _BOTH for family in _families(rows, user.pk, now)}
        for family in sorted(families):
            lock_family(family)
        ended = _delete(access_tokens, user.pk, now)
        revoke.tell_of_ended(ended)
        gone = len(ended) + len(_delete(refresh_tokens, user.pk, now))
        record(Tag.TOKENS_USER_ENDED, user_id=user.pk, at=now, rows=gone)
    metrics.count(metrics.REVOCATIONS, client="", kind="user")
    return gone


def hear(user: User, **_: Any) -> None:
    """Receiver of both signals."""
    end_all(user, timezone.now())


_BOTH: tuple[Rows[Any], ...] = (access_tokens, refresh_tokens)


def _families(rows: Rows[Any], user_id: int, now: datetime) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT family FROM {rows.table.name} "  # noqa: S608 - our own names
            "WHERE user_id = %s AND id >= %s AND family IS NOT NULL",
            [user_id, first_id(rows.table.bucket_of(now))],
        )
        return {family for (family,) in cursor.fetchall()}


def _delete(rows: Rows[Any], user_id: int, now: datetime) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {rows.table.name} "  # noqa: S608 - our own names
            "WHERE user_id = %s AND id >= %s RETURNING id",
            [user_id, first_id(rows.table.bucket_of(now))],
        )
        return [row_id for (row_id,) in cursor.fetchall()]
