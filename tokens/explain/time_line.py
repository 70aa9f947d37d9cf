"""How long each thing of a case lives, as bars on a line that is logarithmic: minutes and months
must both be seen."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from clients_admin.admin.durations import in_words
from tokens import policy
from tokens.explain.case import Decided


@dataclass(frozen=True, slots=True)
class Life:
    """From when to when something lives, seen from the request; without an end where it slides."""

    name: str
    begins: timedelta
    ends: timedelta | None
    why: str

    @property
    def words(self) -> str:
        """From the beginning of the bar to its end."""
        return in_words(_seconds(self.ends - self.begins)) if self.ends else "no fixed end"


@dataclass(frozen=True, slots=True)
class Bar:
    """A life, and where it lies on a line of 100."""

    life: Life
    x: int
    width: int


def bars(decided: Decided) -> list[Bar]:
    lives = list(_lives(decided))
    longest = max(_seconds(life.ends) for life in lives if life.ends)

    def place(moment: timedelta | None) -> float:
        if moment is None:
            return 100.0
        return 100 * math.log1p(_seconds(moment)) / math.log1p(longest)

    return [
        Bar(
            life,
            round(place(life.begins)),
            max(1, round(place(life.ends)) - round(place(life.begins))),
        )
        for life in lives
    ]


def _lives(decided: Decided) -> Iterator[Life]:
    case, flags, expiries = decided.case, decided.case.flags, decided.expiries
    now, none = case.now, timedelta()
    jwt = policy.jwt_expires_at(flags, now, expiries.access_token)
    yield Life("Gateway JWT", none, jwt - now, "jwt_seconds, and no longer than its access token")
    if decided.has_id_token:
        seconds = timedelta(seconds=flags.id_token_seconds)
        yield Life("ID token", none, seconds, "id_token_seconds")
    yield Life(
        "Access token",
        none,
        expiries.access_token - now,
        "access_token_seconds" + (", and no longer than the login" if expiries.login else ""),
    )
    if expiries.refresh_token:
        yield Life("Refresh token", none, expiries.refresh_token - now, "refresh_token_seconds")
        at = expiries.access_token
        if flags.refresh_rotation == "rotate" and at < expiries.refresh_token:
            yield Life(
                "Its successor, if refreshed when the access token ends",
                at - now,
                _successor_ends_at(decided, at) - now,
                f"refresh_expiry {flags.refresh_expiry}",
            )
        ends = expiries.login - now if expiries.login else None
        yield Life("The login", none, ends, f"refresh_expiry {flags.refresh_expiry}")


def _successor_ends_at(decided: Decided, at: datetime) -> datetime:
    return policy.refresh_token_expires_at(
        decided.case.flags,
        at,
        login_at=decided.case.now,
        predecessor_expires_at=decided.expiries.refresh_token,
    )


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
