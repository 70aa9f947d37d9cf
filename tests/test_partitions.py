"""Token tables live by partition: one is touched to find a token, one dropped to forget a million.

The clock is given, never read. Partitions of 2031 go with the transaction of their test; those of
2001, which threads make and commit, are dropped after it.
"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from idp.partitioning import partitions
from idp.partitioning.tables import PartitionedTable
from tokens import cleanup, rows
from tokens.format import Reference
from tokens.identifiers import ACCESS_TOKENS, REFRESH_TOKENS, TOKEN_TABLES
from tokens.issue import access_tokens, refresh_tokens
from tokens.models import AccessToken, RefreshToken, TokenRow

NOW = datetime(2031, 5, 14, 12, tzinfo=UTC)
LONG_AGO = datetime(2001, 5, 14, 12, tzinfo=UTC)
MIDNIGHT = datetime(2031, 5, 15, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)


@pytest.fixture(autouse=True)
def known(partition_lists: None) -> partitions.PartitionList:
    return rows.known


@pytest.fixture
def long_ago(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[datetime]:
    """A time whose partitions are dropped after the test, together with what is in them."""
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "20s")  # the machine may be busy
    yield LONG_AGO
    for table in TOKEN_TABLES:
        partitions.drop_expired(table, LONG_AGO + timedelta(days=1000))
        partitions.empty_default(table, LONG_AGO + timedelta(days=1000))


def token_ending(expires_at: datetime) -> AccessToken:
    return access_tokens.insert(
        expires_at=expires_at, client_id=1, user_id=1, scope="*", issued_at=expires_at - HOUR
    )


def refresh_token_ending(expires_at: datetime) -> RefreshToken:
    return refresh_tokens.insert(
        expires_at=expires_at,
        client_id=1,
        user_id=1,
        scope="*",
        issued_at=expires_at - DAY,
        family=1,
        login_at=expires_at - DAY,
        auth_time=expires_at - DAY,
    )


def multiply(token: AccessToken, times: int) -> None:
    """Puts so many tokens more where `token` is, with the ids that follow."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {ACCESS_TOKENS.name} (id, nonce, client_id, scope, issued_at, expires_at)"
            " SELECT id + number, number, client_id, scope, issued_at, expires_at"
            f" FROM {ACCESS_TOKENS.name}, generate_series(1, %s) AS number WHERE id = %s",
            [times, token.pk],
        )


def drop_expired(now: datetime) -> int:
    return sum(cleanup.drop_expired(table, now) for table in TOKEN_TABLES)


def make(table: PartitionedTable, now: datetime, known: partitions.PartitionList) -> None:
    """The partitions that are wanted at `now` exist, and this process knows them."""
    partitions.make_ahead(table, now)
    known.refresh()


def partition_of(token: TokenRow) -> str | None:
    """Where the row of a token lies; None where it is gone."""
    found = values(
        f"SELECT tableoid::regclass::text FROM {token._meta.db_table} WHERE id = {token.pk}"
    )
    return found[0] if found else None


def own_partition(token: AccessToken) -> str:
    return ACCESS_TOKENS.partition(ACCESS_TOKENS.bucket_of(token.expires_at))


def values(query: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [row[0] for row in cursor.fetchall()]


# --- A lookup ----------------------------------------------------------------------------------


def scans(query: str) -> list[tuple[str, str, str | None]]:
    """What the plan of a query reads, as it was run: kind of scan, relation, index."""
    (explained,) = values(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
    (plan,) = json.loads(explained) if isinstance(explained, str) else explained
    pending, found = [plan["Plan"]], []
    while pending:
        node = pending.pop()
        pending += node.get("Plans", [])
        if "Relation Name" in node:
            found.append((node["Node Type"], node["Relation Name"], node.get("Index Name")))
    return found


@pytest.fixture
def lookup(db: None, known: partitions.PartitionList) -> tuple[AccessToken, str]:
    """A token among 1,000 in one of 100 partitions, and the very statement that looks it up."""
    months = 4
    for month in range(months):
        make(ACCESS_TOKENS, NOW + month * ACCESS_TOKENS.ahead, known)
    assert len(partitions.existing(ACCESS_TOKENS)) >= 100
    token = token_ending(NOW + HOUR)
    multiply(token, 1000)
    with CaptureQueriesContext(connection) as captured:
        assert access_tokens.by_id(token.pk, NOW) == token
    (query,) = captured.captured_queries
    return token, query["sql"]


def test_a_lookup_touches_one_of_100_partitions_through_its_primary_key(lookup):
    token, query = lookup
    partition = own_partition(token)
    assert f"FROM {partition} " in query
    assert scans(query) == [("Index Scan", partition, f"{partition}_pkey")]


def test_a_lookup_through_the_parent_touches_one_of_100_partitions_too(lookup):
    token, query = lookup
    partition = own_partition(token)
    through_parent = query.replace(partition, ACCESS_TOKENS.name)
    assert scans(through_parent) == [("Index Scan", partition, f"{partition}_pkey")]


def test_a_process_that_does_not_know_the_partition_yet_goes_through_the_parent(
    db, known, django_assert_num_queries
):
    known.refresh()  # before the partition exists, and not again within the minute
    partitions.make_ahead(ACCESS_TOKENS, NOW)
    token = token_ending(NOW + HOUR)
    assert partition_of(token) == own_partition(token)
    with django_assert_num_queries(1) as captured:
        assert access_tokens.by_id(token.pk, NOW) == token
    assert f"FROM {ACCESS_TOKENS.name} " in captured[0]["sql"]


def test_an_id_whose_bucket_has_ended_is_refused_without_a_query(
    db, known, django_assert_num_queries
):
    make(ACCESS_TOKENS, NOW, known)
    token = token_ending(MIDNIGHT - SECOND)
    reference = Reference(token.pk, token.nonce)
    with django_assert_num_queries(0):
        assert access_tokens.get(reference, MIDNIGHT) is None
        assert access_tokens.by_id(token.pk, MIDNIGHT) is None
    with django_assert_num_queries(1):
        assert access_tokens.get(reference, MIDNIGHT - 2 * SECOND) == token


def test_a_token_is_dead_from_its_expiry_on_though_its_row_is_there(db, known):
    make(ACCESS_TOKENS, NOW, known)
    token = token_ending(NOW + HOUR)
    reference = Reference(token.pk, token.nonce)
    assert access_tokens.get(reference, NOW + HOUR - SECOND) == token
    assert access_tokens.get(reference, NOW + HOUR) is None
    assert partition_of(token) == own_partition(token)


# --- Made ahead --------------------------------------------------------------------------------


def test_partitions_are_made_ahead_for_all_tables_and_a_second_run_makes_none(db):
    wanted = {
        table: set(range(table.bucket_of(NOW), table.bucket_of(NOW + table.ahead) + 1))
        for table in cleanup.PARTITIONED_TABLES
    }
    assert cleanup.make_partitions(NOW) == sum(map(len, wanted.values()))
    for table in cleanup.PARTITIONED_TABLES:
        assert wanted[table] <= set(partitions.existing(table))
    assert cleanup.make_partitions(NOW) == 0


def test_a_day_later_one_day_more_is_made(db):
    cleanup.make_partitions(NOW)
    assert partitions.make_ahead(ACCESS_TOKENS, NOW + DAY) == 1
    assert partitions.make_ahead(REFRESH_TOKENS, NOW + timedelta(days=7)) == 1


def test_a_partition_has_the_indexes_of_its_table(db):
    cleanup.make_partitions(NOW)
    for table in TOKEN_TABLES:
        made = table.partition(table.bucket_of(NOW))
        columns = "SELECT indkey::text FROM pg_index WHERE indrelid = '{}'::regclass ORDER BY 1"
        assert values(columns.format(made)) == values(columns.format(table.name))


# --- Without a partition -------------------------------------------------------------------------


def test_a_token_whose_bucket_has_no_partition_lives_in_the_default_one(db):
    token = token_ending(NOW + HOUR)
    assert partition_of(token) == "tokens_accesstoken_default"
    assert access_tokens.get(Reference(token.pk, token.nonce), NOW) == token
    access_tokens.update(token, scope="orders.read")
    assert access_tokens.by_id(token.pk, NOW).scope == "orders.read"
    assert access_tokens.delete_by_id(token.pk) == 1
    assert access_tokens.by_id(token.pk, NOW) is None


def test_rows_of_the_default_partition_move_when_theirs_is_made(db, known):
    tokens = [token_ending(NOW + days * DAY) for days in (0, 1, 31)]
    too_far = token_ending(NOW + 32 * DAY)
    make(ACCESS_TOKENS, NOW, known)
    for token in tokens:
        assert partition_of(token) == own_partition(token)
        assert access_tokens.get(Reference(token.pk, token.nonce), NOW - SECOND) == token
    assert partition_of(too_far) == "tokens_accesstoken_default"


def test_dead_rows_of_the_default_partition_are_deleted_in_batches(db):
    dead = token_ending(NOW - DAY)
    multiply(dead, 2 * partitions.DELETE_BATCH)
    same_day = token_ending(NOW - HOUR)
    living = token_ending(NOW + 5 * DAY)
    with CaptureQueriesContext(connection) as captured:
        assert partitions.empty_default(ACCESS_TOKENS, NOW) == 2 * partitions.DELETE_BATCH + 1
    assert len(captured) == 3
    assert values("SELECT id FROM tokens_accesstoken_default ORDER BY id") == [
        same_day.pk,
        living.pk,
    ]
    assert partitions.empty_default(ACCESS_TOKENS, NOW) == 0


# --- Dropped -------------------------------------------------------------------------------------


def test_expired_partitions_of_all_tables_are_dropped(db, known):
    for table in TOKEN_TABLES:
        make(table, NOW, known)
    token, refresh_token = token_ending(NOW + HOUR), refresh_token_ending(NOW + HOUR)
    later = NOW + timedelta(days=8)
    before = {table: partitions.existing(table) for table in TOKEN_TABLES}
    ended = {
        table: [bucket for bucket in buckets if bucket < table.bucket_of(later)]
        for table, buckets in before.items()
    }
    assert drop_expired(later) == sum(map(len, ended.values()))
    for table in TOKEN_TABLES:
        assert partitions.existing(table) == before[table][len(ended[table]) :]
    assert partition_of(token) is None
    assert partition_of(refresh_token) is None
    assert drop_expired(later) == 0


def test_a_partition_outlives_its_last_token_by_the_margin_of_clocks(db, known):
    make(ACCESS_TOKENS, NOW, known)
    last = token_ending(MIDNIGHT - SECOND)
    drop_expired(MIDNIGHT + partitions.CLOCK_MARGIN - SECOND)
    assert partition_of(last) == own_partition(last)
    drop_expired(MIDNIGHT + partitions.CLOCK_MARGIN)
    assert partition_of(last) is None


@pytest.mark.parametrize("hours", [0, 1, 11, 12, 13, 36, 24 * 7])
def test_no_living_token_is_dropped_and_no_row_of_the_current_bucket(db, known, hours):
    cleanup.make_partitions(NOW)
    now = NOW + hours * HOUR
    living = [token_ending(now + life) for life in (SECOND, MINUTE, HOUR, DAY, 30 * DAY)]
    living += [refresh_token_ending(now + life) for life in (SECOND, DAY, 90 * DAY)]
    current = token_ending(datetime(now.year, now.month, now.day, tzinfo=UTC))
    drop_expired(now)
    assert None not in {partition_of(token) for token in [*living, current]}


def deleted_rows() -> int:
    """Rows that this transaction deleted one by one, from tables of ours."""
    (deleted,) = values("SELECT coalesce(sum(n_tup_del), 0) FROM pg_stat_xact_user_tables")
    return int(deleted)


@pytest.mark.parametrize("size", [0, 20_000])
def test_dropping_takes_the_same_statements_whatever_there_is_to_forget(db, known, size):
    drop_expired(NOW)  # so that nothing else is left to drop
    make(ACCESS_TOKENS, NOW, known)
    token = token_ending(NOW + HOUR)
    multiply(token, size)
    deleted_before = deleted_rows()
    with CaptureQueriesContext(connection) as captured:
        assert drop_expired(NOW + DAY) == 1
    assert partition_of(token) is None
    assert deleted_rows() == deleted_before
    issued = [
        query["sql"].split()[0]
        for query in captured
        if "SAVEPOINT" not in query["sql"]  # that of the test
    ]
    asked, emptied, measured = ["SELECT"], ["DELETE"], ["SELECT"]
    dropped = ["SELECT", "SET", "SELECT", "SET", "LOCK", "SET", "DROP"]
    others = [*asked, *emptied, *measured]
    assert issued == [*asked, *dropped, *emptied, *measured, *others, *others]


# --- At once -------------------------------------------------------------------------------------


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Makes all calls at the same moment, each in a thread with its own connection."""
    barrier = Barrier(len(calls))

    def start(call: Callable[[], Any]) -> Any:
        try:
            barrier.wait(timeout=10)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as threads:
        futures: list[Future[Any]] = [threads.submit(start, call) for call in calls]
        return [future.result(timeout=60) for future in futures]


def test_processes_that_make_partitions_at_once_make_each_of_them_once(long_ago):
    made = at_once(*[lambda: partitions.make_ahead(ACCESS_TOKENS, long_ago)] * 3)
    # Who meets another at work leaves it to the other, and to the next run.
    made.append(partitions.make_ahead(ACCESS_TOKENS, long_ago))
    first = ACCESS_TOKENS.bucket_of(long_ago)
    wanted = list(range(first, first + 32))
    assert sum(made) == len(wanted)
    assert partitions.existing(ACCESS_TOKENS)[: len(wanted)] == wanted


def test_processes_that_make_and_drop_at_once_harm_no_living_token(long_ago, known):
    days = 10
    ends_at = long_ago + days * DAY
    for day in range(days):
        make(ACCESS_TOKENS, long_ago + day * DAY, known)
    living = [token_ending(ends_at + HOUR + day * DAY) for day in range(20)]

    def make_all() -> None:
        for day in range(days + 1):
            partitions.make_ahead(ACCESS_TOKENS, ends_at + day * DAY)

    def drop_all() -> None:
        for day in range(days + 1):
            partitions.drop_expired(ACCESS_TOKENS, long_ago + day * DAY)

    def read_all() -> list[AccessToken | None]:
        return [access_tokens.by_id(token.pk, ends_at) for _ in range(10) for token in living]

    *_, read = at_once(make_all, drop_all, drop_all, read_all)
    assert read == living * 10
    partitions.drop_expired(ACCESS_TOKENS, ends_at)
    partitions.make_ahead(ACCESS_TOKENS, ends_at + days * DAY)
    existing = partitions.existing(ACCESS_TOKENS)
    first = ACCESS_TOKENS.bucket_of(ends_at)
    assert existing[: days + 32] == list(range(first, first + days + 32))
    assert [partition_of(token) for token in living] == [own_partition(token) for token in living]


def test_a_process_with_an_old_list_finds_nothing_where_a_partition_was_dropped(long_ago, known):
    make(ACCESS_TOKENS, long_ago, known)
    token = token_ending(long_ago + HOUR)
    at_once(lambda: partitions.drop_expired(ACCESS_TOKENS, long_ago + DAY))
    assert access_tokens.by_id(token.pk, long_ago + DAY) is None


def test_whoever_finds_the_work_in_progress_leaves_it(long_ago):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [partitions.ADVISORY_LOCK])
        (made,) = at_once(lambda: partitions.make_ahead(ACCESS_TOKENS, long_ago))
    assert made == 0


def test_a_dead_row_that_somebody_holds_is_left_to_the_next_run(long_ago):
    held, free = token_ending(long_ago), token_ending(long_ago)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT FROM {ACCESS_TOKENS.name} WHERE id = %s FOR UPDATE", [held.pk])
        (deleted,) = at_once(lambda: partitions.empty_default(ACCESS_TOKENS, long_ago + 2 * DAY))
    assert deleted == 1
    assert partition_of(free) is None
    assert partitions.empty_default(ACCESS_TOKENS, long_ago + 2 * DAY) == 1


def start_and_await_a_lock(call: Callable[[], Any]) -> Future[Any]:
    """Starts the call in a thread and returns once it waits for a lock of this transaction."""
    threads = ThreadPoolExecutor(1)
    future = threads.submit(lambda: at_once(call)[0])
    threads.shutdown(wait=False)
    waiting = (
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND datname = current_database()"
    )
    deadline = time.monotonic() + 10
    while values(waiting) == [0] and not future.done() and time.monotonic() < deadline:
        time.sleep(0.01)
    return future


def test_a_token_written_while_its_partition_is_made_moves_into_it(long_ago):
    with transaction.atomic():
        token = token_ending(long_ago + HOUR)
        made = start_and_await_a_lock(lambda: partitions.make_ahead(ACCESS_TOKENS, long_ago))
    assert made.result(timeout=60) == 32
    assert partition_of(token) == own_partition(token)


def test_a_token_that_is_ended_while_its_row_moves_is_gone(long_ago):
    token = token_ending(long_ago + HOUR)
    with transaction.atomic():
        partitions.make_ahead(ACCESS_TOKENS, long_ago)
        ended = start_and_await_a_lock(
            lambda: access_tokens.delete_of_families(long_ago, token.user_id, token.client_id, [0])
        )
    assert ended.result(timeout=60) == [token.pk]
    assert partition_of(token) is None
