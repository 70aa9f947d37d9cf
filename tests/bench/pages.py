"""The operators' pages beside few and beside many rows: what a page takes, and its ratio.

Tokens are those of `make bench-data`; 10,000 clients have a database of their own.
"""

import statistics
import time
from typing import Any

from tests.bench import data
from tests.bench.report import Figure, Result
from tests.bench.sides import Side

FEW_TOKENS, FEW_CLIENTS, MANY_CLIENTS = 100, 10, 10_000
ROUNDS = 15

# Of one token of a user; the places are filled with its client and user.
BESIDE_TOKENS = {
    "tokens of a client": "/admin/clients_admin/client/{client}/tokens/",
    "sessions of a user": "/admin/idp/user/{user}/sessions/",
    "list of users": "/admin/idp/user/",
    "start page": "/admin/",
}
BESIDE_CLIENTS = {
    "list of clients": "/admin/clients_admin/client/",
    "search in it": "/admin/clients_admin/client/?q=client",
    "page of a client": "/admin/clients_admin/client/{client}/change/",
    "explain": "/admin/clients_admin/client/{client}/explain/",
}


def bench(rows: int | None) -> Result:
    many = rows or data.ACCESS_TOKENS
    with data.server() as postgres:
        sides = [
            data.fresh(postgres, FEW_TOKENS, FEW_TOKENS, client_count=FEW_CLIENTS),
            data.ensure(postgres, many),
            data.fresh(postgres, FEW_TOKENS, FEW_TOKENS, client_count=MANY_CLIENTS),
        ]
        few, beside_tokens, beside_clients = (_measured(side) for side in sides)
    figures = [
        *(Figure(f"{name}, {many:,} tokens", "ms", few[name], beside_tokens[name])
          for name in BESIDE_TOKENS),
        *(Figure(f"{name}, {MANY_CLIENTS:,} clients", "ms", few[name], beside_clients[name])
          for name in BESIDE_CLIENTS),
    ]  # fmt: skip
    return Result(
        f"Pages of operators beside {FEW_TOKENS} tokens and {FEW_CLIENTS} clients, and beside many "
        f"(through Django, one process; median of {ROUNDS})",
        figures,
        columns=("few", "many"),
    )


def _measured(side: Side) -> dict[str, float]:
    found: dict[str, float] = side.run(measure)
    return found


def measure() -> dict[str, float]:
    """Milliseconds of each page for a superuser, the first three times left out."""
    from django.test import Client as Browser

    from idp.accounts.models import LoginService, User
    from tokens.models import AccessToken

    service, _ = LoginService.objects.get_or_create(name="operators")
    operator, _ = User.objects.get_or_create(
        login_service=service, external_id="bench", is_staff=True, is_superuser=True
    )
    browser = Browser()
    browser.force_login(operator)
    token = AccessToken.objects.filter(user_id__isnull=False).order_by("-id").first()
    assert token is not None
    places = {"client": token.client_id, "user": token.user_id}
    return {
        name: _milliseconds(browser, address.format(**places))
        for name, address in (BESIDE_TOKENS | BESIDE_CLIENTS).items()
    }


def _milliseconds(browser: Any, address: str) -> float:
    taken = []
    for _ in range(ROUNDS + 3):
        began = time.perf_counter()
        answer = browser.get(address)
        taken.append(1000 * (time.perf_counter() - began))
        assert answer.status_code == 200, (address, answer.status_code)
    return statistics.median(taken[3:])
