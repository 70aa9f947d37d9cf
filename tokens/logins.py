"""The logins of a user that are alive: at which client, since when, and until when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from clients_admin.models import Client
from idp import metrics
from idp.accounts import browser_sessions
from idp.accounts.models import User
from idp.audit.models import AuditEvent
from idp.audit.tags import Tag
from idp.partitioning.tables import first_id
from tokens import blocked_users, revoke
from tokens.issue import access_tokens, refresh_tokens

# Of a user with more token rows than this, in either table, only some are looked at.
MAX_ROWS = 5_000
MAX_EVENTS = 1_000

# What a first sign of a login in the audit tells of how it was had.
_TOLD_BY = {
    Tag.TOKENS_FAMILY_ISSUED.value: "signed in on our page, or let a device in",
    Tag.TOKENS_PASSWORD_GRANTED.value: "the client sent the password",
    Tag.TOKENS_ASSERTION_ACCEPTED.value: "the JWT of a trusted issuer",
}
NOT_KNOWN = "not known: it is not among the newest events of the user"
ON_BEHALF = "on behalf of the user, who did not sign in"
SHARED = "an access token that several logins share"


@dataclass(frozen=True, slots=True)
class Login:
    """A family, or what a user has at a client that belongs to none: then there is no key."""

    client: Client
    key: int | None
    since: datetime
    last_token_at: datetime
    until: datetime
    moves: bool  # Its end, with each refresh.
    how: str

    @property
    def name(self) -> str:
        """What tells it from the others of the user."""
        return f"{self.client.pk}-{'' if self.key is None else self.key}"


@dataclass(frozen=True, slots=True)
class Logins:
    """Those of a user, the newest first; `are_all` unless there was too much to look at."""

    found: list[Login]
    are_all: bool


@dataclass(frozen=True, slots=True)
class _Found:
    client_id: int
    key: int | None
    since: datetime
    last_token_at: datetime
    until: datetime
    can_refresh: bool
    is_on_behalf: bool
    rows: int


def of(user: User, now: datetime) -> Logins:
    """In three statements, whatever the number of logins, clients and tokens."""
    found = _read(user, now)
    clients = Client.objects.in_bulk({row.client_id for row in found})
    begun = _first_events(user, {row.since for row in found if row.key is not None})
    logins = [
        Login(
            client=clients[row.client_id],
            key=row.key,
            since=row.since,
            last_token_at=row.last_token_at,
            until=row.until,
            moves=row.can_refresh
            and clients[row.client_id].effective_flags.refresh_expiry != "fixed",
            how=_how(row, begun.get((clients[row.client_id].client_id, row.since))),
        )
        for row in found
        if row.client_id in clients  # Tokens of a deleted client are dead, and go with their time.
    ]
    return Logins(logins, are_all=sum(row.rows for row in found) < MAX_ROWS)


def end(login: Login, user: User, now: datetime) -> int:
    """Ends one of them by an operator's order; answers how many rows went. The user stays signed in
    in their browser."""
    rows = revoke.login(user.pk, login.client, login.key, Tag.TOKENS_FAMILY_ENDED, now)
    metrics.count(metrics.REVOCATIONS, client=login.client.client_id, kind="family")
    return rows


def end_all(user: User, now: datetime) -> int:
    """Ends every token and every browser session of a user; answers how many tokens went."""
    with transaction.atomic():
        browser_sessions.end_all(user)
        return blocked_users.end_all(user, now)


@dataclass(frozen=True, slots=True)
class Grant:
    """What living tokens of a user at a client may do, by their stored scope."""

    client_id: int
    scope: str
    since: datetime
    last_token_at: datetime


def grants_of(user: User, now: datetime) -> list[Grant]:
    """What any client has of the user now, in one statement; of too many rows, some."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH living AS ({_LIVING})
            SELECT client_id, scope, min(since), max(issued_at)
            FROM living GROUP BY client_id, scope
            """,  # noqa: S608 - our own names
            _bounds(user, now),
        )
        return [Grant(*row) for row in cursor.fetchall()]


def _read(user: User, now: datetime) -> list[_Found]:
    """One index of each table, and of it only the partitions that can still hold a living row."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH living AS ({_LIVING})
            SELECT client_id, family, min(since), max(issued_at), max(expires_at), bool_or(fresh),
                   bool_or(family IS NULL AND extra ? 'act'), count(*)
            FROM living GROUP BY client_id, family ORDER BY max(issued_at) DESC, family DESC
            """,  # noqa: S608 - our own names
            _bounds(user, now),
        )
        return [_Found(*row) for row in cursor.fetchall()]


_LIVING = f"""
    (SELECT client_id, family, login_at AS since, issued_at, expires_at, true AS fresh, extra, scope
     FROM {refresh_tokens.table.name}
     WHERE user_id = %(user)s AND id >= %(refresh)s AND rotated_at IS NULL AND expires_at > %(now)s
     LIMIT {MAX_ROWS})
    UNION ALL
    (SELECT client_id, family, issued_at, issued_at, expires_at, false, extra, scope
     FROM {access_tokens.table.name}
     WHERE user_id = %(user)s AND id >= %(access)s AND expires_at > %(now)s
     LIMIT {MAX_ROWS})
"""  # noqa: S608 - our own names


def _bounds(user: User, now: datetime) -> dict[str, Any]:
    return {
        "user": user.pk,
        "refresh": first_id(refresh_tokens.table.bucket_of(now)),
        "access": first_id(access_tokens.table.bucket_of(now)),
        "now": now,
    }


def _first_events(
    user: User, moments: Iterable[datetime]
) -> dict[tuple[str | None, datetime], Any]:
    """What the user's newest events tell of logins that began at these moments, by client ID and
    moment."""
    known = set(moments)
    if not known:
        return {}
    newest = AuditEvent.objects.of_users([user.pk]).order_by("-id")
    events = newest.values_list("client_id", "at", "tag", "details")[:MAX_EVENTS]
    return {
        (client_id, at): (tag, details)
        for client_id, at, tag, details in events
        if tag in _TOLD_BY and at in known
    }


def _how(row: _Found, event: tuple[str, dict[str, Any]] | None) -> str:
    if row.key is None:
        return ON_BEHALF if row.is_on_behalf else SHARED
    if event is None:
        return NOT_KNOWN
    tag, details = event
    issuer = details.get("issuer")
    return f"{_TOLD_BY[tag]} ({issuer})" if issuer else _TOLD_BY[tag]
