"""Reading a call strictly, as `wire` reads the protocol: what nobody knows is not overlooked.

A filter with a slip in its name would otherwise list everything, and an order would lift too much.
"""

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from tokens import wire
from tokens.api.refusals import InvalidBody, InvalidQuery
from tokens.errors import InvalidRequest

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


class StrictJSON(BaseParser):
    """RFC 8259, without what two readers understand differently (RFC 8259 sections 4 and 6)."""

    media_type = JSON

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = wire.read_body(wire.Call.of(stream))
        try:
            return json.loads(
                body.decode(), object_pairs_hook=_once_each, parse_constant=_no_number
            )
        except (ValueError, RecursionError):  # Whatever is no JSON, no UTF-8, too deep or too long.
            raise InvalidRequest("The body is not JSON that can be read.") from None


class StrictMergePatch(StrictJSON):
    media_type = MERGE_PATCH


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise InvalidRequest("A member of the body is given more than once.")
    return members


def _no_number(text: str) -> None:
    raise ValueError(text)


class OnlyJSON(BaseContentNegotiation):
    """RFC 9110 section 12.5.1: a server may "disregard the Accept header field"."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        media_type = str(request.content_type).partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class Text(serializers.CharField):
    """A string as it was given, and nothing that could be made one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, "max_length": 1000, **options})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class Strict(serializers.Serializer[Any]):
    """Refuses what it does not know."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (unknown := data.keys() - self.fields.keys()):
            raise serializers.ValidationError(
                {str(name): ["There is nothing of this name."] for name in sorted(unknown)[:10]}
            )
        return super().to_internal_value(data)


def query(request: HttpRequest | Request, shape: type[Strict]) -> dict[str, Any]:
    """The parameters of the query, as the shape has them. Raises InvalidRequest, InvalidQuery."""
    plain = request._request if isinstance(request, Request) else request
    read = shape(data=wire.read_query(wire.Call.of(plain)))
    if not read.is_valid():
        raise InvalidQuery(read.errors)
    return dict(read.validated_data)


def body(request: Request, shape: type[Strict]) -> dict[str, Any]:
    """The members of the body, likewise; nothing may come in the query. Raises InvalidBody, too."""
    query(request, Strict)
    read = shape(data=request.data)
    if not read.is_valid():
        raise InvalidBody(read.errors)
    return dict(read.validated_data)
