"""The usual refresh in one statement: rotates a refresh token that nobody has used, and writes what
takes its place.

It holds the family like everything else that adds to one (`issue.lock_family`): whoever ends the
family at that moment waits, or is waited for, and then finds all of its tokens or none. Where the
token is not simply to be rotated, nothing happens here, and the caller looks closer.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from idp.accounts.models import User
from idp.database import statements
from idp.partitioning.tables import SEQUENCE_BITS, bucket_of_id
from tokens.format import Reference, new_nonce
from tokens.identifiers import ACCESS_TOKENS, NEXT_NUMBER, REFRESH_TOKENS
from tokens.models import AccessToken, RefreshToken
from tokens.rows import known, made


@dataclass(frozen=True, slots=True)
class Expiries:
    """When the new tokens end."""

    access_token: datetime
    refresh_token: datetime


@dataclass(frozen=True, slots=True)
class Rotated:
    """What was written, and the `sub` of the user."""

    access_token: AccessToken
    refresh_token: RefreshToken
    sub: str


# What both successors take over from the old token. Of its rest (`extra`) the access token gets
# all but the session.
_INHERITED = ("client_id", "user_id", "family", "scope", "auth_time")
_COLUMNS = ", ".join(_INHERITED)
_REST_OF_ACCESS = "nullif(t.extra - 'sid', '{}'::jsonb)"


def rotate(
    reference: Reference, client_id: int, expiries: Expiries, now: datetime
) -> Rotated | None:
    """None where the token is unknown, ended, already rotated, of another client or of a user who
    is shut out."""
    bucket = bucket_of_id(reference.id)
    if REFRESH_TOKENS.ends_at(bucket) <= now:
        return None
    buckets = {
        "refresh_bucket": REFRESH_TOKENS.bucket_of(expiries.refresh_token),
        "access_bucket": ACCESS_TOKENS.bucket_of(expiries.access_token),
    }
    nonces = {"refresh_nonce": new_nonce(), "access_nonce": new_nonce()}
    cursor = statements.cursor()
    cursor.execute(
        _sql(
            known.relation(REFRESH_TOKENS, bucket),
            known.relation(REFRESH_TOKENS, buckets["refresh_bucket"]),
            known.relation(ACCESS_TOKENS, buckets["access_bucket"]),
        ),
        {
            "id": reference.id,
            "nonce": reference.nonce,
            "client_id": client_id,
            "now": now,
            "access_end": expiries.access_token,
            "refresh_end": expiries.refresh_token,
            **buckets,
            **nonces,
        },
    )
    found = cursor.fetchone()
    if found is None:
        return None
    access_id, refresh_id, sub, login_at, access_rest, refresh_rest, *inherited = found
    columns: dict[str, Any] = dict(zip(_INHERITED, inherited, strict=True)) | {"issued_at": now}
    return Rotated(
        made(
            AccessToken,
            {
                "id": access_id,
                "nonce": nonces["access_nonce"],
                "expires_at": expiries.access_token,
                "extra": _loaded(access_rest),
                **columns,
            },
        ),
        made(
            RefreshToken,
            {
                "id": refresh_id,
                "nonce": nonces["refresh_nonce"],
                "expires_at": expiries.refresh_token,
                "login_at": login_at,
                "extra": _loaded(refresh_rest),
                **columns,
            },
        ),
        sub,
    )


def _loaded(value: str | dict[str, Any] | None) -> dict[str, Any] | None:
    """JSON as Django's connections leave it, or as the fast lane's have read it."""
    loaded: dict[str, Any] | None = json.loads(value) if isinstance(value, str) else value
    return loaded


@lru_cache(maxsize=128)
def _sql(old: str, new: str, access: str) -> str:
    """`old` is read first, and with that the family is held. Whoever held it before may have
    rotated or ended the token since this statement began: then the UPDATE finds that it does not
    fit any more, because it looks at the newest version of a row."""
    return f"""
        WITH old AS MATERIALIZED (
            SELECT t.id, u.sub, pg_advisory_xact_lock(t.family)
            FROM {old} t JOIN {User._meta.db_table} u ON u.id = t.user_id AND u.is_active
            WHERE t.id = %(id)s AND t.nonce = %(nonce)s AND t.client_id = %(client_id)s
              AND t.rotated_at IS NULL AND t.expires_at > %(now)s
        ), ids AS MATERIALIZED (
            SELECT (%(refresh_bucket)s::bigint << {SEQUENCE_BITS}) | {NEXT_NUMBER} AS refresh,
                   (%(access_bucket)s::bigint << {SEQUENCE_BITS}) | {NEXT_NUMBER} AS access
            FROM old
        ), rotated AS (
            UPDATE {old} t
            SET rotated_at = %(now)s, successor = ids.refresh, successor_access_token = ids.access
            FROM old, ids WHERE t.id = old.id AND t.rotated_at IS NULL
            RETURNING ids.access, ids.refresh, old.sub, t.login_at,
                      {_REST_OF_ACCESS} AS rest, t.extra,
                      {", ".join(f"t.{name}" for name in _INHERITED)}
        ), new_refresh AS (
            INSERT INTO {new} (id, nonce, issued_at, expires_at, login_at, extra, {_COLUMNS})
            SELECT refresh, %(refresh_nonce)s::bigint, %(now)s::timestamptz,
                   %(refresh_end)s::timestamptz, login_at, extra, {_COLUMNS}
            FROM rotated
        ), new_access AS (
            INSERT INTO {access} (id, nonce, issued_at, expires_at, extra, {_COLUMNS})
            SELECT access, %(access_nonce)s::bigint, %(now)s::timestamptz,
                   %(access_end)s::timestamptz, rest, {_COLUMNS}
            FROM rotated
        )
        SELECT * FROM rotated
    """  # noqa: S608 - names of our own tables
