"""Scopes as the API says them."""

from typing import Any

from rest_framework import serializers

from tokens.api import shapes


class ScopeBodySerializer(serializers.Serializer[Any]):
    """A scope as it is put."""

    name = shapes.scope_name(
        required=False, help_text="Identifies it: printable ASCII without blanks; never changes."
    )
    description = shapes.text(
        max_length=200, allow_null=True, help_text="What users read when they are asked."
    )
    translations = serializers.DictField(
        child=serializers.CharField(max_length=200),
        required=False,
        allow_null=True,
        help_text="The same in other languages, by code: nl, de, fr.",
    )


class NewScopeSerializer(ScopeBodySerializer):
    """A scope as it is made."""

    name = shapes.scope_name(help_text="Identifies it: printable ASCII without blanks.")


class ScopePatchSerializer(shapes.Patched, ScopeBodySerializer):
    """What changes of a scope."""


class ScopeSerializer(shapes.Described):
    """A right that clients may ask for."""

    name = serializers.CharField(help_text="Identifies it.")
    description = shapes.text(max_length=200, help_text="What users read when they are asked.")
    translations = serializers.DictField(
        child=serializers.CharField(max_length=200),
        help_text="The same in other languages, by code: nl, de, fr.",
    )


class ScopePageSerializer(shapes.Page):
    """A page of scopes."""

    results = ScopeSerializer(many=True)
