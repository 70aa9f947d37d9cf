"""How far a job has read the order of issue, which is the low bits of every token's id.

A token's number is drawn before its transaction commits, so a reader that has come to a number may
still have missed a lower one. The watermark therefore follows one run behind: up to the sample that
was taken at the end of a run, once all transactions of then have ended. Those are the ones before
the run's own, because each had its number before it drew the token's (`identifiers.NEXT_NUMBER`).
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
    """The last number that was drawn, and the oldest transaction that is still running."""

    number: int
    oldest_running: int


def head() -> Head:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT last_value, pg_snapshot_xmin(pg_current_snapshot())::text "  # noqa: S608
            f"FROM {SEQUENCE_NAME}"
        )
        return Head(*map(int, cursor.fetchone()))


def of(job: str, now: datetime) -> Watermark:
    """The watermark of a job; at the very beginning where it never ran."""
    return Watermark.objects.filter(job=job).first() or Watermark(job=job, sampled_at=now)


def put_at(job: str, to: Head) -> None:
    """Takes everything up to there for read."""
    position = {"position": to.number, "sample": to.number, "sampled_at": timezone.now()}
    Watermark.objects.update_or_create(job=job, defaults=position)


def advance(mark: Watermark, *, looked_to: int, head: Head, now: datetime) -> None:
    """Moves the mark as far as no token can still appear behind it.

    What lies between it and `looked_to` will be looked at once more. The caller's transaction holds
    the mark, and has written nothing before it read `head`.
    """
    before = (mark.position, mark.sample)
    settled = mark.sample_xid < head.oldest_running or mark.sampled_at + SETTLED_AFTER <= now
    if settled:
        mark.position = max(mark.position, min(looked_to, mark.sample))
    if settled and looked_to == head.number > mark.sample:
        mark.sample, mark.sample_xid, mark.sampled_at = head.number, _own_transaction(), now
    if before != (mark.position, mark.sample):
        mark.save()


def _own_transaction() -> int:
    """Later than every one that had drawn a number before this one wrote anything."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text")
        return int(cursor.fetchone()[0])
