"""The 64-bit ids of token rows: the bucket of the expiry in front, the order of issue behind.

    id = bucket (22 bits) << 41 | sequence (41 bits)

A bucket is a span of expiry times, as wide as its table says, counted from 1970. So an id alone
tells when its row is certainly dead, and which partition holds it (decision 0002).
"""

from dataclasses import dataclass
from datetime import UTC, datetime

SEQUENCE_BITS = 41
SEQUENCE_NAME = "tokens_sequence"

DAY, WEEK = 86_400, 7 * 86_400


@dataclass(frozen=True, slots=True)
class TokenTable:
    """A table partitioned by id; `bucket_seconds` is the width of one partition."""

    name: str
    bucket_seconds: int

    def bucket_of(self, expires_at: datetime) -> int:
        """The bucket in which a row that expires then lies. An expiry on the edge is the next."""
        return int(expires_at.timestamp()) // self.bucket_seconds

    def ends_at(self, bucket: int) -> datetime:
        """The moment after which no row of the bucket is alive."""
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


ACCESS_TOKENS = TokenTable("tokens_accesstoken", DAY)
REFRESH_TOKENS = TokenTable("tokens_refreshtoken", WEEK)
AUTHORIZATION_CODES = TokenTable("tokens_authorizationcode", DAY)
TOKEN_TABLES = (ACCESS_TOKENS, REFRESH_TOKENS, AUTHORIZATION_CODES)
