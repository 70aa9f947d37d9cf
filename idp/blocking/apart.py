"""A transaction that stands apart from the caller's: a failed attempt counts whatever becomes of
the request, and is seen by all processes before the request is over."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from idp.database import statements

LOCK_TIMEOUT = "5s"


@contextmanager
def apart() -> Iterator[None]:
    """Within a transaction, for a moment Django has another connection of the pool.

    No two threads wait for each other's: whoever is in here needs no further one. Raises NotAlone
    in the fast lane.
    """
    statements.require_django()
    outer = connections[DEFAULT_DB_ALIAS]
    if not outer.in_atomic_block:
        with transaction.atomic():
            yield
        return
    inner = outer.copy()
    connections[DEFAULT_DB_ALIAS] = inner
    try:
        with transaction.atomic(), inner.cursor() as cursor:
            # What the caller's transaction holds would be waited for without end.
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            yield
    finally:
        connections[DEFAULT_DB_ALIAS] = outer
        inner.close()
