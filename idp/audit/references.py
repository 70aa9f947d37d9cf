"""References that an error page names, and the event that an operator finds by one.

A reference says the hour in which it was made, so that its event is looked for among the few of
that hour; the rest of it is random. Only so many events an hour are written: nobody fills the audit
by asking for error pages. What is past that is in the log alone, under its reference.
"""

import secrets
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from threading import Lock

from django.db import DatabaseError, transaction

from idp.audit.details import without_secrets
from idp.audit.models import AuditEvent, AuditEventQuerySet
from idp.audit.record import record
from idp.audit.tags import Tag

# Crockford's: nothing in it is taken for something else, on paper or by telephone.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_READ_AS = str.maketrans("oil", "011", "- ")
_HOUR, _RANDOM = 4, 6
_FIRST_HOUR = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

EVENTS_AN_HOUR = 500
# Whoever loads an error page again is told the same, and no second event is written.
SAME_FOR = timedelta(minutes=10)
MAX_KEPT = 2_000
MAX_REASON = 200


class References:
    """Those that this process has made of late, by what they are about."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], tuple[str, datetime]] = OrderedDict()
        self._full_until = datetime.min.replace(tzinfo=UTC)
        self._lock = Lock()

    def refer(
        self, now: datetime, *, address: str, page: str, reason: str, client_id: str | None
    ) -> str:
        """The reference of a refusal, whose event is written where there is room for one.

        It never fails: a user who is refused is told so, whether or not the database is there.
        """
        reason = without_secrets(reason)[:MAX_REASON]
        about = (address, page, reason, client_id or "")
        with self._lock:
            reference, until = self._kept.get(about, ("", now))
            if until > now:
                return reference
            reference = make(now)
            self._kept[about] = reference, now + SAME_FOR
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        if now >= self._full_until:
            self._write(now, reference, page=page, reason=reason, client_id=client_id)
        return reference

    def forget(self) -> None:
        self._kept.clear()
        self._full_until = datetime.min.replace(tzinfo=UTC)

    def _write(
        self, now: datetime, reference: str, *, page: str, reason: str, client_id: str | None
    ) -> None:
        try:
            with transaction.atomic():
                if _is_full(now):
                    self._full_until = now + timedelta(minutes=1)
                    return
                record(
                    Tag.TOKENS_PAGE_REFUSED,
                    client_id=client_id,
                    at=now,
                    reference=reference,
                    page=page,
                    reason=reason,
                )
        except DatabaseError:
            return


def make(now: datetime) -> str:
    """A new reference, such as `1qk3-7m2fxa`."""
    hour = (now - _FIRST_HOUR) // HOUR
    digits = [ALPHABET[hour >> 5 * place & 31] for place in reversed(range(_HOUR))]
    return f"{''.join(digits)}-{''.join(secrets.choice(ALPHABET) for _ in range(_RANDOM))}"


def read(typed: str) -> tuple[str, datetime] | None:
    """A reference as it was made, and its hour; None where it was never one."""
    text = typed.strip().lower().translate(_READ_AS)
    if len(text) != _HOUR + _RANDOM or set(text) - set(ALPHABET):
        return None
    hour = 0
    for digit in text[:_HOUR]:
        hour = hour << 5 | ALPHABET.index(digit)
    return f"{text[:_HOUR]}-{text[_HOUR:]}", _FIRST_HOUR + hour * HOUR


def narrow(events: AuditEventQuerySet, reference: str, hour: datetime) -> AuditEventQuerySet:
    """The event of a reference, by what `read` has made of it."""
    of_hour = events.with_tag(Tag.TOKENS_PAGE_REFUSED).since(hour).before(hour + HOUR)
    return of_hour.filter(details__reference=reference)


def _is_full(now: datetime) -> bool:
    """Whether the newest events, as many as may be, are all of the last hour."""
    newest = (
        AuditEvent.objects.with_tag(Tag.TOKENS_PAGE_REFUSED)
        .order_by("-id")
        .values_list("at", flat=True)
    )
    oldest_of_them = newest[EVENTS_AN_HOUR - 1 : EVENTS_AN_HOUR].first()
    return oldest_of_them is not None and oldest_of_them > now - HOUR


known = References()
