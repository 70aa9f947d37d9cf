"""What PostgreSQL did meanwhile: time, log written, rows left dead, bytes, plans.

Works on the connection of whichever side the process belongs to.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection

from tests.bench.processes import cpu_seconds

type Statement = tuple[str, Sequence[Any]]


@contextmanager
def cost() -> Iterator[dict[str, float]]:
    """Fills in `seconds` and `wal_bytes` of the block. A checkpoint before it makes both fair."""
    execute("CHECKPOINT")
    found: dict[str, float] = {}
    before = _value("SELECT pg_current_wal_insert_lsn()")
    started = time.perf_counter()
    yield found
    found["seconds"] = time.perf_counter() - started
    found["wal_bytes"] = float(
        _value("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s::pg_lsn)", str(before))
    )


@contextmanager
def cpu() -> Iterator[dict[str, float]]:
    """Fills in the CPU microseconds of the block: `client` is this process, `server` its backend.

    What PostgreSQL's other processes do for all (writing its log, checkpoints) is not in it.
    """
    backend = _value("SELECT pg_backend_pid()")
    found: dict[str, float] = {}
    server, client = cpu_seconds(backend), time.process_time()
    yield found
    found["client"] = (time.process_time() - client) * 1e6
    found["server"] = (cpu_seconds(backend) - server) * 1e6


def dead_rows(table: str) -> int:
    """Rows of a table and its partitions that are deleted and wait for a vacuum."""
    execute("SELECT pg_stat_clear_snapshot()")
    return int(
        _value(
            "SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables "
            f"WHERE relid IN ({_RELATIONS})",
            *(table, table),
        )
    )


def bytes_of(table: str, size: str = "pg_total_relation_size") -> int:
    """What a table and its partitions take on disk, as the given function of PostgreSQL has it."""
    statement = f"SELECT sum({size}(relid)) FROM ({_RELATIONS}) AS relations (relid)"
    return int(_value(statement, table, table))


def vacuum(table: str) -> None:
    execute(f"VACUUM (ANALYZE) {table}")


def plan(statement: Statement) -> dict[str, Any]:
    """`EXPLAIN (ANALYZE, BUFFERS)` of a statement; the second run, so that caches are warm."""
    for _ in range(2):
        explained = _value(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement[0]}", *statement[1])
    return (json.loads(explained) if isinstance(explained, str) else explained)[0]


def execute(statement: str, *values: Any) -> None:
    """Runs a statement that answers nothing of interest; what it did is counted at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(statement, values or None)


def rows_of(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall()


def _value(statement: str, *values: Any) -> Any:
    return rows_of(statement, *values)[0][0]


# The table itself, or the parent and all its partitions.
_RELATIONS = "SELECT %s::regclass UNION SELECT relid FROM pg_partition_tree(%s)"
