"""Scope groups as the API says them: always in the long form of a file."""

from typing import Any

from rest_framework import serializers

from tokens.api import shapes

_MEMBERS = "Scopes and other groups, by name; a group never contains itself."


class ScopeGroupBodySerializer(serializers.Serializer[Any]):
    """A scope group as it is put."""

    name = shapes.scope_name(
        required=False, help_text="Identifies it; no scope has the same name. Never changes."
    )
    description = shapes.text(max_length=200, allow_null=True, help_text="What it is for.")
    members = shapes.names(allow_null=True, help_text=_MEMBERS)


class NewScopeGroupSerializer(ScopeGroupBodySerializer):
    """A scope group as it is made."""

    name = shapes.scope_name(help_text="Identifies it; no scope has the same name.")


class ScopeGroupPatchSerializer(shapes.Patched, ScopeGroupBodySerializer):
    """What changes of a scope group."""


class ScopeGroupSerializer(shapes.Described):
    """A name for several scopes, opened when a token is looked at."""

    name = serializers.CharField(help_text="Identifies it.")
    description = shapes.text(max_length=200, help_text="What it is for.")
    members = shapes.names(help_text=_MEMBERS)


class ScopeGroupPageSerializer(shapes.Page):
    """A page of scope groups."""

    results = ScopeGroupSerializer(many=True)
