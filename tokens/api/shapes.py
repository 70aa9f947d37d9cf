"""How the OpenAPI document says the objects of the configuration.

Only said: bodies are read as files are, by `clients_admin.configuration`.
"""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

ETAG = OpenApiParameter(
    "ETag",
    str,
    OpenApiParameter.HEADER,
    response=[200, 201],
    description="Stands for the object as it is; for `If-Match`.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of what was read; without it nothing is changed.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="`*`, in place of `If-Match`: make it, unless it is there.",
)
IF_CHANGED = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of what the caller has: it is not sent again while it is the same.",
)
UNCHANGED = OpenApiResponse(description="It is as the caller has it; the body is empty.")
GONE = OpenApiResponse(description="It is no more; the body is empty.")


class Described(serializers.Serializer[Any]):
    """An object as it is answered: with all of its fields."""

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for field in fields.values():
            field.required = True
        return fields


class Patched(serializers.Serializer[Any]):
    """An object as a merge patch says it: any of its fields, and null for the default."""

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for field in fields.values():
            field.required, field.allow_null = False, True
        return fields


class Page(serializers.Serializer[Any]):
    """A page of a list; `results` are its objects."""

    next = serializers.URLField(
        allow_null=True, help_text="The address of the next page; null on the last one."
    )


def names(**options: Any) -> serializers.ListField:
    """A list of names; left out or null, it is empty."""
    return serializers.ListField(child=serializers.CharField(), required=False, **options)


def text(**options: Any) -> serializers.CharField:
    """A text; left out or null, it is empty."""
    return serializers.CharField(required=False, allow_blank=True, **options)


def scope_name(**options: Any) -> serializers.RegexField:
    """The name of a scope or a group: RFC 6749 section 3.3, as the models have it."""
    return serializers.RegexField(r"^[\x21\x23-\x5b\x5d-\x7e]+$", max_length=100, **options)


def answer(name: str, value: Any, status: str = "200") -> OpenApiExample:
    return OpenApiExample(name, value, response_only=True, status_codes=[status])


def order(name: str, value: Any) -> OpenApiExample:
    return OpenApiExample(name, value, request_only=True)
