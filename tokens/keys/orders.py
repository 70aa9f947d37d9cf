"""An order to change signing keys: who wants it and what comes of it; one is done at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import connection, transaction

from tokens.keys import gauges, ring
from tokens.keys.steps import Steps

ADVISORY_LOCK = 0x1D9_0002
JOB = "job tokens.rotate_keys"


class RefusedError(Exception):
    """Why nothing was changed, in words for the operator."""


class TooEarlyError(RefusedError):
    """Not every process publishes the key yet: the same in a few seconds, and it will be done."""


class NotFetchedError(RefusedError):
    """Not all who verify have surely fetched the key: `force` does not wait for them."""


@dataclass(frozen=True, slots=True)
class Order:
    """`force` goes without the time that verifiers may need, and never without our processes'."""

    actor: str
    reason: str = ""
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, one line each. A first step that another must follow is not complete."""

    lines: list[str]
    is_complete: bool = True


@contextmanager
def exclusive(order: Order, now: datetime | None = None) -> Iterator[Steps]:
    """One transaction under one lock, by the clock of the database, which all processes share."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        if now is None:
            # After the lock, which may have taken its time.
            cursor.execute("SELECT clock_timestamp()")
            now = cursor.fetchone()[0]
        yield Steps(now, order.actor, order.reason)
        transaction.on_commit(ring.forget)
        transaction.on_commit(partial(gauges.show, gauges.figures()))
        if order.dry_run:
            transaction.set_rollback(True)
