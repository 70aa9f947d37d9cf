"""Our side's data for requests, and the lists. Runs in a process of our side."""

from collections.abc import Iterator, Sequence

from tests.bench import filling, operations
from tests.bench.requests import lists
from tests.bench.requests.lists import basic

SECRET = "cs_only-for-benches-" + "b" * 43
GATEWAY = "bench-gateway"
READ = 50_000  # tokens that are only looked at


def fill(access_tokens: int, refresh_tokens: int) -> None:
    """An empty database gets a population, as `make bench-data` has it."""
    filling.fill(access_tokens, refresh_tokens)


def arrange() -> None:
    """Lets the clients of a population ask: a secret each, and half of them without `openid`.

    A database that stays can be arranged again.
    """
    from clients_admin.models import Client, ClientSecret, GrantType, Scope
    from clients_admin.secrets import digest

    introspection, _ = Scope.objects.get_or_create(name="introspection")
    gateway, _ = Client.objects.get_or_create(
        client_id=GATEWAY,
        defaults={"client_type": "confidential", "grant_types": [GrantType.TOKEN_EXCHANGE]},
    )
    gateway.scopes.add(introspection)
    key_id, value = digest(SECRET)
    ClientSecret.objects.bulk_create(
        ClientSecret(client=client, key_id=key_id, digest=value)
        for client in Client.objects.filter(secrets=None)
    )
    without_openid = [client.pk for client in _clients() if not _has_openid(client.pk)]
    Client.scopes.through.objects.filter(
        client__in=without_openid, scope__name="openid"
    ).delete()  # fmt: skip


def write_lists(folder: str, refreshes: int) -> None:
    """All lists; as many refresh tokens are drawn, of both kinds together."""
    sample = operations.sample(max(READ, refreshes))
    access, refresh = sample["access"][:READ], sample["refresh"][:refreshes]
    of_client = {client.pk: basic(client.client_id, SECRET) for client in _clients()}
    gateway = basic(GATEWAY, SECRET)
    asked = [(gateway, _access_token(row)) for row in access]
    shown = [(f"Bearer {_access_token(row)}", "") for row in access if _has_openid(row[2])]
    lists.write(folder, "access", asked, with_few=True)
    lists.write(folder, "userinfo", shown, with_few=True)
    lists.write(folder, "clients", [(authorization, "") for authorization in of_client.values()])
    for name, wanted in (("refresh", False), ("refresh-openid", True)):
        rows = [row for row in refresh if _has_openid(row[2]) is wanted]
        lists.write(folder, name, _refreshing(rows, of_client))


def _refreshing(rows: Sequence[list[int]], of_client: dict[int, str]) -> Iterator[tuple[str, str]]:
    from tokens import issue
    from tokens.models import RefreshToken

    for row_id, nonce, client in rows:
        yield of_client[client], issue.say(RefreshToken(id=row_id, nonce=nonce))


def _access_token(row: Sequence[int]) -> str:
    from tokens import issue
    from tokens.models import AccessToken

    return issue.say(AccessToken(id=row[0], nonce=row[1]))


def _clients() -> list:
    """Those that the population's tokens belong to."""
    from clients_admin.models import Client

    return list(Client.objects.filter(client_id__startswith="client-"))


def _has_openid(client: int) -> bool:
    return client % 2 == 0
