"""Reads an access token and its user in one statement, and no more of them than is told."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from idp.accounts.models import User
from idp.database import statements
from idp.partitioning.tables import bucket_of_id
from tokens.format import Reference
from tokens.identifiers import ACCESS_TOKENS
from tokens.rows import known


class Token(NamedTuple):
    """An access token, as far as it is looked at. One that was never written has no id."""

    client_id: int
    scope: str
    issued_at: datetime
    expires_at: datetime
    user_id: int | None = None
    auth_time: datetime | None = None
    extra: Mapping[str, Any] | None = None
    id: int | None = None


class UserOfToken(NamedTuple):
    """What is asked of the user whom a token is about."""

    sub: str
    username: str
    claims: Mapping[str, Any]
    is_active: bool
    login_service_id: int


def look_up(reference: Reference, now: datetime) -> tuple[Token, UserOfToken | None] | None:
    """The living token that a genuine one points at, and its user if that still exists.

    None without a query where the id says that it is dead.
    """
    bucket = bucket_of_id(reference.id)
    if ACCESS_TOKENS.ends_at(bucket) <= now:
        return None
    cursor = statements.cursor()
    cursor.execute(_sql(known.relation(ACCESS_TOKENS, bucket)), [reference.id])
    found = cursor.fetchone()
    if found is None:
        return None
    client_id, scope, issued_at, expires_at, user_id, auth_time, extra, nonce, *of_user = found
    if nonce != reference.nonce or expires_at <= now:
        return None
    token = Token(
        client_id, scope, issued_at, expires_at, user_id, auth_time, _json(extra), reference.id
    )
    sub, username, claims, is_active, service = of_user
    user = None if sub is None else UserOfToken(sub, username, _json(claims), is_active, service)
    return token, user


@lru_cache(maxsize=128)
def _sql(relation: str) -> str:
    return f"""
        SELECT t.client_id, t.scope, t.issued_at, t.expires_at, t.user_id, t.auth_time, t.extra,
               t.nonce, u.sub, u.username, u.claims, u.is_active, u.login_service_id
        FROM {relation} t LEFT JOIN {User._meta.db_table} u ON u.id = t.user_id
        WHERE t.id = %s
    """  # noqa: S608 - our own names


def _json(found: Any) -> Any:
    """Django has its connections answer JSON as text."""
    return json.loads(found) if isinstance(found, str) else found
