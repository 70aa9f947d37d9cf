"""This product's access tokens, made for measuring. Runs in a process of our side."""

from datetime import UTC, datetime
from typing import Any

from django.core.management import call_command

from idp.partitioning import partitions
from idp.partitioning.tables import SEQUENCE_BITS
from tests.bench.loading import CLIENTS, USERS, multiply
from tests.bench.measure import execute
from tokens.identifiers import ACCESS_TOKENS, SEQUENCE_NAME

TABLE = ACCESS_TOKENS.name


def prepare() -> None:
    """An empty database becomes one that this product can run on."""
    call_command("migrate", verbosity=0)


def load(
    rows: int, expires: tuple[datetime, datetime], *, of_users: bool = True, scope: str = "*"
) -> None:
    """Access tokens of users, or of the clients themselves."""
    execute(f"TRUNCATE {TABLE}")
    columns = {
        "id": f"(floor(extract(epoch FROM expiry) / {ACCESS_TOKENS.bucket_seconds})::bigint "
        f"<< {SEQUENCE_BITS}) | nextval('{SEQUENCE_NAME}')",
        "nonce": "random(-9223372036854775807, 9223372036854775807)",
        "client_id": f"random(1, {CLIENTS})",
        "issued_at": "expiry - (template.expires_at - template.issued_at)",
        "expires_at": "expiry",
    }
    if of_users:
        columns |= {
            "user_id": f"random(1, {USERS})",
            # A family is the id of an authorization code: as large, and nearly always another.
            "family": "template.family + random(0, 1000000000)",
        }
    multiply(_template(scope, of_users=of_users), rows, expires, columns)


def make_partitions(at_least: int) -> int:
    """Makes partitions ahead until there are so many of access tokens; answers how many."""
    now = datetime.now(UTC)
    while (found := len(partitions.existing(ACCESS_TOKENS))) < at_least:
        partitions.make_ahead(ACCESS_TOKENS, now)
        now += ACCESS_TOKENS.ahead
    return found


def _template(scope: str, *, of_users: bool) -> Any:
    """A row as `tokens.issue` writes it."""
    from clients_admin.models import Client
    from idp.accounts.models import LoginService, User
    from tokens import issue

    now = datetime.now(UTC)
    client, _ = Client.objects.get_or_create(client_id="bench", name="Bench")
    if not of_users:
        return issue.client_token(client, scope, now)
    service, _ = LoginService.objects.get_or_create(name="bench")
    user, _ = User.objects.get_or_create(login_service=service, external_id="bench")
    code = issue.authorization_code(
        client,
        user,
        scope,
        now,
        auth_time=now,
        redirect_uri="",
        redirect_uri_was_given=False,
        code_challenge="",
        openid_nonce="",
    )
    login = issue.Login(client=client, user=user, scope=scope, family=code.pk, auth_time=now)
    return issue.first_pair(login, now).access_token
