"""`/api/v1/flags`: what a client can be set to."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from clients_admin.flags import FLAGS, Flag, Kind
from tokens.api import reading, shapes
from tokens.api.endpoint import Endpoint
from tokens.api.openapi import answers
from tokens.api.rights import READ, Right

BOUNDED = frozenset({Kind.SECONDS, Kind.COUNT, Kind.TEXT, Kind.WEB_ADDRESS, Kind.NAMES})


@extend_schema_field(
    {"type": ["integer", "string", "boolean", "array"], "items": {"type": "string"}}
)
class DefaultField(serializers.JSONField):
    pass


class FlagSerializer(serializers.Serializer[Any]):
    """One flag."""

    name = serializers.CharField(help_text="Its key in `flags` of a client.")
    kind = serializers.ChoiceField(choices=[kind.value for kind in Kind], help_text="Its type.")
    default = DefaultField(help_text="What it is where it is not set.")
    unit = serializers.CharField(allow_null=True, help_text="Of a number; null where it has none.")
    minimum = serializers.IntegerField(
        allow_null=True,
        help_text="Of a number, of the characters of a text, or of the names of a list.",
    )
    maximum = serializers.IntegerField(allow_null=True, help_text="Likewise.")
    choices = serializers.ListField(
        child=serializers.CharField(), help_text="What it can be; empty where that is not listed."
    )
    names_of = serializers.CharField(
        allow_null=True, help_text="Of a list of names: what each must name."
    )
    help = serializers.CharField(help_text="What it does.")


class FlagListSerializer(serializers.Serializer[Any]):
    """All flags."""

    results = FlagSerializer(many=True)


def described(flag: Flag) -> dict[str, Any]:
    """A flag as plain JSON."""
    is_bounded = flag.kind in BOUNDED
    return {
        "name": flag.name,
        "kind": flag.kind.value,
        "default": list(flag.default) if isinstance(flag.default, tuple) else flag.default,
        "unit": "seconds" if flag.kind is Kind.SECONDS else None,
        "minimum": flag.minimum if is_bounded else None,
        "maximum": flag.maximum if is_bounded else None,
        "choices": list(flag.choices),
        "names_of": flag.names_of or None,
        "help": flag.help,
    }


class FlagList(Endpoint):
    needs = {"GET": Right(READ, "clients_admin.view_client")}

    @extend_schema(
        operation_id="list_flags",
        summary="List the flags that clients can have",
        description="In the order in which the admin shows them. This release knows them; other "
        "keys of a client are kept as text.",
        responses=answers(FlagListSerializer, 400),
        examples=[shapes.answer("A number", {"results": [described(FLAGS[0])]})],
    )
    def get(self, request: Request) -> Response:
        reading.query(request, reading.Strict)
        return Response({"results": [described(flag) for flag in FLAGS]})
