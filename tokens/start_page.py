"""What the operators' start page shows of tokens and signing keys."""

from collections.abc import Callable

from django.db import connection
from django.urls import reverse

from clients_admin.admin.dashboard import Bars, Card, Figure, Line, Moment, listed
from idp.partitioning.tables import PartitionedTable
from tokens.identifiers import ACCESS_TOKENS, REFRESH_TOKENS
from tokens.keys import gauges
from tokens.keys.models import SigningKey


def tokens(moment: Moment) -> Card:
    return Card(
        "Tokens",
        figures=[
            Figure("access tokens kept", f"about {_rows(ACCESS_TOKENS):,}"),
            Figure("refresh tokens kept", f"about {_rows(REFRESH_TOKENS):,}"),
            Figure("new in 24 hours", f"{moment.day('tokens:new'):,}"),
            Figure("refreshes", f"{moment.day('refreshes:'):,}"),
            Figure(
                "replayed",
                f"{(replayed := moment.day('refreshes:replayed')):,}",
                reverse("admin:idp_auditevent_changelist"),
                is_bad=bool(replayed),
            ),
        ],
        bars=Bars(moment.hours("tokens:new"), "New access tokens"),
        note="Kept are the rows that PostgreSQL estimates, some of them expired today.",
    )


def signing_keys(_moment: Moment) -> Card:
    page = reverse("admin:tokens_signingkey_changelist")
    keys = list(SigningKey.objects.all())
    rotates_at = gauges.rotations(keys)
    lines = [
        Line(key.algorithm, f"{key.kid} cannot be opened: its secret is missing", page, is_bad=True)
        for key in keys
        if key.state != SigningKey.State.RETIRED and key.is_locked
    ]
    lines += [
        Line(algorithm, f"is replaced on {at:%Y-%m-%d}", page)
        for algorithm, at in sorted(rotates_at.items())
    ]
    return listed("Signing keys", lines, "There is none.")


def _rows(table: PartitionedTable) -> int:
    """What PostgreSQL believes to be in all partitions: no row is read."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(n_live_tup), 0) FROM pg_stat_user_tables
            WHERE relid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = %s::regclass)
            """,
            [table.name],
        )
        return int(cursor.fetchone()[0])


CARDS: list[tuple[str, Callable[[Moment], Card]]] = [
    ("clients_admin.view_client", tokens),
    ("tokens.view_signingkey", signing_keys),
]
