"""What client flags decide about lifetimes and re-use: pure functions, the clock is an argument."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clients_admin.flags import ClientFlags

AUTHORIZATION_CODE_SECONDS = 60


def access_token_expires_at(
    flags: ClientFlags, now: datetime, *, family_ends_at: datetime | None = None
) -> datetime:
    """An access token never outlives the login that it stems from, where that has a fixed end."""
    expires_at = now + timedelta(seconds=flags.access_token_seconds)
    return min(expires_at, family_ends_at) if family_ends_at else expires_at


@dataclass(frozen=True, slots=True)
class Reusable:
    """What an access token must be like to be said again in place of a new one."""

    issued_after: datetime
    expires_from: datetime
    expires_until: datetime

    def covers(self, issued_at: datetime, expires_at: datetime) -> bool:
        is_recent = issued_at > self.issued_after
        return is_recent and self.expires_from <= expires_at <= self.expires_until


# Of those who ask at once and wait for each other, the first to ask is not the first to be served.
TURNS_TAKE = timedelta(seconds=5)


def reusable(
    flags: ClientFlags,
    now: datetime,
    *,
    expires_at: datetime,
    family_ends_at: datetime | None = None,
) -> Reusable | None:
    """Which access tokens of a use-case may be said again; None where only a new one will do.

    `expires_at` is the end that a new one would have: one that lives longer is not said again, but
    for those that were made while we waited, and none of them outlives a login with a fixed end.
    One that is almost dead is never said again.
    """
    # With a minimum of none, one that ends at this very moment is dead all the same.
    remaining = timedelta(seconds=flags.reuse_min_remaining_seconds)
    expires_from = now + max(remaining, timedelta.resolution)
    match flags.access_token_reuse:
        case "never":
            return None
        case "recent":
            issued_after = now - timedelta(seconds=flags.reuse_recent_seconds)
        case _:
            issued_after = datetime.min.replace(tzinfo=UTC)
    if expires_from > expires_at:
        return None
    expires_until = expires_at + TURNS_TAKE
    if family_ends_at:
        expires_until = min(expires_until, family_ends_at)
    return Reusable(issued_after, expires_from, expires_until)


def knows_refresh_ahead(flags: ClientFlags) -> bool:
    """Whether what a refresh gives depends on the clock alone, and not on the old token."""
    return flags.refresh_expiry == "sliding"


def refresh_token_expires_at(
    flags: ClientFlags,
    now: datetime,
    *,
    login_at: datetime,
    predecessor_expires_at: datetime | None = None,
) -> datetime:
    """The deadline of a refresh token; the first of a login has no predecessor."""
    sliding = now + timedelta(seconds=flags.refresh_token_seconds)
    match flags.refresh_expiry:
        case "fixed":
            return predecessor_expires_at or sliding
        case "sliding_capped":
            return min(sliding, login_at + timedelta(seconds=flags.refresh_max_seconds))
        case _:
            return sliding


def family_ends_at(
    flags: ClientFlags, *, login_at: datetime, refresh_token_expires_at: datetime
) -> datetime | None:
    """The moment past which nothing of a login may live; None where it slides without an end."""
    match flags.refresh_expiry:
        case "fixed":
            return refresh_token_expires_at
        case "sliding_capped":
            return login_at + timedelta(seconds=flags.refresh_max_seconds)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class FirstExpiries:
    """When the first tokens of a login end, and the login itself where that has a fixed end."""

    access_token: datetime
    refresh_token: datetime | None
    login: datetime | None


def first_expiries(flags: ClientFlags, now: datetime, *, has_refresh_token: bool) -> FirstExpiries:
    if not has_refresh_token:
        return FirstExpiries(access_token_expires_at(flags, now), None, None)
    refresh_token = refresh_token_expires_at(flags, now, login_at=now)
    login = family_ends_at(flags, login_at=now, refresh_token_expires_at=refresh_token)
    access_token = access_token_expires_at(flags, now, family_ends_at=login)
    return FirstExpiries(access_token, refresh_token, login)


def login_has_ended(flags: ClientFlags, login_at: datetime, now: datetime) -> bool:
    """Whether a login has lasted for as long as it may, though a refresh token is still alive: the
    flags may have changed since that was issued."""
    if flags.refresh_expiry != "sliding_capped":
        return False
    return login_at + timedelta(seconds=flags.refresh_max_seconds) <= now


def may_repeat(flags: ClientFlags, rotated_at: datetime, now: datetime) -> bool:
    """Whether a rotated refresh token still gets the identical answer, if its successor is unused.

    The window begins with the rotation and never again.
    """
    return now < rotated_at + timedelta(seconds=flags.refresh_grace_seconds)


def jwt_expires_at(flags: ClientFlags, now: datetime, token_expires_at: datetime) -> datetime:
    """A gateway JWT ends no later than the token that it was made from."""
    return min(now + timedelta(seconds=flags.jwt_seconds), token_expires_at)
