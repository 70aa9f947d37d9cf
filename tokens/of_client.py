"""All tokens of one client: about how many are alive, and their end.

No index begins with the client, and none is worth its cost on every insert for what is asked here a
few times a day. So tokens of users are counted in a sample of pages, whose size is bounded however
many rows there are, and are ended by reading the living partitions once, in short batches.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from clients_admin.directory import mark
from clients_admin.models import Client
from idp import metrics
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.database.changes import tell
from idp.partitioning.tables import SEQUENCE_BITS, PartitionedTable, first_id
from tokens import issue, watermark
from tokens.rows import Rows, known

COUNTED = 10_000
# Of each table about so many pages of 8 kB are read for a count, however many there are: some 8,000
# rows. PostgreSQL draws for each page whether it is one of them, 0.1 µs each.
SAMPLED_PAGES = 100
BATCH = 10_000

_SEQUENCE_MASK = (1 << SEQUENCE_BITS) - 1
_ACCESS_TOKENS, _REFRESH_TOKENS = issue.access_tokens.table, issue.refresh_tokens.table


# --- Counting -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are, as far as it is known: `found` in a share of all pages."""

    found: int
    share: float = 1.0

    def __str__(self) -> str:
        if self.share < 1:
            # Where none is found, more than three times the inverse of the share would have shown
            # in 19 of 20 samples.
            about = _rounded((self.found or 3) / self.share)
            return f"about {about:,}" if self.found else f"fewer than about {about:,}"
        return f"more than {COUNTED:,}" if self.found > COUNTED else f"{self.found:,}"


@dataclass(frozen=True, slots=True)
class Counts:
    """Living tokens of a client: its own, those of users, and refresh tokens that can be used."""

    own: Count
    of_users: Count
    refresh_tokens: Count

    @property
    def are_exact(self) -> bool:
        counts = (self.own, self.of_users, self.refresh_tokens)
        return all(count.share == 1 and count.found <= COUNTED for count in counts)


def counts(client: Client, now: datetime) -> Counts:
    """In five statements, of which each reads a bounded number of rows."""
    return Counts(
        own=_counted(client, now),
        of_users=_sampled(_ACCESS_TOKENS, client, "user_id IS NOT NULL", now),
        refresh_tokens=_sampled(_REFRESH_TOKENS, client, "rotated_at IS NULL", now),
    )


def _counted(client: Client, now: datetime) -> Count:
    """Tokens of the client itself have an index: that of use-cases, without a user."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT FROM {_ACCESS_TOKENS.name} "  # noqa: S608 - our own names
            "WHERE user_id IS NULL AND client_id = %s AND id >= %s AND expires_at > %s "
            "LIMIT %s) AS counted",
            [client.pk, first_id(_ACCESS_TOKENS.bucket_of(now)), now, COUNTED + 1],
        )
        return Count(cursor.fetchone()[0])


def _sampled(table: PartitionedTable, client: Client, condition: str, now: datetime) -> Count:
    """All pages where they are few, or else as many of them, taken at random."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_relation_size(to_regclass(name))) / current_setting('block_size')::int "
            "FROM unnest(%s::text[]) AS name",
            [[table.partition(bucket) for bucket in _living(table, now)] + [_default(table)]],
        )
        share = min(1.0, SAMPLED_PAGES / max(1, int(cursor.fetchone()[0])))
        cursor.execute(
            f"SELECT count(*) FROM {table.name} "  # noqa: S608 - our own names
            f"TABLESAMPLE SYSTEM (%s) WHERE client_id = %s AND id >= %s AND expires_at > %s "
            f"AND {condition}",
            [100 * share, client.pk, first_id(table.bucket_of(now)), now],
        )
        return Count(cursor.fetchone()[0], share)


def _living(table: PartitionedTable, now: datetime) -> range:
    """The buckets whose rows can still be alive."""
    return range(table.bucket_of(now), table.bucket_of(now + table.ahead) + 1)


def _default(table: PartitionedTable) -> str:
    return f"{table.name}_default"


def _rounded(number: float) -> int:
    """Two digits are all that a sample is good for."""
    return int(float(f"{number:.2g}"))


# --- Ending ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Kind:
    """One table. `root` is, in SQL, what tells how old the login is that a row stems from."""

    rows: Rows[Any]
    root: str


# What makes new tokens goes before what is made.
_KINDS = (
    _Kind(issue.authorization_codes, "id"),
    _Kind(issue.refresh_tokens, "family"),
    _Kind(issue.access_tokens, "coalesce(family, id)"),
)


def end_all(client: Client, now: datetime) -> int:
    """Ends every token of a client that stems from before, and its codes; answers how many rows.

    Each batch is a transaction of its own: it holds its rows for milliseconds, has its event, and
    is heard of by all processes when it commits. Who refreshes meanwhile may write a row where this
    has already looked; so it looks again until nothing is left. A login that begins meanwhile is a
    new one, and lives.
    """
    last = watermark.head().number
    total = 0
    while ended := sum(_end(kind, client, last, now) for kind in _KINDS):
        total += ended
    metrics.count(metrics.REVOCATIONS, client=client.client_id, kind="client")
    return total


def _end(kind: _Kind, client: Client, last: int, now: datetime) -> int:
    count = 0
    for ids in _batches(kind, client, last, now):
        with transaction.atomic():
            ended = kind.rows.delete_free(ids)
            _told(client, len(ended), now)
        count += len(ended)
        count += sum(_end_held(kind, client, row_id, now) for row_id in set(ids) - ended)
    return count


def _batches(kind: _Kind, client: Client, last: int, now: datetime) -> Iterator[list[int]]:
    """The ids of what stems from before the number `last`; each partition is read once."""
    table = kind.rows.table
    relations = {known.relation(table, bucket) for bucket in _living(table, now)}
    for relation in sorted({*relations, _default(table)}):
        after = first_id(table.bucket_of(now)) - 1
        while ids := _next(relation, kind.root, client, last, after):
            yield ids
            after = ids[-1]


def _next(relation: str, root: str, client: Client, last: int, after: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {relation} WHERE client_id = %s AND id > %s "  # noqa: S608
            f"AND ({root}) & {_SEQUENCE_MASK} <= %s ORDER BY id LIMIT {BATCH}",
            [client.pk, after, last],
        )
        return [row_id for (row_id,) in cursor.fetchall()]


def _end_held(kind: _Kind, client: Client, row_id: int, now: datetime) -> int:
    """A row that somebody is just using: by itself, so that nobody waits for us who holds more."""
    with transaction.atomic():
        ended = kind.rows.delete_by_id(row_id)
        _told(client, ended, now)
    return ended


def _told(client: Client, rows: int, now: datetime) -> None:
    """The mark of the client is in every answer that is kept about a token of it."""
    if rows:
        tell([mark(client.pk)])
        record(Tag.TOKENS_CLIENT_ENDED, client_id=client.client_id, at=now, rows=rows)
