"""Who gains and who loses which scopes by a change: what each client may ask for before and after.

Pure functions over names, so that a change can be judged before it is made, whoever proposes it;
and two readings of the database for them, whose queries do not grow with the number of clients.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Self

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet

from clients_admin.models import Client, Scope, ScopeGroup, scope_group_members
from clients_admin.scopes import expand, groups_above

Groups = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What clients name, by client ID, and what the scope groups among those names stand for."""

    clients: Mapping[str, Collection[str]]
    groups: Groups = field(default_factory=dict)

    def scopes(self) -> dict[str, frozenset[str]]:
        """The effective scopes of each client. Clients with the same names are opened once."""
        opened: dict[frozenset[str], frozenset[str]] = {}
        found = {}
        for client_id, held in self.clients.items():
            names = frozenset(held)
            if names not in opened:
                opened[names] = expand(names, self.groups)
            found[client_id] = opened[names]
        return found


@dataclass(frozen=True, slots=True)
class Effect:
    """What one client gains and loses, in order."""

    client_id: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Effects:
    """The clients whose effective scopes change, all of them, by client ID."""

    clients: tuple[Effect, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.clients)

    @classmethod
    def of(cls, before: Holdings, after: Holdings) -> Self:
        had, has = before.scopes(), after.scopes()
        nothing: frozenset[str] = frozenset()
        return cls(
            tuple(
                Effect(client_id, tuple(sorted(now - then)), tuple(sorted(then - now)))
                for client_id in sorted({*had, *has})
                if (then := had.get(client_id, nothing)) != (now := has.get(client_id, nothing))
            )
        )

    @property
    def gaining(self) -> int:
        return sum(bool(effect.gained) for effect in self.clients)

    @property
    def losing(self) -> int:
        return sum(bool(effect.lost) for effect in self.clients)

    @property
    def digest(self) -> str:
        """Says which effects somebody has seen and agreed to; not a secret."""
        said = "\n".join(
            " ".join([effect.client_id, "+", *effect.gained, "-", *effect.lost])
            for effect in self.clients
        )
        return hashlib.sha256(said.encode()).hexdigest()


# --- Reading --------------------------------------------------------------------------------------


def of_client(client: Client) -> Holdings:
    """What a client names now, as it is stored."""
    return Holdings(_names(Client.objects.filter(pk=client.pk)), scope_group_members())


def of_scope_group(group: ScopeGroup) -> Holdings:
    """What all clients name now that have this group, directly or through another."""
    groups = scope_group_members()
    above = ScopeGroup.objects.filter(name__in=groups_above(group.name, groups))
    holders = Client.scope_groups.through._base_manager.filter(scopegroup__in=above)
    return Holdings(_names(Client.objects.filter(pk__in=holders.values("client_id"))), groups)


def _names(clients: QuerySet[Client]) -> dict[str, list[str]]:
    """In one query, which asks two indexes for each client."""
    holder = OuterRef("pk")
    rows = clients.order_by().values_list(
        "client_id",
        ArraySubquery(Scope.objects.order_by().filter(clients=holder).values("name")),
        ArraySubquery(ScopeGroup.objects.order_by().filter(clients=holder).values("name")),
    )
    return {client_id: [*scopes, *groups] for client_id, scopes, groups in rows}
