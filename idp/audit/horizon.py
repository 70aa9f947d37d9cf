"""How far the audit is complete: whoever follows it must not pass an event that commits late.

An event gets its number when it is written and can be seen when its transaction has committed, so
later numbers may be seen earlier. But whoever writes one holds a lock on the table before it has a
number, and until it can be seen.
"""

import time
from typing import Any

from django.db import connection
from django.db.models import F, Q, QuerySet

from idp.audit.models import AUDIT_EVENTS, SEQUENCE_NAME
from idp.partitioning.tables import SEQUENCE_BITS, first_id

POLL_SECONDS = 0.1
_SEQUENCE_MASK = (1 << SEQUENCE_BITS) - 1

# The lock that INSERT takes on the partition that it names, and on the parent where it names that.
_WRITERS = """
    SELECT DISTINCT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND pid IS DISTINCT FROM pg_backend_pid()
      AND relation IN (SELECT %(table)s::regclass UNION ALL
                       SELECT inhrelid FROM pg_inherits WHERE inhparent = %(table)s::regclass)
"""


def settled_number() -> int:
    """Waits until all events with today's numbers can be seen, or never will be; answers the last.

    A transaction that has written an event and stays open is waited for as long as that.
    """
    number = _last_number()
    # After the number: whoever got one up to it has the lock by now, or has ended.
    pending = _writers()
    while pending:
        time.sleep(POLL_SECONDS)
        pending &= _writers()
    return number


def numbered(after: int, upto: int, buckets: range | None = None) -> Q:
    """Events with a number in `(after, upto]`: of all times, or of some buckets of them."""
    if buckets is None:
        return Q(number__gt=after, number__lte=upto)
    found = Q()
    for bucket in buckets:
        found |= Q(id__gt=first_id(bucket) + after, id__lte=first_id(bucket) + upto)
    return found


def with_number(events: QuerySet[Any]) -> QuerySet[Any]:
    return events.alias(number=F("id").bitand(_SEQUENCE_MASK))


def _last_number() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {SEQUENCE_NAME}"  # noqa: S608
        )
        return int(cursor.fetchone()[0])


def _writers() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_WRITERS, {"table": AUDIT_EVENTS.name})
        return {transaction for (transaction,) in cursor.fetchall()}
