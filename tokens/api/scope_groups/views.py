"""`/api/v1/scope-groups`: names for several scopes and other groups."""

from clients_admin.configuration import stored
from clients_admin.models import ScopeGroup
from tokens.api import operations, shapes
from tokens.api.objects import Kind, ObjectList, OneObject
from tokens.api.scope_groups import serializers

GROUPS = Kind(
    "scope_groups",
    "/api/v1/scope-groups",
    "name",
    ScopeGroup,
    stored.scope_groups,
    stored.scope_group,
)
_SHOWN = {"name": "shop", "description": "", "members": ["orders.read", "orders.write"]}
_SAID = operations.Said(
    noun="scope group",
    plural="scope groups",
    shown=serializers.ScopeGroupSerializer,
    page=serializers.ScopeGroupPageSerializer,
    new=serializers.NewScopeGroupSerializer,
    body=serializers.ScopeGroupBodySerializer,
    patch=serializers.ScopeGroupPatchSerializer,
    examples=[
        shapes.answer("A scope group", _SHOWN),
        shapes.order("A scope group", _SHOWN),
    ],
    patch_examples=[shapes.order("Other members", {"members": ["orders.read"]})],
    on_deletion="Only one that no client and no other group has can be deleted.",
)


@operations.of_list(_SAID)
class ScopeGroupList(ObjectList):
    kind = GROUPS
    needs = {"GET": GROUPS.may("view"), "POST": GROUPS.may("add")}


@operations.of_one(_SAID)
class OneScopeGroup(OneObject):
    kind = GROUPS
    needs = {
        "GET": GROUPS.may("view"),
        "PUT": GROUPS.may("change"),
        "PATCH": GROUPS.may("change"),
        "DELETE": GROUPS.may("delete"),
    }
