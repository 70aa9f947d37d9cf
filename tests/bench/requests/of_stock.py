"""The stock side's data for requests, and the lists. Runs in a process of the stock side.

Half of the tokens have `openid`. The clients have the one grant that lets the toolkit give them
tokens of their own and refresh those of users, and a secret that is hashed as fast as ours.
"""

from datetime import UTC, datetime, timedelta

from tests.bench import stock
from tests.bench.loading import CLIENTS, USERS, multiply
from tests.bench.measure import execute, rows_of, vacuum
from tests.bench.requests import lists
from tests.bench.requests.lists import basic
from tests.bench.requests.of_ours import READ

SECRET = "b" * 43
REFRESH_TABLE = "oauth2_provider_refreshtoken"
OPENID = "openid profile email orders.read"
PLAIN = "profile email orders.read orders.write"


def fill(access_tokens: int, refresh_tokens: int) -> None:
    """An empty database gets users, clients, and as many tokens."""
    stock.prepare()
    _give_clients_a_secret()
    _load_access_tokens(access_tokens)
    _load_refresh_tokens(refresh_tokens)
    execute("CHECKPOINT")


def write_lists(folder: str, refreshes: int) -> None:
    """All lists; as many refresh tokens are drawn, of both kinds together."""
    of_client = {number: basic(f"client{number}", SECRET) for number in range(1, CLIENTS + 1)}
    asker = of_client[1]
    # A refresh deletes the access token that came with the refresh token.
    staying = f"NOT EXISTS (SELECT FROM {REFRESH_TABLE} WHERE access_token_id = token.id)"
    access = _sample(stock.TABLE, "token.scope", READ, staying)
    asked = [(asker, token) for token, _, _ in access]
    shown = [(f"Bearer {token}", "") for token, _, scope in access if scope == OPENID]
    lists.write(folder, "access", asked)
    lists.write(folder, "userinfo", shown)
    lists.write(folder, "clients", [(authorization, "") for authorization in of_client.values()])
    scope = f"(SELECT scope FROM {stock.TABLE} WHERE id = token.access_token_id)"
    refresh = _sample(REFRESH_TABLE, scope, refreshes)
    for name, wanted in (("refresh", PLAIN), ("refresh-openid", OPENID)):
        tokens = [(token, client) for token, client, scope in refresh if scope == wanted]
        lists.write(folder, name, [(of_client[client], token) for token, client in tokens])


def _give_clients_a_secret() -> None:
    from oauth2_provider.models import get_application_model

    for application in get_application_model().objects.all():
        application.client_secret = SECRET
        application.algorithm = "RS256"
        application.save()


def _load_access_tokens(count: int) -> None:
    now = datetime.now(UTC)
    columns = {
        "id": f"nextval(pg_get_serial_sequence('{stock.TABLE}', 'id'))",
        "application_id": f"random(1, {CLIENTS})",
        "user_id": f"random(1, {USERS})",
        "expires": "expiry",
        "token": stock.TOKEN,
        "token_checksum": f"encode(sha256(({stock.TOKEN})::bytea), 'hex')",
        "scope": f"CASE WHEN mod(number, 2) = 0 THEN '{OPENID}' ELSE '{PLAIN}' END",
    }
    template = stock.template(PLAIN, of_users=True)
    multiply(template, count, (now + timedelta(hours=12), now + timedelta(hours=24)), columns)


def _load_refresh_tokens(count: int) -> None:
    """Each with an access token of its own, as a login leaves them."""
    token = "left(md5('refresh' || id), 30)"
    execute(
        f"""
        INSERT INTO {REFRESH_TABLE} (user_id, token, token_checksum, application_id,
                                     access_token_id, token_family, resource, created, updated)
        SELECT user_id, {token}, encode(sha256(({token})::bytea), 'hex'), application_id,
               id, gen_random_uuid(), resource, created, updated
        FROM (SELECT * FROM {stock.TABLE} ORDER BY id LIMIT %s) AS token
        """,
        count,
    )
    vacuum(REFRESH_TABLE)


def _sample(
    table: str, scope: str, wanted: int, condition: str = "true"
) -> list[tuple[str, int, str]]:
    """Token, client and scope of random rows; `scope` is SQL in which the row is `token`."""
    return rows_of(
        f"SELECT token.token, token.application_id, {scope} FROM {table} AS token "
        f"WHERE {condition} ORDER BY random() LIMIT %s",
        wanted,
    )
