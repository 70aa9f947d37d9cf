"""The one writer of tokens: access tokens, refresh tokens and authorization codes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection

from clients_admin.models import Client, GrantType
from idp.accounts.models import User
from tokens import policy
from tokens.format import Prefix, Reference, TokenFormat
from tokens.identifiers import ACCESS_TOKENS, AUTHORIZATION_CODES, REFRESH_TOKENS
from tokens.models import AccessToken, AuthorizationCode, RefreshToken, TokenRow
from tokens.rows import Rows

access_tokens = Rows(ACCESS_TOKENS, AccessToken)
refresh_tokens = Rows(REFRESH_TOKENS, RefreshToken)
authorization_codes = Rows(AUTHORIZATION_CODES, AuthorizationCode)


@cache
def _format() -> TokenFormat:
    return TokenFormat(settings.TOKEN_KEYS)


def say(row: TokenRow) -> str:
    """The token of a row. It can be said again and again, though it is stored nowhere."""
    return _format().write(_PREFIXES[type(row)], row.pk, row.nonce)


def hear(prefix: Prefix, token: str) -> Reference | None:
    """What a presented token points at; None for one that was never said here, without a query."""
    return _format().read(prefix, token)


_PREFIXES: dict[type[TokenRow], Prefix] = {
    AccessToken: Prefix.ACCESS_TOKEN,
    RefreshToken: Prefix.REFRESH_TOKEN,
    AuthorizationCode: Prefix.AUTHORIZATION_CODE,
}


@dataclass(frozen=True, slots=True)
class Login:
    """The login that tokens stem from; all of them are its family."""

    client: Client
    user: User
    scope: str
    family: int
    auth_time: datetime


@dataclass(frozen=True, slots=True)
class Pair:
    """What a login or a refresh gives: an access token, and a refresh token where there is one."""

    access_token: AccessToken
    refresh_token: RefreshToken | None
    auth_time: datetime


def lock_family(family: int) -> None:
    """Holds a family for the rest of the transaction.

    Whoever adds tokens to a family or ends it does this first, so that no token is added to a
    family while it ends.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [family])


def client_token(client: Client, scope: str, now: datetime) -> AccessToken:
    """An access token of the client itself (RFC 6749 section 4.4)."""
    expires_at = policy.access_token_expires_at(client.effective_flags, now)
    return access_tokens.insert(
        expires_at=expires_at, client_id=client.pk, scope=scope, issued_at=now
    )


def authorization_code(
    client: Client, user: User, scope: str, now: datetime, **details: Any
) -> AuthorizationCode:
    """A code; its id becomes the family of all that it is exchanged for.

    `details` are the columns that only a code has; see the model.
    """
    return authorization_codes.insert(
        expires_at=now + timedelta(seconds=policy.AUTHORIZATION_CODE_SECONDS),
        client_id=client.pk,
        user_id=user.pk,
        scope=scope,
        issued_at=now,
        **details,
    )


def first_pair(login: Login, now: datetime) -> Pair:
    """The tokens of a new login."""
    client, flags = login.client, login.client.effective_flags
    refresh_token = None
    family_ends_at = None
    if client.allows_grant_type(GrantType.REFRESH_TOKEN):
        expires_at = policy.refresh_token_expires_at(flags, now, login_at=now)
        refresh_token = refresh_tokens.insert(
            expires_at=expires_at, login_at=now, **_family_columns(login, now)
        )
        family_ends_at = policy.family_ends_at(
            flags, login_at=now, refresh_token_expires_at=expires_at
        )
    access_token = access_tokens.insert(
        expires_at=policy.access_token_expires_at(flags, now, family_ends_at=family_ends_at),
        **_family_columns(login, now),
    )
    return Pair(access_token, refresh_token, login.auth_time)


def next_pair(client: Client, old: RefreshToken, scope: str, now: datetime) -> Pair:
    """The tokens of a refresh; `scope` is that of the access token, and may be narrower.

    The caller holds the family and the row of `old`.
    """
    flags = client.effective_flags
    refresh_token = old
    if flags.refresh_rotation == "rotate":
        refresh_token = refresh_tokens.insert(
            expires_at=policy.refresh_token_expires_at(
                flags, now, login_at=old.login_at, predecessor_expires_at=old.expires_at
            ),
            client_id=old.client_id,
            user_id=old.user_id,
            family=old.family,
            scope=old.scope,
            issued_at=now,
            auth_time=old.auth_time,
            login_at=old.login_at,
            extra=old.extra,
        )
    family_ends_at = policy.family_ends_at(
        flags, login_at=old.login_at, refresh_token_expires_at=refresh_token.expires_at
    )
    access_token = access_tokens.insert(
        expires_at=policy.access_token_expires_at(flags, now, family_ends_at=family_ends_at),
        client_id=old.client_id,
        user_id=old.user_id,
        family=old.family,
        scope=scope,
        issued_at=now,
        auth_time=old.auth_time,
        extra=old.extra,
    )
    if refresh_token is not old:
        refresh_tokens.update(
            old,
            rotated_at=now,
            successor=refresh_token.pk,
            successor_access_token=access_token.pk,
        )
    return Pair(access_token, refresh_token, old.auth_time)


def repeated_pair(old: RefreshToken, now: datetime) -> Pair | None:
    """The pair that rotated `old` once more, or None where the successor is gone or was used."""
    if old.successor is None or old.successor_access_token is None:
        return None
    successor = refresh_tokens.by_id(old.successor, now)
    if successor is None or successor.rotated_at is not None:
        return None
    access_token = access_tokens.by_id(old.successor_access_token, now)
    if access_token is None:
        return None
    return Pair(access_token, successor, old.auth_time)


def _family_columns(login: Login, now: datetime) -> dict[str, Any]:
    return {
        "client_id": login.client.pk,
        "user_id": login.user.pk,
        "family": login.family,
        "scope": login.scope,
        "issued_at": now,
        "auth_time": login.auth_time,
    }
