"""What beat does to the token tables: partitions ahead, dead partitions away."""

from datetime import datetime

from idp.partitioning import partitions
from tokens import rows
from tokens.identifiers import TOKEN_TABLES


def make_partitions(now: datetime | None = None) -> int:
    """Makes the partitions that tokens of the coming time will need; answers how many."""
    made = sum(partitions.make_ahead(table, now) for table in TOKEN_TABLES)
    rows.known.refresh()
    return made


def drop_expired(now: datetime | None = None) -> int:
    """Drops all partitions whose tokens have expired; answers how many.

    Dead rows of the default partitions go too, in short batches.
    """
    dropped = sum(partitions.drop_expired(table, now) for table in TOKEN_TABLES)
    for table in TOKEN_TABLES:
        partitions.empty_default(table, now)
    return dropped
