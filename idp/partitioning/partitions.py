"""The partitions of a table: made ahead, dropped when all their rows are dead.

Cleaning up ten million expired tokens is one DROP TABLE (decision 0002). A default partition
catches rows that have no other; they move when theirs is made, or are deleted in short batches.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Lock

from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from psycopg.errors import LockNotAvailable

from idp.database import statements
from idp.partitioning.tables import PartitionedTable, bucket_of_id, first_id

log = logging.getLogger(__name__)

# Instances whose clocks differ by less than this agree on what is dead.
CLOCK_MARGIN = timedelta(minutes=15)
LOCK_TIMEOUT = "500ms"
PATIENT_LOCK_TIMEOUT = "2s"
ADVISORY_LOCK = 0x1D9_0001
DELETE_BATCH = 1000

# Partitions only ever appear ahead of time, so a process may work for a while with an old list:
# it then takes the way through the parent, which is slower and always right.
_LIST_SECONDS = 60.0


class PartitionList:
    """Which partitions exist, as this process last saw them."""

    def __init__(self, tables: Iterable[PartitionedTable]) -> None:
        self._tables = tuple(tables)
        self._lock = Lock()
        self._relations: dict[tuple[str, int], str] = {}
        self._read_at = float("-inf")

    def relation(self, table: PartitionedTable, bucket: int) -> str:
        """The partition of a bucket, or the parent where there is none."""
        found = self._relations.get((table.name, bucket))
        if found is None:
            if time.monotonic() - self._read_at > _LIST_SECONDS:
                self.refresh()
            found = self._relations.get((table.name, bucket), table.name)
        return found

    def refresh(self) -> None:
        statements.require_django()
        with self._lock:
            self._relations = {
                (table.name, bucket): table.partition(bucket)
                for table in self._tables
                for bucket in existing(table)
            }
            self._read_at = time.monotonic()


def existing(table: PartitionedTable) -> list[int]:
    """The buckets that have a partition, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            r"""
            SELECT (regexp_match(pg_get_expr(c.relpartbound, c.oid),
                                 'FROM \(''(\d+)''\)'))[1]::bigint
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = to_regclass(%s)
              AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'
            ORDER BY 1
            """,
            [table.name],
        )
        return [bucket_of_id(first) for (first,) in cursor.fetchall()]


def make_ahead(table: PartitionedTable, now: datetime | None = None) -> int:
    """Makes the partitions that are still missing; answers how many.

    None where the table itself is missing: a migration may have gone only half of the way.
    """
    now = now or timezone.now()
    if not _exists(table.name):
        return 0
    wanted = range(table.bucket_of(now), table.bucket_of(now + table.ahead) + 1)
    missing = sorted(set(wanted) - set(existing(table)))
    made = 0
    for bucket in missing:
        with _later_if_busy(table.partition(bucket)), _exclusively() as cursor:
            made += cursor is not None and _make(cursor, table, bucket)
    return made


def drop_expired(table: PartitionedTable, now: datetime | None = None) -> int:
    """Drops the partitions whose rows are all dead; answers how many."""
    now = now or timezone.now()
    dropped = 0
    for bucket in existing(table):
        if table.ends_at(bucket) + table.keep + CLOCK_MARGIN > now:
            break
        with _later_if_busy(table.partition(bucket)), _exclusively() as cursor:
            dropped += cursor is not None and _drop(cursor, table.partition(bucket))
    return dropped


def empty_default(table: PartitionedTable, now: datetime | None = None) -> int:
    """Deletes the dead rows of the default partition, a short batch at a time; answers how many."""
    now = now or timezone.now()
    dead_below = first_id(table.bucket_of(now - table.keep - CLOCK_MARGIN))
    deleted = 0
    while True:
        with transaction.atomic(savepoint=False), _rows_may_go(table) as cursor:
            cursor.execute(
                f"""
                DELETE FROM {table.name}_default WHERE id = ANY (ARRAY(
                    SELECT id FROM {table.name}_default WHERE id < %s
                    LIMIT {DELETE_BATCH} FOR UPDATE SKIP LOCKED))
                """,  # noqa: S608 - names of our own tables
                [dead_below],
            )
            batch: int = cursor.rowcount
            deleted += batch
            if batch < DELETE_BATCH:
                return deleted


@contextmanager
def _later_if_busy(partition: str) -> Iterator[None]:
    """Leaves one partition for the next run where somebody holds it, and goes on with the rest."""
    try:
        yield
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        log.warning("%s is in use; the next run tries again", partition)


@contextmanager
def _exclusively() -> Iterator[CursorWrapper | None]:
    """One short transaction, in one process of the cluster at a time; None where another is at it.

    The lock timeout is short because whoever waits for a table lock makes all others wait.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        if not cursor.fetchone()[0]:
            yield None
            return
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        yield cursor


@contextmanager
def _rows_may_go(table: PartitionedTable) -> Iterator[CursorWrapper]:
    """While this lasts, in this transaction, an append-only table lets go of rows."""
    with connection.cursor() as cursor:
        if table.append_only:
            cursor.execute("SET LOCAL idp.rows_may_go = 'on'")
        yield cursor
        if table.append_only:
            cursor.execute("SET LOCAL idp.rows_may_go = 'off'")


def _drop(cursor: CursorWrapper, name: str) -> bool:
    if not _exists(name):
        return False  # Another process was faster.
    # The partition alone first: nobody wants a dead one but perhaps a vacuum, which gives way
    # after a second. Then the parent is held for no longer than the drop itself.
    cursor.execute(f"SET LOCAL lock_timeout = '{PATIENT_LOCK_TIMEOUT}'")
    cursor.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    cursor.execute(f"DROP TABLE {name}")
    return True


def _make(cursor: CursorWrapper, table: PartitionedTable, bucket: int) -> bool:
    name, first, end = table.partition(bucket), first_id(bucket), first_id(bucket + 1)
    if _exists(name):
        return False  # Another process was faster.
    cursor.execute(f"CREATE TABLE {name} (LIKE {table.name} INCLUDING DEFAULTS)")
    # Rows move, so nobody may look through the parent or write to the default partition until
    # this commits: a row written meanwhile would fail the ATTACH, a token ended meanwhile would
    # be missed and live on. Statements that name another partition do not notice.
    cursor.execute(f"LOCK TABLE ONLY {table.name} IN ACCESS EXCLUSIVE MODE")
    cursor.execute(f"LOCK TABLE {table.name}_default IN ACCESS EXCLUSIVE MODE")
    with _rows_may_go(table):
        cursor.execute(
            f"""
            WITH moved AS (DELETE FROM {table.name}_default WHERE id >= {first} AND id < {end}
                           RETURNING *)
            INSERT INTO {name} SELECT * FROM moved
            """  # noqa: S608 - names and numbers of our own
        )
    if table.append_only:
        # Its triggers on rows come with the ATTACH; this one is on statements and does not.
        cursor.execute(
            f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {name}"
            " EXECUTE FUNCTION idp_append_only()"
        )
    cursor.execute(
        f"ALTER TABLE {table.name} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})"
    )
    return True


def _exists(relation: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [relation])
        return cursor.fetchone()[0] is not None
