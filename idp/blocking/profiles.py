"""Which limits count for an address."""

from datetime import timedelta

from django.conf import settings
from django.db import connection

from idp.blocking.limits import Limits
from idp.blocking.models import DEFAULT, NetworkProfile

# Where the table has no row of that name.
BUILT_IN = NetworkProfile(name=DEFAULT)
NO_LIMIT = 1 << 31


def of_address(address: str) -> Limits:
    """Those of the smallest network that a profile names; one query of a small table."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT profile.id FROM idp_networkprofile AS profile
            LEFT JOIN LATERAL unnest(profile.networks) AS network
                ON network::cidr >>= %s::inet
            WHERE network IS NOT NULL OR profile.name = %s
            ORDER BY masklen(network::cidr) DESC NULLS LAST LIMIT 1
            """,
            [address, DEFAULT],
        )
        found = cursor.fetchone()
    return (NetworkProfile.objects.get(pk=found[0]) if found else BUILT_IN).limits


def of_user() -> Limits:
    """The same wherever they are: the last of IDP_USER_FAILURES blocks."""
    return Limits(
        profile="user",
        window=timedelta(minutes=15),
        max_names=NO_LIMIT,
        max_repeats=settings.USER_FAILURES - 1,
        max_client_failures=NO_LIMIT,
        block=timedelta(minutes=15),
        longest=timedelta(days=1),
    )
