"""What the OpenAPI document says of the operations on an object of the configuration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.views import APIView

from tokens.api import shapes
from tokens.api.openapi import answers
from tokens.api.pages import Paged
from tokens.api.reading import JSON, MERGE_PATCH

type Shape = type[serializers.Serializer[Any]]
type Decorator = Callable[[type[APIView]], type[APIView]]

_SAME = "What a file may not say is refused here as well."


@dataclass(frozen=True, slots=True)
class Said:
    """What differs between kinds of objects."""

    noun: str
    plural: str
    shown: Shape
    page: Shape
    new: Shape
    body: Shape
    patch: Shape
    on_deletion: str
    examples: list[OpenApiExample]
    patch_examples: list[OpenApiExample]
    filters: type[Paged] = Paged
    key: str = "name"
    on_creation: str = ""
    also_put: str = ""

    @property
    def name(self) -> OpenApiParameter:
        return OpenApiParameter(
            self.key, str, OpenApiParameter.PATH, description=f"The `{self.key}` of a {self.noun}."
        )

    def operation(self, verb: str) -> str:
        return f"{verb}_{(self.plural if verb == 'list' else self.noun).replace(' ', '_')}"


def of_list(said: Said) -> Decorator:
    """GET and POST of the list."""
    return extend_schema_view(
        get=extend_schema(
            operation_id=said.operation("list"),
            summary=f"List {said.plural}",
            description=f"In the order of `{said.key}`. What is added or goes between two pages "
            "moves nothing.",
            parameters=[said.filters],
            responses=answers(said.page, 400),
        ),
        post=extend_schema(
            operation_id=said.operation("create"),
            summary=f"Make a {said.noun}",
            description=" ".join(filter(None, [_SAME, said.on_creation])),
            parameters=[shapes.ETAG],
            request={JSON: said.new},
            responses=answers({201: said.shown}, 400, 409, 415),
            examples=_with_status(said.examples, "201"),
        ),
    )


def of_one(said: Said) -> Decorator:
    """GET, PUT, PATCH and DELETE of one object."""
    return extend_schema_view(
        get=extend_schema(
            operation_id=said.operation("read"),
            summary=f"Read a {said.noun}",
            description="With an `ETag`, which a change asks for.",
            parameters=[said.name, shapes.IF_CHANGED, shapes.ETAG],
            responses=answers({200: said.shown, 304: shapes.UNCHANGED}, 400, 404),
            examples=[example for example in said.examples if example.response_only],
        ),
        put=extend_schema(
            operation_id=said.operation("put"),
            summary=f"Make a {said.noun} as the body says",
            description="What the body leaves out has its default, as in a configuration file. "
            f"With `If-None-Match: *` it is made, where there is none. {said.also_put}".strip(),
            parameters=[said.name, shapes.IF_MATCH, shapes.IF_NONE_MATCH, shapes.ETAG],
            request={JSON: said.body},
            responses=answers({200: said.shown, 201: said.shown}, 400, 409, 412, 415, 428),
            examples=said.examples,
        ),
        patch=extend_schema(
            operation_id=said.operation("change"),
            summary=f"Change a {said.noun}",
            description="A JSON merge patch (RFC 7396): what it leaves out stays, null takes "
            "away, a list is replaced as a whole.",
            parameters=[said.name, shapes.IF_MATCH, shapes.ETAG],
            request={MERGE_PATCH: said.patch},
            responses=answers(said.shown, 400, 404, 409, 412, 415, 428),
            examples=[
                *said.patch_examples,
                *(example for example in said.examples if example.response_only),
            ],
        ),
        delete=extend_schema(
            operation_id=said.operation("delete"),
            summary=f"Delete a {said.noun}",
            description=said.on_deletion,
            parameters=[said.name, shapes.IF_MATCH],
            request=None,
            responses=answers({204: shapes.GONE}, 400, 404, 409, 412, 415, 428),
        ),
    )


def _with_status(examples: list[OpenApiExample], status: str) -> list[OpenApiExample]:
    return [
        shapes.answer(example.name, example.value, status) if example.response_only else example
        for example in examples
    ]
