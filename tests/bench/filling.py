"""An empty database of ours gets clients and users, and the tokens of a population by COPY.

Runs in a process of our side. `tests/bench/data.py` keeps what was filled.
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime

import psycopg
from django.core.management import call_command
from django.db import connection

from tests.bench import ours
from tests.bench.copying import copy
from tests.bench.measure import execute, rows_of, vacuum
from tests.bench.population import ACCESS_COPY, ACCESS_LIFE, FROZEN, REFRESH_COPY, Population
from tokens.identifiers import SEQUENCE_NAME

CLIENTS = 50
USER_TABLE = "idp_user"

# What differs from user to user, as SQL in which `number` counts them.
_USER_COLUMNS = {
    "id": "number",
    "sub": "left(translate(encode(sha256(number::text::bytea), 'base64'), '+/', '-_'), 22)",
    "external_id": "gen_random_uuid()::text",
    "username": "'user' || number",
}


def fill(
    access_tokens: int, refresh_tokens: int, client_count: int = CLIENTS, scope_count: int = 0
) -> dict[str, str]:
    """Makes the schema and loads it; answers until when all of the tokens live.

    Clients have `scope_count` scopes, or those few that the tokens of users need.

    Access tokens have a core of their own, and arrive in the order of their ids, so that the
    indexes get the shape that they have in production.
    """
    from tokens import caps

    ours.prepare()
    people = population(access_tokens, refresh_tokens, clients(client_count, scope_count))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as other:
        access = other.submit(_copy_access_tokens, os.environ["IDP_DATABASE_URL"], people)
        add_users(people)
        with connection.cursor() as cursor:
            copy(cursor, REFRESH_COPY, people.refresh_rows())
        access.result()
    move_sequences(people)
    for table in (ACCESS_COPY.table, REFRESH_COPY.table, USER_TABLE):
        vacuum(table)
    caps.skip_to_head()
    execute("CHECKPOINT")
    return {"living_until": people.access_expires[0].isoformat()}


def upgrade() -> None:
    """Brings what was filled earlier to the schema of today."""
    call_command("migrate", verbosity=0)


def population(access_tokens: int, refresh_tokens: int, clients: tuple[int, ...]) -> Population:
    """Whose users and tokens follow those that are there."""
    return Population(
        access_tokens,
        refresh_tokens,
        datetime.now(UTC),
        clients,
        first_user=_next(f"pg_get_serial_sequence('{USER_TABLE}', 'id')"),
        first_sequence=_next(f"'{SEQUENCE_NAME}'"),
    )


def clients(count: int = CLIENTS, scopes: int = 0) -> tuple[int, ...]:
    """Clients with the grants, scopes and lifetime of their tokens; answers their keys."""
    from clients_admin.models import Client, GrantType, Scope

    names = sorted({name for frozen in FROZEN for name in frozen.split()})
    names += [f"service-{number:03}.read" for number in range(len(names), scopes)]
    rights = [Scope.objects.get_or_create(name=name)[0] for name in names]
    grants = [
        GrantType.AUTHORIZATION_CODE,
        GrantType.CLIENT_CREDENTIALS,
        GrantType.REFRESH_TOKEN,
    ]
    made = Client.objects.bulk_create(
        Client(
            client_id=f"client-{number}",
            client_type="confidential",
            grant_types=grants,
            flags={"access_token_seconds": int(ACCESS_LIFE.total_seconds())},
        )
        for number in range(1, count + 1)
    )
    Client.scopes.through.objects.bulk_create(
        Client.scopes.through(client=client, scope=right) for client in made for right in rights
    )
    return tuple(client.pk for client in made)


def add_users(people: Population) -> None:
    """The population's users, all like one that the product wrote."""
    from idp.accounts.models import LoginService, User

    template = User.objects.create(
        id=people.first_user - 1,
        login_service=LoginService.objects.get_or_create(name="bench")[0],
        external_id="template",
        claims={"email": "jane.doe@example.org", "name": "Jane Doe", "given_name": "Jane"},
    )
    names = [field.column for field in User._meta.concrete_fields]
    expressions = ", ".join(_USER_COLUMNS.get(name, f"template.{name}") for name in names)
    execute(
        f"INSERT INTO {USER_TABLE} ({', '.join(names)}) SELECT {expressions} "
        f"FROM generate_series(%s::bigint, %s) AS number, {USER_TABLE} AS template "
        "WHERE template.id = %s",
        *(people.first_user, people.first_user + people.users - 1, template.pk),
    )
    template.delete()


def move_sequences(people: Population) -> None:
    """The next ids are those after the population's."""
    last_user = people.first_user + people.users - 1
    execute(f"SELECT setval(pg_get_serial_sequence('{USER_TABLE}', 'id'), {last_user})")
    execute(f"SELECT setval('{SEQUENCE_NAME}', {people.last_sequence})")


def _copy_access_tokens(database_url: str, people: Population) -> None:
    with psycopg.connect(database_url) as own, own.cursor() as cursor:
        copy(cursor, ACCESS_COPY, people.access_rows())


def _next(sequence: str) -> int:
    return int(rows_of(f"SELECT nextval({sequence}) + 1")[0][0])
