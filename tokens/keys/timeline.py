"""The lives of signing keys beside one another: what was, what is, and what beat will do."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tokens.keys import gauges
from tokens.keys.models import SigningKey
from tokens.keys.periods import RETIRE_AFTER

State = SigningKey.State
# Keys that left the JWKS longer ago are no longer shown: nobody goes back to them in a hurry.
SHOWN_AFTER_RETIRING = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when a key is in the JWKS, or signs."""

    begins: datetime
    ends: datetime
    signs: bool


@dataclass(frozen=True, slots=True)
class Life:
    """A key with its spans, the one in which it signs drawn over the one in which it is published.

    What lies in the future is what beat will do if nobody orders anything else.
    """

    key: SigningKey
    spans: list[Span]


def lives(keys: list[SigningKey], now: datetime) -> list[Life]:
    """Those that are published or left the JWKS not long ago, in the order of the list."""
    rotates_at = gauges.rotations(keys)
    shown = [
        key for key in keys if not key.retired_at or key.retired_at > now - SHOWN_AFTER_RETIRING
    ]
    return [Life(key, list(_spans(key, rotates_at.get(key.algorithm), now))) for key in shown]


def _spans(key: SigningKey, rotates_at: datetime | None, now: datetime) -> Iterator[Span]:
    signs_from = rotates_at if key.state == State.NEXT else key.activated_at
    signs_until = rotates_at if key.state == State.ACTIVE else key.retiring_at
    until = key.retired_at
    if until is None and key.state == State.RETIRING and key.retiring_at:
        until = key.retiring_at + RETIRE_AFTER
    known_until = until or max(moment for moment in (signs_from, signs_until, now) if moment)
    yield Span(key.published_since, max(known_until, key.published_since), signs=False)
    if signs_from and key.state != State.NEXT:
        yield Span(signs_from, max(signs_until or known_until, signs_from), signs=True)
