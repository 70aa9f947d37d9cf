"""The one ender of tokens: revocation of one token, of a family, or of all that a user has."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from clients_admin.models import Client
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.database.changes import tell
from idp.partitioning.tables import first_id
from tokens.identifiers import mark_of_token
from tokens.issue import access_tokens, lock_families, refresh_tokens
from tokens.models import AccessToken, AuthorizationCode, RefreshToken
from tokens.rows import Rows


def tell_of_ended(ids: Iterable[int]) -> None:
    """Tells all who keep answers about these access tokens, once the transaction commits."""
    tell(mark_of_token(row_id) for row_id in ids)


def family(
    member: RefreshToken | AuthorizationCode,
    client: Client,
    because: Tag,
    now: datetime | None = None,
) -> int:
    """Ends all tokens that stem from the login of `member`; answers how many rows went."""
    key = member.pk if isinstance(member, AuthorizationCode) else member.family
    return login(member.user_id, client, key, because, now)


def login(
    user_id: int, client: Client, key: int | None, because: Tag, now: datetime | None = None
) -> int:
    """The same of the login whose family is `key`.

    Access tokens that several logins share (`issue` has taken them out of their family) go with
    the first of these. Without a key these go alone, with those that belong to no login at all.
    """
    return logins(user_id, client, [] if key is None else [key], because, now or timezone.now())


def logins(user_id: int, client: Client, keys: Collection[int], because: Tag, now: datetime) -> int:
    """The same of several logins of a user at a client, in as many statements."""
    with transaction.atomic():
        lock_families(keys)
        ended = access_tokens.delete_of_families(now, user_id, client.pk, keys)
        tell_of_ended(ended)
        rows = len(ended) + len(refresh_tokens.delete_of_families(now, user_id, client.pk, keys))
        record(because, client_id=client.client_id, user_id=user_id, at=now, rows=rows)
    return rows


def all_of(user_id: int, now: datetime, client: Client | None = None) -> int:
    """Ends every token of a user that can still be alive, of one client or of all; answers how many
    rows went. The caller records why.

    Each family is held first, in order, as whoever refreshes one does: what a refresh has made
    meanwhile is there when the rows are deleted.
    """
    whose, values = "user_id = %s", [user_id]
    if client is not None:
        whose, values = f"{whose} AND client_id = %s", [user_id, client.pk]
    with transaction.atomic():
        families = {family for rows in _BOTH for family in _families(rows, whose, values, now)}
        lock_families(families)
        ended = _delete(access_tokens, whose, values, now)
        tell_of_ended(ended)
        return len(ended) + len(_delete(refresh_tokens, whose, values, now))


_BOTH: tuple[Rows[Any], ...] = (access_tokens, refresh_tokens)


def _families(rows: Rows[Any], whose: str, values: list[int], now: datetime) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT family FROM {rows.table.name} "  # noqa: S608 - our own names
            f"WHERE {whose} AND id >= %s AND family IS NOT NULL",
            [*values, first_id(rows.table.bucket_of(now))],
        )
        return {family for (family,) in cursor.fetchall()}


def _delete(rows: Rows[Any], whose: str, values: list[int], now: datetime) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {rows.table.name} "  # noqa: S608 - our own names
            f"WHERE {whose} AND id >= %s RETURNING id",
            [*values, first_id(rows.table.bucket_of(now))],
        )
        return [row_id for (row_id,) in cursor.fetchall()]


def access_token(row: AccessToken, client: Client, now: datetime | None = None) -> int:
    """Ends one access token and leaves the login alive."""
    with transaction.atomic():
        rows = access_tokens.delete_by_id(row.pk)
        tell_of_ended([row.pk])
        tag = Tag.TOKENS_ACCESS_TOKEN_REVOKED
        record(tag, client_id=client.client_id, user_id=row.user_id, at=now, rows=rows)
    return rows
