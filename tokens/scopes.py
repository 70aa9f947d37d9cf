"""What a token's stored scope means: `*` and scope groups are opened when somebody looks.

`*` is stored where a client got all its scopes without naming them and no user consented to a
list: it means what the client has now. A frozen list can only ever lose scopes.
"""

from collections.abc import Iterable
from functools import lru_cache

from oauth2_provider.models import AbstractApplication
from oauth2_provider.scopes import BaseScopes

from clients_admin.models import Client, Known, Scope
from clients_admin.scopes import expand
from tokens.errors import InvalidScope

ALL = "*"
OPENID = "openid"
INTROSPECTION = "introspection"
# Of the different scopes that tokens of one client have, so many are remembered opened.
MAX_OPENED = 200


def to_store(client: Client, requested: Iterable[str]) -> str:
    """The stored form of a request: the names that were asked for, or `*` for none named.

    Sorted, so that who asks for the same gets the same. Raises InvalidScope for a name that the
    client does not have.
    """
    names = set(requested)
    if not names:
        return ALL
    refused = names - client.read().grantable_scopes
    if refused:
        raise InvalidScope(reason=f"not allowed: {', '.join(sorted(refused))}")
    return as_text(names)


def freeze(client: Client, stored: str) -> str:
    """The stored form that no later change of the client or of a group can widen."""
    return as_text(effective(client, stored))


def as_granted(client: Client, stored: str) -> str:
    """What a user lets a client have: the list that they see, frozen; for a client of our own,
    which asks nobody, whatever it has."""
    return stored if client.effective_flags.consent == "never" else freeze(client, stored)


def effective(client: Client, stored: str) -> frozenset[str]:
    """What a token may do now. What the client has lost, its tokens have lost."""
    return _effective(client.read(), stored)


def _effective(known: Known, stored: str) -> frozenset[str]:
    if stored == ALL:
        return known.allowed_scopes
    if (opened := known.opened.get(stored)) is None:
        opened = expand(stored.split(), known.scope_groups) & known.allowed_scopes
        if len(known.opened) < MAX_OPENED:
            known.opened[stored] = opened
    return opened


def narrowed(client: Client, stored: str, requested: Iterable[str]) -> str:
    """RFC 6749 section 6: a refresh "MUST NOT include any scope not originally granted"."""
    names = set(requested)
    if not names:
        return stored
    known = client.read()
    if not expand(names, known.scope_groups) <= _effective(known, stored):
        raise InvalidScope(reason="wider than the refresh token")
    return as_text(names)


def as_text(names: Iterable[str]) -> str:
    """The wire form and the stored one: sorted, so that the same scopes are the same bytes."""
    return _as_text(frozenset(names))


@lru_cache(maxsize=1024)
def _as_text(names: frozenset[str]) -> str:
    # A client may have hundreds; the same set comes again and again, and has its hash with it.
    return " ".join(sorted(names))


class ScopesBackend(BaseScopes):
    """The toolkit's view of scopes: they are rows, and each client has its own."""

    def get_all_scopes(self) -> dict[str, str]:
        return dict(Scope.objects.values_list("name", "description"))

    def get_available_scopes(
        self, application: AbstractApplication | None = None, request: object = None, *args: object,
        **kwargs: object,
    ) -> list[str]:  # fmt: skip
        return (
            sorted(application.read().grantable_scopes) if isinstance(application, Client) else []
        )

    def get_default_scopes(
        self, application: AbstractApplication | None = None, request: object = None, *args: object,
        **kwargs: object,
    ) -> list[str]:  # fmt: skip
        return [ALL]
