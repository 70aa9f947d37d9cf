"""The caps on living tokens of a use-case (same client, user and scope): a job ends the oldest.

The token tables are their own queue. The low bits of an id are the order of issue, so what came
since the last look is a range of the primary key in each living partition; the use-cases found
there are looked at, and no others. A watermark remembers how far the job has come: nothing is lost
with a process, and a killed one leaves its last step undone as a whole.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from clients_admin.flags import ClientFlags
from clients_admin.models import Client
from idp import metrics
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.partitioning.tables import SEQUENCE_BITS, first_id
from tokens import issue, revoke, watermark
from tokens.models import Watermark
from tokens.rows import Rows, known

ADVISORY_LOCK = 0x1D9_0004
ACTOR = "caps job"
# Sequence numbers in one step, so in one short transaction.
STEP = 10_000

_SEQUENCE_MASK = (1 << SEQUENCE_BITS) - 1


@dataclass(frozen=True, slots=True)
class UseCase:
    """Same client, user and stored scope; without a user, tokens of the client itself."""

    client_id: int
    user_id: int | None
    scope: str


@dataclass(frozen=True, slots=True)
class Excess:
    """Living tokens beyond the caps, by id, with their use-cases; and the clients by key."""

    tokens: dict[int, UseCase]
    clients: dict[int, Client]


@dataclass(frozen=True, slots=True)
class Ended:
    """How many tokens were ended; `busy` where somebody else held some of the rest."""

    count: int
    busy: bool


@dataclass(frozen=True, slots=True)
class Cap:
    """One kind of token that is capped.

    In SQL: `is_one_more` tells a token that adds to its use-case from one that took another's
    place, `is_live` what must hold of a living one beside the expiry.
    """

    kind: str
    rows: Rows[Any]
    is_one_more: str
    is_live: str
    limit: Callable[[ClientFlags], int]
    end: Callable[[Excess, datetime], Ended]


def enforce(now: datetime | None = None) -> dict[str, int]:
    """Looks at every use-case that got a token since the last time; answers how many were ended.

    One process of the cluster at a time; another one that comes meanwhile leaves it the work.
    """
    now = now or timezone.now()
    return {cap.kind: _enforce(cap, now) for cap in CAPS}


def skip_to_head() -> None:
    """Takes all tokens that exist for looked at, as after loading them in bulk."""
    for cap in CAPS:
        watermark.put_at(cap.kind, watermark.head())


def _enforce(cap: Cap, now: datetime) -> int:
    ended, looked_to = 0, 0
    while True:
        with _exclusively(cap, now) as mark:
            if mark is None:
                return ended
            head = watermark.head()
            start = max(mark.position, looked_to)
            looked_to = min(start + STEP, head.number)
            found = _look(cap, start, looked_to, now)
            ended += found.count
            watermark.advance(
                mark, looked_to=start if found.busy else looked_to, head=head, now=now
            )
            metrics.CAPS_UNCHECKED_TOKENS.labels(kind=cap.kind).set(head.number - looked_to)
        if found.busy or looked_to == head.number:
            return ended


@contextmanager
def _exclusively(cap: Cap, now: datetime) -> Iterator[Watermark | None]:
    """One step: one transaction, in one process at a time; None where another is at it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        if not cursor.fetchone()[0]:
            yield None
            return
        yield watermark.of(cap.kind, now)


def _look(cap: Cap, start: int, end: int, now: datetime) -> Ended:
    """Ends what is too much in the use-cases of the tokens numbered `start < n <= end`."""
    use_cases = _use_cases(cap, start, end, now)
    clients = Client.objects.in_bulk({use_case.client_id for use_case in use_cases})
    limits = {
        use_case: limit
        for use_case in use_cases
        if (client := clients.get(use_case.client_id))
        and (limit := cap.limit(client.effective_flags))
    }
    of_users = {use_case: n for use_case, n in limits.items() if use_case.user_id is not None}
    of_clients = {use_case: n for use_case, n in limits.items() if use_case.user_id is None}
    tokens = _beyond(cap, of_users, now) | _beyond(cap, of_clients, now)
    return cap.end(Excess(tokens, clients), now) if tokens else Ended(0, busy=False)


def _use_cases(cap: Cap, start: int, end: int, now: datetime) -> set[UseCase]:
    """Those of the tokens numbered `start < n <= end` that are not dead by their id."""
    table = cap.rows.table
    if start == end:
        return set()
    arms = [
        f"SELECT client_id, user_id, scope FROM {known.relation(table, bucket)} "  # noqa: S608
        f"WHERE id > {first_id(bucket) + start} AND id <= {first_id(bucket) + end} "
        f"AND {cap.is_one_more}"
        for bucket in range(table.bucket_of(now), table.bucket_of(now + table.ahead) + 1)
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ".join(arms))
        return {UseCase(*row) for row in cursor.fetchall()}


def _beyond(cap: Cap, limits: dict[UseCase, int], now: datetime) -> dict[int, UseCase]:
    """The living tokens beyond each limit, the newest being kept, by id.

    Either all use-cases have a user or none has: the index is searched by `=` or by IS NULL.
    """
    if not limits:
        return {}
    table = cap.rows.table
    of_users = next(iter(limits)).user_id is not None
    same_user = "t.user_id = c.user_id" if of_users else "t.user_id IS NULL"
    columns = list(
        zip(*((u.client_id, u.user_id, u.scope, limit) for u, limit in limits.items()), strict=True)
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT max(id) FROM {table.name}")  # noqa: S608 - our own name
        last: int = cursor.fetchone()[0] or 0
        cursor.execute(
            f"""
            SELECT excess.id, c.client_id, c.user_id, c.scope
            FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::int[])
                AS c (client_id, user_id, scope, keep)
            CROSS JOIN LATERAL (
                SELECT t.id FROM {table.name} t
                WHERE {same_user} AND t.client_id = c.client_id AND t.scope = c.scope
                  AND t.id >= %s AND t.id <= %s AND t.expires_at > %s AND {cap.is_live}
                ORDER BY t.id & {_SEQUENCE_MASK} DESC OFFSET c.keep
            ) AS excess
            """,  # noqa: S608 - our own names
            [*map(list, columns), first_id(table.bucket_of(now)), last, now],
        )
        return {token: UseCase(*use_case) for token, *use_case in cursor.fetchall()}


def _end_access_tokens(excess: Excess, now: datetime) -> Ended:
    """One audit event for each use-case: a client may have thousands of tokens too many."""
    deleted = issue.access_tokens.delete_free(excess.tokens)
    revoke.tell_of_ended(deleted)
    for use_case, count in Counter(excess.tokens[token] for token in deleted).items():
        client_id = excess.clients[use_case.client_id].client_id
        tag = Tag.TOKENS_ACCESS_TOKEN_EVICTED
        record(tag, client_id=client_id, user_id=use_case.user_id, actor=ACTOR, at=now, rows=count)
        metrics.count(metrics.EVICTIONS, count, client=client_id, kind="access_token")
    return Ended(len(deleted), busy=len(deleted) < len(excess.tokens))


def _end_families(excess: Excess, now: datetime) -> Ended:
    """With a refresh token its whole login ends, as by a revocation.

    One that was used meanwhile is not the oldest any more and lives on. Nobody is waited for: who
    holds a family may be waiting for an access token that this step has ended.
    """
    count, busy = 0, False
    for token_id, use_case in excess.tokens.items():
        row = issue.refresh_tokens.by_id(token_id, now)
        if row is None:
            continue
        if not issue.try_lock_family(row.family):
            busy = True
            continue
        row = issue.refresh_tokens.by_id(token_id, now)
        if row is None or row.rotated_at is not None:
            continue
        client = excess.clients[use_case.client_id]
        revoke.family(row, client, Tag.TOKENS_FAMILY_EVICTED, now)
        metrics.count(metrics.EVICTIONS, client=client.client_id, kind="family")
        count += 1
    return Ended(count, busy)


CAPS = (
    Cap(
        kind="access_token",
        rows=issue.access_tokens,
        is_one_more="true",
        is_live="true",
        limit=lambda flags: flags.max_access_tokens,
        end=_end_access_tokens,
    ),
    Cap(
        kind="family",
        rows=issue.refresh_tokens,
        is_one_more="login_at = issued_at",
        is_live="t.rotated_at IS NULL",
        limit=lambda flags: flags.max_refresh_tokens,
        end=_end_families,
    ),
)
