"""`/api/v1/clients`: the applications registered here."""

from typing import Any

from django.db.models import Q, QuerySet

from clients_admin.configuration import stored
from clients_admin.configuration.values import GRANT_TYPE_ALIASES
from clients_admin.models import Client
from tokens.api import operations
from tokens.api.clients import examples, serializers
from tokens.api.objects import Kind, ObjectList, OneObject

_ELSEWHERE = "is not taken here: secrets are made at /api/v1/clients/{client_id}/secrets"
CLIENTS = Kind(
    "clients",
    "/api/v1/clients",
    "client_id",
    Client,
    stored.clients,
    stored.client,
    elsewhere=(("client_secret", _ELSEWHERE), ("client_secrets", _ELSEWHERE)),
)
_SAID = operations.Said(
    noun="client",
    plural="clients",
    shown=serializers.ClientSerializer,
    page=serializers.ClientPageSerializer,
    new=serializers.NewClientSerializer,
    body=serializers.ClientBodySerializer,
    patch=serializers.ClientPatchSerializer,
    examples=examples.CLIENT,
    patch_examples=examples.PATCH,
    filters=serializers.ClientFilters,
    key="client_id",
    on_creation="It has no secret yet.",
    also_put="Secrets stay as they are, and so does `active`, where it is left out.",
    on_deletion="Its secrets go with it, and its tokens are dead. To keep what it is, switch it "
    "off in place of this: `active`.",
)


@operations.of_list(_SAID)
class ClientList(ObjectList):
    kind = CLIENTS
    filters = serializers.ClientFilters
    needs = {"GET": CLIENTS.may("view"), "POST": CLIENTS.may("add")}

    def narrow(self, rows: QuerySet[Any], asked: dict[str, Any]) -> QuerySet[Any]:
        if "brand" in asked:
            rows = rows.filter(brand__slug=asked["brand"])
        if "grant_type" in asked:
            grant_type = GRANT_TYPE_ALIASES.get(asked["grant_type"], asked["grant_type"])
            rows = rows.filter(grant_types__contains=[grant_type])
        if "active" in asked:
            rows = rows.filter(is_active=asked["active"] == "true")
        if "search" in asked:
            text = asked["search"]
            rows = rows.filter(Q(client_id__icontains=text) | Q(name__icontains=text))
        return rows


@operations.of_one(_SAID)
class OneClient(OneObject):
    kind = CLIENTS
    needs = {
        "GET": CLIENTS.may("view"),
        "PUT": CLIENTS.may("change"),
        "PATCH": CLIENTS.may("change"),
        "DELETE": CLIENTS.may("delete"),
    }
