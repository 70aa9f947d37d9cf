"""Every URL of the API, as `idp.urls` takes them in."""

from django.urls import URLPattern, path

from tokens.api.audit.views import EventList, OneEvent
from tokens.api.blocks.views import BlockList, LiftBlock, LiftBlocks, OneBlock
from tokens.api.clients.secrets import ClientSecrets, EndSecret
from tokens.api.clients.views import ClientList, OneClient
from tokens.api.flags.views import FlagList
from tokens.api.scope_groups.views import OneScopeGroup, ScopeGroupList
from tokens.api.scopes.views import OneScope, ScopeList

# A `client_id` has no slash; the names of scopes and groups may.
urlpatterns: list[URLPattern] = [
    path("api/v1/audit", EventList.as_view(), name="api-audit"),
    path("api/v1/audit/<int:event_id>", OneEvent.as_view(), name="api-audit-event"),
    path("api/v1/blocks", BlockList.as_view(), name="api-blocks"),
    path("api/v1/blocks/lift", LiftBlocks.as_view(), name="api-blocks-lift"),
    path("api/v1/blocks/<int:block_id>", OneBlock.as_view(), name="api-block"),
    path("api/v1/blocks/<int:block_id>/lift", LiftBlock.as_view(), name="api-block-lift"),
    path("api/v1/clients", ClientList.as_view(), name="api-clients"),
    path("api/v1/clients/<str:client_id>", OneClient.as_view(), name="api-client"),
    path(
        "api/v1/clients/<str:client_id>/secrets", ClientSecrets.as_view(), name="api-client-secrets"
    ),
    path(
        "api/v1/clients/<str:client_id>/secrets/<int:secret_id>/end",
        EndSecret.as_view(),
        name="api-client-secret-end",
    ),
    path("api/v1/flags", FlagList.as_view(), name="api-flags"),
    path("api/v1/scope-groups", ScopeGroupList.as_view(), name="api-scope-groups"),
    path("api/v1/scope-groups/<path:name>", OneScopeGroup.as_view(), name="api-scope-group"),
    path("api/v1/scopes", ScopeList.as_view(), name="api-scopes"),
    path("api/v1/scopes/<path:name>", OneScope.as_view(), name="api-scope"),
]
