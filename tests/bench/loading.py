"""Many rows from one: a row that the product or the toolkit wrote is multiplied by PostgreSQL.

So the loaded rows have every column as its writer fills it, whatever columns there are.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from django.db import models

from tests.bench.measure import execute, vacuum

USERS = 100_000
CLIENTS = 50


def multiply(
    template: models.Model,
    rows: int,
    expires: tuple[datetime, datetime],
    columns: Mapping[str, str],
) -> None:
    """Puts `rows` rows like `template` in place of it, expiring at random moments in `expires`.

    `columns` are those that differ from row to row, as SQL expressions, in which `number` counts
    the rows, `expiry` is the row's moment and `template` the template.
    """
    table = template._meta.db_table
    names = [field.column for field in template._meta.concrete_fields]
    expressions = ", ".join(columns.get(name, f"template.{name}") for name in names)
    first, last = expires
    execute(
        f"""
        INSERT INTO {table} ({", ".join(names)})
        SELECT {expressions}
        FROM (SELECT number, %s::timestamptz + random() * %s::interval AS expiry
              FROM generate_series(1, %s) AS number) AS numbered,
             {table} AS template
        WHERE template.id = %s
        """,
        *(first, last - first, rows, template.pk),
    )
    execute(f"DELETE FROM {table} WHERE id = %s", template.pk)
    vacuum(table)


def living() -> tuple[datetime, datetime]:
    """When the tokens that are alive now will end: in the two hours that ours live by default."""
    now = datetime.now(UTC)
    return now + timedelta(minutes=1), now + timedelta(hours=2)


def expired() -> tuple[datetime, datetime]:
    """A whole day (UTC) that is over since a day or more."""
    midnight = datetime.combine(datetime.now(UTC).date(), datetime.min.time(), UTC)
    return midnight - timedelta(days=2), midnight - timedelta(days=1, seconds=1)
