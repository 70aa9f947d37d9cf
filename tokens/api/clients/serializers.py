"""Clients as the API says them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from clients_admin.configuration.values import GRANT_TYPE_ALIASES
from clients_admin.models import Client, GrantType
from tokens.api import shapes
from tokens.api.clients.flag_schema import flags_schema
from tokens.api.pages import Paged
from tokens.api.reading import Text

GRANT_TYPES = [*GRANT_TYPE_ALIASES, *GrantType.values]
# As the models have it; OpenAPI has no \A and \Z.
_SYNTAX = r"^[A-Za-z0-9._~-]+$"
_CLIENT_ID = "Identifies it: letters, digits, dots, dashes, tildes and underscores."


@extend_schema_field(flags_schema())
class FlagsField(serializers.JSONField):
    pass


@extend_schema_field(flags_schema(is_patch=True))
class PatchedFlagsField(serializers.JSONField):
    pass


@extend_schema_field({"type": ["object", "null"], "additionalProperties": {}})
class JWKSField(serializers.JSONField):
    pass


class ClientFields(serializers.Serializer[Any]):
    """What clients have, as in a configuration file."""

    client_id = serializers.RegexField(_SYNTAX, max_length=100, help_text=_CLIENT_ID)
    name = shapes.text(max_length=255, help_text="As users and operators read it.")
    description = shapes.text(help_text="What it is and whom to call.")
    client_type = serializers.ChoiceField(
        choices=[value for value, _ in Client.CLIENT_TYPES],
        required=False,
        help_text="Whether it can keep a secret; `confidential` unless said.",
    )
    grant_types = serializers.ListField(
        child=serializers.ChoiceField(choices=GRANT_TYPES),
        required=False,
        help_text="How it gets tokens. The short names of files are taken as well.",
    )
    redirect_uris = shapes.names(help_text="Where a browser may be sent with a code.")
    post_logout_redirect_uris = shapes.names(
        help_text="Where a browser may be sent after a logout."
    )
    backchannel_logout_uri = shapes.text(
        max_length=500, help_text="Where it is told that a user has signed out."
    )
    backchannel_logout_session_required = serializers.BooleanField(
        required=False,
        help_text="Whether the session (`sid`) is always named, also where all sessions of a user "
        "end at once; `false` unless said.",
    )
    allowed_origins = shapes.names(help_text="Origins whose pages may ask for tokens.")
    scopes = shapes.names(help_text="What it may ask for, by name.")
    scope_groups = shapes.names(help_text="The same, by the names of groups.")
    brand = serializers.CharField(
        required=False, allow_null=True, help_text="The slug of the brand whose look it has."
    )
    login_services = shapes.names(
        help_text="Where its users sign in, in the order in which a password is tried."
    )
    jwks = JWKSField(
        required=False, allow_null=True, help_text="Public keys for `private_key_jwt` (RFC 7523)."
    )
    jwks_url = shapes.text(help_text="Where they are read, in place of `jwks`.")
    flags = FlagsField(required=False)
    active = serializers.BooleanField(
        required=False,
        help_text="Whether it may do anything. Left out or null, it stays as it is; a new client "
        "is active.",
    )


class ClientSerializer(shapes.Described, ClientFields):
    """An application registered here; nothing of it is secret."""


class NewClientSerializer(ClientFields):
    """A client as it is made. Its secrets are made by themselves."""

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for name, field in fields.items():
            field.allow_null = name != "client_id"
        return fields


class ClientBodySerializer(NewClientSerializer):
    """A client as it is put."""

    client_id = serializers.RegexField(
        _SYNTAX, max_length=100, required=False, help_text=_CLIENT_ID
    )


class ClientPatchSerializer(shapes.Patched, ClientFields):
    """What changes of a client."""

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "flags": PatchedFlagsField(required=False)}


class ClientPageSerializer(shapes.Page):
    """A page of clients."""

    results = ClientSerializer(many=True)


class ClientFilters(Paged):
    """Which clients are listed; without any, all."""

    brand = Text(required=False, max_length=50, help_text="Of the brand with this slug.")
    grant_type = serializers.ChoiceField(
        required=False, choices=GRANT_TYPES, help_text="With this grant."
    )
    active = serializers.ChoiceField(
        required=False, choices=["true", "false"], help_text="Whether it may do anything."
    )
    search = Text(
        required=False,
        max_length=100,
        help_text="With this text in `client_id` or `name`, in capitals or not.",
    )
