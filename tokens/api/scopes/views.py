"""`/api/v1/scopes`: what clients may ask for."""

from clients_admin.configuration import stored
from clients_admin.models import Scope
from tokens.api import operations, shapes
from tokens.api.objects import Kind, ObjectList, OneObject
from tokens.api.scopes import serializers

SCOPES = Kind("scopes", "/api/v1/scopes", "name", Scope, Scope.objects.all, stored.scope)
_SHOWN = {
    "name": "orders.read",
    "description": "See your orders",
    "translations": {"nl": "Je bestellingen bekijken"},
}
_SAID = operations.Said(
    noun="scope",
    plural="scopes",
    shown=serializers.ScopeSerializer,
    page=serializers.ScopePageSerializer,
    new=serializers.NewScopeSerializer,
    body=serializers.ScopeBodySerializer,
    patch=serializers.ScopePatchSerializer,
    examples=[
        shapes.answer("A scope", _SHOWN),
        shapes.order("A scope", _SHOWN),
    ],
    patch_examples=[shapes.order("Other words", {"description": "See what you ordered"})],
    on_deletion="Only one that no client and no group has can be deleted.",
)


@operations.of_list(_SAID)
class ScopeList(ObjectList):
    kind = SCOPES
    needs = {"GET": SCOPES.may("view"), "POST": SCOPES.may("add")}


@operations.of_one(_SAID)
class OneScope(OneObject):
    kind = SCOPES
    needs = {
        "GET": SCOPES.may("view"),
        "PUT": SCOPES.may("change"),
        "PATCH": SCOPES.may("change"),
        "DELETE": SCOPES.may("delete"),
    }
