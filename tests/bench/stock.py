"""The stock toolkit's access tokens, made for measuring. Runs in a process of its side."""

from datetime import datetime
from typing import Any

from django.core.management import call_command

from tests.bench.loading import CLIENTS, USERS, multiply
from tests.bench.measure import execute

TABLE = "oauth2_provider_accesstoken"
SCOPE = "openid profile email orders.read"  # The toolkit has no `*`.
TOKEN = "left(md5(number::text), 30)"  # as long as those of oauthlib


def prepare() -> None:
    """An empty database becomes the toolkit's, with users and clients to refer to."""
    call_command("migrate", verbosity=0)
    execute(
        """
        INSERT INTO auth_user (id, password, is_superuser, username, first_name, last_name, email,
                               is_staff, is_active, date_joined)
        SELECT n, '', false, 'user' || n, '', '', '', false, true, now()
        FROM generate_series(1, %s) AS n
        """,
        USERS,
    )
    _application_model().objects.bulk_create(
        _application_model()(
            id=number,
            client_id=f"client{number}",
            client_type="confidential",
            authorization_grant_type="client-credentials",
        )
        for number in range(1, CLIENTS + 1)
    )
    execute("VACUUM (ANALYZE) auth_user")


def load(
    rows: int, expires: tuple[datetime, datetime], *, of_users: bool = True, scope: str = SCOPE
) -> None:
    """Access tokens with random tokens of the toolkit's length: of users, or of clients."""
    execute(f"TRUNCATE {TABLE} CASCADE")
    columns = {
        "id": f"nextval(pg_get_serial_sequence('{TABLE}', 'id'))",
        "application_id": f"random(1, {CLIENTS})",
        "expires": "expiry",
        "token": TOKEN,
        "token_checksum": f"encode(sha256(({TOKEN})::bytea), 'hex')",
    }
    if of_users:
        columns["user_id"] = f"random(1, {USERS})"
    multiply(template(scope, of_users=of_users), rows, expires, columns)


def template(scope: str, *, of_users: bool) -> Any:
    """A row as the toolkit's model writes it, with a token as oauthlib makes it."""
    from django.utils import timezone
    from oauth2_provider.models import get_access_token_model
    from oauthlib.common import generate_token

    return get_access_token_model().objects.create(
        user_id=1 if of_users else None,
        application_id=1,
        token=generate_token(),
        scope=scope,
        expires=timezone.now(),
    )


def _application_model() -> Any:
    from oauth2_provider.models import get_application_model

    return get_application_model()
