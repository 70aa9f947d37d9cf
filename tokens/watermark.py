"""How far a job has read the order of issue, which is the low bits of every token's id.

A token's number is drawn before its transaction commits, so a reader that has come to a number may
still have missed a lower one. The watermark therefore follows one run behind: up to the sample that
was taken at the end of a run, once all transactions of then have ended.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from tokens.identifiers import SEQUENCE_NAME
from tokens.models import Watermark

# By then any transaction of a request has ended, whatever else keeps the database busy.
SETTLED_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Head:
    """The last number that was drawn, the oldest transaction that is still running, and the next
    one that will begin."""

    number: int
    oldest_running: int
    next_to_begin: int


def head() -> Head:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT last_value, pg_snapshot_xmin(now)::text, "  # noqa: S608 - our own name
            f"pg_snapshot_xmax(now)::text FROM {SEQUENCE_NAME}, pg_current_snapshot() AS now"
        )
        return Head(*map(int, cursor.fetchone()))


def of(job: str, now: datetime) -> Watermark:
    """The watermark of a job; at the very beginning where it never ran."""
    return Watermark.objects.get_or_create(job=job, defaults={"sampled_at": now})[0]


def put_at(job: str, to: Head) -> None:
    """Takes everything up to there for read."""
    position = {"position": to.number, "sample": to.number, "sampled_at": timezone.now()}
    Watermark.objects.update_or_create(job=job, defaults=position)


def advance(mark: Watermark, *, looked_to: int, head: Head, now: datetime) -> None:
    """Moves the mark as far as no token can still appear behind it.

    What lies between it and `looked_to` will be looked at once more. The caller holds the mark.
    """
    before = (mark.position, mark.sample)
    settled = mark.sample_xid <= head.oldest_running or mark.sampled_at + SETTLED_AFTER <= now
    if settled:
        mark.position = max(mark.position, min(looked_to, mark.sample))
    if settled and looked_to == head.number > mark.sample:
        mark.sample, mark.sample_xid, mark.sampled_at = head.number, head.next_to_begin, now
    if before != (mark.position, mark.sample):
        mark.save()
