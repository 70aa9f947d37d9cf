"""A user was blocked, or has a new password: all that they have ends at once.

See `idp.signals`: `user_blocked`, `password_changed`. An operator may order it, too (`logins`).
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from idp import metrics
from idp.accounts.models import User
from idp.audit.record import record
from idp.audit.tags import Tag
from tokens import revoke, session_logins


def end_all(user: User, now: datetime) -> int:
    """Ends every token of a user that can still be alive; answers how many rows went. A code lives
    for a minute and is left to that."""
    with transaction.atomic():
        session_logins.end_without_tokens(user, None, now)
        gone = revoke.all_of(user.pk, now)
        record(Tag.TOKENS_USER_ENDED, user_id=user.pk, at=now, rows=gone)
    metrics.count(metrics.REVOCATIONS, client="", kind="user")
    return gone


def hear(user: User, **_: Any) -> None:
    """Receiver of both signals."""
    end_all(user, timezone.now())
