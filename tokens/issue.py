"""The one writer of tokens: access tokens, refresh tokens and authorization codes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings

from clients_admin.flags import ClientFlags
from clients_admin.models import Client, GrantType
from idp import metrics
from idp.accounts.assurance import Methods
from idp.accounts.models import User
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.database import statements
from idp.partitioning.tables import first_id
from tokens import policy, reuse, rotation
from tokens.format import Prefix, Reference, TokenFormat
from tokens.identifiers import (
    ACCESS_TOKENS,
    AUTHORIZATION_CODES,
    REFRESH_TOKENS,
    SEQUENCE_NAME,
)
from tokens.models import (
    AccessToken,
    AuthorizationCode,
    DeviceAuthorization,
    RefreshToken,
    TokenRow,
)
from tokens.rows import Rows

access_tokens = Rows(ACCESS_TOKENS, AccessToken)
refresh_tokens = Rows(REFRESH_TOKENS, RefreshToken)
authorization_codes = Rows(AUTHORIZATION_CODES, AuthorizationCode)


# What a refresh token keeps of its browser session, in its column `extra`.
_SID = "sid"


@cache
def _format() -> TokenFormat:
    return TokenFormat(settings.TOKEN_KEYS)


def say(row: TokenRow | DeviceAuthorization) -> str:
    """The token of a row. It can be said again and again, though it is stored nowhere."""
    return _format().write(_PREFIXES[type(row)], row.pk, row.nonce)


def hear(prefix: Prefix, token: str) -> Reference | None:
    """What a presented token points at; None for one that was never said here, without a query."""
    return _format().read(prefix, token)


_PREFIXES: dict[type[TokenRow | DeviceAuthorization], Prefix] = {
    AccessToken: Prefix.ACCESS_TOKEN,
    RefreshToken: Prefix.REFRESH_TOKEN,
    AuthorizationCode: Prefix.AUTHORIZATION_CODE,
    DeviceAuthorization: Prefix.DEVICE_CODE,
}


@dataclass(frozen=True, slots=True)
class Login:
    """The login that tokens stem from; all of them are its family.

    `amr` is how the user has proved who they are, as far as we have seen it. Where `auth_time` is
    essential, the application asked for a sign-in no older than it said: its tokens are then new
    ones, which say so. `sid` is that of the browser session, if there is one: ID tokens say it, and
    refresh tokens keep it for them. `extra` is the rest that all its tokens keep.
    """

    client: Client
    user: User
    scope: str
    family: int
    auth_time: datetime
    auth_time_is_essential: bool = False
    extra: dict[str, Any] | None = None
    amr: Methods = ()
    sid: str = ""

    @property
    def kept(self) -> dict[str, Any] | None:
        """What the rows of its tokens say beside their columns."""
        return (self.extra or {}) | ({"amr": list(self.amr)} if self.amr else {}) or None

    @property
    def kept_to_refresh(self) -> dict[str, Any] | None:
        """The same of its refresh tokens: an access token says nothing of the session."""
        return (self.kept or {}) | ({_SID: self.sid} if self.sid else {}) or None


@dataclass(frozen=True, slots=True)
class Delegation:
    """A user on whose behalf a client gets a token (RFC 8693); `act` says who acts.

    Where it has an end, no token of it lives longer.
    """

    client: Client
    user: User
    scope: str
    act: dict[str, Any]
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """What a login or a refresh gives: an access token, and a refresh token where there is one."""

    access_token: AccessToken
    refresh_token: RefreshToken | None
    auth_time: datetime
    sub: str
    sid: str = ""

    @property
    def amr(self) -> Methods:
        return tuple((self.access_token.extra or {}).get("amr", ()))


def lock_family(family: int) -> None:
    """Holds a family for the rest of the transaction.

    Whoever adds tokens to a family or ends it does this first, so that no token is added to a
    family while it ends.
    """
    statements.transaction_cursor().execute("SELECT pg_advisory_xact_lock(%s)", [family])


def lock_families(families: Iterable[int]) -> None:
    """The same for several, in the order in which everybody takes them."""
    statements.transaction_cursor().execute(
        "SELECT pg_advisory_xact_lock(family) FROM unnest(%s::bigint[]) AS family",
        [sorted(families)],
    )


def try_lock_family(family: int) -> bool:
    """The same without waiting; False where somebody else holds it."""
    cursor = statements.transaction_cursor()
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [family])
    return bool(cursor.fetchone()[0])


def client_token(client: Client, scope: str, now: datetime) -> AccessToken:
    """An access token of the client itself (RFC 6749 section 4.4)."""
    flags = client.effective_flags
    columns = {"client_id": client.pk, "user_id": None, "scope": scope}
    return _access_token(client, now, policy.access_token_expires_at(flags, now), columns)


def delegated_token(delegation: Delegation, now: datetime) -> AccessToken:
    """An access token on behalf of a user who has not signed in.

    It belongs to no login, so it ends with any that the user has at this client, as shared ones do.
    """
    client = delegation.client
    flags = client.effective_flags
    expires_at = policy.access_token_expires_at(flags, now, family_ends_at=delegation.ends_at)
    columns = {
        "client_id": client.pk,
        "user_id": delegation.user.pk,
        "scope": delegation.scope,
        "extra": {"act": delegation.act},
    }
    return _access_token(client, now, expires_at, columns, family_ends_at=delegation.ends_at)


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


def new_family(now: datetime) -> int:
    """A family for a login without an authorization code: an id that no code has or will have.

    It is held by nobody until its first tokens are committed.
    """
    cursor = statements.transaction_cursor()
    # Codes and all other tokens draw from the same sequence.
    cursor.execute(
        f"SELECT %s::bigint | nextval('{SEQUENCE_NAME}')",
        [first_id(AUTHORIZATION_CODES.bucket_of(now))],
    )
    return int(cursor.fetchone()[0])


@dataclass(frozen=True, slots=True)
class Event:
    """What the audit says of a new login: each grant names its own (decision 0015)."""

    tag: Tag
    details: dict[str, Any]


FAMILY_ISSUED = Event(Tag.TOKENS_FAMILY_ISSUED, {})


def first_pair(login: Login, now: datetime, event: Event = FAMILY_ISSUED) -> Pair:
    """The tokens of a new login, and its event. The caller holds the family, or has just made
    it."""
    client, flags = login.client, login.client.effective_flags
    record(
        event.tag,
        client_id=client.client_id,
        user_id=login.user.pk,
        at=now,
        scope=login.scope,
        **event.details,
    )
    columns = {
        "client_id": client.pk,
        "user_id": login.user.pk,
        "family": login.family,
        "scope": login.scope,
        "auth_time": login.auth_time,
    }
    has_refresh_token = client.allows_grant_type(GrantType.REFRESH_TOKEN)
    expiries = policy.first_expiries(flags, now, has_refresh_token=has_refresh_token)
    refresh_token = None
    if expiries.refresh_token:
        refresh_token = refresh_tokens.insert(
            expires_at=expiries.refresh_token,
            issued_at=now,
            login_at=now,
            extra=login.kept_to_refresh,
            **columns,
        )
    access_token = _access_token(
        client,
        now,
        expiries.access_token,
        columns | {"extra": login.kept},
        family_ends_at=expiries.login,
        may_reuse=not login.auth_time_is_essential,
    )
    return Pair(access_token, refresh_token, login.auth_time, login.user.sub, login.sid)


def next_pair(client: Client, old: RefreshToken, scope: str, now: datetime) -> Pair:
    """The tokens of a refresh; `scope` is that of the access token, and may be narrower.

    The caller holds the family and the row of `old`.
    """
    flags = client.effective_flags
    if flags.refresh_rotation == "keep":
        return _pair(_access_token_of(client, old, scope, now), old, old.user.sub)
    successor = refresh_tokens.insert(
        expires_at=policy.refresh_token_expires_at(
            flags, now, login_at=old.login_at, predecessor_expires_at=old.expires_at
        ),
        issued_at=now,
        login_at=old.login_at,
        extra=old.extra,
        **_columns_of(old, old.scope),
    )
    access_token = _access_token_of(client, successor, scope, now)
    refresh_tokens.update(
        old, rotated_at=now, successor=successor.pk, successor_access_token=access_token.pk
    )
    return _pair(access_token, successor, old.user.sub)


def rotated_pair(client: Client, reference: Reference, now: datetime) -> Pair | None:
    """The usual refresh: the tokens that follow a refresh token that nobody has used yet, for the
    scope that it has. In one statement, and a read before it where the client's flags ask what the
    old token was. None where it is not that simple: nothing has been written then.
    """
    flags = client.effective_flags
    if flags.refresh_rotation != "rotate" or flags.access_token_reuse != "never":
        return None
    if flags.required_acr != "any":
        return None
    if policy.knows_refresh_ahead(flags):
        expiries = rotation.Expiries(
            policy.access_token_expires_at(flags, now),
            policy.refresh_token_expires_at(flags, now, login_at=now),
        )
    else:
        old = refresh_tokens.get(reference, now)
        if old is None or policy.login_has_ended(flags, old.login_at, now):
            return None
        expiries = _expiries_after(flags, old, now)
    rotated = rotation.rotate(reference, client.pk, expiries, now)
    if rotated is None:
        return None
    metrics.count(metrics.ACCESS_TOKENS, client=client.client_id, how="new")
    return _pair(rotated.access_token, rotated.refresh_token, rotated.sub)


def _expiries_after(flags: ClientFlags, old: RefreshToken, now: datetime) -> rotation.Expiries:
    refresh_token = policy.refresh_token_expires_at(
        flags, now, login_at=old.login_at, predecessor_expires_at=old.expires_at
    )
    family_ends_at = policy.family_ends_at(
        flags, login_at=old.login_at, refresh_token_expires_at=refresh_token
    )
    access_token = policy.access_token_expires_at(flags, now, family_ends_at=family_ends_at)
    return rotation.Expiries(access_token, refresh_token)


def repeated_pair(client: Client, old: RefreshToken, scope: str, now: datetime) -> Pair | None:
    """The pair that rotated `old` once more, or None where the successor is gone or was used.

    The access token alone may have ended since, by its lifetime, by the cap or by the client: a
    new one then takes its place in the pair. The caller holds the family and the row of `old`.
    """
    if old.successor is None or old.successor_access_token is None:
        return None
    successor = refresh_tokens.by_id(old.successor, now)
    if successor is None or successor.rotated_at is not None:
        return None
    access_token = access_tokens.by_id(old.successor_access_token, now)
    if access_token is None or access_token.expires_at <= now:
        access_token = _access_token_of(client, successor, scope, now)
        refresh_tokens.update(old, successor_access_token=access_token.pk)
    return _pair(access_token, successor, old.user.sub)


def _pair(access_token: AccessToken, refresh_token: RefreshToken, sub: str) -> Pair:
    sid = (refresh_token.extra or {}).get(_SID, "")
    return Pair(access_token, refresh_token, refresh_token.auth_time, sub, sid)


def _access_token_of(
    client: Client, member: RefreshToken, scope: str, now: datetime
) -> AccessToken:
    """An access token of the login that a refresh token belongs to."""
    flags = client.effective_flags
    family_ends_at = policy.family_ends_at(
        flags, login_at=member.login_at, refresh_token_expires_at=member.expires_at
    )
    expires_at = policy.access_token_expires_at(flags, now, family_ends_at=family_ends_at)
    # Not the session: an access token says nothing of it, and may be shared by several.
    extra = {name: value for name, value in (member.extra or {}).items() if name != _SID}
    columns = {**_columns_of(member, scope), "extra": extra or None}
    return _access_token(client, now, expires_at, columns, family_ends_at=family_ends_at)


def _columns_of(member: RefreshToken, scope: str) -> dict[str, Any]:
    return {
        "client_id": member.client_id,
        "user_id": member.user_id,
        "family": member.family,
        "scope": scope,
        "auth_time": member.auth_time,
    }


def _access_token(  # noqa: PLR0913 - what decides whether there is a new one
    client: Client,
    now: datetime,
    expires_at: datetime,
    columns: dict[str, Any],
    *,
    family_ends_at: datetime | None = None,
    may_reuse: bool = True,
) -> AccessToken:
    """A new access token, or one of its use-case that is said again (client flags decide)."""
    flags = client.effective_flags
    reusable = None
    if may_reuse:
        reusable = policy.reusable(flags, now, expires_at=expires_at, family_ends_at=family_ends_at)
    if reusable:
        found = reuse.find(access_tokens, columns, reusable)
        if found is None:
            # Whoever comes at the same moment waits here, and then finds the token.
            reuse.lock_use_case(columns)
            found = reuse.find(access_tokens, columns, reusable)
        if found and _may_share(found, columns.get("family")):
            metrics.count(metrics.ACCESS_TOKENS, client=client.client_id, how="reused")
            return found
    metrics.count(metrics.ACCESS_TOKENS, client=client.client_id, how="new")
    return access_tokens.insert(expires_at=expires_at, issued_at=now, **columns)


def _may_share(token: AccessToken, family: int | None) -> bool:
    """Takes a token out of its family where another one gets it, too: it then ends with the first
    of them (see `revoke`). False for one that was ended meanwhile."""
    if token.family is None or token.family == family:
        return True
    return access_tokens.update(token, family=None)
