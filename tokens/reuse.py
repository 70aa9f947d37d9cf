"""Finds an access token that may be said again, within its use-case: same client, user and scope.

What it must be like is decided in `policy`; that it can be said again at all is the token format's
gift (decision 0001).
"""

from collections.abc import Mapping
from typing import Any

from idp.database import statements
from tokens.models import AccessToken
from tokens.policy import Reusable
from tokens.rows import Rows

ADVISORY_LOCK = 0x1D9_0003


def find(
    access_tokens: Rows[AccessToken], columns: Mapping[str, Any], reusable: Reusable
) -> AccessToken | None:
    """The newest token of the use-case that is reusable; `columns` are those of a new one.

    What else a token says of its login (`extra`) must be the same, too.
    """
    return access_tokens.newest(
        columns["user_id"],
        columns["client_id"],
        expires=(reusable.expires_from, reusable.expires_until),
        issued_after=reusable.issued_after,
        scope=columns["scope"],
        extra=columns.get("extra"),
    )


def lock_use_case(columns: Mapping[str, Any]) -> None:
    """Holds a use-case for the rest of the transaction.

    Families are locked before, never after. Two use-cases of the same hash wait for each other,
    which costs a moment and nothing else.
    """
    key = f"{columns['client_id']} {columns['user_id']} {columns['scope']}"
    cursor = statements.transaction_cursor()
    cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [ADVISORY_LOCK, key])
