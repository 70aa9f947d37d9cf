"""Assertions (JWTs that others signed) that were presented: each counts once.

RFC 7523 section 3: "The authorization server MAY ensure that JWTs are not replayed by maintaining
the set of used jti values".
"""

import hashlib
from datetime import datetime, timedelta

from django.db import connection, models

# How far the clocks of others may be off. A spent assertion is remembered for this much longer than
# it is accepted, so that there is no moment at which it counts again.
LEEWAY = timedelta(seconds=30)


class SpentAssertion(models.Model):
    """One that has been used; the key is a hash of its issuer and its `jti`."""

    digest = models.BinaryField(primary_key=True, max_length=32)
    forget_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"assertion {bytes(self.digest).hex()[:8]}"


def spend(issuer: str, jti: str, expires_at: datetime) -> bool:
    """Whether this is the first time; one atomic insert, which goes with the transaction."""
    digest = hashlib.sha256(f"{len(issuer)}:{issuer}{jti}".encode()).digest()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO idp_spentassertion (digest, forget_at) VALUES (%s, %s) "
            "ON CONFLICT DO NOTHING",
            [digest, expires_at + 2 * LEEWAY],
        )
        return bool(cursor.rowcount)
