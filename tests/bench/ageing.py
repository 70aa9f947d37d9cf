"""What runs beside the requests: the caps job, and the end of a day. In a process of our side."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from tests.bench.copying import copy
from tests.bench.loading import expired
from tests.bench.measure import cost, cpu, rows_of, vacuum
from tests.bench.operations import Tokens, logins
from tests.bench.plans import ran_by, rows_by_scan
from tests.bench.population import ACCESS_COPY, Population

MEGABYTE = 1024 * 1024
WARM_UP = 20
SCAN = "rows of "


def measure_caps(access: list[list[Any]]) -> dict[str, Any]:
    """One round: a login in the use-case of each given access token, and the caps job after it.

    Half of them are for the CPU and half for rows and buffers, after some that are for neither.
    """
    from tokens import caps

    half = (len(access) - WARM_UP) // 2
    first, second, rest = access[:half], access[half : 2 * half], access[2 * half :]
    _log_in(rest)
    caps.enforce()
    caps.skip_to_head()
    _log_in(first)
    with cpu() as found:
        ended = caps.enforce()
    caps.skip_to_head()
    idle = ran_by(caps.enforce)
    _log_in(second)
    busy = ran_by(caps.enforce)
    caps.enforce()
    rows = rows_by_scan(busy)
    return {
        "milliseconds": sum(found.values()) / 1000,
        "ended": sum(ended.values()),
        "buffers": sum(statement.buffers for statement in busy),
        "missed": sum(statement.missed for statement in busy),
        "rows": rows.total(),
        **{f"{SCAN}{scan}": count for scan, count in rows.items()},
        "idle_rows": rows_by_scan(idle).total(),
        "idle_buffers": sum(statement.buffers for statement in idle),
    }


def _log_in(access: Iterable[list[Any]]) -> None:
    from tokens import issue

    tokens = Tokens(list(access), [])
    for login in logins(tokens):
        with transaction.atomic():
            issue.lock_family(login.family)
            issue.first_pair(login, tokens.now)


def measure_end_of_day(access_tokens: int, refresh_tokens: int) -> dict[str, float]:
    """Loads a day of access tokens that is over, and measures how the clean-up drops it."""
    from clients_admin.models import Client
    from idp.partitioning import partitions
    from tokens.cleanup import clean_up
    from tokens.identifiers import ACCESS_TOKENS

    clean_up()  # of what a run that was broken off has left
    first, last = expired()
    partitions.make_ahead(ACCESS_TOKENS, first + timedelta(hours=1))
    clients = tuple(Client.objects.values_list("pk", flat=True))
    people = Population(access_tokens, refresh_tokens, datetime.now(UTC), clients)
    with connection.cursor() as cursor:
        copy(cursor, ACCESS_COPY, people.access_rows(expires=(first, last)))
    partition = ACCESS_TOKENS.partition(ACCESS_TOKENS.bucket_of(first))
    # A day that is over has been vacuumed since long; here that would begin beside the clean-up.
    vacuum(partition)
    ((rows, size),) = rows_of(
        f"SELECT count(*), pg_total_relation_size('{partition}') FROM {partition}"
    )
    dropping = []

    def clock(execute: Any, text: str, *arguments: Any) -> Any:
        started = time.perf_counter()
        answer = execute(text, *arguments)
        if text.startswith("DROP TABLE"):
            dropping.append(time.perf_counter() - started)
        return answer

    with cost() as found, connection.execute_wrapper(clock):
        clean_up()
    if rows_of("SELECT to_regclass(%s)", partition) != [(None,)]:
        raise LookupError(f"{partition} is still there.")
    return {
        "rows": rows,
        "megabytes": size / MEGABYTE,
        "milliseconds": found["seconds"] * 1000,
        "held_milliseconds": sum(dropping) * 1000,
        "wal_megabytes": found["wal_bytes"] / MEGABYTE,
    }
