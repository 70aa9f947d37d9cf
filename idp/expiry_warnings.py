"""Warnings that a key or certificate is about to end: each is given once in the whole cluster."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import connection, models

DAYS = (30, 14, 7, 1)
ENDED = 0


class ExpiryWarning(models.Model):
    """That somebody was warned so many days before the end of something."""

    subject = models.CharField(max_length=300)
    ends_at = models.DateTimeField()
    days = models.PositiveSmallIntegerField()
    warned_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subject", "ends_at", "days"], name="expiry_warning_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} ends on {self.ends_at:%Y-%m-%d}"


def step(ends_at: datetime, now: datetime) -> int | None:
    """The latest warning that is due, as days before the end; ENDED after it, None long before."""
    if ends_at <= now:
        return ENDED
    return min((days for days in DAYS if ends_at - now <= timedelta(days=days)), default=None)


def is_first(subject: str, ends_at: datetime, days: int, now: datetime) -> bool:
    """Whether nobody has been warned of this yet; one atomic insert."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO idp_expirywarning (subject, ends_at, days, warned_at) "
            "VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [subject, ends_at, days, now],
        )
        return bool(cursor.rowcount)
