"""The OpenAPI document of the API at `/api/schema`, made of the views themselves.

It is public: it holds nothing but what stands in docs/api.md, and a program reads it before it has
a token.
"""

from functools import cache
from typing import Any

from django.conf import settings
from django.utils import translation
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from idp import problems
from tokens import wire
from tokens.api.endpoint import Endpoint
from tokens.api.rights import SCOPES

SCHEME = "oauth2"

WHATEVER_IT_IS = (401, 403, 429, 503)
MEANINGS = {
    400: "The call is not as it should be; `errors` says where.",
    401: "No token, or one that is not alive.",
    403: "The token does not have the scope, or the role of its user does not allow this.",
    404: "There is no such thing.",
    409: "It is there already, is used by others, or was changed at the same moment.",
    412: "It is not as `If-Match` says, or is there in spite of `If-None-Match`.",
    415: "The body is of another media type.",
    428: "`If-Match` is missing.",
    429: "The caller's address is blocked.",
    503: "The database or the directory of operators is away for a moment.",
}


class ProblemErrorSerializer(serializers.Serializer[Any]):
    """One thing that is wrong."""

    pointer = serializers.CharField(
        required=False, help_text="Where in the body: a JSON pointer (RFC 6901)."
    )
    parameter = serializers.CharField(required=False, help_text="Which parameter of the query.")
    detail = serializers.CharField(help_text="What is wrong with it.")


class ProblemSerializer(serializers.Serializer[Any]):
    """What went wrong (RFC 9457)."""

    type = serializers.CharField(help_text="Always `about:blank`.")
    title = serializers.CharField(help_text="What the status is called.")
    status = serializers.IntegerField(help_text="The status of the answer.")
    detail = serializers.CharField(help_text="What went wrong, for people.")
    code = serializers.CharField(
        help_text="The same for programs: `invalid_request`, `invalid_token`, "
        "`insufficient_scope`, `access_denied`, `not_found`, `conflict`, `precondition_failed`, "
        "`precondition_required` or `temporarily_unavailable`."
    )
    errors = ProblemErrorSerializer(many=True, required=False)  # type: ignore[assignment]


type Good = type[serializers.BaseSerializer[Any]] | OpenApiResponse


def answers(good: Good | dict[int, Good], *refusals: int) -> dict[Any, Any]:
    """The answers of an operation, as `extend_schema` takes them: 200, or those by status."""
    refused = {
        (status, problems.CONTENT_TYPE): OpenApiResponse(ProblemSerializer, MEANINGS[status])
        for status in sorted({*refusals, *WHATEVER_IT_IS})
    }
    return {**(good if isinstance(good, dict) else {200: good}), **refused}


class BearerScheme(OpenApiAuthenticationExtension):
    """How a caller gets a token, and which scope each operation needs."""

    target_class = "tokens.api.authentication.BearerAuthentication"
    name = SCHEME

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        issuer = settings.PUBLIC_URL
        token_url = f"{issuer}/oauth2/token"
        by_user = {"authorizationUrl": f"{issuer}/oauth2/authorize", "tokenUrl": token_url}
        return {
            "type": "oauth2",
            "flows": {
                "clientCredentials": {"tokenUrl": token_url, "scopes": SCOPES},
                "authorizationCode": {**by_user, "scopes": SCOPES},
            },
        }

    def get_security_requirement(self, auto_schema: AutoSchema) -> dict[str, list[str]]:
        view = auto_schema.view
        assert isinstance(view, Endpoint)  # noqa: S101 - nothing else has this authentication
        return {SCHEME: [view.needs[auto_schema.method].scope]}


@cache
def document(issuer: str) -> dict[str, Any]:
    """The whole document; the same as long as the process lives."""
    from tokens.api.urls import urlpatterns

    with translation.override("en"):  # As our own texts are, whoever asks first.
        made: dict[str, Any] = SchemaGenerator(patterns=urlpatterns).get_schema(public=True)
    _close_bodies(made)
    return {**made, "servers": [{"url": issuer}]}


def _close_bodies(made: dict[str, Any]) -> None:
    """What is unknown in a body is refused, so the document says it."""
    for methods in made["paths"].values():
        for operation in methods.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                name = content["schema"]["$ref"].rpartition("/")[2]
                made["components"]["schemas"][name]["additionalProperties"] = False


@wire.endpoint
def schema(call: wire.Call) -> wire.Answer:
    """It may be read from any page: documentation is shown by tools of others."""
    wire.require_method(call, "GET", "HEAD")
    answer = wire.Answer.json(document(settings.PUBLIC_URL))
    answer.headers |= {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}
    return answer
