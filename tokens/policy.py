"""What client flags decide about lifetimes: pure functions, the clock is an argument."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from clients_admin.flags import ClientFlags

AUTHORIZATION_CODE_SECONDS = 60


def access_token_expires_at(
    flags: ClientFlags, now: datetime, *, family_ends_at: datetime | None = None
) -> datetime:
    """An access token never outlives the login that it stems from, where that has a fixed end."""
    expires_at = now + timedelta(seconds=flags.access_token_seconds)
    return min(expires_at, family_ends_at) if family_ends_at else expires_at


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
class Rotated:
    """What a presented, already rotated refresh token looks like."""

    rotated_at: datetime
    successor_is_unused: bool


def may_repeat(flags: ClientFlags, rotated: Rotated, now: datetime) -> bool:
    """Whether a rotated refresh token still gets the identical answer.

    The window begins with the rotation and never again, and closes when the successor is used.
    """
    grace = timedelta(seconds=flags.refresh_grace_seconds)
    return rotated.successor_is_unused and now < rotated.rotated_at + grace


def jwt_expires_at(flags: ClientFlags, now: datetime, token_expires_at: datetime) -> datetime:
    """A gateway JWT ends no later than the token that it was made from."""
    return min(now + timedelta(seconds=flags.jwt_seconds), token_expires_at)
