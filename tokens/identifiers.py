"""The token tables. The bucket of a token's id is that of its expiry (decision 0002).

All of them share one sequence, so that the low bits of an id are the order of issue.
"""

from datetime import timedelta

from idp.partitioning.tables import DAY, WEEK, PartitionedTable

SEQUENCE_NAME = "tokens_sequence"
# In SQL. The transaction has its own number first, so that `tokens.watermark` sees it run from
# before the draw to its end.
NEXT_NUMBER = f"CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('{SEQUENCE_NAME}') END"

# Ahead: at least the longest life that a client flag allows.
ACCESS_TOKENS = PartitionedTable("tokens_accesstoken", DAY, ahead=timedelta(days=31))
REFRESH_TOKENS = PartitionedTable("tokens_refreshtoken", WEEK, ahead=timedelta(days=401))
AUTHORIZATION_CODES = PartitionedTable("tokens_authorizationcode", DAY, ahead=timedelta(days=2))
TOKEN_TABLES = (ACCESS_TOKENS, REFRESH_TOKENS, AUTHORIZATION_CODES)


def mark_of_token(row_id: int) -> str:
    """What the end of an access token is told as (`idp.database.changes`)."""
    return f"token:{row_id}"
