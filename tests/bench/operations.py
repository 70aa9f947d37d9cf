"""What requests do to the token tables, as their endpoints do it. Runs in a process of our side.

The parts of an endpoint that never touch a token table (parsing, client secret, signing) are left
out: they cost the same beside any number of tokens.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle
from types import SimpleNamespace
from typing import Any

from django.db import transaction

from tests.bench.measure import cpu, rows_of
from tests.bench.plans import ran_by
from tests.bench.population import ACCESS_COPY, EVERYTHING, REFRESH_COPY

WARM_UP, EXPLAINED, MEASURED = 20, 20, 200
TAKEN = WARM_UP + EXPLAINED + MEASURED  # by one round, of each kind of token

type Call = Callable[[], object]
type Sample = dict[str, list[list[Any]]]


def sample(wanted: int) -> Sample:
    """Random living tokens; found without warming the pages that they are on."""
    return {
        "access": _sample(
            ACCESS_COPY.table, "id, nonce, client_id, user_id, scope", "user_id IS NOT NULL", wanted
        ),
        "refresh": _sample(
            REFRESH_COPY.table, "id, nonce, client_id", "rotated_at IS NULL", wanted
        ),
    }


def measure(access: list[list[Any]], refresh: list[list[Any]]) -> dict[str, dict[str, float]]:
    """One round: of each operation the CPU microseconds and buffers, a call."""
    return {
        name: _measure(list(prepare(Tokens(access, refresh))))
        for name, prepare in OPERATIONS.items()
    }


class Tokens:
    """The sampled tokens, with the clients that they belong to in hand as a request has them."""

    def __init__(self, access: list[list[Any]], refresh: list[list[Any]]) -> None:
        from clients_admin.models import Client

        self.access, self.refresh = access, refresh
        self.clients = Client.objects.in_bulk()
        self.now = datetime.now(UTC)


def _client_credentials(tokens: Tokens) -> Iterator[Call]:
    from tokens import issue

    clients = cycle(tokens.clients.values())
    for _ in range(TAKEN):
        yield partial(_atomically, issue.client_token, next(clients), EVERYTHING, tokens.now)


def _code_exchange(tokens: Tokens) -> Iterator[Call]:
    for login in logins(tokens):
        yield partial(_atomically, _exchange, login, tokens.now)


def logins(tokens: Tokens) -> Iterator[Any]:
    """New logins in the use-cases of the sampled access tokens."""
    from idp.accounts.models import User
    from tokens import issue
    from tokens.format import new_nonce

    users = User.objects.in_bulk({user for *_, user, _ in tokens.access})
    for _, _, client, user, scope in tokens.access:
        yield issue.Login(
            client=tokens.clients[client],
            user=users[user],
            scope=scope,
            family=new_nonce(),
            auth_time=tokens.now,
        )


def _exchange(login: Any, now: datetime) -> object:
    from tokens import issue

    issue.lock_family(login.family)
    return issue.first_pair(login, now)


def _reuse_of_client(tokens: Tokens) -> Iterator[Call]:
    """The whole issue: it finds a token and writes nothing."""
    from tokens import issue

    clients = cycle(map(_reusing, tokens.clients.values()))
    for _ in range(TAKEN):
        yield partial(_atomically, issue.client_token, next(clients), EVERYTHING, tokens.now)


def _reuse_of_user(tokens: Tokens) -> Iterator[Call]:
    """The lookup alone, because a login writes a refresh token all the same."""
    from tokens import issue, policy, reuse

    for _, _, client, user, scope in tokens.access:
        flags = _reusing(tokens.clients[client]).effective_flags
        ends = tokens.now + timedelta(seconds=flags.access_token_seconds)
        wanted = policy.reusable(flags, tokens.now, expires_at=ends)
        columns = {"client_id": client, "user_id": user, "scope": scope}
        yield partial(_atomically, reuse.find, issue.access_tokens, columns, wanted)


def _reusing(client: Any) -> Any:
    client.flags = {**client.flags, "access_token_reuse": "always"}
    return client


def _refresh(tokens: Tokens) -> Iterator[Call]:
    from tokens import issue
    from tokens.models import RefreshToken

    for row_id, nonce, client in tokens.refresh:
        token = issue.say(RefreshToken(id=row_id, nonce=nonce))
        yield partial(_atomically, _rotate, token, tokens.clients[client], tokens.now)


def _rotate(token: str, client: Any, now: datetime) -> object:
    from tokens import issue
    from tokens.validator import Validator

    request = SimpleNamespace(scope=None, pair=None)
    Validator().validate_refresh_token(token, client, request)
    # The validator has rotated the token already where that is simple.
    return request.pair or issue.next_pair(
        client, request.refresh_row, request.refresh_row.scope, now
    )


def _introspect(tokens: Tokens) -> Iterator[Call]:
    from tokens import issue
    from tokens.format import Prefix
    from tokens.introspection.check import living
    from tokens.models import AccessToken

    for row_id, nonce, *_ in tokens.access:
        token = issue.say(AccessToken(id=row_id, nonce=nonce))
        yield lambda token=token: living(issue.hear(Prefix.ACCESS_TOKEN, token), tokens.now)


OPERATIONS: dict[str, Callable[[Tokens], Iterable[Call]]] = {
    "issue, client credentials": _client_credentials,
    "issue, code exchange": _code_exchange,
    "re-use, client credentials": _reuse_of_client,
    "re-use lookup, a user's token": _reuse_of_user,
    "refresh": _refresh,
    "introspect": _introspect,
}


def _measure(calls: Sequence[Call]) -> dict[str, float]:
    for call in calls[:WARM_UP]:
        _run(call)
    ran = [
        statement
        for call in calls[WARM_UP : WARM_UP + EXPLAINED]
        for statement in ran_by(partial(_run, call))
    ]
    measured = calls[WARM_UP + EXPLAINED :]
    with cpu() as found:
        for call in measured:
            _run(call)
    return {
        "microseconds": (found["client"] + found["server"]) / len(measured),
        "server_microseconds": found["server"] / len(measured),
        "buffers": sum(statement.buffers for statement in ran) / EXPLAINED,
        "missed": sum(statement.missed for statement in ran) / EXPLAINED,
    }


def _run(call: Call) -> None:
    if call() is None:
        raise LookupError("Nothing was found; its cost would be no token's.")


def _atomically(function: Callable[..., object], *arguments: Any) -> object:
    with transaction.atomic():
        return function(*arguments)


def _sample(table: str, columns: str, condition: str, wanted: int) -> list[list[Any]]:
    ((about,),) = rows_of(f"SELECT greatest(count(*), 1) FROM {table}")
    percent = min(100.0, 200.0 * wanted / about)
    found = rows_of(
        f"SELECT {columns} FROM {table} TABLESAMPLE BERNOULLI (%s) WHERE {condition} "
        "ORDER BY random() LIMIT %s",
        *(percent, wanted),
    )
    return [list(row) for row in found]
