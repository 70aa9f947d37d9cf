"""The 64-bit ids of partitioned tables: the bucket of a time in front, a sequence behind.

    id = bucket (22 bits) << 41 | sequence (41 bits)

A bucket is a span of time, as wide as its table says, counted from 1970. So an id alone tells which
partition holds its row, and when the row is certainly dead.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SEQUENCE_BITS = 41

DAY, WEEK = 86_400, 7 * 86_400


@dataclass(frozen=True, slots=True)
class PartitionedTable:
    """A table whose ids begin with a bucket of `bucket_seconds`.

    Partitions are made `ahead` of time and dropped when their bucket has been over for `keep`.
    An `append_only` table has triggers that refuse to change or delete a row (`idp_append_only`).
    """

    name: str
    bucket_seconds: int
    ahead: timedelta
    keep: timedelta = timedelta(0)
    append_only: bool = False

    def bucket_of(self, moment: datetime) -> int:
        """The bucket of a moment; one on the edge is the next."""
        return int(moment.timestamp()) // self.bucket_seconds

    def ends_at(self, bucket: int) -> datetime:
        """The moment with which the bucket is over."""
        return datetime.fromtimestamp((bucket + 1) * self.bucket_seconds, UTC)

    def partition(self, bucket: int) -> str:
        """The name of a bucket's partition: the table's, and the hour in which it begins."""
        begins_at = datetime.fromtimestamp(bucket * self.bucket_seconds, UTC)
        return f"{self.name}_{begins_at:%Y%m%d%H}"


def bucket_of_id(row_id: int) -> int:
    return row_id >> SEQUENCE_BITS


def first_id(bucket: int) -> int:
    """The smallest id that a row of the bucket can have."""
    return bucket << SEQUENCE_BITS
